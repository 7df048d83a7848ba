/* permit_write.c - the rules that accept, as iptables-nft would write them: see permit.h. */
#include "permit.h"

#include <net/if.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <netenforce/names.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SIZE 1024 /* the longest, with a comment of 256 bytes, takes two thirds */

struct writer {
    struct nft *nft;
    struct nft_batch *batch;
    const struct permit_view *view;
    uint32_t pass, mask;
};

static struct nftnl_expr *expression(struct writer *w, struct nftnl_rule *rule, const char *name) {
    struct nftnl_expr *expr = rule == NULL ? NULL : nftnl_expr_alloc(name);
    if (expr == NULL)
        w->batch->failed = true;
    else
        nftnl_rule_add_expr(rule, expr);
    return expr;
}

/* match_interface() - With '+' at its end, those that begin so: the bytes before it are compared.
 */
static void match_interface(struct writer *w, struct nftnl_rule *rule, uint32_t key,
                            const char *name) {
    struct nftnl_expr *load = expression(w, rule, "meta");
    struct nftnl_expr *compare = expression(w, rule, "cmp");
    if (load == NULL || compare == NULL)
        return;
    size_t length = strlen(name);
    bool wildcard = name[length - 1] == '+';
    nftnl_expr_set_u32(load, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(load, NFTNL_EXPR_META_DREG, NFT_REG_1);
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
    if (nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, name,
                       (uint32_t)(wildcard ? length - 1 : length + 1)) < 0)
        w->batch->failed = true;
}

/* match_xt() - A match of xtables with its @info of @size bytes, which the kernel wants padded. */
static void match_xt(struct writer *w, struct nftnl_rule *rule, const char *name, uint32_t revision,
                     const void *info, size_t size) {
    struct nftnl_expr *expr = expression(w, rule, "match");
    void *copy = calloc(1, XT_ALIGN(size));
    if (expr == NULL || copy == NULL || nftnl_expr_set_str(expr, NFTNL_EXPR_MT_NAME, name) < 0) {
        w->batch->failed = true;
        free(copy);
        return;
    }
    memcpy(copy, info, size);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_MT_REV, revision);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the expression takes it over. */
    (void)nftnl_expr_set(expr, NFTNL_EXPR_MT_INFO, copy, (uint32_t)XT_ALIGN(size));
}

static void match_passed(struct writer *w, struct nftnl_rule *rule) {
    const struct xt_mark_mtinfo1 mark = {.mark = w->pass, .mask = w->mask};
    match_xt(w, rule, "mark", 1, &mark, sizeof(mark));
}

static void match_replies(struct writer *w, struct nftnl_rule *rule) {
    const struct xt_conntrack_mtinfo3 state = {
        .match_flags = XT_CONNTRACK_STATE,
        .state_mask =
            XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) | XT_CONNTRACK_STATE_BIT(IP_CT_RELATED),
    };
    match_xt(w, rule, "conntrack", 3, &state, sizeof(state));
}

static struct nftnl_rule *begin_rule(struct writer *w, bool in_user) {
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (rule == NULL || nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, PERMIT_TABLE) < 0 ||
        nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, in_user ? PERMIT_USER : PERMIT_CHAIN) < 0)
        w->batch->failed = true;
    return rule;
}

static void end_rule(struct writer *w, struct nftnl_rule *rule, uint16_t type, uint16_t flags) {
    if (!w->batch->failed) {
        nftnl_rule_nlmsg_build_payload(nft_batch_header(w->nft, w->batch, type, flags), rule);
        nft_batch_next(w->batch);
    }
    if (rule != NULL)
        nftnl_rule_free(rule);
}

/* accept_rule() - Comment, counter, verdict: in the order of iptables-nft. It goes before the rule
 * that ends the chain, or to the end. */
static void accept_rule(struct writer *w, struct nftnl_rule *rule) {
    static const struct xt_comment_info comment = {.comment = PERMIT_COMMENT};
    match_xt(w, rule, "comment", 0, &comment, sizeof(comment));
    (void)expression(w, rule, "counter");
    struct nftnl_expr *verdict = expression(w, rule, "immediate");
    if (verdict != NULL) {
        nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
    }
    bool before = w->view->has_user && w->view->end != 0;
    if (rule != NULL && before)
        nftnl_rule_set_u64(rule, NFTNL_RULE_POSITION, w->view->end);
    end_rule(w, rule, NFT_MSG_NEWRULE,
             (uint16_t)(before ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_APPEND));
}

static void permit_bridge(struct writer *w, const char *bridge, bool replies) {
    struct nftnl_rule *rule = begin_rule(w, w->view->has_user);
    match_interface(w, rule, NFT_META_IIFNAME, bridge);
    match_passed(w, rule);
    accept_rule(w, rule);
    if (!replies)
        return;
    rule = begin_rule(w, w->view->has_user);
    match_interface(w, rule, NFT_META_OIFNAME, bridge);
    match_replies(w, rule);
    accept_rule(w, rule);
}

static bool has_usual_name(const char *bridge) {
    return strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0;
}

bool permit_replies(const struct ne_fence *fence) {
    return fence->reaches_beyond || fence->proxied_count > 0;
}

size_t permit_count(const struct ne_fence *fence) {
    size_t patterns = 1; /* ne-+ */
    for (size_t i = 0; i < fence->bridge_count; i++)
        patterns += !has_usual_name(fence->bridges[i]);
    return patterns * (permit_replies(fence) ? 2 : 1);
}

enum nft_outcome permit_write(struct nft *nft, const struct permit_view *view,
                              const struct ne_fence *fence, bool wanted, uint32_t mark,
                              struct ne_error *err) {
    struct nft_batch batch;
    struct writer w = {
        .nft = nft, .batch = &batch, .view = view, .pass = mark, .mask = mark | mark << 1};
    if (nft_batch_begin(nft, &batch, (view->count + permit_count(fence) + 1) * MESSAGE_SIZE, err) <
        0)
        return NFT_FAILED;
    for (size_t i = 0; i < view->count; i++) {
        struct nftnl_rule *rule = begin_rule(&w, view->ours[i].in_user);
        if (rule != NULL)
            nftnl_rule_set_u64(rule, NFTNL_RULE_HANDLE, view->ours[i].handle);
        end_rule(&w, rule, NFT_MSG_DELRULE, 0);
    }
    if (wanted)
        permit_bridge(&w, NE_BRIDGE_PREFIX "+", permit_replies(fence));
    for (size_t i = 0; wanted && i < fence->bridge_count; i++) {
        if (!has_usual_name(fence->bridges[i]))
            permit_bridge(&w, fence->bridges[i], permit_replies(fence));
    }
    return nft_batch_commit(nft, &batch, err);
}
