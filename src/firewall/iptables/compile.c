/* compile.c - from the fence to the tables: see plan.h. */
#include "plan.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define ROOT_CHAIN CHAIN_PREFIX
#define PORT_CHAIN CHAIN_PREFIX "-PORT"
#define INTO_CHAIN CHAIN_PREFIX "-INTO"

struct compiler {
    const struct ne_fence *fence;
    enum ne_family family;
    struct xt_marks marks;
    struct xt_plan *plan;
    struct ne_error *err;
};

void policy_chain_name(const struct ne_policy *policy, char name[static CHAIN_SIZE]) {
    (void)snprintf(name, CHAIN_SIZE, CHAIN_PREFIX "-P%.16s", policy->id);
}

static struct xt_rule empty_rule(enum xt_action action) {
    return (struct xt_rule){.icmp_type = NE_ICMP_TYPE_ANY, .action = action};
}

static int add_chain(struct compiler *c, const char *name, bool builtin, size_t *position) {
    return plan_add_chain(c->plan, name, builtin, position, c->err);
}

static int add_rule(struct compiler *c, size_t chain, const struct xt_rule *rule) {
    return plan_add_rule(c->plan, chain, rule, c->err);
}

/* jump_to() - A rule of a built-in chain: what comes in (or goes out) by @device to @chain. */
static int jump_to(struct compiler *c, size_t builtin, const char *device, bool outgoing,
                   const char *chain) {
    struct xt_rule rule = empty_rule(DO_JUMP);
    char *name = outgoing ? rule.out : rule.in;
    memcpy(name, device, strnlen(device, NE_IFNAME_SIZE - 1));
    memcpy(rule.chain, chain, strlen(chain) + 1);
    return add_rule(c, builtin, &rule);
}

/* jump_for_bridges() - Every bridge of ours: one wildcard, and those of other names. */
static int jump_for_bridges(struct compiler *c, size_t builtin, bool outgoing, const char *chain) {
    if (jump_to(c, builtin, NE_BRIDGE_PREFIX "+", outgoing, chain) < 0)
        return -1;
    for (size_t i = 0; i < c->fence->bridge_count; i++) {
        const char *bridge = c->fence->bridges[i];
        if (strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) != 0 &&
            jump_to(c, builtin, bridge, outgoing, chain) < 0)
            return -1;
    }
    return 0;
}

static int add_single_rule_chain(struct compiler *c, const char *name, const struct xt_rule *rule) {
    size_t chain;
    if (add_chain(c, name, false, &chain) < 0)
        return -1;
    return add_rule(c, chain, rule);
}

/* add_port_chain() - What comes in on a port itself has gone past the bridge: dropped. */
static int add_port_chain(struct compiler *c) {
    const struct xt_rule drop = empty_rule(DO_DROP);
    return add_single_rule_chain(c, PORT_CHAIN, &drop);
}

static struct xt_rule set_mark(const struct compiler *c, uint32_t value) {
    struct xt_rule rule = empty_rule(DO_SET_MARK);
    rule.set_mask = c->marks.mask;
    rule.set_value = value;
    return rule;
}

static int add_pass_chain(struct compiler *c) {
    const struct xt_rule pass = set_mark(c, c->marks.pass);
    return add_single_rule_chain(c, PASS_CHAIN, &pass);
}

/* add_refuse_chain() - Refused packets stay out of connection tracking: they fill no table, and
 * no published port's DNAT moves them, whose answer would then come from a strange address. */
static int add_refuse_chain(struct compiler *c) {
    const struct xt_rule refuse = set_mark(c, c->marks.refused);
    const struct xt_rule not_tracked = empty_rule(DO_NOT_TRACK);
    size_t chain;
    if (add_chain(c, REFUSE_CHAIN, false, &chain) < 0 || add_rule(c, chain, &refuse) < 0)
        return -1;
    return add_rule(c, chain, &not_tracked);
}

static void verdict_action(enum ne_verdict verdict, struct xt_rule *rule) {
    rule->action = verdict == NE_DROP ? DO_DROP : DO_GOTO;
    if (verdict == NE_PASS)
        memcpy(rule->chain, PASS_CHAIN, sizeof(PASS_CHAIN));
    else if (verdict == NE_REJECT)
        memcpy(rule->chain, REFUSE_CHAIN, sizeof(REFUSE_CHAIN));
}

static int add_policy_rule(struct compiler *c, size_t chain, const struct ne_rule *wanted) {
    struct xt_rule rule = empty_rule(DO_DROP);
    rule.to = wanted->to;
    rule.proto = wanted->proto;
    rule.icmp_type = wanted->icmp_type;
    rule.ports = (wanted->proto == IPPROTO_TCP || wanted->proto == IPPROTO_UDP) &&
                 (wanted->port_low != 0 || wanted->port_high != UINT16_MAX);
    rule.port_low = wanted->port_low;
    rule.port_high = wanted->port_high;
    verdict_action(wanted->verdict, &rule);
    return add_rule(c, chain, &rule);
}

static int add_policy(struct compiler *c, const struct ne_policy *policy) {
    char name[CHAIN_SIZE];
    size_t chain;
    policy_chain_name(policy, name);
    if (add_chain(c, name, false, &chain) < 0)
        return -1;
    for (size_t i = 0; i < policy->rule_count; i++) {
        if (policy->rules[i].to.addr.family == c->family &&
            add_policy_rule(c, chain, &policy->rules[i]) < 0)
            return -1;
    }
    struct xt_rule otherwise = empty_rule(DO_DROP);
    verdict_action(policy->otherwise, &otherwise);
    return add_rule(c, chain, &otherwise);
}

/* members_of() - The range of this family's members; they are sorted by family first. */
static void members_of(const struct compiler *c, size_t *first, size_t *end) {
    const struct ne_fence *fence = c->fence;
    *first = 0;
    while (*first < fence->member_count && fence->members[*first].addr.family != c->family)
        (*first)++;
    *end = *first;
    while (*end < fence->member_count && fence->members[*end].addr.family == c->family)
        (*end)++;
}

static int compile_raw(struct compiler *c) {
    size_t prerouting;
    size_t root;
    size_t first;
    size_t end;
    if (add_chain(c, "PREROUTING", true, &prerouting) < 0)
        return -1;
    if (c->fence->bridge_count == 0)
        return 0;
    if (jump_to(c, prerouting, NE_PORT_PREFIX "+", false, PORT_CHAIN) < 0 ||
        jump_for_bridges(c, prerouting, false, ROOT_CHAIN) < 0 || add_port_chain(c) < 0 ||
        add_pass_chain(c) < 0 || add_refuse_chain(c) < 0)
        return -1;

    members_of(c, &first, &end);
    for (size_t i = 0; i < c->fence->policy_count && first < end; i++) {
        if (add_policy(c, &c->fence->policies[i]) < 0)
            return -1;
    }
    if (add_chain(c, ROOT_CHAIN, false, &root) < 0)
        return -1;
    return tree_build(c->plan, c->fence, root, first, end, c->err);
}

/* add_gate() - Accept what is marked as passing, answer what is marked as refused, drop the rest.
 */
static int add_gate(struct compiler *c) {
    struct xt_rule pass = empty_rule(DO_ACCEPT);
    pass.mark_mask = c->marks.mask;
    pass.mark_value = c->marks.pass;

    struct xt_rule unjudged = empty_rule(DO_DROP);
    unjudged.mark_mask = c->marks.mask;
    unjudged.mark_value = c->marks.refused;
    unjudged.mark_inverted = true;

    struct xt_rule reset = empty_rule(DO_REJECT_RESET);
    reset.proto = IPPROTO_TCP;
    const struct xt_rule unreachable = empty_rule(DO_REJECT_PORT);

    size_t gate;
    if (add_chain(c, ROOT_CHAIN, false, &gate) < 0 || add_rule(c, gate, &pass) < 0 ||
        add_rule(c, gate, &unjudged) < 0 || add_rule(c, gate, &reset) < 0 ||
        add_rule(c, gate, &unreachable) < 0)
        return -1;
    return 0;
}

static int compile_filter(struct compiler *c) {
    size_t input;
    size_t forward;
    size_t into;
    if (add_chain(c, "INPUT", true, &input) < 0 || add_chain(c, "FORWARD", true, &forward) < 0)
        return -1;
    if (c->fence->bridge_count == 0)
        return 0;
    if (jump_to(c, input, NE_PORT_PREFIX "+", false, PORT_CHAIN) < 0 ||
        jump_for_bridges(c, input, false, ROOT_CHAIN) < 0 ||
        jump_to(c, forward, NE_PORT_PREFIX "+", false, PORT_CHAIN) < 0 ||
        jump_for_bridges(c, forward, false, ROOT_CHAIN) < 0 ||
        jump_for_bridges(c, forward, true, INTO_CHAIN) < 0 || add_port_chain(c) < 0 ||
        add_gate(c) < 0 || add_chain(c, INTO_CHAIN, false, &into) < 0)
        return -1;

    struct xt_rule replies = empty_rule(DO_ACCEPT);
    replies.replies = true;
    if (c->fence->reaches_beyond && add_rule(c, into, &replies) < 0)
        return -1;
    return plan_end_with(c->plan, into, DO_DROP, c->err);
}

static int compile_security(struct compiler *c) {
    size_t input;
    size_t forward;
    size_t gate;
    size_t into;
    if (add_chain(c, "INPUT", true, &input) < 0 || add_chain(c, "FORWARD", true, &forward) < 0)
        return -1;
    if (c->fence->bridge_count == 0)
        return 0;
    struct xt_rule pass = empty_rule(DO_RETURN);
    pass.mark_mask = c->marks.mask;
    pass.mark_value = c->marks.pass;
    if (jump_for_bridges(c, input, false, ROOT_CHAIN) < 0 ||
        jump_for_bridges(c, forward, false, ROOT_CHAIN) < 0 ||
        jump_for_bridges(c, forward, true, INTO_CHAIN) < 0 ||
        add_chain(c, ROOT_CHAIN, false, &gate) < 0 || add_rule(c, gate, &pass) < 0 ||
        plan_end_with(c->plan, gate, DO_DROP, c->err) < 0)
        return -1;

    /* What a policy passes to another bridge of ours came through the gate above, and goes on. */
    struct xt_rule replies = empty_rule(DO_RETURN);
    replies.replies = true;
    if (add_chain(c, INTO_CHAIN, false, &into) < 0 || add_rule(c, into, &pass) < 0 ||
        (c->fence->reaches_beyond && add_rule(c, into, &replies) < 0))
        return -1;
    return plan_end_with(c->plan, into, DO_DROP, c->err);
}

/* compile_nat() - A container has no address that others could answer to: what goes beyond
 * the host bears the host's. */
static int compile_nat(struct compiler *c) {
    size_t postrouting;
    if (add_chain(c, "POSTROUTING", true, &postrouting) < 0)
        return -1;
    if (!c->fence->reaches_beyond)
        return 0;
    struct xt_rule masquerade = empty_rule(DO_MASQUERADE);
    masquerade.mark_mask = c->marks.mask;
    masquerade.mark_value = c->marks.pass;
    if (jump_to(c, postrouting, "", true, ROOT_CHAIN) < 0)
        return -1;
    return add_single_rule_chain(c, ROOT_CHAIN, &masquerade);
}

int xt_compile(const struct ne_fence *fence, enum ne_family family, enum xt_table table,
               struct xt_marks marks, struct xt_plan *plan, struct ne_error *err) {
    *plan = (struct xt_plan){0};
    struct compiler c = {
        .fence = fence, .family = family, .marks = marks, .plan = plan, .err = err};
    static int (*const compile[])(struct compiler * c) = {
        [XT_RAW] = compile_raw,
        [XT_FILTER] = compile_filter,
        [XT_SECURITY] = compile_security,
        [XT_NAT] = compile_nat,
    };
    if (compile[table](&c) == 0)
        return 0;
    xt_plan_free(plan);
    return -1;
}
