/* permit_read.c - whether the host's firewall refuses to forward, and what of ours it holds: see
 * permit.h. */
#include "permit.h"

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netenforce/grow.h>
#include <stdlib.h>
#include <string.h>

struct names {
    const char *table, *chain;
};

/* Of a rule's message; of a chain's, the second is the handle, which no text is made of. */
static int take_name(const struct nlattr *attr, void *context) {
    struct names *names = context;
    if (mnl_attr_get_type(attr) == NFTA_RULE_TABLE &&
        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
        names->table = mnl_attr_get_str(attr);
    if (mnl_attr_get_type(attr) == NFTA_RULE_CHAIN &&
        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
        names->chain = mnl_attr_get_str(attr);
    return MNL_CB_OK;
}

static void take_chain(void *context, const struct nlmsghdr *message) {
    struct permit_view *view = context;
    if (message == NULL) {
        view->refuses = false;
        return;
    }
    struct nftnl_chain *chain = nftnl_chain_alloc();
    if (chain == NULL) {
        view->failed = true;
        return;
    }
    const char *table = NULL;
    const char *name = NULL;
    if (nftnl_chain_nlmsg_parse(message, chain) == 0) {
        table = nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE);
        name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
    }
    if (table != NULL && name != NULL && strcmp(table, PERMIT_TABLE) == 0 &&
        strcmp(name, PERMIT_CHAIN) == 0 && nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM) &&
        nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_FORWARD)
        view->refuses = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP;
    nftnl_chain_free(chain);
}

/* What one rule is to us. */
struct traits {
    bool ours;
    bool to_user; /* leads to DOCKER-USER, on whatever condition */
    bool plain_return;
};

static struct traits traits_of(struct nftnl_rule *rule) {
    struct traits traits = {0};
    bool condition = false;
    bool returns = false;
    struct nftnl_expr_iter *iterator = nftnl_expr_iter_create(rule);
    struct nftnl_expr *expr;
    while (iterator != NULL && (expr = nftnl_expr_iter_next(iterator)) != NULL) {
        const char *kind = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
        uint32_t size = 0;
        if (kind == NULL || strcmp(kind, "counter") == 0)
            continue;
        if (strcmp(kind, "immediate") == 0) {
            uint32_t verdict = nftnl_expr_get_u32(expr, NFTNL_EXPR_IMM_VERDICT);
            const char *chain = nftnl_expr_get_str(expr, NFTNL_EXPR_IMM_CHAIN);
            traits.to_user |=
                verdict == (uint32_t)NFT_JUMP && chain != NULL && strcmp(chain, PERMIT_USER) == 0;
            returns |= verdict == (uint32_t)NFT_RETURN;
            continue;
        }
        condition = true;
        const char *match =
            strcmp(kind, "match") == 0 ? nftnl_expr_get_str(expr, NFTNL_EXPR_MT_NAME) : NULL;
        if (match == NULL || strcmp(match, "comment") != 0)
            continue;
        const char *text = nftnl_expr_get(expr, NFTNL_EXPR_MT_INFO, &size);
        traits.ours |= text != NULL && size >= sizeof(PERMIT_COMMENT) &&
                       memcmp(text, PERMIT_COMMENT, sizeof(PERMIT_COMMENT)) == 0;
    }
    if (iterator != NULL)
        nftnl_expr_iter_destroy(iterator);
    traits.plain_return = returns && !condition;
    return traits;
}

static void take_rule(void *context, const struct nlmsghdr *message) {
    struct permit_view *view = context;
    struct names names = {0};
    if (message == NULL) {
        view->has_user = false;
        view->count = 0;
        view->end = 0;
        return;
    }
    (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), take_name, &names);
    bool in_user = names.chain != NULL && strcmp(names.chain, PERMIT_USER) == 0;
    if (names.table == NULL || names.chain == NULL || strcmp(names.table, PERMIT_TABLE) != 0 ||
        (!in_user && strcmp(names.chain, PERMIT_CHAIN) != 0))
        return;
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (rule == NULL) {
        view->failed = true;
        return;
    }
    /* A rule with something in it that this libnftnl does not know is none of ours. */
    struct traits traits = {0};
    if (nftnl_rule_nlmsg_parse(message, rule) == 0)
        traits = traits_of(rule);
    const uint64_t handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE);
    nftnl_rule_free(rule);

    view->has_user |= !in_user && traits.to_user;
    if (in_user) /* the last one counts */
        view->end = traits.plain_return ? handle : 0;
    if (!traits.ours)
        return;
    void *room = ne_grow(view->ours, view->count, sizeof(*view->ours), NULL);
    if (room == NULL) {
        view->failed = true;
        return;
    }
    view->ours = room;
    view->ours[view->count++] = (struct permit_rule){.in_user = in_user, .handle = handle};
}

enum nft_outcome permit_read(struct nft *nft, struct permit_view *view, struct ne_error *err) {
    *view = (struct permit_view){0};
    enum nft_outcome outcome = nft_dump(nft, NFT_MSG_GETCHAIN, NULL, take_chain, view, err);
    if (outcome == NFT_DONE)
        outcome = nft_dump(nft, NFT_MSG_GETRULE, NULL, take_rule, view, err);
    if (outcome == NFT_DONE && view->failed) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the host's rules");
        outcome = NFT_FAILED;
    }
    return outcome;
}

void permit_view_free(struct permit_view *view) {
    free(view->ours);
    view->ours = NULL;
    view->count = 0;
}
