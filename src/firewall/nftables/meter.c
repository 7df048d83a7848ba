/* meter.c - the meter as a firewall backend: see meter.h and firewall.h.
 *
 * DOC: how it is kept
 *
 * This process remembers what it put into the kernel. A fence that differs in some endpoints
 * becomes one transaction about their objects and elements. At the start, and where somebody
 * changed the table, it is brought into line as a whole: objects that are as wanted stay with what
 * they have counted, all else is put anew. Whether somebody changed it is known as with the
 * backstop (print.h), and of objects and elements by a sum of hashes.
 *
 * What quotas have used is read at each look, so that it is not lost with a table that somebody
 * removes: what is put back goes on from there.
 */
#include "meter_sync.h"
#include "print.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <netenforce/firewall.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct meter {
    struct ne_firewall base;
    struct nft nft;
    uint32_t mark;
    bool made;                    /* what follows is of a table that was made by this process */
    uint64_t shape;               /* meter_shape_digest() of its rules */
    struct metered_list standing; /* kept while the table is not as it was made: quotas' use */
    uint64_t digest;              /* of the objects and elements */
    struct nft_print print;       /* of the rules */
    uint32_t generation;          /* when all was last seen as it should be */
    bool absent;                  /* said once: this kernel cannot do it */
};

/* want() - What @fence wants; what is known of quotas' use goes over. */
static int want(const struct meter *meter, const struct ne_fence *fence,
                struct metered_list *wanted, struct ne_error *err) {
    *wanted = (struct metered_list){.count = fence->meter_count};
    wanted->items = calloc(fence->meter_count + 1, sizeof(*wanted->items));
    if (wanted->items == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for the meters");
    size_t old = 0;
    for (size_t i = 0; i < fence->meter_count; i++) {
        struct metered *endpoint = &wanted->items[i];
        endpoint->meter = fence->meters[i];
        while (old < meter->standing.count &&
               strcmp(meter->standing.items[old].meter.id, endpoint->meter.id) < 0)
            old++;
        if (old < meter->standing.count && endpoint->meter.quota != 0 &&
            strcmp(meter->standing.items[old].meter.id, endpoint->meter.id) == 0)
            endpoint->used = meter->standing.items[old].used;
        else if (endpoint->meter.spent)
            endpoint->used = endpoint->meter.quota;
    }
    for (size_t i = 0; i < fence->member_count; i++) {
        const struct ne_member *member = &fence->members[i];
        if (member->meter < fence->meter_count)
            wanted->items[member->meter].addr[member->addr.family == NE_V6] = member->addr;
    }
    return 0;
}

static void take_use(void *context, const struct meter_found *found) {
    const struct meter *meter = context;
    enum meter_kind kind;
    const char *id;
    if (found == NULL || !meter_parse_name(found->name, &kind, &id) || kind != METER_QUOTA)
        return;
    struct metered *endpoint = metered_find(&meter->standing, id);
    /* Of a quota that was lowered below its use the kernel only says that it is used up. */
    if (endpoint != NULL && found->count.bytes > endpoint->used)
        endpoint->used = found->count.bytes;
}

/* read_use() - Remember what quotas have used; free where nobody has one. */
static enum nft_outcome read_use(struct meter *meter, struct ne_error *err) {
    for (size_t i = 0; i < meter->standing.count; i++) {
        if (meter->standing.items[i].meter.quota != 0)
            return meter_read_objects(&meter->nft, NFT_OBJECT_QUOTA, take_use, meter, err);
    }
    return NFT_DONE;
}

/* stands() - Whether the table is as it was made. */
static enum nft_outcome stands(struct meter *meter, bool *as_made, struct ne_error *err) {
    struct nft_print now;
    uint32_t generation = 0;
    uint64_t digest = 0;
    *as_made = false;
    enum nft_outcome outcome = nft_generation(&meter->nft, &generation, err);
    if (outcome != NFT_DONE || !meter->made)
        return outcome;
    *as_made = generation == meter->generation;
    if (*as_made)
        return read_use(meter, err);
    outcome = nft_print_read(&meter->nft, METER_TABLE, &now, &generation, err);
    if (outcome != NFT_DONE || now.hash != meter->print.hash || now.rules != meter->print.rules)
        return outcome;
    outcome = meter_read_digest(&meter->nft, &digest, err);
    if (outcome != NFT_DONE || digest != meter->digest)
        return outcome;
    *as_made = true;
    meter->generation = generation;
    return read_use(meter, err);
}

static enum nft_outcome begin(struct meter *meter, struct nft_batch *batch, size_t size,
                              struct ne_error *err) {
    enum nft_outcome outcome = nft_connect(&meter->nft, err);
    if (outcome == NFT_DONE && nft_batch_begin(&meter->nft, batch, size, err) < 0)
        outcome = NFT_FAILED;
    return outcome;
}

/* change() - The table stands as it was made: only what differs is put, of @count endpoints. */
static enum nft_outcome change(struct meter *meter, const struct metered_list *wanted, size_t count,
                               const struct meter_shape *shape, struct ne_error *err) {
    struct nft_batch batch;
    struct writer w = {.nft = &meter->nft, .batch = &batch, .table = METER_TABLE};
    bool reshaped = meter_shape_digest(shape) != meter->shape;
    uint64_t digest = meter->digest;
    enum nft_outcome outcome =
        begin(meter, &batch, meter_size(reshaped ? shape : NULL, count), err);
    if (outcome != NFT_DONE)
        return outcome;
    sync_difference(&w, &meter->standing, wanted, count, &digest);
    if (reshaped)
        meter_put_rules(&w, shape);
    meter->made = false;
    outcome = nft_batch_commit(&meter->nft, &batch, err);
    if (outcome != NFT_DONE)
        return outcome;
    meter->digest = digest;
    if (reshaped)
        outcome = nft_print_read(&meter->nft, METER_TABLE, &meter->print, &meter->generation, err);
    meter->made = outcome == NFT_DONE && (!reshaped || meter->print.rules == w.rules);
    return outcome;
}

/* put_whole() - One try of bringing the table into line. */
static enum nft_outcome put_whole(struct meter *meter, const struct metered_list *wanted,
                                  const struct meter_shape *shape, const struct known_list *known,
                                  bool anew, size_t *rules, struct ne_error *err) {
    struct nft_batch batch;
    struct writer w = {.nft = &meter->nft, .batch = &batch, .table = METER_TABLE};
    size_t size = meter_size(shape, wanted->count + known->count);
    enum nft_outcome outcome = begin(meter, &batch, size, err);
    if (outcome != NFT_DONE)
        return outcome;
    sync_whole(&w, wanted, shape, known, anew);
    *rules = w.rules;
    return nft_batch_commit(&meter->nft, &batch, err);
}

/* replace() - Bring the table into line, whatever it holds. What cannot be mended, such as a
 * chain of ours at another hook, is made anew. */
static enum nft_outcome replace(struct meter *meter, const struct metered_list *wanted,
                                const struct meter_shape *shape, struct ne_error *err) {
    struct known_list known;
    uint64_t there = 0;
    size_t rules = 0;
    uint32_t before = 0;
    meter->made = false;
    enum nft_outcome outcome = nft_generation(&meter->nft, &before, err);
    if (outcome == NFT_DONE)
        outcome = sync_read_known(&meter->nft, &known, err);
    if (outcome != NFT_DONE)
        return outcome;
    outcome = put_whole(meter, wanted, shape, &known, false, &rules, err);
    if (outcome == NFT_FAILED)
        outcome = put_whole(meter, wanted, shape, &known, true, &rules, err);
    free(known.items);
    if (outcome == NFT_DONE)
        outcome = nft_print_read(&meter->nft, METER_TABLE, &meter->print, &meter->generation, err);
    meter->digest = 0;
    for (size_t i = 0; i < wanted->count; i++)
        meter->digest += meter_digest_of(&wanted->items[i]);
    /* Where ours was the only change, the sets hold what was put: they need not be read. */
    if (meter->generation == before)
        there = meter->digest;
    else if (outcome == NFT_DONE)
        outcome = meter_read_digest(&meter->nft, &there, err);
    if (outcome == NFT_DONE && (meter->print.rules != rules || there != meter->digest)) {
        (void)ne_fail(err, NE_KERNEL,
                      "nf_tables: somebody changed table " METER_TABLE " as it was made");
        outcome = NFT_FAILED;
    }
    meter->made = outcome == NFT_DONE;
    return outcome;
}

static enum nft_outcome remove_table(struct meter *meter, struct ne_error *err) {
    struct nft_batch batch;
    struct writer w = {.nft = &meter->nft, .batch = &batch, .table = METER_TABLE};
    meter->made = false;
    enum nft_outcome outcome = begin(meter, &batch, 4 * (size_t)WRITE_RULE_SIZE, err);
    if (outcome != NFT_DONE)
        return outcome;
    /* Made if it is missing, so that the removal finds it. */
    write_table(&w, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    write_table(&w, NFT_MSG_DELTABLE, 0);
    return nft_batch_commit(&meter->nft, &batch, err);
}

static enum nft_outcome bring_into_line(struct meter *meter, struct metered_list *wanted,
                                        size_t differing, const struct meter_shape *shape,
                                        bool as_made, struct ne_error *err) {
    enum nft_outcome outcome;
    if (shape->fence->bridge_count == 0)
        outcome = remove_table(meter, err);
    else if (as_made)
        outcome = change(meter, wanted, differing, shape, err);
    else
        outcome = replace(meter, wanted, shape, err);
    if (outcome != NFT_DONE)
        return outcome;
    free(meter->standing.items);
    meter->standing = *wanted;
    *wanted = (struct metered_list){0};
    meter->shape = meter_shape_digest(shape);
    return NFT_DONE;
}

static bool is_limited(const struct meter_shape *shape) {
    return shape->rate || shape->conn_rate || shape->quota;
}

/* conclude() - A kernel that cannot do it does without, which is said once; but what an operator
 * asked for is not silently left out. */
static int conclude(struct meter *meter, const struct meter_shape *shape, enum nft_outcome outcome,
                    const struct ne_error *why, struct ne_error *err) {
    /* The kernel's word for a kind of object or expression that it lacks: nft_obj_type_get(). */
    if (outcome == NFT_FAILED && why->sys_errno == ENOENT && meter->standing.items == NULL)
        outcome = NFT_ABSENT;
    if (outcome == NFT_DONE)
        return 0;
    if (outcome != NFT_ABSENT) {
        if (err != NULL)
            *err = *why;
        return -1;
    }
    if (!meter->absent)
        ne_warn("%s: refused packets are neither counted nor logged", why->text);
    meter->absent = true;
    return is_limited(shape)
               ? ne_fail(err, NE_UNSUPPORTED,
                         "options rate, conn_rate and quota need nf_tables with counters, limits, "
                         "quotas and logging, and this kernel lacks them: load them (modprobe -a "
                         "nf_tables nft_limit nft_quota nft_log), or leave the options out")
               : 0;
}

static void note(struct ne_firewall_report *report, const char *what) {
    if (report != NULL && report->differences++ == 0)
        (void)snprintf(report->first, sizeof(report->first), "nf_tables/" METER_TABLE ": %s", what);
}

/* look() - Compare, and @apply the difference. A table that this process did not make is brought
 * into line without being called a difference: at the start of a daemon that is not news. */
static int look(struct meter *meter, const struct meter_shape *shape, struct metered_list *wanted,
                bool apply, struct ne_firewall_report *report, struct ne_error *err) {
    struct ne_error why = {0};
    bool as_made = false;
    enum nft_outcome outcome = stands(meter, &as_made, &why);
    if (outcome != NFT_DONE)
        return conclude(meter, shape, outcome, &why, err);
    size_t differing = sync_count(&meter->standing, wanted);
    bool same = meter->made && shape->fence->bridge_count > 0 && differing == 0 &&
                meter->shape == meter_shape_digest(shape);
    if (as_made && same)
        return 0;
    if (!as_made && meter->made)
        note(report, "its table was removed or changed");
    else if (!apply)
        note(report, as_made ? "it is of an older policy" : "its table is not made yet");
    if (!apply)
        return 0;
    /* What was read just now. */
    for (size_t i = 0; i < wanted->count; i++) {
        if (wanted->items[i].meter.quota == 0)
            continue;
        const struct metered *old = metered_find(&meter->standing, wanted->items[i].meter.id);
        if (old != NULL)
            wanted->items[i].used = old->used;
    }
    outcome = bring_into_line(meter, wanted, differing, shape, as_made, &why);
    return conclude(meter, shape, outcome, &why, err);
}

static int run(struct meter *meter, const struct ne_fence *fence, bool apply,
               struct ne_firewall_report *report, struct ne_error *err) {
    const struct meter_shape shape = meter_shape_of(fence, meter->mark);
    struct metered_list wanted;
    if (report != NULL)
        *report = (struct ne_firewall_report){0};
    if (meter->absent)
        return conclude(meter, &shape, NFT_ABSENT, NULL, err);
    /* Nothing to count, nothing made: this host's nf_tables are not even looked at. */
    if (fence->bridge_count == 0 && !meter->made && !apply)
        return 0;
    if (want(meter, fence, &wanted, err) < 0)
        return -1;
    int result = look(meter, &shape, &wanted, apply, report, err);
    free(wanted.items);
    return result;
}

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct meter *)firewall, fence, true, report, err);
}

static int check(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct meter *)firewall, fence, false, report, err);
}

/* The use of all who are asked for, while it is read. */
struct usages {
    struct metered_list asked; /* a part of what stands */
    struct ne_usage *items;
};

static void take_count(void *context, const struct meter_found *found) {
    const struct usages *usages = context;
    enum meter_kind kind;
    const char *id;
    if (found == NULL || !meter_parse_name(found->name, &kind, &id))
        return;
    const struct metered *endpoint = metered_find(&usages->asked, id);
    if (endpoint == NULL)
        return;
    struct ne_usage *usage = &usages->items[endpoint - usages->asked.items];
    switch (kind) {
    case METER_PASSED:
        usage->passed_packets = found->count.packets;
        usage->passed_bytes = found->count.bytes;
        break;
    case METER_REFUSED:
        usage->refused_packets = found->count.packets;
        usage->refused_bytes = found->count.bytes;
        break;
    case METER_LIMITED:
        usage->limited_packets = found->count.packets;
        break;
    case METER_QUOTA:
        usage->quota_used = found->count.bytes;
        break;
    default:
        break;
    }
}

static enum nft_outcome read_counts(struct meter *meter, const char *only, struct usages *usages,
                                    struct ne_error *err) {
    static const enum meter_kind kinds[] = {METER_PASSED, METER_REFUSED, METER_LIMITED,
                                            METER_QUOTA};
    enum nft_outcome outcome = NFT_DONE;
    if (only == NULL)
        return meter_read_objects(&meter->nft, NFT_OBJECT_UNSPEC, take_count, usages, err);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && outcome == NFT_DONE; i++) {
        struct meter_object object;
        if (meter_object_of(usages->asked.items, kinds[i], &object))
            outcome = meter_read_object(&meter->nft, kinds[i], only, take_count, usages, err);
    }
    return outcome;
}

static int usage(struct ne_firewall *firewall, const char *only,
                 int (*visit)(void *context, const struct ne_usage *usage, struct ne_error *err),
                 void *context, struct ne_error *err) {
    struct meter *meter = (struct meter *)firewall;
    struct usages usages = {.asked = meter->standing};
    if (only != NULL) {
        usages.asked.items = metered_find(&meter->standing, only);
        usages.asked.count = usages.asked.items != NULL;
    }
    size_t count = usages.asked.count;
    if (meter->absent || count == 0)
        return 0;
    usages.items = calloc(count, sizeof(*usages.items));
    if (usages.items == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for what endpoints have used");
    int result = read_counts(meter, only, &usages, err) == NFT_DONE ? 0 : -1;
    for (size_t i = 0; i < count && result == 0; i++) {
        memcpy(usages.items[i].id, usages.asked.items[i].meter.id, NE_ID_SIZE);
        usages.items[i].quota = usages.asked.items[i].meter.quota;
        result = visit(context, &usages.items[i], err);
    }
    free(usages.items);
    return result;
}

static void describe(const struct ne_firewall *firewall, char *text, size_t size) {
    const struct meter *meter = (const struct meter *)firewall;
    (void)snprintf(text, size,
                   meter->absent ? "no meter (refusals are not logged)" : "meter in nf_tables");
}

static void close_meter(struct ne_firewall *firewall) {
    struct meter *meter = (struct meter *)firewall;
    nft_close(&meter->nft);
    free(meter->standing.items);
    free(meter);
}

static const struct ne_firewall_ops meter_ops = {
    .apply = apply,
    .check = check,
    .usage = usage,
    .describe = describe,
    .close = close_meter,
};

struct ne_firewall *ne_meter_open(const struct ne_firewall_settings *settings,
                                  struct ne_error *err) {
    struct meter *meter = calloc(1, sizeof(*meter));
    if (meter == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the meter");
        return NULL;
    }
    meter->base.ops = &meter_ops;
    meter->mark = settings->mark;
    return &meter->base;
}
