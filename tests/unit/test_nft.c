/* test_nft.c - the fence as a table of nf_tables: chains, elements, what tells contents apart. */
#include "proxied.h"

#include "../../src/firewall/nftables/fence.h"

#include <netinet/in.h>
#include <stdio.h>

static struct ne_error err;

#define POLICY "aaaaaaaaaaaaaaaabbbbbbbb"

static void fence_of(struct ne_fence *fence, size_t count) {
    struct ne_policy *policy;
    ne_fence_init(fence);
    assert_int_equal(ne_fence_add_bridge(fence, "ne-aaaaaaaaaaaa", &err), 0);
    assert_int_equal(ne_fence_add_near(fence, "ne-aaaaaaaaaaaa", &err), 0);
    assert_int_equal(ne_fence_add_policy(fence, POLICY, NE_REJECT, &policy, &err), 0);
    static const char *const to[] = {"10.88.0.1/32", "fd00::1/128", "10.88.0.0/16"};
    for (size_t i = 0; i < COUNT(to); i++) {
        struct ne_rule rule = {.kind = i == 2 ? NE_RULE_NEIGHBOUR : NE_RULE_PLAIN,
                               .proto = i == 2 ? NE_PROTO_ANY : IPPROTO_TCP,
                               .port_low = i == 2 ? 0 : 8080,
                               .port_high = i == 2 ? UINT16_MAX : 8080,
                               .icmp_type = NE_ICMP_TYPE_ANY,
                               .verdict = NE_PASS};
        assert_true(ne_prefix_parse(to[i], &rule.to));
        assert_int_equal(ne_policy_add_rule(policy, &rule, &err), 0);
    }
    for (size_t i = 0; i < 2 * count; i++) {
        bool six = i % 2 != 0;
        struct ne_member member = {
            .bridge = "ne-aaaaaaaaaaaa", .mac = {{2, 0, 0, 0, 0, 1}}, .icc = !six};
        assert_true(ne_addr_parse(six ? "fd00::" : "10.88.0.0", &member.addr));
        size_t last = six ? 15 : 3;
        member.addr.bytes[last - 1] = (uint8_t)((i / 2 + 2) >> 8);
        member.addr.bytes[last] = (uint8_t)(i / 2 + 2);
        assert_int_equal(ne_fence_add_member(fence, &member, &err), 0);
    }
    struct ne_hand hand = {.bridge = "ne-aaaaaaaaaaaa", .proto = IPPROTO_TCP, .port = 8080};
    assert_true(ne_addr_parse("10.88.0.1", &hand.to));
    assert_int_equal(ne_fence_add_hand(fence, &hand, &err), 0);
    ne_fence_sort(fence);
}

/* with_proxy() - The first member of each family is the proxy of all. */
static void with_proxy(struct ne_fence *fence) {
    static const char *const pools[] = {"10.88.0.0/16", "fd00::/64"};
    assert_int_equal(ne_fence_add_proxied(fence, "ne-aaaaaaaaaaaa", &err), 0);
    for (size_t f = 0; f < FENCE_FAMILIES; f++) {
        struct ne_addr proxy;
        assert_true(ne_addr_parse(f == 0 ? "10.88.0.2" : "fd00::2", &proxy));
        add_proxy(&fence->policies[0], &proxy, pools[f]);
    }
    /* As a policy has it: before what it says of neighbours. */
    struct ne_rule *rules = fence->policies[0].rules;
    const struct ne_rule neighbours = rules[2];
    rules[2] = rules[3];
    rules[3] = neighbours;
}

static struct fence_table compiled(const struct ne_fence *fence) {
    struct fence_table table;
    assert_int_equal(fence_compile(fence, xt_marks_of(1), &table, &err), 0);
    return table;
}

static const struct fence_chain *chain_of(const struct fence_table *table, const char *name) {
    for (size_t i = 0; i < table->chain_count; i++) {
        if (strcmp(table->chains[i].name, name) == 0)
            return &table->chains[i];
    }
    return NULL;
}

/* Elements grow with the endpoints, and nothing else does. */
static void an_endpoint_is_elements(void **state) {
    (void)state;
    struct ne_fence few;
    struct ne_fence many;
    fence_of(&few, 1);
    fence_of(&many, 1000);
    struct fence_table one = compiled(&few);
    struct fence_table thousand = compiled(&many);
    assert_int_equal(one.chain_count, thousand.chain_count);
    assert_int_equal(one.rule_count, thousand.rule_count);
    for (size_t i = 0; i < one.chain_count; i++)
        assert_int_equal(one.chains[i].digest, thousand.chains[i].digest);
    assert_int_equal(one.element_count, 3); /* two addresses, one of them near */
    assert_int_equal(thousand.element_count, 3000);
    assert_int_not_equal(fence_digest(&one), fence_digest(&thousand));
    fence_free(&one);
    fence_free(&thousand);
    ne_fence_free(&few);
    ne_fence_free(&many);
}

/* Whatever leads somewhere leads to a chain that is there, and each is there once. */
static void all_ways_lead_to_chains(void **state) {
    (void)state;
    struct ne_fence fence;
    fence_of(&fence, 2);
    with_proxy(&fence);
    fence.inbound = true;
    fence.reaches_beyond = true;
    struct fence_table table = compiled(&fence);
    char name[FENCE_NAME];
    size_t backs = 0;
    for (size_t i = 0; i < table.chain_count; i++) {
        const struct fence_chain *chain = &table.chains[i];
        assert_true(i == 0 || strcmp(table.chains[i - 1].name, chain->name) < 0);
        for (size_t f = 0; f < FENCE_FAMILIES; f++) {
            for (size_t r = 0; r < chain->part[f].count; r++) {
                const struct xt_rule *rule = &chain->part[f].rules[r];
                if (rule->action == DO_GOTO || rule->action == DO_JUMP)
                    assert_non_null(
                        chain_of(&table, fence_chain_name(chain->table, f, rule->chain, name)));
            }
        }
    }
    for (size_t i = 0; i < table.element_count; i++) {
        const struct fence_element *element = &table.elements[i];
        bool leads = element->set != FENCE_SET_NEARS;
        backs += element->set == FENCE_SET_BACKS;
        assert_int_equal(*fence_target(element, name) != '\0', leads);
        if (leads)
            assert_non_null(chain_of(&table, name));
    }
    assert_int_equal(backs, fence.member_count);
    static const char *const bases[] = {"prerouting", "input",   "forward",
                                        "output",     "leading", "postrouting"};
    for (size_t i = 0; i < COUNT(bases); i++)
        assert_non_null(chain_of(&table, bases[i])->base);
    fence_free(&table);
    ne_fence_free(&fence);
}

static void what_a_member_is(void **state) {
    (void)state;
    struct ne_fence fence;
    fence_of(&fence, 1);
    struct fence_table table = compiled(&fence);
    static const uint8_t key[] = "ne-aaaaaaaaaaaa\0" /* 16 bytes, an address, a MAC address */
                                 "\x0a\x58\x00\x02"
                                 "\x02\x00\x00\x00\x00\x01\x00";
    char name[FENCE_NAME];
    assert_int_equal(fence_key_size(FENCE_SET_MEMBERS, 0), sizeof(key));
    assert_int_equal(fence_key_size(FENCE_SET_MEMBERS, 1), sizeof(key) + 12);
    assert_int_equal(fence_key_size(FENCE_SET_NEARS, 0), 20);
    assert_int_equal(table.elements[0].set, FENCE_SET_MEMBERS);
    assert_memory_equal(table.elements[0].key, key, sizeof(key));
    assert_string_equal(fence_target(&table.elements[0], name), "judge4-Paaaaaaaaaaaaaaaa");
    assert_string_equal(fence_set_name(FENCE_SET_NEARS, 1, name), "near6");
    fence_free(&table);
    ne_fence_free(&fence);
}

/* Each of these makes other rules or other elements. */
static void what_differs_is_seen(void **state) {
    (void)state;
    for (int change = 0; change < 15; change++) {
        struct ne_fence fence;
        fence_of(&fence, 2);
        with_proxy(&fence);
        struct fence_table before = compiled(&fence);
        struct ne_policy *policy = &fence.policies[0];
        switch (change) {
        case 1:
            policy->otherwise = NE_DROP;
            break;
        case 2:
            policy->rules[0].port_high++;
            break;
        case 3:
            policy->rules[0].to.addr.bytes[3]++;
            break;
        case 4:
            policy->audit = true;
            break;
        case 5:
            fence.members[0].mac.bytes[5]++;
            break;
        case 6:
            fence.members[0].icc = false;
            break;
        case 7:
            fence.reaches_beyond = true;
            break;
        case 8:
            policy->rules[1].verdict = NE_DROP;
            break;
        case 9: /* another port of the proxy: the way there and the way back */
            policy->rules[2].port_low = policy->rules[2].port_high = 3129;
            break;
        case 10: /* another address, of a member */
            policy->rules[2].to = ne_prefix_host(&fence.members[1].addr);
            break;
        case 11:
            policy->rules[2].kind = NE_RULE_PLAIN;
            break;
        case 12:
            fence.hands[0].port++;
            break;
        case 13:
            fence.hands[0].from = fence.members[0].addr;
            break;
        case 14:
            fence.hand_count = 0;
            break;
        default:
            break;
        }
        struct fence_table after = compiled(&fence);
        bool same = fence_digest(&before) == fence_digest(&after) &&
                    before.chain_count == after.chain_count;
        for (size_t i = 0; i < before.chain_count && same; i++)
            same = before.chains[i].digest == after.chains[i].digest;
        assert_int_equal(same, change == 0);
        fence_free(&before);
        fence_free(&after);
        ne_fence_free(&fence);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_elements),
        cmocka_unit_test(all_ways_lead_to_chains),
        cmocka_unit_test(what_a_member_is),
        cmocka_unit_test(what_differs_is_seen),
    };
    return cmocka_run_group_tests_name("nft", tests, NULL, NULL);
}
