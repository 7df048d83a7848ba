/* tree.c - the dispatch by address: see plan.h. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

#define WAY_BITS 4 /* 16-way: measured better than 2-way and 256-way */

/* common_bits() - How many leading bits two addresses of one family share. */
static unsigned common_bits(const struct ne_addr *a, const struct ne_addr *b) {
    unsigned bits = ne_addr_bits(a->family);
    for (unsigned i = 0; i < bits / 8; i++) {
        unsigned differ = (unsigned)(a->bytes[i] ^ b->bytes[i]);
        if (differ != 0)
            return i * 8 + (unsigned)__builtin_clz(differ << 24);
    }
    return bits;
}

/* node_name() - The same prefix has the same name in every plan, so unchanged chains stay.
 * An IPv6 prefix is too long for a name: a 64-bit FNV-1a hash stands for it. Two prefixes of one
 * plan that share it would cost the members of one their way, never open one: every rule
 * names its address in full.
 */
static void node_name(const struct tree *tree, const struct ne_prefix *prefix,
                      char name[static CHAIN_SIZE]) {
    static const char *const kinds[] = {[TREE_FROM] = "", [TREE_NEAR] = "D", [TREE_BACK] = "R"};
    const char *kind = kinds[tree->kind];
    const uint8_t *b = prefix->addr.bytes;
    if (prefix->addr.family == NE_V4) {
        (void)snprintf(name, CHAIN_SIZE, CHAIN_PREFIX "-%s%02x%02x%02x%02x-%u", kind, b[0], b[1],
                       b[2], b[3], prefix->len);
        return;
    }
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof(prefix->addr.bytes); i++)
        hash = (hash ^ b[i]) * 0x100000001b3u;
    hash = (hash ^ prefix->len) * 0x100000001b3u;
    (void)snprintf(name, CHAIN_SIZE, CHAIN_PREFIX "-%s%016llx", kind, (unsigned long long)hash);
}

/* rule_for() - Go on elsewhere with what is from @prefix, or for it. */
static struct xt_rule rule_for(const struct tree *tree, const struct ne_prefix *prefix) {
    struct xt_rule rule = {.icmp_type = NE_ICMP_TYPE_ANY, .action = DO_GOTO};
    if (tree->kind == TREE_FROM)
        rule.from = *prefix;
    else
        rule.to = *prefix;
    return rule;
}

/* add_leaf() - The member itself: its bridge, its address, and as a sender its MAC address. */
static int add_leaf(const struct tree *tree, size_t chain, const struct ne_member *member) {
    const struct ne_prefix host = ne_prefix_host(&member->addr);
    struct xt_rule rule = rule_for(tree, &host);
    memcpy(rule.in, member->bridge, sizeof(rule.in));
    if (tree->kind == TREE_NEAR) {
        memcpy(rule.chain, PASS_CHAIN, sizeof(PASS_CHAIN));
    } else if (tree->kind == TREE_BACK) {
        back_chain_name(&tree->policies[member->policy], rule.chain);
    } else {
        rule.mac_given = true;
        rule.mac = member->mac;
        policy_chain_name(&tree->policies[member->policy], rule.chain);
    }
    return plan_add_rule(tree->plan, chain, &rule, tree->err);
}

/* add_branch() - A rule that sends @prefix to a chain of its own. */
static int add_branch(const struct tree *tree, size_t chain, const struct ne_prefix *prefix,
                      size_t *child) {
    struct xt_rule rule = rule_for(tree, prefix);
    node_name(tree, prefix, rule.chain);
    if (plan_add_chain(tree->plan, rule.chain, false, child, tree->err) < 0)
        return -1;
    return plan_add_rule(tree->plan, chain, &rule, tree->err);
}

static int end_node(const struct tree *tree, size_t chain) {
    return tree->kind != TREE_FROM ? 0 : plan_end_with(tree->plan, chain, DO_DROP, tree->err);
}

/* Depth is bounded by the address: 8 levels for IPv4, 32 for IPv6. */
int tree_build(const struct tree *tree, size_t root, size_t first, size_t end) {
    const struct ne_member *members = tree->members;
    if (end - first <= LEAF_MAX) {
        for (size_t i = first; i < end; i++) {
            if (add_leaf(tree, root, &members[i]) < 0)
                return -1;
        }
        return end_node(tree, root);
    }

    /* Bits that all share decide nothing and get no level. */
    unsigned shared = common_bits(&members[first].addr, &members[end - 1].addr);
    unsigned len = shared - shared % WAY_BITS + WAY_BITS;
    for (size_t i = first; i < end;) {
        struct ne_prefix way = {.addr = members[i].addr, .len = (uint8_t)len};
        way = ne_prefix_network(&way);
        size_t next = i + 1;
        while (next < end && ne_prefix_contains(&way, &members[next].addr))
            next++;
        size_t child;
        if (next - i == 1) {
            if (add_leaf(tree, root, &members[i]) < 0)
                return -1;
        } else if (add_branch(tree, root, &way, &child) < 0 ||
                   tree_build(tree, child, i, next) < 0) {
            return -1;
        }
        i = next;
    }
    return end_node(tree, root);
}
