/* fence_compile.c - from the fence to the table's chains and elements: see fence.h. */
#include "fence.h"
#include "hash.h"

#include <netenforce/grow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

/* NF_IP_PRI_RAW is -300, _NAT_DST -100, _FILTER 0, _NAT_SRC 100: before what others have there. */
#define PRIORITY_RAW    (-300)
#define PRIORITY_FILTER 0
#define PRIORITY_NAT    99
#define PRIORITY_LEAD   (-101)

static const struct fence_base bases[] = {
    {"PREROUTING", "prerouting", NF_INET_PRE_ROUTING, PRIORITY_RAW, false},
    {"INPUT", "input", NF_INET_LOCAL_IN, PRIORITY_FILTER, false},
    {"FORWARD", "forward", NF_INET_FORWARD, PRIORITY_FILTER, false},
    {"OUTPUT", "output", NF_INET_LOCAL_OUT, PRIORITY_FILTER, false},
    {"PREROUTING", "leading", NF_INET_PRE_ROUTING, PRIORITY_LEAD, true},
    {"POSTROUTING", "postrouting", NF_INET_POST_ROUTING, PRIORITY_NAT, true},
};

static const enum xt_table tables[] = {XT_JUDGE, XT_FILTER, XT_NAT};
static const enum ne_family families[FENCE_FAMILIES] = {NE_V4, NE_V6};

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define INTERFACE     16
#define ADDRESS(f)    ((f) == 0 ? (size_t)4 : (size_t)16)
#define MAC           8 /* six bytes, filled up */
#define DISPATCH_SIZE 2 /* rules */

const char *fence_chain_name(enum xt_table table, size_t family, const char *planned,
                             char out[static FENCE_NAME]) {
    const char *number = family == 0 ? "4" : "6";
    const char *rest = planned + strlen(CHAIN_PREFIX);
    (void)snprintf(out, FENCE_NAME, "%s%s%s", xt_table_name(table), number, rest);
    return out;
}

const char *fence_set_name(enum fence_set set, size_t family, char out[static FENCE_NAME]) {
    static const char *const names[FENCE_SETS] = {"members", "near", "back"};
    (void)snprintf(out, FENCE_NAME, "%s%c", names[set], family == 0 ? '4' : '6');
    return out;
}

size_t fence_key_size(enum fence_set set, size_t family) {
    return INTERFACE + ADDRESS(family) + (set == FENCE_SET_MEMBERS ? MAC : 0);
}

const char *fence_target(const struct fence_element *element, char out[static FENCE_NAME]) {
    char planned[CHAIN_SIZE];
    out[0] = '\0';
    if (element->set == FENCE_SET_NEARS)
        return out;
    (void)snprintf(planned, sizeof(planned), CHAIN_PREFIX "-%c%.*s",
                   element->set == FENCE_SET_BACKS ? 'B' : 'P', POLICY_CHARACTERS, element->policy);
    return fence_chain_name(XT_JUDGE, element->family, planned, out);
}

int fence_compare(const void *left, const void *right) {
    return memcmp(left, right, sizeof(struct fence_element));
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const struct fence_chain *)left)->name,
                  ((const struct fence_chain *)right)->name);
}

uint64_t fence_digest_element(const char *set, const void *key, size_t size, const char *target) {
    uint64_t hash = hash_text(HASH_START, set);
    hash = hash_more(hash, key, size);
    return hash_text(hash, target);
}

uint64_t fence_digest(const struct fence_table *table) {
    uint64_t sum = 0;
    for (size_t i = 0; i < table->element_count; i++) {
        const struct fence_element *element = &table->elements[i];
        enum fence_set set = (enum fence_set)element->set;
        char name[FENCE_NAME];
        char target[FENCE_NAME];
        sum += fence_digest_element(fence_set_name(set, element->family, name), element->key,
                                    fence_key_size(set, element->family),
                                    fence_target(element, target));
    }
    return sum;
}

static uint64_t hash_prefix(uint64_t hash, const struct ne_prefix *prefix) {
    hash = hash_number(hash, (uint64_t)prefix->addr.family << 8 | prefix->len);
    return hash_more(hash, prefix->addr.bytes, sizeof(prefix->addr.bytes));
}

/* hash_rule() - Field by field: what lies between them is anything. */
static uint64_t hash_rule(uint64_t hash, const struct xt_rule *rule) {
    hash = hash_text(hash, rule->in);
    hash = hash_text(hash, rule->out);
    hash = hash_prefix(hash, &rule->from);
    hash = hash_prefix(hash, &rule->to);
    const uint32_t fields[] = {
        rule->proto,
        rule->ports,
        (uint32_t)rule->port_low << 16 | rule->port_high,
        (uint32_t)rule->icmp_type,
        rule->from_port,
        rule->mark_mask,
        rule->mark_value,
        (uint32_t)rule->led << 5 | (uint32_t)rule->mark_inverted << 4 | (uint32_t)rule->syn << 3 |
            (uint32_t)rule->replies << 2 | (uint32_t)rule->answers << 1 | rule->opens,
        rule->connmark_mask,
        rule->connmark_value,
        (uint32_t)rule->action,
        rule->set_mask,
        rule->set_value,
        rule->lead_port,
    };
    hash = hash_more(hash, fields, sizeof(fields));
    hash = hash_more(hash, rule->lead_to.bytes, sizeof(rule->lead_to.bytes));
    return hash_text(hash, rule->chain);
}

static struct fence_chain *add_chain(struct fence_table *table, const char *name,
                                     struct ne_error *err) {
    void *room = ne_grow(table->chains, table->chain_count, sizeof(*table->chains), err);
    if (room == NULL)
        return NULL;
    table->chains = room;
    struct fence_chain *chain = &table->chains[table->chain_count++];
    *chain = (struct fence_chain){0};
    memcpy(chain->name, name, strnlen(name, FENCE_NAME - 1));
    return chain;
}

static const struct fence_base *base_of(enum xt_table of, const char *builtin) {
    for (size_t i = 0; i < COUNT(bases); i++) {
        if (bases[i].nat == (of == XT_NAT) && strcmp(bases[i].builtin, builtin) == 0)
            return &bases[i];
    }
    return NULL;
}

/* base_chain() - Both families share it. */
static struct fence_chain *base_chain(struct fence_table *table, const struct fence_base *base,
                                      struct ne_error *err) {
    for (size_t i = 0; i < table->chain_count; i++) {
        if (table->chains[i].base == base)
            return &table->chains[i];
    }
    struct fence_chain *chain = add_chain(table, base->name, err);
    if (chain != NULL)
        chain->base = base;
    return chain;
}

static int add_planned(struct fence_table *table, enum xt_table of, size_t family,
                       const struct xt_chain *planned, struct ne_error *err) {
    char name[FENCE_NAME];
    struct fence_chain *chain;
    if (planned->builtin && planned->count == 0)
        return 0;
    if (planned->builtin)
        chain = base_chain(table, base_of(of, planned->name), err);
    else
        chain = add_chain(table, fence_chain_name(of, family, planned->name, name), err);
    if (chain == NULL)
        return -1;
    chain->table = of;
    chain->family = family;
    chain->part[family].rules = planned->rules;
    chain->part[family].count = planned->count;
    return 0;
}

/* add_lookup() - A chain that no plan has: what is asked of the maps. */
static int add_lookup(struct fence_table *table, size_t family, const char *planned,
                      enum fence_kind kind, struct ne_error *err) {
    char name[FENCE_NAME];
    struct fence_chain *chain =
        add_chain(table, fence_chain_name(XT_JUDGE, family, planned, name), err);
    if (chain == NULL)
        return -1;
    chain->kind = kind;
    chain->table = XT_JUDGE;
    chain->family = family;
    chain->count = kind == FENCE_DISPATCH ? DISPATCH_SIZE : 1;
    return 0;
}

static int add_chains(struct fence_table *table, const struct ne_fence *fence,
                      struct ne_error *err) {
    for (size_t t = 0; t < COUNT(tables); t++) {
        for (size_t f = 0; f < FENCE_FAMILIES; f++) {
            struct xt_plan *plan = &table->plans[t][f];
            if (xt_compile(fence, families[f], tables[t], table->marks, plan, err) < 0)
                return -1;
            for (size_t i = 0; i < plan->count; i++) {
                if (add_planned(table, tables[t], f, &plan->chains[i], err) < 0)
                    return -1;
            }
        }
    }
    for (size_t f = 0; f < FENCE_FAMILIES; f++) {
        if (add_lookup(table, f, ROOT_CHAIN, FENCE_DISPATCH, err) < 0 ||
            (fence->near_count > 0 && add_lookup(table, f, NEAR_CHAIN, FENCE_NEAR, err) < 0) ||
            (fence->proxied_count > 0 && add_lookup(table, f, BACK_CHAIN, FENCE_BACK, err) < 0))
            return -1;
    }
    return 0;
}

/* count_and_digest() - What of a chain is compared. */
static void count_and_digest(struct fence_table *table) {
    for (size_t i = 0; i < table->chain_count; i++) {
        struct fence_chain *chain = &table->chains[i];
        uint64_t hash = hash_number(HASH_START, (uint64_t)chain->kind);
        hash = hash_number(hash, table->marks.pass);
        for (size_t f = 0; f < FENCE_FAMILIES; f++) {
            chain->count += chain->part[f].count;
            hash = hash_number(hash, chain->part[f].count);
            for (size_t r = 0; r < chain->part[f].count; r++)
                hash = hash_rule(hash, &chain->part[f].rules[r]);
        }
        chain->digest = hash;
        table->rule_count += chain->count;
    }
}

static struct fence_element *next_element(struct fence_table *table, enum fence_set set,
                                          size_t family) {
    struct fence_element *element = &table->elements[table->element_count++];
    *element = (struct fence_element){.set = (uint8_t)set, .family = (uint8_t)family};
    return element;
}

static void add_member(struct fence_table *table, const struct ne_fence *fence,
                       const struct ne_member *member) {
    size_t family = member->addr.family == NE_V6;
    size_t address = ADDRESS(family);
    struct fence_element *element = next_element(table, FENCE_SET_MEMBERS, family);
    memcpy(element->key, member->bridge, strnlen(member->bridge, INTERFACE - 1));
    memcpy(element->key + INTERFACE, member->addr.bytes, address);
    memcpy(element->key + INTERFACE + address, member->mac.bytes, sizeof(member->mac.bytes));
    const char *policy = fence->policies[member->policy].id;
    memcpy(element->policy, policy, strnlen(policy, POLICY_CHARACTERS));
    if (member->icc && fence->near_count > 0) {
        struct fence_element *near = next_element(table, FENCE_SET_NEARS, family);
        memcpy(near->key, element->key, INTERFACE + address);
    }
    if (back_is_for(fence, member)) {
        struct fence_element *back = next_element(table, FENCE_SET_BACKS, family);
        memcpy(back->key, element->key, INTERFACE + address);
        memcpy(back->policy, element->policy, sizeof(back->policy));
    }
}

static int add_elements(struct fence_table *table, const struct ne_fence *fence,
                        struct ne_error *err) {
    size_t most = fence->member_count * FENCE_SETS;
    table->elements = calloc(most + 1, sizeof(*table->elements));
    if (table->elements == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for %zu elements", most);
    for (size_t i = 0; i < fence->member_count; i++)
        add_member(table, fence, &fence->members[i]);
    return 0;
}

int fence_compile(const struct ne_fence *fence, struct xt_marks marks, struct fence_table *table,
                  struct ne_error *err) {
    *table = (struct fence_table){.marks = marks};
    if (add_chains(table, fence, err) < 0 || add_elements(table, fence, err) < 0) {
        fence_free(table);
        return -1;
    }
    count_and_digest(table);
    qsort(table->chains, table->chain_count, sizeof(*table->chains), by_name);
    qsort(table->elements, table->element_count, sizeof(*table->elements), fence_compare);
    return 0;
}

void fence_drop_plans(struct fence_table *table) {
    for (size_t t = 0; t < COUNT(tables); t++) {
        for (size_t f = 0; f < FENCE_FAMILIES; f++)
            xt_plan_free(&table->plans[t][f]);
    }
    for (size_t i = 0; i < table->chain_count; i++)
        memset(table->chains[i].part, 0, sizeof(table->chains[i].part));
}

void fence_free(struct fence_table *table) {
    fence_drop_plans(table);
    free(table->chains);
    free(table->elements);
    *table = (struct fence_table){0};
}
