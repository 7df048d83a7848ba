/* meter_sync.c - from what stands to what is wanted: see meter_sync.h. */
#include "meter_sync.h"

#include <netenforce/grow.h>

#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

static bool same_addresses(const struct metered *a, const struct metered *b) {
    for (size_t f = 0; f < METER_FAMILIES; f++) {
        if (!ne_addr_equal(&a->addr[f], &b->addr[f]))
            return false;
    }
    return true;
}

/* metered_equal() - Whether an endpoint wants the same of the kernel as before. */
static bool metered_equal(const struct metered *a, const struct metered *b) {
    const struct ne_meter *x = &a->meter;
    const struct ne_meter *y = &b->meter;
    return x->rate == y->rate && x->quota == y->quota && x->silent == y->silent &&
           x->hands == y->hands && ne_pace_equal(x->conn_rate, y->conn_rate) &&
           ne_pace_equal(x->log, y->log) && same_addresses(a, b);
}

static int by_id(const void *id, const void *metered) {
    return strcmp(id, ((const struct metered *)metered)->meter.id);
}

struct metered *metered_find(const struct metered_list *list, const char *id) {
    return list->count == 0 ? NULL
                            : bsearch(id, list->items, list->count, sizeof(*list->items), by_id);
}

/* next_pair() - Walk two sorted lists at once: the same endpoint of both, or one alone and NULL. */
static bool next_pair(const struct metered_list *old, const struct metered_list *new,
                      size_t *at_old, size_t *at_new, const struct metered **before,
                      const struct metered **after) {
    *before = *at_old < old->count ? &old->items[*at_old] : NULL;
    *after = *at_new < new->count ? &new->items[*at_new] : NULL;
    if (*before == NULL && *after == NULL)
        return false;
    int order = 0;
    if (*before != NULL && *after != NULL)
        order = strcmp((*before)->meter.id, (*after)->meter.id);
    if (order > 0)
        *before = NULL;
    if (order < 0)
        *after = NULL;
    *at_old += *before != NULL;
    *at_new += *after != NULL;
    return true;
}

size_t sync_count(const struct metered_list *old, const struct metered_list *new) {
    size_t at_old = 0;
    size_t at_new = 0;
    size_t count = 0;
    const struct metered *before;
    const struct metered *after;
    while (next_pair(old, new, &at_old, &at_new, &before, &after))
        count += before == NULL || after == NULL || !metered_equal(before, after);
    return count;
}

/* begin_with() - What a new object has counted before: a quota's use goes on. More than the quota
 * itself the kernel does not take (nft_quota_do_init(), net/netfilter/nft_quota.c). */
static struct meter_count begin_with(enum meter_kind kind, const struct metered *endpoint) {
    struct meter_count count = {0};
    if (kind == METER_QUOTA)
        count.bytes =
            endpoint->used < endpoint->meter.quota ? endpoint->used : endpoint->meter.quota;
    return count;
}

static void put_kind(struct writer *w, enum meter_kind kind, const struct metered *before,
                     const struct metered *after) {
    struct meter_object old;
    struct meter_object new;
    char name[METER_NAME_SIZE];
    bool had = before != NULL && meter_object_of(before, kind, &old);
    bool has = after != NULL && meter_object_of(after, kind, &new);
    bool kept = had && has && meter_object_equal(&old, &new);
    if (kept && same_addresses(before, after))
        return;
    if (had)
        meter_put_elements(w, before, kind, NFT_MSG_DELSETELEM);
    if (had && !kept)
        meter_put_no_object(w, old.type, meter_object_name(kind, before->meter.id, name));
    if (has && !kept)
        meter_put_object(w, after, kind, &new, begin_with(kind, after));
    if (has)
        meter_put_elements(w, after, kind, NFT_MSG_NEWSETELEM);
}

void sync_difference(struct writer *w, const struct metered_list *old,
                     const struct metered_list *new, size_t count, uint64_t *digest) {
    size_t at_old = 0;
    size_t at_new = 0;
    const struct metered *before;
    const struct metered *after;
    while (count > 0 && next_pair(old, new, &at_old, &at_new, &before, &after)) {
        if (before != NULL && after != NULL && metered_equal(before, after))
            continue;
        count--;
        for (size_t k = 0; k < METER_KINDS; k++)
            put_kind(w, (enum meter_kind)k, before, after);
        if (before != NULL)
            *digest -= meter_digest_of(before);
        if (after != NULL)
            *digest += meter_digest_of(after);
    }
}

static void take_known(void *context, const struct meter_found *found) {
    struct known_list *known = context;
    if (found == NULL) {
        known->count = 0;
        return;
    }
    void *room = known->failed || strlen(found->name) >= METER_NAME_SIZE
                     ? NULL
                     : ne_grow(known->items, known->count, sizeof(*known->items), NULL);
    if (room == NULL) {
        known->failed = true;
        return;
    }
    known->items = room;
    struct meter_known *slot = &known->items[known->count++];
    *slot = (struct meter_known){.object = found->object, .count = found->count};
    memcpy(slot->name, found->name, strlen(found->name));
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const struct meter_known *)left)->name,
                  ((const struct meter_known *)right)->name);
}

enum nft_outcome sync_read_known(struct nft *nft, struct known_list *known, struct ne_error *err) {
    *known = (struct known_list){0};
    enum nft_outcome outcome = meter_read_objects(nft, NFT_OBJECT_UNSPEC, take_known, known, err);
    if (outcome == NFT_DONE && known->failed) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the list of meters");
        outcome = NFT_FAILED;
    }
    if (outcome != NFT_DONE) {
        free(known->items);
        *known = (struct known_list){0};
    } else if (known->count > 1) {
        qsort(known->items, known->count, sizeof(*known->items), by_name);
    }
    return outcome;
}

static const struct meter_known *known_object(const struct known_list *known, enum meter_kind kind,
                                              const char *id) {
    struct meter_known wanted = {0};
    meter_object_name(kind, id, wanted.name);
    return known->count == 0
               ? NULL
               : bsearch(&wanted, known->items, known->count, sizeof(*known->items), by_name);
}

/* is_wanted() - Whether an object that is there is one that is to be there, as it is. */
static bool is_wanted(const struct meter_known *known, const struct metered_list *new) {
    enum meter_kind kind;
    const char *id;
    struct meter_object object;
    if (!meter_parse_name(known->name, &kind, &id))
        return false;
    const struct metered *endpoint = metered_find(new, id);
    return endpoint != NULL && meter_object_of(endpoint, kind, &object) &&
           meter_object_equal(&object, &known->object);
}

static void put_objects_of(struct writer *w, const struct metered *endpoint,
                           const struct known_list *known, bool anew) {
    for (size_t k = 0; k < METER_KINDS; k++) {
        enum meter_kind kind = (enum meter_kind)k;
        struct meter_object object;
        if (!meter_object_of(endpoint, kind, &object))
            continue;
        const struct meter_known *there = known_object(known, kind, endpoint->meter.id);
        struct meter_count count = begin_with(kind, endpoint);
        if (there != NULL && there->object.type == object.type && count.bytes < there->count.bytes)
            count = there->count;
        if (kind == METER_QUOTA && count.bytes > object.amount)
            count.bytes = object.amount;
        if (anew || there == NULL || !meter_object_equal(&there->object, &object))
            meter_put_object(w, endpoint, kind, &object, count);
        meter_put_elements(w, endpoint, kind, NFT_MSG_NEWSETELEM);
    }
}

void sync_whole(struct writer *w, const struct metered_list *new, const struct meter_shape *shape,
                const struct known_list *known, bool anew) {
    write_table(w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    if (anew) {
        write_table(w, NFT_MSG_DELTABLE, 0);
        write_table(w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    }
    meter_put_sets(w);
    for (size_t i = 0; i < known->count && !anew; i++) {
        if (!is_wanted(&known->items[i], new))
            meter_put_no_object(w, known->items[i].object.type, known->items[i].name);
    }
    for (size_t i = 0; i < new->count; i++)
        put_objects_of(w, &new->items[i], known, anew);
    meter_put_rules(w, shape);
}
