/* fence.c - the desired enforcement as a value, and its judgement: see fence.h. */
#include <netenforce/fence.h>
#include <netenforce/grow.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

void ne_fence_init(struct ne_fence *fence) {
    *fence = (struct ne_fence){0};
}

void ne_fence_free(struct ne_fence *fence) {
    for (size_t i = 0; i < fence->policy_count; i++)
        free(fence->policies[i].rules);
    free(fence->policies);
    free(fence->meters);
    free(fence->members);
    free(fence->bridges);
    free(fence->near);
    free(fence->proxied);
    free(fence->insides);
    free(fence->hands);
    ne_fence_init(fence);
}

static int add_name(char (**names)[NE_IFNAME_SIZE], size_t *count, const char *name,
                    struct ne_error *err) {
    void *room = ne_grow(*names, *count, sizeof(**names), err);
    if (room == NULL)
        return -1;
    *names = room;
    char *slot = (*names)[*count];
    memset(slot, 0, NE_IFNAME_SIZE);
    memcpy(slot, name, strnlen(name, NE_IFNAME_SIZE - 1));
    (*count)++;
    return 0;
}

int ne_fence_add_bridge(struct ne_fence *fence, const char *bridge, struct ne_error *err) {
    return add_name(&fence->bridges, &fence->bridge_count, bridge, err);
}

int ne_fence_add_near(struct ne_fence *fence, const char *bridge, struct ne_error *err) {
    return add_name(&fence->near, &fence->near_count, bridge, err);
}

int ne_fence_add_proxied(struct ne_fence *fence, const char *bridge, struct ne_error *err) {
    return add_name(&fence->proxied, &fence->proxied_count, bridge, err);
}

int ne_fence_add_inside(struct ne_fence *fence, const struct ne_inside *inside,
                        struct ne_error *err) {
    void *room = ne_grow(fence->insides, fence->inside_count, sizeof(*fence->insides), err);
    if (room == NULL)
        return -1;
    fence->insides = room;
    fence->insides[fence->inside_count++] = *inside;
    return 0;
}

int ne_fence_add_policy(struct ne_fence *fence, const char *id, enum ne_verdict otherwise,
                        struct ne_policy **policy, struct ne_error *err) {
    void *room = ne_grow(fence->policies, fence->policy_count, sizeof(*fence->policies), err);
    if (room == NULL)
        return -1;
    fence->policies = room;
    struct ne_policy *slot = &fence->policies[fence->policy_count];
    *slot = (struct ne_policy){.otherwise = otherwise};
    memcpy(slot->id, id, strnlen(id, NE_ID_SIZE - 1));
    fence->policy_count++;
    *policy = slot;
    return 0;
}

int ne_fence_add_meter(struct ne_fence *fence, const struct ne_meter *meter, struct ne_error *err) {
    void *room = ne_grow(fence->meters, fence->meter_count, sizeof(*fence->meters), err);
    if (room == NULL)
        return -1;
    fence->meters = room;
    fence->meters[fence->meter_count++] = *meter;
    return 0;
}

int ne_fence_add_member(struct ne_fence *fence, const struct ne_member *member,
                        struct ne_error *err) {
    void *room = ne_grow(fence->members, fence->member_count, sizeof(*fence->members), err);
    if (room == NULL)
        return -1;
    fence->members = room;
    fence->members[fence->member_count++] = *member;
    return 0;
}

int ne_fence_add_hand(struct ne_fence *fence, const struct ne_hand *hand, struct ne_error *err) {
    void *room = ne_grow(fence->hands, fence->hand_count, sizeof(*fence->hands), err);
    if (room == NULL)
        return -1;
    fence->hands = room;
    fence->hands[fence->hand_count++] = *hand;
    return 0;
}

int ne_policy_add_rule(struct ne_policy *policy, const struct ne_rule *rule, struct ne_error *err) {
    void *room = ne_grow(policy->rules, policy->rule_count, sizeof(*policy->rules), err);
    if (room == NULL)
        return -1;
    policy->rules = room;
    policy->rules[policy->rule_count++] = *rule;
    return 0;
}

static int by_address(const void *left, const void *right) {
    const struct ne_member *a = left;
    const struct ne_member *b = right;
    if (a->addr.family != b->addr.family)
        return a->addr.family < b->addr.family ? -1 : 1;
    return memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
}

/* is_sorted() - Nearly always: the engine gives addresses one after the other. */
static bool is_sorted(const struct ne_fence *fence) {
    for (size_t i = 1; i < fence->member_count; i++) {
        if (by_address(&fence->members[i - 1], &fence->members[i]) > 0)
            return false;
    }
    return true;
}

static int compare_numbers(unsigned long a, unsigned long b) {
    return (a > b) - (a < b);
}

/* by_precision() - Those that ask for a port, then those for one sender; the rest of the order only
 * makes the same fence of the same model. */
static int by_precision(const void *left, const void *right) {
    const struct ne_hand *a = left;
    const struct ne_hand *b = right;
    int order = compare_numbers(a->asked == 0, b->asked == 0);
    if (order == 0)
        order = compare_numbers(a->from.family == NE_NONE, b->from.family == NE_NONE);
    if (order == 0)
        order = strcmp(a->bridge, b->bridge);
    if (order == 0)
        order = compare_numbers(a->to.family, b->to.family);
    if (order == 0)
        order = memcmp(a->from.bytes, b->from.bytes, sizeof(a->from.bytes));
    return order != 0 ? order : compare_numbers(a->proto, b->proto);
}

void ne_fence_sort(struct ne_fence *fence) {
    if (!is_sorted(fence))
        qsort(fence->members, fence->member_count, sizeof(*fence->members), by_address);
    if (fence->hand_count > 1)
        qsort(fence->hands, fence->hand_count, sizeof(*fence->hands), by_precision);
}

bool ne_rule_matches(const struct ne_rule *rule, const struct ne_packet *packet) {
    if (!ne_prefix_contains(&rule->to, &packet->to))
        return false;
    if (rule->proto == NE_PROTO_ANY)
        return true;
    if (rule->proto != packet->proto)
        return false;
    if (rule->proto == IPPROTO_TCP || rule->proto == IPPROTO_UDP)
        return packet->port >= rule->port_low && packet->port <= rule->port_high;
    if (rule->proto == IPPROTO_ICMP || rule->proto == IPPROTO_ICMPV6)
        return rule->icmp_type == NE_ICMP_TYPE_ANY || rule->icmp_type == packet->icmp_type;
    return true;
}

static bool is_bridge_of_ours(const struct ne_fence *fence, const char *interface) {
    /* The prefix is ours alone: a bridge of a crashed or unknown network is closed, too. */
    if (strncmp(interface, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0)
        return true;
    for (size_t i = 0; i < fence->bridge_count; i++) {
        if (strcmp(fence->bridges[i], interface) == 0)
            return true;
    }
    return false;
}

static bool leads_inside(const struct ne_fence *fence, const struct ne_addr *to) {
    for (size_t i = 0; i < fence->inside_count; i++) {
        if (ne_prefix_contains(&fence->insides[i].pool, to))
            return !ne_addr_equal(&fence->insides[i].bridge, to);
    }
    return false;
}

const struct ne_member *ne_fence_member(const struct ne_fence *fence, const struct ne_addr *addr) {
    const struct ne_member wanted = {.addr = *addr};
    if (fence->member_count == 0)
        return NULL;
    return bsearch(&wanted, fence->members, fence->member_count, sizeof(*fence->members),
                   by_address);
}

bool ne_fence_answers(const struct ne_fence *fence) {
    return fence->inbound || fence->proxied_count > 0;
}

/* neighbour_at() - The member on the bridge that @packet came in on, if it is for one. */
static const struct ne_member *neighbour_at(const struct ne_fence *fence,
                                            const struct ne_packet *packet) {
    const struct ne_member *neighbour = ne_fence_member(fence, &packet->to);
    return neighbour != NULL && strcmp(neighbour->bridge, packet->interface) == 0 ? neighbour
                                                                                  : NULL;
}

bool ne_fence_reaches(const struct ne_fence *fence, const struct ne_policy *policy,
                      const struct ne_rule *rule) {
    const struct ne_packet packet = {
        .to = rule->to.addr, .proto = rule->proto, .port = rule->port_low};
    if (rule->kind != NE_RULE_PROXY || ne_fence_member(fence, &packet.to) == NULL)
        return false;
    for (const struct ne_rule *before = policy->rules; before < rule; before++) {
        if (ne_rule_matches(before, &packet))
            return false;
    }
    return true;
}

/* may_answer() - Whether @packet may be a reply of a proxy of its neighbour's. */
static bool may_answer(const struct ne_fence *fence, const struct ne_packet *packet) {
    const struct ne_member *neighbour = neighbour_at(fence, packet);
    const struct ne_policy *policy = neighbour == NULL ? NULL : &fence->policies[neighbour->policy];
    for (size_t i = 0; policy != NULL && i < policy->rule_count; i++) {
        const struct ne_rule *rule = &policy->rules[i];
        if (rule->kind == NE_RULE_PROXY && ne_addr_equal(&rule->to.addr, &packet->from) &&
            (packet->from_port == 0 || packet->from_port == rule->port_low) &&
            ne_fence_reaches(fence, policy, rule))
            return true;
    }
    return false;
}

/* holds() - Whether @rule is about @packet, which came in on a bridge of ours. */
static bool holds(const struct ne_fence *fence, const struct ne_rule *rule,
                  const struct ne_packet *packet) {
    if (!ne_rule_matches(rule, packet))
        return false;
    const struct ne_member *neighbour = neighbour_at(fence, packet);
    switch (rule->kind) {
    case NE_RULE_NEIGHBOUR:
        return neighbour != NULL && neighbour->icc;
    case NE_RULE_PROXY:
        return neighbour != NULL;
    case NE_RULE_BACK:
        return may_answer(fence, packet);
    case NE_RULE_PLAIN:
    case NE_RULE_INSIDE:
    case NE_RULE_HANDED:
        break;
    }
    return true;
}

/* judge() - What @policy says of a true member's @packet: rules 2, 3, 5, 6, 9 and 10. */
static struct ne_judgement judge(const struct ne_fence *fence, const struct ne_policy *policy,
                                 const struct ne_packet *packet) {
    struct ne_judgement judgement = {
        .verdict = policy->otherwise, .reason = "policy", .policy = policy};
    bool answers = false;
    for (size_t i = 0; i < policy->rule_count && judgement.rule == NULL; i++) {
        if (!holds(fence, &policy->rules[i], packet))
            continue;
        if (policy->rules[i].kind == NE_RULE_BACK)
            answers = true; /* if it is no reply, what follows is said of it */
        else
            judgement.rule = &policy->rules[i];
    }
    const enum ne_rule_kind kind = judgement.rule != NULL ? judgement.rule->kind : NE_RULE_PLAIN;
    if (judgement.rule != NULL)
        judgement.verdict = judgement.rule->verdict;
    if (judgement.rule != NULL && judgement.rule->option == NULL)
        judgement.rule = NULL;
    if (kind == NE_RULE_INSIDE) {
        judgement.reason = "into-network";
        judgement.replies = answers;
        return judgement;
    }
    judgement.audited = policy->audit && judgement.verdict != NE_PASS;
    judgement.replies = policy->inbound && judgement.verdict != NE_PASS && !judgement.audited &&
                        judgement.rule == NULL;
    if (judgement.verdict == NE_PASS)
        judgement.reason = kind == NE_RULE_HANDED ? "handed" : "allowed";
    else if (judgement.audited)
        judgement.verdict = NE_PASS;
    if (judgement.verdict == NE_PASS && kind != NE_RULE_NEIGHBOUR && kind != NE_RULE_PROXY &&
        kind != NE_RULE_HANDED && leads_inside(fence, &packet->to)) {
        judgement.verdict = NE_REJECT;
        judgement.reason = "into-network";
        judgement.audited = false;
    }
    return judgement;
}

struct ne_judgement ne_fence_verdict(const struct ne_fence *fence, const struct ne_packet *packet) {
    if (strncmp(packet->interface, NE_PORT_PREFIX, strlen(NE_PORT_PREFIX)) == 0)
        return (struct ne_judgement){.verdict = NE_DROP, .reason = "port"};
    if (!is_bridge_of_ours(fence, packet->interface))
        return (struct ne_judgement){.verdict = NE_PASS, .reason = "not-ours"};

    const struct ne_member *member = ne_fence_member(fence, &packet->from);
    if (member == NULL || strcmp(member->bridge, packet->interface) != 0 ||
        !ne_mac_equal(&member->mac, &packet->mac))
        return (struct ne_judgement){.verdict = NE_DROP, .reason = "source"};

    return judge(fence, &fence->policies[member->policy], packet);
}
