/* fence_put.c - the table's changes as messages of one transaction: see fence.h. */
#include "fence.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/* What nft(8) takes the parts of keys for, six bits each: its TYPE_IPADDR, TYPE_IP6ADDR,
 * TYPE_ETHERADDR, TYPE_IFNAME. */
#define TYPE_ADDR(f)      ((f) == 0 ? 7u : 8u)
#define TYPE_MAC          9u
#define TYPE_NAME         41u
#define JOIN_TYPES(a, b)  ((a) << 6 | (b))
#define ELEMENT_SIZE      512 /* the longest message about one takes less than 200 bytes */
#define MESSAGES_OF_TABLE 16  /* the table itself, its sets */

/* is_map() - Whether its elements lead to chains. */
static bool is_map(enum fence_set set) {
    return set != FENCE_SET_NEARS;
}

static uint32_t key_type(enum fence_set set, size_t family) {
    uint32_t near = JOIN_TYPES(TYPE_NAME, TYPE_ADDR(family));
    return set == FENCE_SET_MEMBERS ? JOIN_TYPES(near, TYPE_MAC) : near;
}

static void put_set(struct writer *w, enum fence_set set, size_t family) {
    char name[FENCE_NAME];
    struct nlmsghdr *message = nft_batch_header(w->nft, w->batch, NFT_MSG_NEWSET, NLM_F_CREATE);
    mnl_attr_put_strz(message, NFTA_SET_TABLE, w->table);
    mnl_attr_put_strz(message, NFTA_SET_NAME, fence_set_name(set, family, name));
    mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(key_type(set, family)));
    mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl((uint32_t)fence_key_size(set, family)));
    mnl_attr_put_u32(message, NFTA_SET_ID,
                     htonl((uint32_t)((size_t)set * FENCE_FAMILIES + family + 1)));
    if (is_map(set)) {
        mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(NFT_SET_MAP));
        mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(NFT_DATA_VERDICT));
    }
    nft_batch_next(w->batch);
}

/* put_target() - The chain that an element leads to. */
static void put_target(struct nlmsghdr *message, const struct fence_element *element) {
    char target[FENCE_NAME];
    struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
    struct nlattr *verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
    mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
    mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, fence_target(element, target));
    mnl_attr_nest_end(message, verdict);
    mnl_attr_nest_end(message, data);
}

static void put_element(struct writer *w, const struct fence_element *element, uint16_t type) {
    enum fence_set set = (enum fence_set)element->set;
    bool comes = type == NFT_MSG_NEWSETELEM;
    char name[FENCE_NAME];
    struct nlmsghdr *message = nft_batch_header(w->nft, w->batch, type, comes ? NLM_F_CREATE : 0);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, w->table);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, fence_set_name(set, element->family, name));
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    struct nlattr *one = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    struct nlattr *key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
    mnl_attr_put(message, NFTA_DATA_VALUE, fence_key_size(set, element->family), element->key);
    mnl_attr_nest_end(message, key);
    if (comes && is_map(set))
        put_target(message, element);
    mnl_attr_nest_end(message, one);
    mnl_attr_nest_end(message, list);
    nft_batch_next(w->batch);
}

static void put_chain(struct writer *w, const struct fence_chain *chain) {
    const struct fence_base *base = chain->base;
    if (base == NULL)
        write_chain(w, chain->name);
    else if (base->nat)
        write_nat_chain(w, base->name, base->hook, base->priority);
    else
        write_base_chain(w, base->name, base->hook, base->priority);
}

void fence_put_nothing(struct writer *w) {
    /* Made if it is missing, so that the removal finds it; taken over if it is nobody's. */
    write_table(w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    write_table(w, NFT_MSG_DELTABLE, 0);
}

/* Every chain is there before a rule or an element can lead to it. */
void fence_put_whole(struct writer *w, const struct fence_table *wanted) {
    fence_put_nothing(w);
    write_table(w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    for (size_t i = 0; i < FENCE_SETS * FENCE_FAMILIES; i++)
        put_set(w, (enum fence_set)(i / FENCE_FAMILIES), i % FENCE_FAMILIES);
    for (size_t i = 0; i < wanted->chain_count; i++)
        put_chain(w, &wanted->chains[i]);
    for (size_t i = 0; i < wanted->chain_count; i++)
        fence_put_rules(w, &wanted->chains[i]);
    for (size_t i = 0; i < wanted->element_count; i++)
        put_element(w, &wanted->elements[i], NFT_MSG_NEWSETELEM);
}

/* Two sorted lists, walked through at once. */
struct walk {
    const char *old, *new;
    size_t old_count, new_count, size;
    size_t old_at, new_at;
    int (*order)(const void *left, const void *right);
};

static int by_name(const void *left, const void *right) {
    return strcmp(((const struct fence_chain *)left)->name,
                  ((const struct fence_chain *)right)->name);
}

static struct walk walk_chains(const struct fence_table *standing,
                               const struct fence_table *wanted) {
    return (struct walk){.old = (const char *)standing->chains,
                         .new = (const char *)wanted->chains,
                         .old_count = standing->chain_count,
                         .new_count = wanted->chain_count,
                         .size = sizeof(struct fence_chain),
                         .order = by_name};
}

static struct walk walk_elements(const struct fence_table *standing,
                                 const struct fence_table *wanted) {
    return (struct walk){.old = (const char *)standing->elements,
                         .new = (const char *)wanted->elements,
                         .old_count = standing->element_count,
                         .new_count = wanted->element_count,
                         .size = sizeof(struct fence_element),
                         .order = fence_compare};
}

/* next() - What is in both, or in one: then the other is NULL. */
static bool next(struct walk *walk, const void **before, const void **after) {
    *before = walk->old_at < walk->old_count ? walk->old + walk->old_at * walk->size : NULL;
    *after = walk->new_at < walk->new_count ? walk->new + walk->new_at * walk->size : NULL;
    if (*before == NULL && *after == NULL)
        return false;
    int order = 0;
    if (*before != NULL && *after != NULL)
        order = walk->order(*before, *after);
    if (order > 0)
        *before = NULL;
    if (order < 0)
        *after = NULL;
    walk->old_at += *before != NULL;
    walk->new_at += *after != NULL;
    return true;
}

static void put_elements(struct writer *w, const struct fence_table *standing,
                         const struct fence_table *wanted, uint16_t type) {
    struct walk walk = walk_elements(standing, wanted);
    const void *before;
    const void *after;
    while (next(&walk, &before, &after)) {
        if (type == NFT_MSG_DELSETELEM && after == NULL)
            put_element(w, before, type);
        if (type == NFT_MSG_NEWSETELEM && before == NULL)
            put_element(w, after, type);
    }
}

static bool differs(const struct fence_chain *before, const struct fence_chain *after) {
    return before == NULL || after == NULL || before->digest != after->digest;
}

/* put_chains() - New ones are made, and the rules of all that differ are taken away. */
static bool put_chains(struct writer *w, const struct fence_table *standing,
                       const struct fence_table *wanted) {
    struct walk walk = walk_chains(standing, wanted);
    const void *before;
    const void *after;
    bool any = false;
    while (next(&walk, &before, &after)) {
        if (!differs(before, after))
            continue;
        any = true;
        if (before != NULL)
            write_no_rules(w, ((const struct fence_chain *)before)->name);
        else
            put_chain(w, after);
    }
    return any;
}

/* put_rules() - And then nothing leads to those that are not wanted any more. */
static void put_rules(struct writer *w, const struct fence_table *standing,
                      const struct fence_table *wanted) {
    struct walk walk = walk_chains(standing, wanted);
    const void *before;
    const void *after;
    while (next(&walk, &before, &after)) {
        if (after == NULL)
            write_no_chain(w, ((const struct fence_chain *)before)->name);
        else if (differs(before, after))
            fence_put_rules(w, after);
    }
}

bool fence_put_difference(struct writer *w, const struct fence_table *standing,
                          const struct fence_table *wanted) {
    put_elements(w, standing, wanted, NFT_MSG_DELSETELEM);
    bool chains = put_chains(w, standing, wanted);
    if (chains)
        put_rules(w, standing, wanted);
    put_elements(w, standing, wanted, NFT_MSG_NEWSETELEM);
    return chains;
}

size_t fence_size(const struct fence_table *wanted, const struct fence_table *standing) {
    struct fence_table nothing = {0};
    const struct fence_table *old = standing != NULL ? standing : &nothing;
    struct walk chains = walk_chains(old, wanted);
    struct walk elements = walk_elements(old, wanted);
    const void *before;
    const void *after;
    size_t size = MESSAGES_OF_TABLE * (size_t)WRITE_RULE_SIZE;
    while (next(&chains, &before, &after)) {
        if (!differs(before, after))
            continue;
        size += 2 * (size_t)WRITE_RULE_SIZE;
        if (after != NULL)
            size += ((const struct fence_chain *)after)->count * WRITE_RULE_SIZE;
    }
    while (next(&elements, &before, &after)) {
        if (before == NULL || after == NULL)
            size += ELEMENT_SIZE;
    }
    return size;
}

bool fence_same(const struct fence_table *standing, const struct fence_table *wanted) {
    struct walk walk = walk_chains(standing, wanted);
    const void *before;
    const void *after;
    if (standing->chain_count != wanted->chain_count ||
        standing->element_count != wanted->element_count)
        return false;
    while (next(&walk, &before, &after)) {
        if (differs(before, after))
            return false;
    }
    return memcmp(standing->elements, wanted->elements,
                  wanted->element_count * sizeof(*wanted->elements)) == 0;
}
