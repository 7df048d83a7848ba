/* back.c - proxies that are members of the network themselves, and their replies: see plan.h. */
#include "plan.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct xt_rule empty_rule(enum xt_action action) {
    return (struct xt_rule){.icmp_type = NE_ICMP_TYPE_ANY, .action = action};
}

static bool reaches_any(const struct ne_fence *fence, const struct ne_policy *policy,
                        enum ne_family family) {
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct ne_rule *rule = &policy->rules[i];
        if (rule->to.addr.family == family && ne_fence_reaches(fence, policy, rule))
            return true;
    }
    return false;
}

bool back_is_for(const struct ne_fence *fence, const struct ne_member *member) {
    return fence->proxied_count > 0 &&
           reaches_any(fence, &fence->policies[member->policy], member->addr.family);
}

/* add_chain() - From each proxy that @policy reaches: maybe a reply. Whoever sent it is known by
 * now, by its address. */
static int add_chain(struct xt_plan *plan, const struct ne_fence *fence,
                     const struct ne_policy *policy, enum ne_family family, struct ne_error *err) {
    char name[CHAIN_SIZE];
    size_t chain;
    back_chain_name(policy, name);
    if (plan_add_chain(plan, name, false, &chain, err) < 0)
        return -1;
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct ne_rule *proxy = &policy->rules[i];
        struct xt_rule rule = empty_rule(DO_GOTO);
        if (proxy->to.addr.family != family || !ne_fence_reaches(fence, policy, proxy))
            continue;
        rule.from = proxy->to;
        rule.proto = proxy->proto;
        rule.from_port = proxy->port_low;
        memcpy(rule.chain, REPLY_CHAIN, sizeof(REPLY_CHAIN));
        if (plan_add_rule(plan, chain, &rule, err) < 0)
            return -1;
    }
    return 0;
}

int back_add_chains(struct xt_plan *plan, const struct ne_fence *fence, enum ne_family family,
                    struct ne_error *err) {
    for (size_t i = 0; i < fence->policy_count && fence->proxied_count > 0; i++) {
        const struct ne_policy *policy = &fence->policies[i];
        if (reaches_any(fence, policy, family) && add_chain(plan, fence, policy, family, err) < 0)
            return -1;
    }
    return 0;
}

int back_add_tree(struct xt_plan *plan, const struct ne_fence *fence, size_t first, size_t end,
                  struct ne_error *err) {
    size_t root;
    size_t count = 0;
    if (fence->proxied_count == 0)
        return 0;
    struct ne_member *members = calloc(end - first + 1, sizeof(*members));
    if (members == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for %zu members", end - first);
    for (size_t i = first; i < end; i++) {
        if (back_is_for(fence, &fence->members[i]))
            members[count++] = fence->members[i];
    }
    const struct tree tree = {.kind = TREE_BACK,
                              .plan = plan,
                              .members = members,
                              .policies = fence->policies,
                              .err = err};
    int result = plan_add_chain(plan, BACK_CHAIN, false, &root, err);
    if (result == 0)
        result = tree_build(&tree, root, 0, count);
    free(members);
    return result;
}

int back_add_question(struct xt_plan *plan, size_t chain, const struct ne_policy *policy,
                      const struct ne_prefix *pool, struct xt_marks marks, struct ne_error *err) {
    struct xt_rule ask = empty_rule(DO_JUMP);
    ask.to = *pool;
    ask.proto = IPPROTO_TCP;
    memcpy(ask.chain, BACK_CHAIN, sizeof(BACK_CHAIN));
    struct xt_rule found = empty_rule(DO_RETURN);
    found.mark_mask = marks.all;
    found.mark_value = marks.mask;
    if (policy->otherwise == NE_DROP) { /* what is no reply is refused as this sender's is */
        found.action = DO_GOTO;
        memcpy(found.chain, HUSH_CHAIN, sizeof(HUSH_CHAIN));
    }
    return plan_add_rule(plan, chain, &ask, err) < 0 ? -1 : plan_add_rule(plan, chain, &found, err);
}

/* add_between() - @rule, from each bridge that has a proxy among its members back into it. */
static int add_between(struct xt_plan *plan, size_t chain, const struct ne_fence *fence,
                       struct xt_rule rule, struct ne_error *err) {
    for (size_t i = 0; i < fence->proxied_count; i++) {
        memcpy(rule.in, fence->proxied[i], sizeof(rule.in));
        memcpy(rule.out, fence->proxied[i], sizeof(rule.out));
        if (plan_add_rule(plan, chain, &rule, err) < 0)
            return -1;
    }
    return 0;
}

int back_add_gate(struct xt_plan *plan, size_t chain, const struct ne_fence *fence,
                  struct xt_marks marks, enum xt_action action, struct ne_error *err) {
    struct xt_rule reply = empty_rule(action);
    reply.mark_mask = marks.mask;
    reply.mark_value = marks.mask;
    reply.answers = true;
    reply.connmark_mask = marks.note;
    reply.connmark_value = marks.note;
    return add_between(plan, chain, fence, reply, err);
}

int back_add_marks(struct xt_plan *plan, size_t chain, const struct ne_fence *fence,
                   struct xt_marks marks, struct ne_error *err) {
    struct xt_rule syn = empty_rule(DO_SET_CONNMARK);
    syn.mark_mask = marks.all;
    syn.mark_value = marks.pass;
    syn.proto = IPPROTO_TCP;
    syn.syn = true;
    syn.opens = true;
    syn.set_mask = marks.note;
    syn.set_value = marks.note;
    return add_between(plan, chain, fence, syn, err);
}
