/* fence_rules.c - a plan's rules as rules of nf_tables: see fence.h. */
#include "fence.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* After the C library's, which they then do without. */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define TCP_FLAGS_OFFSET 13
#define SPORT_OFFSET     0
#define MAC_OFFSET       6 /* of the source, in the link's header */
#define MAC_SIZE         6

static const struct family {
    uint8_t protocol;
    uint32_t source, destination, size;
} families[FENCE_FAMILIES] = {
    {NFPROTO_IPV4, 12, 16, 4},
    {NFPROTO_IPV6, 8, 24, 16},
};

/* match_interface() - The plans end a wildcard with '+', nft(8) and write.h with '*'. */
static void match_interface(struct writer *w, struct nftnl_rule *rule, uint32_t key,
                            const char *planned) {
    char name[NE_IFNAME_SIZE] = {0};
    size_t length = strnlen(planned, sizeof(name) - 1);
    if (length == 0)
        return;
    memcpy(name, planned, length);
    if (name[length - 1] == '+')
        name[length - 1] = '*';
    rule_match_interface(w, rule, key, name);
}

static void match_ports(struct writer *w, struct nftnl_rule *rule, const struct xt_rule *planned) {
    const uint16_t low = htons(planned->port_low);
    const uint16_t high = htons(planned->port_high);
    if (low == high) {
        rule_match_port(w, rule, planned->port_low);
        return;
    }
    rule_load_bytes(w, rule, NFT_PAYLOAD_TRANSPORT_HEADER, WRITE_DPORT, sizeof(low));
    rule_compare(w, rule, NFT_CMP_GTE, &low, sizeof(low));
    rule_compare(w, rule, NFT_CMP_LTE, &high, sizeof(high));
}

static void match_from_port(struct writer *w, struct nftnl_rule *rule,
                            const struct xt_rule *planned) {
    const uint16_t port = htons(planned->from_port);
    if (port == 0)
        return;
    rule_load_bytes(w, rule, NFT_PAYLOAD_TRANSPORT_HEADER, SPORT_OFFSET, sizeof(port));
    rule_compare(w, rule, NFT_CMP_EQ, &port, sizeof(port));
}

static void match_tracking(struct writer *w, struct nftnl_rule *rule,
                           const struct xt_rule *planned) {
    if (planned->answers)
        rule_match_answer(w, rule, planned->connmark_mask);
    else if (planned->replies)
        rule_match_reply(w, rule, true);
    else if (planned->opens)
        rule_match_new(w, rule);
    else if (planned->led)
        rule_match_led(w, rule, true);
}

static void match(struct writer *w, struct nftnl_rule *rule, const struct family *family,
                  const struct xt_rule *planned) {
    match_interface(w, rule, NFT_META_IIFNAME, planned->in);
    match_interface(w, rule, NFT_META_OIFNAME, planned->out);
    if (planned->from.addr.family != NE_NONE && planned->from.len > 0)
        rule_match_prefix(w, rule, family->source, &planned->from);
    if (planned->to.addr.family != NE_NONE && planned->to.len > 0)
        rule_match_prefix(w, rule, family->destination, &planned->to);
    if (planned->proto != 0)
        rule_match_meta_byte(w, rule, NFT_META_L4PROTO, planned->proto);
    if (planned->ports)
        match_ports(w, rule, planned);
    match_from_port(w, rule, planned);
    if (planned->syn)
        rule_match_byte(w, rule, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET,
                        TH_FIN | TH_SYN | TH_RST | TH_ACK, NFT_CMP_EQ, TH_SYN);
    if (planned->icmp_type != NE_ICMP_TYPE_ANY)
        rule_match_byte(w, rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, UINT8_MAX, NFT_CMP_EQ,
                        (uint8_t)planned->icmp_type);
    if (planned->mark_mask != 0)
        rule_match_mark(w, rule, planned->mark_mask,
                        planned->mark_inverted ? NFT_CMP_NEQ : NFT_CMP_EQ, planned->mark_value);
    match_tracking(w, rule, planned);
}

static void act(struct writer *w, struct nftnl_rule *rule, const struct fence_chain *chain,
                size_t family, const struct xt_rule *planned) {
    char target[FENCE_NAME];
    switch (planned->action) {
    case DO_ACCEPT:
        rule_end_with(w, rule, NF_ACCEPT);
        return;
    case DO_DROP:
        rule_end_with(w, rule, NF_DROP);
        return;
    case DO_RETURN:
        rule_end_with(w, rule, (uint32_t)NFT_RETURN);
        return;
    case DO_JUMP:
        rule_end_jump(w, rule, fence_chain_name(chain->table, family, planned->chain, target));
        return;
    case DO_GOTO:
        rule_end_goto(w, rule, fence_chain_name(chain->table, family, planned->chain, target));
        return;
    case DO_SET_MARK:
        rule_set_mark(w, rule, planned->set_mask, planned->set_value);
        break;
    case DO_SET_CONNMARK:
        rule_set_connmark(w, rule, planned->set_mask, planned->set_value);
        break;
    case DO_NOT_TRACK:
        rule_not_tracked(w, rule);
        break;
    case DO_REJECT_RESET:
    case DO_REJECT_PORT:
        rule_reject(w, rule, planned->action == DO_REJECT_RESET);
        break;
    case DO_MASQUERADE:
        rule_masquerade(w, rule);
        break;
    case DO_LEAD:
        rule_lead(w, rule, &planned->lead_to, planned->lead_port);
        break;
    }
    rule_end(w, rule);
}

/* put_dispatch() - Interface, source address and source MAC address lead to a policy's chain. */
static void put_dispatch(struct writer *w, const char *chain, size_t number) {
    const struct family *family = &families[number];
    char set[FENCE_NAME];
    struct nftnl_rule *rule = rule_begin(w, chain);
    rule_key_meta(w, rule, 0, NFT_META_IIFNAME);
    rule_key_bytes(w, rule, NE_IFNAME_SIZE, NFT_PAYLOAD_NETWORK_HEADER, family->source,
                   family->size);
    rule_key_bytes(w, rule, NE_IFNAME_SIZE + family->size, NFT_PAYLOAD_LL_HEADER, MAC_OFFSET,
                   MAC_SIZE);
    rule_by_verdict(w, rule, fence_set_name(FENCE_SET_MEMBERS, number, set));
    rule_end(w, rule);
    rule_end_with(w, rule_begin(w, chain), NF_DROP);
}

/* begin_neighbour() - A rule that asks for the bridge and the destination. */
static struct nftnl_rule *begin_neighbour(struct writer *w, const char *chain, size_t number) {
    const struct family *family = &families[number];
    struct nftnl_rule *rule = rule_begin(w, chain);
    rule_key_meta(w, rule, 0, NFT_META_IIFNAME);
    rule_key_bytes(w, rule, NE_IFNAME_SIZE, NFT_PAYLOAD_NETWORK_HEADER, family->destination,
                   family->size);
    return rule;
}

/* put_back() - For a neighbour on the same bridge: which proxies may answer it? */
static void put_back(struct writer *w, const char *chain, size_t number) {
    char name[FENCE_NAME];
    struct nftnl_rule *rule = begin_neighbour(w, chain, number);
    rule_by_verdict(w, rule, fence_set_name(FENCE_SET_BACKS, number, name));
    rule_end(w, rule);
}

/* put_near() - What is for a neighbour on the same bridge is passed. */
static void put_near(struct writer *w, const char *chain, size_t number) {
    char name[FENCE_NAME];
    struct nftnl_rule *rule = begin_neighbour(w, chain, number);
    rule_in_set(w, rule, fence_set_name(FENCE_SET_NEARS, number, name));
    rule_end_goto(w, rule, fence_chain_name(XT_JUDGE, number, PASS_CHAIN, name));
}

void fence_put_rules(struct writer *w, const struct fence_chain *chain) {
    size_t number = chain->family;
    if (chain->kind == FENCE_DISPATCH)
        put_dispatch(w, chain->name, number);
    if (chain->kind == FENCE_NEAR)
        put_near(w, chain->name, number);
    if (chain->kind == FENCE_BACK)
        put_back(w, chain->name, number);
    for (size_t f = 0; f < FENCE_FAMILIES; f++) {
        for (size_t i = 0; i < chain->part[f].count; i++) {
            const struct xt_rule *planned = &chain->part[f].rules[i];
            struct nftnl_rule *rule = rule_begin(w, chain->name);
            if (chain->base != NULL)
                rule_match_meta_byte(w, rule, NFT_META_NFPROTO, families[f].protocol);
            match(w, rule, &families[f], planned);
            act(w, rule, chain, f, planned);
        }
    }
}
