/* rules.c - the backstop's rules: see rules.h. */
#include "rules.h"

#include "write.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#define CHAIN_COUNT 2
#define PRIORITY    10 /* NF_IP_PRI_FILTER is 0, NF_IP_PRI_SECURITY 50 */

/* The bits of the mark: plan.h of the legacy tables. */
struct backstop {
    struct writer w;
    uint32_t pass;    /* PASS */
    uint32_t verdict; /* PASS and REFUSED: the bits that say whether something passes */
    uint32_t all;     /* NOTE as well */
};

/* put_answers() - Marked PASS and REFUSED, and a reply to what the host opened; or, in forward and
 * back into the bridge that it came from, to what a neighbour opened. */
static void put_answers(struct backstop *b, const char *chain, const char *bridge) {
    struct nftnl_rule *rule = rule_begin(&b->w, chain);
    rule_match_interface(&b->w, rule, NFT_META_IIFNAME, bridge);
    if (strcmp(chain, "forward") == 0)
        rule_match_interface(&b->w, rule, NFT_META_OIFNAME, bridge);
    rule_match_mark(&b->w, rule, b->verdict, NFT_CMP_EQ, b->verdict);
    rule_match_answer(&b->w, rule, b->all & ~b->verdict);
    rule_end_with(&b->w, rule, NF_ACCEPT);
}

static void put_unjudged(struct backstop *b, const char *chain, const char *bridge) {
    struct nftnl_rule *rule = rule_begin(&b->w, chain);
    rule_match_interface(&b->w, rule, NFT_META_IIFNAME, bridge);
    rule_match_mark(&b->w, rule, b->verdict, NFT_CMP_NEQ, b->pass);
    rule_end_with(&b->w, rule, NF_DROP);
}

static void put_hand(struct backstop *b, const struct ne_hand *hand) {
    struct nftnl_rule *rule = rule_begin(&b->w, "input");
    rule_match_hand(&b->w, rule, hand, b->all, b->all & ~b->verdict);
    rule_end_with(&b->w, rule, NF_ACCEPT);
}

/* put_near() - Back into the bridge that it came from. */
static void put_near(struct backstop *b, const char *bridge) {
    struct nftnl_rule *rule = rule_begin(&b->w, "forward");
    rule_match_interface(&b->w, rule, NFT_META_IIFNAME, bridge);
    rule_match_interface(&b->w, rule, NFT_META_OIFNAME, bridge);
    rule_match_mark(&b->w, rule, b->all, NFT_CMP_EQ, b->pass);
    rule_end_with(&b->w, rule, NF_ACCEPT);
}

static void put_into(struct backstop *b, const char *bridge, bool replies) {
    struct nftnl_rule *rule;
    if (replies) { /* from beyond: the judge has seen what comes out of a bridge */
        rule = rule_begin(&b->w, "forward");
        rule_match_interface(&b->w, rule, NFT_META_OIFNAME, bridge);
        rule_match_mark(&b->w, rule, b->all, NFT_CMP_EQ, 0);
        rule_match_reply(&b->w, rule, true);
        rule_end_with(&b->w, rule, NF_ACCEPT);
    }
    rule = rule_begin(&b->w, "forward");
    rule_match_interface(&b->w, rule, NFT_META_OIFNAME, bridge);
    rule_end_with(&b->w, rule, NF_DROP);
}

static void put_bridge(struct backstop *b, const char *bridge, const struct ne_fence *fence) {
    if (fence->inbound)
        put_answers(b, "input", bridge);
    put_unjudged(b, "input", bridge);
    put_unjudged(b, "forward", bridge);
    put_into(b, bridge, fence->reaches_beyond);
}

static void put_ports(struct backstop *b, const char *chain) {
    struct nftnl_rule *rule = rule_begin(&b->w, chain);
    rule_match_interface(&b->w, rule, NFT_META_IIFNAME, NE_PORT_PREFIX "*");
    rule_end_with(&b->w, rule, NF_DROP);
}

static bool has_usual_name(const char *bridge) {
    return strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0;
}

size_t rules_count(const struct ne_fence *fence) {
    size_t patterns = 1; /* ne-* */
    for (size_t i = 0; i < fence->bridge_count; i++)
        patterns += !has_usual_name(fence->bridges[i]);
    return fence->bridge_count == 0
               ? 0
               : 2 + patterns * ((fence->reaches_beyond ? 4u : 3u) + (fence->inbound ? 1u : 0u)) +
                     fence->near_count + fence->proxied_count + fence->hand_count;
}

size_t rules_size(const struct ne_fence *fence) {
    return (rules_count(fence) + CHAIN_COUNT + 3) * WRITE_RULE_SIZE;
}

void rules_put(struct nft *nft, struct nft_batch *batch, const struct ne_fence *fence,
               uint32_t mark) {
    struct backstop b = {.w = {.nft = nft, .batch = batch, .table = BACKSTOP_TABLE},
                         .pass = mark,
                         .verdict = mark | mark << 1,
                         .all = mark | mark << 1 | mark << 2};
    /* Made if it is missing, so that the removal finds it. */
    write_table(&b.w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    write_table(&b.w, NFT_MSG_DELTABLE, 0);
    if (fence->bridge_count == 0)
        return;
    write_table(&b.w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    write_base_chain(&b.w, "input", NF_INET_LOCAL_IN, PRIORITY);
    write_base_chain(&b.w, "forward", NF_INET_FORWARD, PRIORITY);
    put_ports(&b, "input");
    put_ports(&b, "forward");
    for (size_t i = 0; i < fence->near_count; i++)
        put_near(&b, fence->near[i]);
    for (size_t i = 0; i < fence->proxied_count; i++)
        put_answers(&b, "forward", fence->proxied[i]);
    for (size_t i = 0; i < fence->hand_count; i++)
        put_hand(&b, &fence->hands[i]);
    put_bridge(&b, NE_BRIDGE_PREFIX "*", fence);
    for (size_t i = 0; i < fence->bridge_count; i++) {
        if (!has_usual_name(fence->bridges[i]))
            put_bridge(&b, fence->bridges[i], fence);
    }
}
