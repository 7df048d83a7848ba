/* meter_rules.c - the meter's chains and rules: see meter.h. */
#include "hash.h"
#include "meter.h"

#include <netenforce/firewall.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

/* After the C library's, which they then do without. */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/* NF_IP_PRI_RAW is -300, _CONNTRACK -200, _NAT_DST -100, _FILTER 0, _SECURITY 50, _NAT_SRC 100. */
#define BEHIND_JUDGE     (-299)
#define BEHIND_CONNTRACK (-150)
#define BEHIND_DNAT      (-90)
#define BEFORE_GATES     (-10)
#define BEHIND_GATES     60
#define BEHIND_NAT       300

#define TCP_FLAGS_OFFSET 13

/* Who looks at what: the base chains, and to which chains they go. */
static const struct {
    const char *name;
    uint32_t hook;
    int32_t priority;
    const char *next;
} bases[] = {
    {"judged", NF_INET_PRE_ROUTING, BEHIND_JUDGE, "from"},
    {"new", NF_INET_PRE_ROUTING, BEHIND_CONNTRACK, "first"},
    {"led", NF_INET_PRE_ROUTING, BEHIND_DNAT, "led"},
    {"forward", NF_INET_FORWARD, BEFORE_GATES, "into"},
    {"passed-input", NF_INET_LOCAL_IN, BEHIND_GATES, "passed"},
    {"passed-forward", NF_INET_FORWARD, BEHIND_GATES, "passed"},
    {"leaving", NF_INET_POST_ROUTING, BEHIND_NAT, "to"},
};

static const char *const chains[] = {"from", "within", "refused", "audited", "over",
                                     "slow", "first",  "beyond",  "unasked", "led",
                                     "into", "passed", "to",      "late"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct family {
    size_t number;
    uint8_t protocol; /* NFPROTO_* */
    uint32_t source, destination, size;
};

static const struct family families[METER_FAMILIES] = {
    {0, NFPROTO_IPV4, 12, 16, 4},
    {1, NFPROTO_IPV6, 8, 24, 16},
};

struct meter_shape meter_shape_of(const struct ne_fence *fence, uint32_t mark) {
    struct meter_shape shape = {.fence = fence, .mark = mark};
    for (size_t i = 0; i < fence->policy_count; i++) {
        const struct ne_meter *limits = &fence->policies[i].limits;
        shape.rate |= limits->rate != 0;
        shape.conn_rate |= limits->conn_rate.count != 0;
        shape.quota |= limits->quota != 0;
    }
    return shape;
}

static bool has_usual_name(const char *bridge) {
    return strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0;
}

uint64_t meter_shape_digest(const struct meter_shape *shape) {
    const bool flags[] = {shape->rate, shape->conn_rate, shape->quota, shape->fence->reaches_beyond,
                          ne_fence_answers(shape->fence)};
    uint64_t hash = hash_more(HASH_START, flags, sizeof(flags));
    for (size_t i = 0; i < shape->fence->bridge_count; i++) {
        const char *bridge = shape->fence->bridges[i];
        if (!has_usual_name(bridge))
            hash = hash_text(hash, bridge);
    }
    for (size_t i = 0; i < shape->fence->near_count; i++)
        hash = hash_more(hash, shape->fence->near[i], sizeof(shape->fence->near[i]));
    for (size_t i = 0; i < shape->fence->hand_count; i++)
        hash = hash_hand(hash, &shape->fence->hands[i]);
    return hash;
}

/* A rule's place and what it may need: one family's chains. */
struct place {
    struct writer *w;
    const struct meter_shape *shape;
    const struct family *family;
    uint32_t pass, refused, note, gates, all; /* bits of the mark */
};

#define CHAIN_NAME_SIZE 16

static const char *chain_name(const char *base, const struct family *family,
                              char out[static CHAIN_NAME_SIZE]) {
    (void)snprintf(out, CHAIN_NAME_SIZE, "%s%c", base, family->number == 0 ? '4' : '6');
    return out;
}

static struct nftnl_rule *begin(const struct place *p, const char *base) {
    char name[CHAIN_NAME_SIZE];
    return rule_begin(p->w, chain_name(base, p->family, name));
}

static void end_goto(const struct place *p, struct nftnl_rule *rule, const char *base) {
    char name[CHAIN_NAME_SIZE];
    rule_end_goto(p->w, rule, chain_name(base, p->family, name));
}

enum end { SOURCE, DESTINATION };

/* ask() - The endpoint's object of @kind, by the packet's source or destination. */
static void ask(const struct place *p, struct nftnl_rule *rule, enum end end,
                enum meter_kind kind) {
    const struct family *family = p->family;
    char set[METER_NAME_SIZE];
    meter_set_name(kind, family->number, set);
    rule_load_bytes(p->w, rule, NFT_PAYLOAD_NETWORK_HEADER,
                    end == SOURCE ? family->source : family->destination, family->size);
    if (meter_kind_object(kind) == NFT_OBJECT_UNSPEC)
        rule_in_set(p->w, rule, set);
    else
        rule_by_object(p->w, rule, set);
}

static void put_count(const struct place *p, const char *chain, enum end end,
                      enum meter_kind kind) {
    struct nftnl_rule *rule = begin(p, chain);
    ask(p, rule, end, kind);
    rule_end(p->w, rule);
}

static void put_log(const struct place *p, const char *chain, const char *prefix) {
    struct nftnl_rule *rule = begin(p, chain);
    ask(p, rule, SOURCE, METER_LOG);
    rule_log(p->w, rule, NE_LOG_GROUP, prefix);
    rule_end(p->w, rule);
}

static void put_drop(const struct place *p, const char *chain) {
    rule_end_with(p->w, begin(p, chain), NF_DROP);
}

/* put_limit() - Whoever is beyond the limit @kind goes to @next. */
static void put_limit(const struct place *p, const char *chain, enum end end, enum meter_kind kind,
                      const char *next) {
    struct nftnl_rule *rule = begin(p, chain);
    ask(p, rule, end, kind);
    end_goto(p, rule, next);
}

/* put_refusal() - What was let pass is refused all the same: by the gates, which answer. */
static void put_refusal(const struct place *p, const char *chain, bool tracked) {
    struct nftnl_rule *rule = begin(p, chain);
    ask(p, rule, SOURCE, METER_SILENT);
    rule_end_with(p->w, rule, NF_DROP);
    rule = begin(p, chain);
    rule_set_mark(p->w, rule, p->all, p->refused);
    if (!tracked)
        rule_not_tracked(p->w, rule);
    rule_end(p->w, rule);
}

/* put_accept() - Of protocol @proto, with that byte @offset of its header: no further. */
static void put_accept(const struct place *p, const char *chain, uint8_t proto, uint32_t offset,
                       uint8_t mask, uint8_t value) {
    struct nftnl_rule *rule = begin(p, chain);
    rule_match_meta_byte(p->w, rule, NFT_META_L4PROTO, proto);
    rule_match_byte(p->w, rule, NFT_PAYLOAD_TRANSPORT_HEADER, offset, mask, NFT_CMP_EQ, value);
    rule_end_with(p->w, rule, NF_ACCEPT);
}

/* Without it no address resolves: as little as ARP is it ever limited. */
static void put_accept_neighbours(const struct place *p, const char *chain) {
    if (p->family->protocol != NFPROTO_IPV6)
        return;
    put_accept(p, chain, IPPROTO_ICMPV6, 0, UINT8_MAX, ND_NEIGHBOR_SOLICIT);
    put_accept(p, chain, IPPROTO_ICMPV6, 0, UINT8_MAX, ND_NEIGHBOR_ADVERT);
}

/* is_refused_late() - Whether what the judge passed may be refused behind it. */
static bool is_refused_late(const struct meter_shape *shape) {
    return shape->conn_rate || ne_fence_answers(shape->fence) || shape->fence->reaches_beyond ||
           shape->fence->hand_count > 0;
}

/* put_within() - What the judge passed: within its limits, it is counted. */
static void put_within(const struct place *p, const char *chain) {
    if (p->shape->rate || p->shape->quota)
        put_accept_neighbours(p, chain);
    if (p->shape->rate)
        put_limit(p, chain, SOURCE, METER_UP, "slow");
    if (p->shape->quota)
        put_limit(p, chain, SOURCE, METER_QUOTA, "over");
    if (!is_refused_late(p->shape))
        put_count(p, chain, SOURCE, METER_PASSED);
}

static void put_from(const struct place *p) {
    struct nftnl_rule *rule = begin(p, "from"); /* first, since it is most of all */
    rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, p->pass);
    end_goto(p, rule, "within");
    if (p->shape->fence->hand_count > 0) {
        rule = begin(p, "from");
        rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, p->note);
        end_goto(p, rule, "within");
    }
    rule = begin(p, "from"); /* not judged: the source may be false */
    rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, 0);
    rule_end_with(p->w, rule, NF_ACCEPT);
    rule = begin(p, "from");
    rule_match_mark(p->w, rule, p->pass, NFT_CMP_EQ, 0);
    end_goto(p, rule, "refused");
    rule = begin(p, "from");
    rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, p->pass | p->note);
    end_goto(p, rule, "audited");
    put_within(p, "from");
    put_within(p, "within");
}

static void put_refused(const struct place *p) {
    put_count(p, "refused", SOURCE, METER_REFUSED);
    put_log(p, "refused", "ne:refused");
    struct nftnl_rule *rule = begin(p, "refused");
    rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, p->refused | p->note);
    rule_end_with(p->w, rule, NF_DROP);
}

static void put_audited(const struct place *p) {
    put_count(p, "audited", SOURCE, METER_REFUSED);
    put_log(p, "audited", "ne:audit");
    put_within(p, "audited");
}

static void put_beyond_limits(const struct place *p) {
    put_count(p, "over", SOURCE, METER_REFUSED);
    put_log(p, "over", "ne:quota");
    put_refusal(p, "over", false);

    put_count(p, "slow", SOURCE, METER_LIMITED);
    put_drop(p, "slow");

    put_count(p, "beyond", SOURCE, METER_REFUSED);
    put_count(p, "beyond", SOURCE, METER_LIMITED);
    put_log(p, "beyond", "ne:conn_rate");
    put_refusal(p, "beyond", true);

    put_count(p, "late", DESTINATION, METER_LIMITED);
    put_drop(p, "late");
}

/* put_unasked() - What might be a reply and is none: the gates refuse it. */
static void put_unasked(const struct place *p) {
    struct nftnl_rule *rule = begin(p, "first");
    rule_match_mark(p->w, rule, p->gates, NFT_CMP_EQ, p->gates);
    rule_match_answer(p->w, rule, p->note);
    rule_end_with(p->w, rule, NF_ACCEPT);
    rule = begin(p, "first");
    rule_match_mark(p->w, rule, p->gates, NFT_CMP_EQ, p->gates);
    end_goto(p, rule, "unasked");

    put_count(p, "unasked", SOURCE, METER_REFUSED);
    put_log(p, "unasked", "ne:reply");
    rule = begin(p, "unasked");
    rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, p->all);
    rule_end_with(p->w, rule, NF_DROP);
}

/* put_first() - What the judge has not passed is not tracked, and so new to nobody. */
static void put_first(const struct place *p) {
    if (ne_fence_answers(p->shape->fence))
        put_unasked(p);
    if (!p->shape->conn_rate)
        return;
    struct nftnl_rule *rule = begin(p, "first");
    rule_match_first(p->w, rule);
    ask(p, rule, SOURCE, METER_CONNECTIONS);
    end_goto(p, rule, "beyond");
}

/* put_led() - What was to be handed, and was led nowhere or elsewhere: its connection is of before
 * the policy, or the translation is gone. The gates answer. */
static void put_led(const struct place *p) {
    const struct ne_fence *fence = p->shape->fence;
    for (size_t i = 0; i < fence->hand_count; i++) {
        const struct ne_hand *hand = &fence->hands[i];
        if ((hand->to.family == NE_V6) != (p->family->protocol == NFPROTO_IPV6))
            continue;
        struct nftnl_rule *rule = begin(p, "led");
        rule_match_hand(p->w, rule, hand, p->all, p->note);
        rule_end_with(p->w, rule, NF_ACCEPT);
    }
    put_count(p, "led", SOURCE, METER_REFUSED);
    put_log(p, "led", "ne:handed");
    put_refusal(p, "led", true);
}

static void put_into(const struct place *p) {
    put_count(p, "into", SOURCE, METER_REFUSED);
    put_log(p, "into", "ne:into");
}

/* put_to() - A refusal's answer is no traffic: a reset, or an error of ICMP. */
static void put_to(const struct place *p) {
    put_accept(p, "to", IPPROTO_TCP, TCP_FLAGS_OFFSET, TH_RST, TH_RST);
    if (p->family->protocol == NFPROTO_IPV4)
        put_accept(p, "to", IPPROTO_ICMP, 0, UINT8_MAX, ICMP_DEST_UNREACH);
    else
        put_accept(p, "to", IPPROTO_ICMPV6, 0, UINT8_MAX, ICMP6_DST_UNREACH);
    put_accept_neighbours(p, "to");
    if (p->shape->rate)
        put_limit(p, "to", DESTINATION, METER_DOWN, "late");
    if (p->shape->quota)
        put_limit(p, "to", DESTINATION, METER_QUOTA, "late");
}

/* put_base() - What comes from (or goes to) @bridge, to the chain @next of each family. */
static void put_base(const struct place *p, const char *base, const char *next,
                     const char *bridge) {
    bool leaving = strcmp(next, "to") == 0 || strcmp(next, "into") == 0;
    for (size_t f = 0; f < METER_FAMILIES; f++) {
        const struct place here = {.w = p->w, .family = &families[f]};
        struct nftnl_rule *rule = rule_begin(p->w, base);
        rule_match_interface(p->w, rule, leaving ? NFT_META_OIFNAME : NFT_META_IIFNAME, bridge);
        rule_match_meta_byte(p->w, rule, NFT_META_NFPROTO, families[f].protocol);
        if (strcmp(next, "into") == 0) /* that is, from a container */
            rule_match_mark(p->w, rule, p->gates, NFT_CMP_EQ, p->pass);
        if (strcmp(next, "led") == 0)
            rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, p->note);
        end_goto(&here, rule, next);
    }
}

/* put_near() - From neighbour to neighbour, which @bridge allows: passed, and back into it. */
static void put_near(const struct place *p, const char *bridge) {
    struct nftnl_rule *rule = rule_begin(p->w, "forward");
    rule_match_interface(p->w, rule, NFT_META_IIFNAME, bridge);
    rule_match_interface(p->w, rule, NFT_META_OIFNAME, bridge);
    rule_match_mark(p->w, rule, p->all, NFT_CMP_EQ, p->pass);
    rule_end_with(p->w, rule, NF_ACCEPT);
}

/* is_used() - Connection tracking costs all of the host's packets something, and so does each base
 * chain, even without a rule: asked for only where a policy needs it. */
static bool is_used(const struct meter_shape *shape, const char *next) {
    if (strcmp(next, "first") == 0)
        return shape->conn_rate || ne_fence_answers(shape->fence);
    if (strcmp(next, "led") == 0)
        return shape->fence->hand_count > 0;
    if (strcmp(next, "into") == 0)
        return shape->fence->reaches_beyond;
    if (strcmp(next, "passed") == 0)
        return is_refused_late(shape);
    return strcmp(next, "to") != 0 || shape->rate || shape->quota;
}

static void put_chains(struct writer *w, const struct meter_shape *shape) {
    write_no_rules(w, NULL);
    for (size_t i = 0; i < COUNT(bases); i++) {
        write_base_chain(w, bases[i].name, bases[i].hook, bases[i].priority);
        if (!is_used(shape, bases[i].next))
            write_no_chain(w, bases[i].name);
    }
    for (size_t i = 0; i < COUNT(chains) * METER_FAMILIES; i++) {
        char name[CHAIN_NAME_SIZE];
        write_chain(w, chain_name(chains[i / METER_FAMILIES], &families[i % METER_FAMILIES], name));
    }
}

void meter_put_rules(struct writer *w, const struct meter_shape *shape) {
    struct place p = {
        .w = w,
        .shape = shape,
        .pass = shape->mark,
        .refused = shape->mark << 1,
        .note = shape->mark << 2,
        .gates = shape->mark | shape->mark << 1,
        .all = shape->mark | shape->mark << 1 | shape->mark << 2,
    };
    put_chains(w, shape);
    for (size_t f = 0; f < METER_FAMILIES; f++) {
        p.family = &families[f];
        put_from(&p);
        put_refused(&p);
        put_audited(&p);
        put_beyond_limits(&p);
        if (is_used(shape, "first"))
            put_first(&p);
        if (is_used(shape, "led"))
            put_led(&p);
        if (is_used(shape, "into"))
            put_into(&p);
        if (is_used(shape, "passed"))
            put_count(&p, "passed", SOURCE, METER_PASSED);
        if (is_used(shape, "to"))
            put_to(&p);
    }
    for (size_t i = 0; i < shape->fence->near_count && is_used(shape, "into"); i++)
        put_near(&p, shape->fence->near[i]);
    for (size_t i = 0; i < COUNT(bases); i++) {
        if (!is_used(shape, bases[i].next))
            continue;
        put_base(&p, bases[i].name, bases[i].next, NE_BRIDGE_PREFIX "*");
        for (size_t b = 0; b < shape->fence->bridge_count; b++) {
            if (!has_usual_name(shape->fence->bridges[b]))
                put_base(&p, bases[i].name, bases[i].next, shape->fence->bridges[b]);
        }
    }
}

#define FAMILY_RULES 62  /* the most in the chains of one family */
#define MESSAGE_SIZE 512 /* the longest about an object or an element takes less than 300 bytes */

size_t meter_size(const struct meter_shape *shape, size_t count) {
    size_t patterns = 1;
    size_t objects =
        (count * METER_KINDS * (1 + METER_FAMILIES) + METER_KINDS * METER_FAMILIES) * 2;
    if (shape == NULL)
        return objects * MESSAGE_SIZE;
    for (size_t b = 0; b < shape->fence->bridge_count; b++)
        patterns += !has_usual_name(shape->fence->bridges[b]);
    size_t rules = METER_FAMILIES * (FAMILY_RULES + patterns * COUNT(bases));
    rules += shape->fence->near_count + shape->fence->hand_count;
    size_t others = 2 * COUNT(bases) + COUNT(chains) * METER_FAMILIES + 8;
    return (rules + others) * WRITE_RULE_SIZE + objects * MESSAGE_SIZE;
}
