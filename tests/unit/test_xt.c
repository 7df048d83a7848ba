/* test_xt.c - the fence in the words of xtables: shapes, names, bytes. */
#include "proxied.h"

#include "../../src/firewall/iptables/encode.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

static struct ne_error err;

static void fence_of(struct ne_fence *fence, enum ne_family family, size_t count) {
    struct ne_policy *policy;
    ne_fence_init(fence);
    assert_int_equal(ne_fence_add_bridge(fence, "ne-aaaaaaaaaaaa", &err), 0);
    assert_int_equal(ne_fence_add_bridge(fence, "custom0", &err), 0);
    assert_int_equal(
        ne_fence_add_policy(fence, "aaaaaaaaaaaaaaaaaaaaaaaa", NE_REJECT, &policy, &err), 0);
    struct ne_rule rule = {.proto = IPPROTO_TCP,
                           .port_low = 8080,
                           .port_high = 8080,
                           .icmp_type = NE_ICMP_TYPE_ANY,
                           .verdict = NE_PASS};
    assert_true(ne_prefix_parse(family == NE_V4 ? "10.88.0.1/32" : "fd00::1/128", &rule.to));
    assert_int_equal(ne_policy_add_rule(policy, &rule, &err), 0);
    for (size_t i = 0; i < count; i++) {
        struct ne_member member = {.bridge = "ne-aaaaaaaaaaaa", .mac = {{2, 0, 0, 0, 0, 1}}};
        assert_true(ne_addr_parse(family == NE_V4 ? "10.88.0.0" : "fd00::", &member.addr));
        size_t last = family == NE_V4 ? 3 : 15;
        member.addr.bytes[last - 1] = (uint8_t)((i + 2) >> 8);
        member.addr.bytes[last] = (uint8_t)(i + 2);
        assert_int_equal(ne_fence_add_member(fence, &member, &err), 0);
    }
    ne_fence_sort(fence);
}

/* with_icc() - All members reach each other. */
static void with_icc(struct ne_fence *fence, enum ne_family family) {
    struct ne_rule rule = {.kind = NE_RULE_NEIGHBOUR,
                           .port_high = UINT16_MAX,
                           .icmp_type = NE_ICMP_TYPE_ANY,
                           .verdict = NE_PASS};
    assert_int_equal(ne_fence_add_near(fence, "ne-aaaaaaaaaaaa", &err), 0);
    assert_true(ne_prefix_parse(family == NE_V4 ? "10.88.0.0/16" : "fd00::/64", &rule.to));
    assert_int_equal(ne_policy_add_rule(&fence->policies[0], &rule, &err), 0);
    for (size_t i = 0; i < fence->member_count; i++)
        fence->members[i].icc = true;
}

/* with_hand() - The policy hands 443 to port 8080, and one member, if @own, has a port of its own.
 */
static void with_hand(struct ne_fence *fence, enum ne_family family, bool own) {
    struct ne_rule rule = {.kind = NE_RULE_HANDED,
                           .to = {.addr = {.family = family}},
                           .proto = IPPROTO_TCP,
                           .port_low = 443,
                           .port_high = 443,
                           .icmp_type = NE_ICMP_TYPE_ANY,
                           .handed_to = 8080,
                           .verdict = NE_PASS,
                           .option = "mode"};
    struct ne_hand hand = {.bridge = "ne-aaaaaaaaaaaa", .proto = IPPROTO_TCP, .port = 8080};
    assert_true(ne_addr_parse(family == NE_V4 ? "10.88.0.1" : "fd00::1", &hand.to));
    assert_int_equal(ne_policy_add_rule(&fence->policies[0], &rule, &err), 0);
    assert_int_equal(ne_fence_add_hand(fence, &hand, &err), 0);
    if (own) {
        hand.from = fence->members[0].addr;
        hand.port = 8081;
        assert_int_equal(ne_fence_add_hand(fence, &hand, &err), 0);
    }
    ne_fence_sort(fence);
}

static bool is_terminal(const struct xt_rule *rule) {
    return rule->action == DO_DROP || rule->action == DO_REJECT_PORT ||
           rule->action == DO_SET_MARK || rule->action == DO_NOT_TRACK ||
           (rule->action == DO_GOTO && rule->from.addr.family == NE_NONE);
}

/* steps() - Rules that a packet from @from meets in raw until a policy or DROP decides. */
static size_t steps(const struct xt_plan *plan, const struct ne_addr *from) {
    const struct xt_chain *chain = xt_plan_chain(plan, "NETENFORCE");
    size_t met = 0;
    while (chain != NULL) {
        const struct xt_rule *taken = NULL;
        for (size_t i = 0; i < chain->count && taken == NULL; i++) {
            const struct xt_rule *rule = &chain->rules[i];
            met++;
            if (rule->from.addr.family == NE_NONE || ne_prefix_contains(&rule->from, from))
                taken = rule;
        }
        assert_non_null(taken);
        if (taken->action != DO_GOTO || strncmp(taken->chain, "NETENFORCE-P", 12) == 0)
            return met;
        chain = xt_plan_chain(plan, taken->chain);
    }
    fail();
    return 0;
}

static void the_tree_is_shallow(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 16, 17, 256, 1000};
    static const enum ne_family families[] = {NE_V4, NE_V6};
    for (size_t f = 0; f < COUNT(families); f++) {
        for (size_t c = 0; c < COUNT(counts); c++) {
            struct ne_fence fence;
            struct xt_plan plan;
            fence_of(&fence, families[f], counts[c]);
            assert_int_equal(
                xt_compile(&fence, families[f], XT_RAW, xt_marks_of(0x20000000), &plan, &err), 0);
            for (size_t i = 0; i < fence.member_count; i++)
                assert_true(steps(&plan, &fence.members[i].addr) <= 48);
            struct ne_addr stranger = {.family = families[f], .bytes = {192, 0, 2, 1}};
            assert_true(steps(&plan, &stranger) <= 48);
            for (size_t i = 0; i < plan.count; i++) {
                const struct xt_chain *chain = &plan.chains[i];
                assert_true(strlen(chain->name) <= 28);
                if (!chain->builtin)
                    assert_true(is_terminal(&chain->rules[chain->count - 1]));
                for (size_t k = 0; k < i; k++)
                    assert_string_not_equal(chain->name, plan.chains[k].name);
                for (size_t k = 0; k < chain->count; k++) {
                    if (chain->rules[k].action == DO_GOTO || chain->rules[k].action == DO_JUMP)
                        assert_non_null(xt_plan_chain(&plan, chain->rules[k].chain));
                }
            }
            xt_plan_free(&plan);
            ne_fence_free(&fence);
        }
    }
}

/* Each verdict has its mark, whatever rule it is of; under an audit nothing is refused. */
static void each_verdict_has_its_mark(void **state) {
    (void)state;
    static const struct {
        const char *chain;
        uint32_t mark;
        size_t rules;
    } verdicts[] = {
        {HANDED_CHAIN, 4, 1},                                            /* NOTE alone */
        {PASS_CHAIN, 1, 1},   {AUDIT_CHAIN, 5, 1}, {REFUSE_CHAIN, 2, 2}, /* and no tracking */
        {DROP_CHAIN, 6, 2},
    };
    static const enum ne_verdict given[] = {NE_PASS, NE_REJECT, NE_DROP};
    static const char *const enforced[] = {PASS_CHAIN, REFUSE_CHAIN, DROP_CHAIN};
    static const char *const audited[] = {PASS_CHAIN, AUDIT_CHAIN, AUDIT_CHAIN};
    for (size_t v = 0; v < 2 * COUNT(given); v++) {
        struct ne_fence fence;
        struct xt_plan plan;
        char name[CHAIN_SIZE];
        fence_of(&fence, NE_V4, 1);
        with_hand(&fence, NE_V4, false);
        struct ne_policy *policy = &fence.policies[0];
        policy->audit = v >= COUNT(given);
        policy->otherwise = given[v % COUNT(given)];
        assert_int_equal(xt_compile(&fence, NE_V4, XT_RAW, xt_marks_of(1), &plan, &err), 0);
        policy_chain_name(policy, name);
        const struct xt_chain *chain = xt_plan_chain(&plan, name);
        const char *wanted = (policy->audit ? audited : enforced)[v % COUNT(given)];
        assert_string_equal(chain->rules[chain->count - 1].chain, wanted);
        for (size_t i = 0; i < COUNT(verdicts); i++) {
            chain = xt_plan_chain(&plan, verdicts[i].chain);
            assert_int_equal(chain->count, verdicts[i].rules);
            assert_int_equal(chain->rules[0].set_mask, 7);
            assert_int_equal(chain->rules[0].set_value, verdicts[i].mark);
        }
        xt_plan_free(&plan);
        ne_fence_free(&fence);
    }
}

/* near_steps() - Rules that a packet for @to meets in the tree by destination, until PASS or the
 * end. */
static size_t near_steps(const struct xt_plan *plan, const struct ne_addr *to, bool *passes) {
    const struct xt_chain *chain = xt_plan_chain(plan, "NETENFORCE-NEAR");
    size_t met = 0;
    *passes = false;
    while (chain != NULL) {
        const struct xt_rule *taken = NULL;
        for (size_t i = 0; i < chain->count && taken == NULL; i++) {
            met++;
            if (ne_prefix_contains(&chain->rules[i].to, to))
                taken = &chain->rules[i];
        }
        if (taken == NULL)
            return met;
        *passes = strcmp(taken->chain, "NETENFORCE-PASS") == 0 && taken->in[0] != '\0';
        chain = *passes ? NULL : xt_plan_chain(plan, taken->chain);
    }
    return met;
}

static void the_tree_by_destination_is_shallow(void **state) {
    (void)state;
    static const enum ne_family families[] = {NE_V4, NE_V6};
    for (size_t f = 0; f < COUNT(families); f++) {
        struct ne_fence fence;
        struct xt_plan plan;
        bool passes;
        fence_of(&fence, families[f], 1000);
        with_icc(&fence, families[f]);
        fence.members[500].icc = false;
        assert_int_equal(
            xt_compile(&fence, families[f], XT_RAW, xt_marks_of(0x20000000), &plan, &err), 0);
        for (size_t i = 0; i < fence.member_count; i++) {
            assert_true(near_steps(&plan, &fence.members[i].addr, &passes) <= 48);
            assert_int_equal(passes, i != 500);
        }
        for (size_t i = 0; i < plan.count; i++)
            assert_true(strlen(plan.chains[i].name) <= 28);
        xt_plan_free(&plan);
        ne_fence_free(&fence);
    }
}

/* with_proxy() - The first member is the proxy of all. */
static void with_proxy(struct ne_fence *fence, enum ne_family family) {
    assert_int_equal(ne_fence_add_near(fence, "ne-aaaaaaaaaaaa", &err), 0);
    assert_int_equal(ne_fence_add_proxied(fence, "ne-aaaaaaaaaaaa", &err), 0);
    add_proxy(&fence->policies[0], &fence->members[0].addr,
              family == NE_V4 ? "10.88.0.0/16" : "fd00::/64");
}

/* The way back of a proxy's replies: the tree is shallow, and leads each member to the proxies of
 * its policy, known by address and port, and so to a mark that no gate takes for PASS. */
static void a_proxys_replies_are_asked_for(void **state) {
    (void)state;
    static const enum ne_family families[] = {NE_V4, NE_V6};
    for (size_t f = 0; f < COUNT(families); f++) {
        struct ne_fence fence;
        struct xt_plan plan;
        fence_of(&fence, families[f], 1000);
        with_proxy(&fence, families[f]);
        assert_int_equal(
            xt_compile(&fence, families[f], XT_RAW, xt_marks_of(0x20000000), &plan, &err), 0);
        const struct xt_chain *back = xt_plan_chain(&plan, "NETENFORCE-Baaaaaaaaaaaaaaaa");
        assert_non_null(back);
        assert_int_equal(back->count, 1);
        assert_true(ne_addr_equal(&back->rules[0].from.addr, &fence.members[0].addr));
        assert_int_equal(back->rules[0].from_port, 3128);
        assert_string_equal(back->rules[0].chain, "NETENFORCE-REPLY");
        size_t leaves = 0;
        for (size_t i = 0; i < plan.count; i++) {
            assert_true(strlen(plan.chains[i].name) <= 28);
            assert_true(plan.chains[i].count <= 24);
            for (size_t k = 0; k < plan.chains[i].count; k++)
                leaves += strcmp(plan.chains[i].rules[k].chain, back->name) == 0;
        }
        assert_int_equal(leaves, fence.member_count);
        xt_plan_free(&plan);

        /* Its address is nobody's any more: neither way is there. */
        fence.members[0].addr.bytes[1]--;
        ne_fence_sort(&fence);
        assert_int_equal(
            xt_compile(&fence, families[f], XT_RAW, xt_marks_of(0x20000000), &plan, &err), 0);
        assert_null(xt_plan_chain(&plan, "NETENFORCE-Baaaaaaaaaaaaaaaa"));
        const struct xt_chain *policy = xt_plan_chain(&plan, "NETENFORCE-Paaaaaaaaaaaaaaaa");
        for (size_t k = 0; k < policy->count; k++)
            assert_int_not_equal(policy->rules[k].port_low, 3128);
        xt_plan_free(&plan);
        ne_fence_free(&fence);
    }
}

/* led() - What a packet with NOTE alone from @from meets in the chain of @table: with which action,
 * to which port it was (of a gate) or is (of nat) led. */
static enum xt_action led(const struct ne_fence *fence, enum xt_table table,
                          const struct ne_addr *from, uint16_t port, uint16_t *to) {
    struct xt_plan plan;
    enum xt_action action = DO_RETURN;
    assert_int_equal(xt_compile(fence, from->family, table, xt_marks_of(1), &plan, &err), 0);
    const struct xt_chain *chain = xt_plan_chain(&plan, "NETENFORCE-HAND");
    assert_non_null(chain);
    for (size_t i = 0; i < chain->count; i++) {
        const struct xt_rule *rule = &chain->rules[i];
        if ((rule->from.addr.family != NE_NONE && !ne_prefix_contains(&rule->from, from)) ||
            (rule->ports && rule->port_low != port))
            continue;
        /* Nothing passes that was not led. */
        assert_true(rule->led || rule->action == DO_DROP || rule->action == DO_LEAD);
        action = rule->action;
        *to = rule->lead_port;
        break;
    }
    xt_plan_free(&plan);
    return action;
}

static void what_is_handed_is_led_and_asked_for(void **state) {
    (void)state;
    static const enum ne_family families[] = {NE_V4, NE_V6};
    for (size_t f = 0; f < COUNT(families); f++) {
        struct ne_fence fence;
        uint16_t to = 0;
        fence_of(&fence, families[f], 2);
        with_hand(&fence, families[f], true);
        const struct ne_addr *own = &fence.members[0].addr;
        const struct ne_addr *other = &fence.members[1].addr;
        assert_int_equal(led(&fence, XT_NAT, own, 443, &to), DO_LEAD);
        assert_int_equal(to, 8081);
        assert_int_equal(led(&fence, XT_NAT, other, 443, &to), DO_LEAD);
        assert_int_equal(to, 8080);
        assert_int_equal(led(&fence, XT_FILTER, own, 8081, &to), DO_ACCEPT);
        assert_int_equal(led(&fence, XT_FILTER, own, 8080, &to), DO_DROP);
        assert_int_equal(led(&fence, XT_FILTER, other, 8080, &to), DO_ACCEPT);
        assert_int_equal(led(&fence, XT_FILTER, other, 8081, &to), DO_DROP);
        assert_int_equal(led(&fence, XT_SECURITY, own, 8081, &to), DO_RETURN);
        assert_int_equal(led(&fence, XT_SECURITY, own, 8080, &to), DO_DROP);
        assert_int_equal(led(&fence, XT_SECURITY, other, 443, &to), DO_DROP);
        ne_fence_free(&fence);
    }
}

static void gates_do_not_grow(void **state) {
    (void)state;
    static const enum xt_table gates[] = {XT_FILTER, XT_SECURITY, XT_NAT};
    for (size_t g = 0; g < COUNT(gates); g++) {
        size_t rules[2] = {0, 0};
        for (size_t n = 0; n < 2; n++) {
            struct ne_fence fence;
            struct xt_plan plan;
            fence_of(&fence, NE_V4, n == 0 ? 1 : 1000);
            with_icc(&fence, NE_V4);
            with_proxy(&fence, NE_V4);
            with_hand(&fence, NE_V4, false);
            assert_int_equal(
                xt_compile(&fence, NE_V4, gates[g], xt_marks_of(0x20000000), &plan, &err), 0);
            for (size_t i = 0; i < plan.count; i++)
                rules[n] += plan.chains[i].count;
            xt_plan_free(&plan);
            ne_fence_free(&fence);
        }
        assert_int_equal(rules[0], rules[1]);
    }
}

static void no_bridge_no_rule(void **state) {
    (void)state;
    static const enum xt_table tables[] = {XT_RAW, XT_FILTER, XT_SECURITY, XT_NAT};
    struct ne_fence fence;
    ne_fence_init(&fence);
    for (size_t t = 0; t < COUNT(tables); t++) {
        struct xt_plan plan;
        assert_int_equal(xt_compile(&fence, NE_V4, tables[t], xt_marks_of(0x20000000), &plan, &err),
                         0);
        for (size_t i = 0; i < plan.count; i++) {
            assert_true(plan.chains[i].builtin);
            assert_int_equal(plan.chains[i].count, 0);
        }
        xt_plan_free(&plan);
    }
}

static void entries_are_as_the_kernel_wants_them(void **state) {
    (void)state;
    static const enum ne_family families[] = {NE_V4, NE_V6};
    static const enum xt_table tables[] = {XT_RAW, XT_FILTER, XT_SECURITY, XT_NAT};
    for (size_t f = 0; f < COUNT(families); f++) {
        struct ne_fence fence;
        fence_of(&fence, families[f], 40);
        with_hand(&fence, families[f], true);
        fence.reaches_beyond = true;
        for (size_t t = 0; t < COUNT(tables); t++) {
            struct xt_plan plan;
            assert_int_equal(
                xt_compile(&fence, families[f], tables[t], xt_marks_of(0x20000000), &plan, &err),
                0);
            for (size_t i = 0; i < plan.count; i++) {
                for (size_t k = 0; k < plan.chains[i].count; k++) {
                    struct encoded entry;
                    xt_encode(&plan.chains[i].rules[k], families[f], &entry);
                    assert_int_equal(entry.size % 8, 0);
                    assert_int_equal(entry.target_offset % 8, 0);
                    assert_true(entry.size <= ENTRY_MAX / 2);
                }
            }
            xt_plan_free(&plan);
        }
        ne_fence_free(&fence);
    }
}

static void masks_and_flags(void **state) {
    (void)state;
    struct xt_rule rule = {.in = "ne-+",
                           .proto = IPPROTO_TCP,
                           .icmp_type = NE_ICMP_TYPE_ANY,
                           .action = DO_GOTO,
                           .chain = "NETENFORCE"};
    struct encoded entry;
    xt_encode(&rule, NE_V6, &entry);
    const struct ip6t_entry *six = (const struct ip6t_entry *)(const void *)entry.bytes;
    assert_int_equal(six->ipv6.flags, IP6T_F_PROTO | IP6T_F_GOTO);
    assert_int_equal(six->ipv6.iniface_mask[2], 0xff);
    assert_int_equal(six->ipv6.iniface_mask[3], 0);

    memcpy(rule.in, "ne-a", 5);
    xt_encode(&rule, NE_V4, &entry);
    const struct ipt_entry *four = (const struct ipt_entry *)(const void *)entry.bytes;
    assert_int_equal(four->ip.flags, IPT_F_GOTO);
    assert_int_equal(four->ip.iniface_mask[4], 0xff); /* the NUL: exactly this name */
    assert_int_equal(four->ip.iniface_mask[5], 0);
}

static void same_is_same(void **state) {
    (void)state;
    struct xt_rule rule = {.in = "ne-a",
                           .mac_given = true,
                           .mac = {{2, 0, 0, 0, 0, 1}},
                           .icmp_type = NE_ICMP_TYPE_ANY,
                           .action = DO_SET_MARK,
                           .set_mask = 3,
                           .set_value = 1};
    struct encoded a;
    struct encoded b;
    xt_encode(&rule, NE_V4, &a);
    b = a;
    assert_true(xt_same(&a, NE_V4, b.bytes, "MARK"));
    assert_false(xt_same(&a, NE_V4, b.bytes, "DROP"));
    assert_false(xt_same(&a, NE_V4, b.bytes, NULL));
    ((struct ipt_entry *)(void *)b.bytes)->counters.pcnt = 7;
    assert_true(xt_same(&a, NE_V4, b.bytes, "MARK"));
    /* Any single bit of what it says counts. */
    rule.set_value = 2;
    xt_encode(&rule, NE_V4, &b);
    assert_false(xt_same(&a, NE_V4, b.bytes, "MARK"));
    rule.set_value = 1;
    rule.mac.bytes[5] = 2;
    xt_encode(&rule, NE_V4, &b);
    assert_false(xt_same(&a, NE_V4, b.bytes, "MARK"));
    rule.mac_given = false;
    xt_encode(&rule, NE_V4, &b);
    assert_false(xt_same(&a, NE_V4, b.bytes, "MARK"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_is_shallow),
        cmocka_unit_test(each_verdict_has_its_mark),
        cmocka_unit_test(the_tree_by_destination_is_shallow),
        cmocka_unit_test(a_proxys_replies_are_asked_for),
        cmocka_unit_test(what_is_handed_is_led_and_asked_for),
        cmocka_unit_test(gates_do_not_grow),
        cmocka_unit_test(no_bridge_no_rule),
        cmocka_unit_test(entries_are_as_the_kernel_wants_them),
        cmocka_unit_test(masks_and_flags),
        cmocka_unit_test(same_is_same),
    };
    return cmocka_run_group_tests_name("xt", tests, NULL, NULL);
}
