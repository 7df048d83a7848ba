/* compile.c - from the fence to the tables: see plan.h. */
#include "plan.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_CHAIN CHAIN_PREFIX "-PORT"
#define INTO_CHAIN CHAIN_PREFIX "-INTO"
#define HOST_CHAIN CHAIN_PREFIX "-HOST"
#define OUT_CHAIN  CHAIN_PREFIX "-OUT"
#define HAND_CHAIN CHAIN_PREFIX "-HAND"

struct compiler {
    const struct ne_fence *fence;
    enum ne_family family;
    struct xt_marks marks;
    struct xt_plan *plan;
    struct ne_error *err;
};

/* name_of() - Once for each member: snprintf() would be a tenth of a commit's time among a
 * thousand. */
static void name_of(const struct ne_policy *policy, char kind, char name[static CHAIN_SIZE]) {
    static const char prefix[] = CHAIN_PREFIX "-";
    size_t length = strnlen(policy->id, POLICY_CHARACTERS);
    memcpy(name, prefix, sizeof(prefix) - 1);
    name[sizeof(prefix) - 1] = kind;
    memcpy(name + sizeof(prefix), policy->id, length);
    name[sizeof(prefix) + length] = '\0';
}

void policy_chain_name(const struct ne_policy *policy, char name[static CHAIN_SIZE]) {
    name_of(policy, 'P', name);
}

void back_chain_name(const struct ne_policy *policy, char name[static CHAIN_SIZE]) {
    name_of(policy, 'B', name);
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
    rule.set_mask = c->marks.all;
    rule.set_value = value;
    return rule;
}

static int add_verdict_chain(struct compiler *c, const char *name, uint32_t mark, bool tracked) {
    const struct xt_rule verdict = set_mark(c, mark);
    const struct xt_rule not_tracked = empty_rule(DO_NOT_TRACK);
    size_t chain;
    if (add_chain(c, name, false, &chain) < 0 || add_rule(c, chain, &verdict) < 0)
        return -1;
    return tracked ? 0 : add_rule(c, chain, &not_tracked);
}

/* add_verdict_chains() - Refused packets stay out of connection tracking: they fill no table, and
 * no published port's DNAT moves them, whose answer would then come from a strange address. What
 * passes by an audit is tracked, so that replies come back, and so is what may be a reply, or is to
 * be led elsewhere. */
static int add_verdict_chains(struct compiler *c) {
    const struct xt_marks *marks = &c->marks;
    if (add_verdict_chain(c, PASS_CHAIN, marks->pass, true) < 0 ||
        add_verdict_chain(c, AUDIT_CHAIN, marks->pass | marks->note, true) < 0 ||
        add_verdict_chain(c, REFUSE_CHAIN, marks->refused, false) < 0)
        return -1;
    if (add_verdict_chain(c, DROP_CHAIN, marks->refused | marks->note, false) < 0)
        return -1;
    if (c->fence->hand_count > 0 && add_verdict_chain(c, HANDED_CHAIN, marks->note, true) < 0)
        return -1;
    if (!ne_fence_answers(c->fence))
        return 0;
    if (add_verdict_chain(c, REPLY_CHAIN, marks->mask, true) < 0)
        return -1;
    return add_verdict_chain(c, HUSH_CHAIN, marks->all, true);
}

/* verdict_rule() - Go where @verdict is written: under an audit nothing is refused. */
static struct xt_rule verdict_rule(enum ne_verdict verdict, bool audit) {
    struct xt_rule rule = empty_rule(DO_GOTO);
    if (verdict == NE_PASS)
        memcpy(rule.chain, PASS_CHAIN, sizeof(PASS_CHAIN));
    else if (audit)
        memcpy(rule.chain, AUDIT_CHAIN, sizeof(AUDIT_CHAIN));
    else if (verdict == NE_REJECT)
        memcpy(rule.chain, REFUSE_CHAIN, sizeof(REFUSE_CHAIN));
    else
        memcpy(rule.chain, DROP_CHAIN, sizeof(DROP_CHAIN));
    return rule;
}

/* otherwise_rule() - Where @policy's own rules say nothing, @verdict (its `otherwise`) holds; a
 * reply to what the host opened may pass all the same. */
static struct xt_rule otherwise_rule(const struct ne_policy *policy, enum ne_verdict verdict) {
    struct xt_rule rule = verdict_rule(verdict, policy->audit);
    if (policy->inbound && !policy->audit && verdict == NE_REJECT)
        memcpy(rule.chain, REPLY_CHAIN, sizeof(REPLY_CHAIN));
    else if (policy->inbound && !policy->audit && verdict == NE_DROP)
        memcpy(rule.chain, HUSH_CHAIN, sizeof(HUSH_CHAIN));
    return rule;
}

/* add_neighbour_rule() - Ask the tree by destination, and end here with what it passed. */
static int add_neighbour_rule(struct compiler *c, size_t chain, const struct ne_rule *wanted) {
    struct xt_rule ask = empty_rule(DO_JUMP);
    ask.to = wanted->to;
    memcpy(ask.chain, NEAR_CHAIN, sizeof(NEAR_CHAIN));
    struct xt_rule passed = empty_rule(DO_RETURN);
    passed.mark_mask = c->marks.all;
    passed.mark_value = c->marks.pass;
    return add_rule(c, chain, &ask) < 0 ? -1 : add_rule(c, chain, &passed);
}

static int add_policy_rule(struct compiler *c, size_t chain, const struct ne_policy *policy,
                           const struct ne_rule *wanted) {
    if (wanted->kind == NE_RULE_NEIGHBOUR)
        return add_neighbour_rule(c, chain, wanted);
    if (wanted->kind == NE_RULE_BACK)
        return back_add_question(c->plan, chain, policy, &wanted->to, c->marks, c->err);
    if (wanted->kind == NE_RULE_PROXY && !ne_fence_reaches(c->fence, policy, wanted))
        return 0;
    struct xt_rule rule =
        wanted->option == NULL
            ? otherwise_rule(policy, wanted->verdict)
            : verdict_rule(wanted->verdict, policy->audit && wanted->kind != NE_RULE_INSIDE);
    if (wanted->kind == NE_RULE_HANDED)
        memcpy(rule.chain, HANDED_CHAIN, sizeof(HANDED_CHAIN));
    rule.to = wanted->to;
    rule.proto = wanted->proto;
    rule.icmp_type = wanted->icmp_type;
    rule.ports = (wanted->proto == IPPROTO_TCP || wanted->proto == IPPROTO_UDP) &&
                 (wanted->port_low != 0 || wanted->port_high != UINT16_MAX);
    rule.port_low = wanted->port_low;
    rule.port_high = wanted->port_high;
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
            add_policy_rule(c, chain, policy, &policy->rules[i]) < 0)
            return -1;
    }
    const struct xt_rule otherwise = otherwise_rule(policy, policy->otherwise);
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

/* add_neighbours() - The tree by destination, over the members of @members that have icc. */
static int add_neighbours(struct compiler *c, size_t first, size_t end) {
    if (c->fence->near_count == 0)
        return 0;
    struct ne_member *members = calloc(end - first + 1, sizeof(*members));
    size_t count = 0;
    size_t root;
    if (members == NULL)
        return ne_fail(c->err, NE_NO_MEMORY, "no memory for %zu members", end - first);
    for (size_t i = first; i < end; i++) {
        if (c->fence->members[i].icc)
            members[count++] = c->fence->members[i];
    }
    const struct tree tree = {
        .kind = TREE_NEAR, .plan = c->plan, .members = members, .err = c->err};
    int result = add_chain(c, NEAR_CHAIN, false, &root);
    if (result == 0)
        result = tree_build(&tree, root, 0, count);
    free(members);
    return result;
}

/* compile_judge() - All of raw but the trees. */
static int compile_judge(struct compiler *c) {
    size_t prerouting;
    size_t first;
    size_t end;
    if (add_chain(c, "PREROUTING", true, &prerouting) < 0)
        return -1;
    if (c->fence->bridge_count == 0)
        return 0;
    if (jump_to(c, prerouting, NE_PORT_PREFIX "+", false, PORT_CHAIN) < 0 ||
        jump_for_bridges(c, prerouting, false, ROOT_CHAIN) < 0 || add_port_chain(c) < 0 ||
        add_verdict_chains(c) < 0)
        return -1;

    members_of(c, &first, &end);
    for (size_t i = 0; i < c->fence->policy_count && first < end; i++) {
        if (add_policy(c, &c->fence->policies[i]) < 0)
            return -1;
    }
    return first < end ? back_add_chains(c->plan, c->fence, c->family, c->err) : 0;
}

static int compile_raw(struct compiler *c) {
    size_t root;
    size_t first;
    size_t end;
    if (compile_judge(c) < 0)
        return -1;
    if (c->fence->bridge_count == 0)
        return 0;
    members_of(c, &first, &end);
    if (add_neighbours(c, first, end) < 0 ||
        back_add_tree(c->plan, c->fence, first, end, c->err) < 0 ||
        add_chain(c, ROOT_CHAIN, false, &root) < 0)
        return -1;
    const struct tree tree = {.kind = TREE_FROM,
                              .plan = c->plan,
                              .members = c->fence->members,
                              .policies = c->fence->policies,
                              .err = c->err};
    return tree_build(&tree, root, first, end);
}

/* add_answers() - Refuse and tell the sender. */
static int add_answers(struct compiler *c, size_t chain) {
    struct xt_rule reset = empty_rule(DO_REJECT_RESET);
    reset.proto = IPPROTO_TCP;
    const struct xt_rule unreachable = empty_rule(DO_REJECT_PORT);
    return add_rule(c, chain, &reset) < 0 ? -1 : add_rule(c, chain, &unreachable);
}

/* add_gate() - Accept what is marked as passing, answer what is marked as refused, drop the rest.
 */
static int add_gate(struct compiler *c) {
    struct xt_rule pass = empty_rule(DO_ACCEPT);
    pass.mark_mask = c->marks.mask;
    pass.mark_value = c->marks.pass;

    struct xt_rule unjudged = empty_rule(DO_DROP);
    unjudged.mark_mask = c->marks.refused | c->marks.note; /* or to be refused silently */
    unjudged.mark_value = c->marks.refused;
    unjudged.mark_inverted = true;

    size_t gate;
    if (add_chain(c, ROOT_CHAIN, false, &gate) < 0 || add_rule(c, gate, &pass) < 0 ||
        add_rule(c, gate, &unjudged) < 0)
        return -1;
    return add_answers(c, gate);
}

/* replies_from_beyond() - The judge saw none of these: what comes out of a bridge has bits,
 * whatever it may be a reply to, and goes back into one as add_near() says or not at all. */
static struct xt_rule replies_from_beyond(const struct compiler *c, enum xt_action action) {
    struct xt_rule replies = empty_rule(action);
    replies.replies = true;
    replies.mark_mask = c->marks.all;
    return replies;
}

/* add_near() - From neighbour to neighbour: back into the bridge that it came from, and nothing but
 * passed (plan.h says why that is enough). */
static int add_near(struct compiler *c, size_t into, enum xt_action action) {
    struct xt_rule rule = empty_rule(action);
    rule.mark_mask = c->marks.all; /* what only an audit passes goes to nobody's neighbour */
    rule.mark_value = c->marks.pass;
    for (size_t i = 0; i < c->fence->near_count; i++) {
        memcpy(rule.in, c->fence->near[i], sizeof(rule.in));
        memcpy(rule.out, c->fence->near[i], sizeof(rule.out));
        if (add_rule(c, into, &rule) < 0)
            return -1;
    }
    return 0;
}

/* marked_as_handed() - A rule of @hand's bridge, and of its sender. */
static struct xt_rule marked_as_handed(const struct compiler *c, const struct ne_hand *hand,
                                       enum xt_action action) {
    struct xt_rule rule = empty_rule(action);
    memcpy(rule.in, hand->bridge, sizeof(rule.in));
    if (hand->from.family != NE_NONE)
        rule.from = ne_prefix_host(&hand->from);
    rule.mark_mask = c->marks.all;
    rule.mark_value = c->marks.note;
    return rule;
}

static void set_port(struct xt_rule *rule, uint8_t proto, uint16_t port) {
    rule->proto = proto;
    rule->ports = port != 0;
    rule->port_low = rule->port_high = port;
}

/* add_hand_chain() - Before INPUT's gate: what was handed, and was led to where its policy hands,
 * is let pass with @action. Whoever has an entry of its own has no other. */
static int add_hand_chain(struct compiler *c, enum xt_action action) {
    size_t chain;
    if (add_chain(c, HAND_CHAIN, false, &chain) < 0)
        return -1;
    for (size_t i = 0; i < c->fence->hand_count; i++) {
        const struct ne_hand *hand = &c->fence->hands[i];
        struct xt_rule led = marked_as_handed(c, hand, action);
        const struct xt_rule others = marked_as_handed(c, hand, DO_DROP);
        led.to = ne_prefix_host(&hand->to);
        led.led = true;
        set_port(&led, hand->proto, hand->port);
        if (hand->to.family != c->family)
            continue;
        if (add_rule(c, chain, &led) < 0 ||
            (hand->from.family != NE_NONE && add_rule(c, chain, &others) < 0))
            return -1;
    }
    return plan_end_with(c->plan, chain, DO_DROP, c->err);
}

/* add_host_chain() - Before INPUT's gate: replies to what the host opened are let pass with
 * @action, and so is what was handed. */
static int add_host_chain(struct compiler *c, enum xt_action action) {
    struct xt_rule handed = empty_rule(DO_GOTO);
    struct xt_rule reply = empty_rule(action);
    struct xt_rule gate = empty_rule(DO_GOTO);
    size_t chain;
    reply.mark_mask = c->marks.mask;
    reply.mark_value = c->marks.mask;
    reply.answers = true;
    reply.connmark_mask = c->marks.note;
    reply.connmark_value = c->marks.note;
    memcpy(gate.chain, ROOT_CHAIN, sizeof(ROOT_CHAIN));
    handed.mark_mask = c->marks.all;
    handed.mark_value = c->marks.note;
    memcpy(handed.chain, HAND_CHAIN, sizeof(HAND_CHAIN));
    if (!c->fence->inbound && c->fence->hand_count == 0)
        return 0;
    if (c->fence->hand_count > 0 && add_hand_chain(c, action) < 0)
        return -1;
    if (add_chain(c, HOST_CHAIN, false, &chain) < 0 ||
        (c->fence->hand_count > 0 && add_rule(c, chain, &handed) < 0) ||
        (c->fence->inbound && add_rule(c, chain, &reply) < 0))
        return -1;
    return add_rule(c, chain, &gate);
}

/* add_out_chain() - Connections that the host opens to a container bear a mark. */
static int add_out_chain(struct compiler *c) {
    struct xt_rule opens = empty_rule(DO_SET_CONNMARK);
    struct xt_rule other_tcp = empty_rule(DO_RETURN);
    size_t chain;
    opens.opens = true;
    opens.set_mask = c->marks.note;
    opens.set_value = c->marks.note;
    other_tcp.proto = IPPROTO_TCP;
    struct xt_rule syn = opens;
    syn.proto = IPPROTO_TCP;
    syn.syn = true;
    if (!c->fence->inbound)
        return 0;
    if (add_chain(c, OUT_CHAIN, false, &chain) < 0 || add_rule(c, chain, &syn) < 0 ||
        add_rule(c, chain, &other_tcp) < 0)
        return -1;
    return add_rule(c, chain, &opens);
}

/* input_chain() - What INPUT leads to. */
static const char *input_chain(const struct compiler *c) {
    return c->fence->inbound || c->fence->hand_count > 0 ? HOST_CHAIN : ROOT_CHAIN;
}

static int compile_filter(struct compiler *c) {
    size_t input;
    size_t forward;
    size_t output;
    size_t into;
    if (add_chain(c, "INPUT", true, &input) < 0 || add_chain(c, "FORWARD", true, &forward) < 0 ||
        add_chain(c, "OUTPUT", true, &output) < 0)
        return -1;
    if (c->fence->bridge_count == 0)
        return 0;
    if (jump_to(c, input, NE_PORT_PREFIX "+", false, PORT_CHAIN) < 0 ||
        jump_for_bridges(c, input, false, input_chain(c)) < 0 ||
        (c->fence->inbound && jump_for_bridges(c, output, true, OUT_CHAIN) < 0) ||
        jump_to(c, forward, NE_PORT_PREFIX "+", false, PORT_CHAIN) < 0 ||
        jump_for_bridges(c, forward, true, INTO_CHAIN) < 0 ||
        jump_for_bridges(c, forward, false, ROOT_CHAIN) < 0 || add_port_chain(c) < 0 ||
        add_gate(c) < 0 || add_host_chain(c, DO_ACCEPT) < 0 || add_out_chain(c) < 0 ||
        add_chain(c, INTO_CHAIN, false, &into) < 0)
        return -1;

    /* Into a bridge of ours nothing goes but replies and what neighbours send each other, whatever
     * a policy passes: an allowance as wide as 10.0.0.0/8 leads to no container. Those whom the
     * judge knows are told. */
    const struct xt_rule replies = replies_from_beyond(c, DO_ACCEPT);
    struct xt_rule unjudged = empty_rule(DO_DROP);
    unjudged.mark_mask = c->marks.mask;
    struct xt_rule silent = empty_rule(DO_DROP);
    silent.mark_mask = c->marks.refused | c->marks.note;
    silent.mark_value = c->marks.refused | c->marks.note;
    if (back_add_marks(c->plan, into, c->fence, c->marks, c->err) < 0 ||
        add_near(c, into, DO_ACCEPT) < 0 ||
        back_add_gate(c->plan, into, c->fence, c->marks, DO_ACCEPT, c->err) < 0 ||
        (c->fence->reaches_beyond && add_rule(c, into, &replies) < 0))
        return -1;
    return add_rule(c, into, &unjudged) < 0 || add_rule(c, into, &silent) < 0
               ? -1
               : add_answers(c, into);
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
    if (jump_for_bridges(c, input, false, input_chain(c)) < 0 ||
        jump_for_bridges(c, forward, false, ROOT_CHAIN) < 0 ||
        jump_for_bridges(c, forward, true, INTO_CHAIN) < 0 ||
        add_chain(c, ROOT_CHAIN, false, &gate) < 0 || add_rule(c, gate, &pass) < 0 ||
        back_add_gate(c->plan, gate, c->fence, c->marks, DO_RETURN, c->err) < 0 ||
        plan_end_with(c->plan, gate, DO_DROP, c->err) < 0 || add_host_chain(c, DO_RETURN) < 0)
        return -1;

    const struct xt_rule replies = replies_from_beyond(c, DO_RETURN);
    if (add_chain(c, INTO_CHAIN, false, &into) < 0 || add_near(c, into, DO_RETURN) < 0 ||
        back_add_gate(c->plan, into, c->fence, c->marks, DO_RETURN, c->err) < 0 ||
        (c->fence->reaches_beyond && add_rule(c, into, &replies) < 0))
        return -1;
    return plan_end_with(c->plan, into, DO_DROP, c->err);
}

/* add_leading() - What is handed is led to where its policy says. */
static int add_leading(struct compiler *c, size_t prerouting) {
    size_t chain;
    if (jump_for_bridges(c, prerouting, false, HAND_CHAIN) < 0 ||
        add_chain(c, HAND_CHAIN, false, &chain) < 0)
        return -1;
    for (size_t i = 0; i < c->fence->hand_count; i++) {
        const struct ne_hand *hand = &c->fence->hands[i];
        struct xt_rule lead = marked_as_handed(c, hand, DO_LEAD);
        set_port(&lead, hand->proto, hand->asked);
        lead.lead_to = hand->to;
        lead.lead_port = hand->port;
        if (hand->to.family == c->family && add_rule(c, chain, &lead) < 0)
            return -1;
    }
    return 0;
}

/* compile_nat() - A container has no address that others could answer to: what goes beyond
 * the host bears the host's. Neighbours know each other by their own. */
static int compile_nat(struct compiler *c) {
    size_t prerouting;
    size_t postrouting;
    if (add_chain(c, "PREROUTING", true, &prerouting) < 0 ||
        add_chain(c, "POSTROUTING", true, &postrouting) < 0 ||
        (c->fence->hand_count > 0 && add_leading(c, prerouting) < 0))
        return -1;
    if (!c->fence->reaches_beyond)
        return 0;
    struct xt_rule masquerade = empty_rule(DO_MASQUERADE);
    masquerade.mark_mask = c->marks.mask;
    masquerade.mark_value = c->marks.pass;
    struct xt_rule neighbours = empty_rule(DO_RETURN);
    size_t chain;
    if (jump_to(c, postrouting, "", true, ROOT_CHAIN) < 0 ||
        add_chain(c, ROOT_CHAIN, false, &chain) < 0)
        return -1;
    for (size_t i = 0; i < c->fence->near_count; i++) {
        memcpy(neighbours.out, c->fence->near[i], sizeof(neighbours.out));
        if (add_rule(c, chain, &neighbours) < 0)
            return -1;
    }
    return add_rule(c, chain, &masquerade);
}

int xt_compile(const struct ne_fence *fence, enum ne_family family, enum xt_table table,
               struct xt_marks marks, struct xt_plan *plan, struct ne_error *err) {
    *plan = (struct xt_plan){0};
    struct compiler c = {
        .fence = fence, .family = family, .marks = marks, .plan = plan, .err = err};
    static int (*const compile[])(struct compiler * c) = {
        [XT_RAW] = compile_raw, [XT_FILTER] = compile_filter, [XT_SECURITY] = compile_security,
        [XT_NAT] = compile_nat, [XT_JUDGE] = compile_judge,
    };
    if (compile[table](&c) == 0)
        return 0;
    xt_plan_free(plan);
    return -1;
}
