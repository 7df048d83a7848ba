/* rules.c - the backstop's rules: see rules.h. */
#include "rules.h"

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#define RULE_SIZE   1024 /* the longest takes less than half */
#define CHAIN_COUNT 2
#define PRIORITY    10 /* NF_IP_PRI_FILTER is 0, NF_IP_PRI_SECURITY 50 */

/* ct state bits: NF_CT_STATE_BIT(ctinfo) is 1 << (ctinfo % IP_CT_IS_REPLY + 1),
 * include/uapi/linux/netfilter/nf_conntrack_common.h: ESTABLISHED is 0, RELATED 1. */
#define CT_STATE_REPLIES ((1u << 1) | (1u << 2))

struct writer {
    struct nft *nft;
    struct nft_batch *batch;
    uint32_t pass, mask;
};

static void put_table(struct writer *w, uint16_t type, uint16_t flags) {
    struct nftnl_table *table = nftnl_table_alloc();
    if (table == NULL || nftnl_table_set_str(table, NFTNL_TABLE_NAME, BACKSTOP_TABLE) < 0)
        w->batch->failed = true;
    else
        nftnl_table_nlmsg_build_payload(nft_batch_header(w->nft, w->batch, type, flags), table);
    if (!w->batch->failed)
        nft_batch_next(w->batch);
    if (table != NULL)
        nftnl_table_free(table);
}

static void put_chain(struct writer *w, const char *name, uint32_t hook) {
    struct nftnl_chain *chain = nftnl_chain_alloc();
    if (chain == NULL || nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, BACKSTOP_TABLE) < 0 ||
        nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name) < 0 ||
        nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter") < 0) {
        w->batch->failed = true;
    } else {
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
        nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        nftnl_chain_nlmsg_build_payload(
            nft_batch_header(w->nft, w->batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE), chain);
        nft_batch_next(w->batch);
    }
    if (chain != NULL)
        nftnl_chain_free(chain);
}

static struct nftnl_rule *begin_rule(struct writer *w, const char *chain) {
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (rule == NULL || nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, BACKSTOP_TABLE) < 0 ||
        nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain) < 0)
        w->batch->failed = true;
    return rule;
}

/* expression() - One more of @rule; NULL, and noted, where there is no memory. */
static struct nftnl_expr *expression(struct writer *w, struct nftnl_rule *rule, const char *name) {
    struct nftnl_expr *expr = rule == NULL ? NULL : nftnl_expr_alloc(name);
    if (expr == NULL)
        w->batch->failed = true;
    else
        nftnl_rule_add_expr(rule, expr);
    return expr;
}

static void set_data(struct writer *w, struct nftnl_expr *expr, uint16_t attr, const void *data,
                     uint32_t size) {
    if (nftnl_expr_set(expr, attr, data, size) < 0)
        w->batch->failed = true;
}

static void load_meta(struct writer *w, struct nftnl_rule *rule, uint32_t key) {
    struct nftnl_expr *expr = expression(w, rule, "meta");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void compare(struct writer *w, struct nftnl_rule *rule, uint32_t op, const void *data,
                    uint32_t size) {
    struct nftnl_expr *expr = expression(w, rule, "cmp");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
    set_data(w, expr, NFTNL_EXPR_CMP_DATA, data, size);
}

static void mask_register(struct writer *w, struct nftnl_rule *rule, uint32_t mask) {
    struct nftnl_expr *expr = expression(w, rule, "bitwise");
    const uint32_t nothing = 0;
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
    set_data(w, expr, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
    set_data(w, expr, NFTNL_EXPR_BITWISE_XOR, &nothing, sizeof(nothing));
}

/* A name that ends in '*' stands for all that begin so: the bytes before it are compared alone. */
static void match_interface(struct writer *w, struct nftnl_rule *rule, uint32_t key,
                            const char *name) {
    char whole[NE_IFNAME_SIZE] = {0};
    size_t length = strnlen(name, NE_IFNAME_SIZE - 1);
    bool wildcard = length > 0 && name[length - 1] == '*';
    memcpy(whole, name, wildcard ? length - 1 : length);
    load_meta(w, rule, key);
    compare(w, rule, NFT_CMP_EQ, whole, wildcard ? (uint32_t)(length - 1) : sizeof(whole));
}

static void match_mark(struct writer *w, struct nftnl_rule *rule, uint32_t op) {
    load_meta(w, rule, NFT_META_MARK);
    mask_register(w, rule, w->mask);
    compare(w, rule, op, &w->pass, sizeof(w->pass));
}

static void match_reply(struct writer *w, struct nftnl_rule *rule) {
    const uint32_t nothing = 0;
    struct nftnl_expr *expr = expression(w, rule, "ct");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
    mask_register(w, rule, CT_STATE_REPLIES);
    compare(w, rule, NFT_CMP_NEQ, &nothing, sizeof(nothing));
}

static void end_rule(struct writer *w, struct nftnl_rule *rule, uint32_t verdict) {
    struct nftnl_expr *expr = expression(w, rule, "immediate");
    if (expr != NULL) {
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, verdict);
    }
    if (!w->batch->failed) {
        nftnl_rule_nlmsg_build_payload(
            nft_batch_header(w->nft, w->batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND), rule);
        nft_batch_next(w->batch);
    }
    if (rule != NULL)
        nftnl_rule_free(rule);
}

static void put_unjudged(struct writer *w, const char *chain, const char *bridge) {
    struct nftnl_rule *rule = begin_rule(w, chain);
    match_interface(w, rule, NFT_META_IIFNAME, bridge);
    match_mark(w, rule, NFT_CMP_NEQ);
    end_rule(w, rule, NF_DROP);
}

static void put_into(struct writer *w, const char *bridge, bool replies) {
    struct nftnl_rule *rule = begin_rule(w, "forward");
    match_interface(w, rule, NFT_META_OIFNAME, bridge);
    match_mark(w, rule, NFT_CMP_EQ);
    end_rule(w, rule, NF_ACCEPT);
    if (replies) {
        rule = begin_rule(w, "forward");
        match_interface(w, rule, NFT_META_OIFNAME, bridge);
        match_reply(w, rule);
        end_rule(w, rule, NF_ACCEPT);
    }
    rule = begin_rule(w, "forward");
    match_interface(w, rule, NFT_META_OIFNAME, bridge);
    end_rule(w, rule, NF_DROP);
}

static void put_bridge(struct writer *w, const char *bridge, bool replies) {
    put_unjudged(w, "input", bridge);
    put_unjudged(w, "forward", bridge);
    put_into(w, bridge, replies);
}

static void put_ports(struct writer *w, const char *chain) {
    struct nftnl_rule *rule = begin_rule(w, chain);
    match_interface(w, rule, NFT_META_IIFNAME, NE_PORT_PREFIX "*");
    end_rule(w, rule, NF_DROP);
}

static bool has_usual_name(const char *bridge) {
    return strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0;
}

size_t rules_count(const struct ne_fence *fence) {
    size_t patterns = 1; /* ne-* */
    for (size_t i = 0; i < fence->bridge_count; i++)
        patterns += !has_usual_name(fence->bridges[i]);
    return fence->bridge_count == 0 ? 0 : 2 + patterns * (fence->reaches_beyond ? 5 : 4);
}

size_t rules_size(const struct ne_fence *fence) {
    return (rules_count(fence) + CHAIN_COUNT + 3) * RULE_SIZE;
}

void rules_put(struct nft *nft, struct nft_batch *batch, const struct ne_fence *fence,
               uint32_t mark) {
    struct writer w = {.nft = nft, .batch = batch, .pass = mark, .mask = mark | mark << 1};
    /* Made if it is missing, so that the removal finds it. */
    put_table(&w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    put_table(&w, NFT_MSG_DELTABLE, 0);
    if (fence->bridge_count == 0)
        return;
    put_table(&w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    put_chain(&w, "input", NF_INET_LOCAL_IN);
    put_chain(&w, "forward", NF_INET_FORWARD);
    put_ports(&w, "input");
    put_ports(&w, "forward");
    put_bridge(&w, NE_BRIDGE_PREFIX "*", fence->reaches_beyond);
    for (size_t i = 0; i < fence->bridge_count; i++) {
        if (!has_usual_name(fence->bridges[i]))
            put_bridge(&w, fence->bridges[i], fence->reaches_beyond);
    }
}
