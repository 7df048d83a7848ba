/* permit.c - the permission to forward as a firewall backend: see firewall.h and permit.h.
 *
 * It enforces nothing, so its failures are told, and fail nobody's operation.
 */
#include "permit.h"
#include "hash.h"

#include <linux/netfilter.h>
#include <netenforce/firewall.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was found in one family's table when it was last as it should be. */
struct table {
    uint8_t family; /* NFPROTO_* */
    const char *name;
    bool made;        /* there are rules of ours, and these: */
    uint64_t hash;    /* of where they are, and which */
    uint64_t content; /* of the fence that they were made for */
};

struct permit {
    struct ne_firewall base;
    struct nft nft;
    uint32_t mark;
    struct table tables[2];
    bool looked;         /* the next two are known */
    uint32_t generation; /* of nf_tables, when nothing more was to be done */
    uint64_t content;    /* of the fence then */
    bool absent;         /* this kernel has no nf_tables: nothing refuses there */
    bool complained;     /* the failure that the log tells of still lasts */
};

static bool is_wanted(const struct ne_fence *fence) {
    return fence->bridge_count > 0 && (fence->reaches_beyond || fence->near_count > 0);
}

/* content_of() - What of the fence the rules depend on. */
static uint64_t content_of(const struct ne_fence *fence) {
    const bool flags[] = {is_wanted(fence), permit_replies(fence)};
    uint64_t hash = hash_more(HASH_START, flags, sizeof(flags));
    for (size_t i = 0; i < fence->bridge_count; i++) {
        const char *bridge = fence->bridges[i];
        if (strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) != 0)
            hash = hash_text(hash, bridge);
    }
    return hash;
}

/* hash_of() - A rule's handle is given once, and its content never changes under it. */
static uint64_t hash_of(const struct permit_view *view) {
    uint64_t hash = hash_more(HASH_START, &view->has_user, sizeof(view->has_user));
    for (size_t i = 0; i < view->count; i++) {
        hash = hash_more(hash, &view->ours[i].in_user, sizeof(view->ours[i].in_user));
        hash = hash_more(hash, &view->ours[i].handle, sizeof(view->ours[i].handle));
    }
    return hash;
}

/* is_right() - Whether the table holds what @fence needs there. */
static bool is_right(const struct table *table, const struct permit_view *view,
                     const struct ne_fence *fence) {
    if (!is_wanted(fence) || !view->refuses)
        return view->count == 0;
    return table->made && table->content == content_of(fence) && table->hash == hash_of(view);
}

static void note(struct ne_firewall_report *report, const struct table *table) {
    if (report != NULL && report->differences++ == 0)
        (void)snprintf(report->first, sizeof(report->first),
                       "nf_tables/%s " PERMIT_TABLE ": the permission to forward is missing, "
                       "changed, or no longer needed",
                       table->name);
}

static enum nft_outcome mend(struct permit *permit, struct table *table,
                             const struct permit_view *view, const struct ne_fence *fence,
                             struct ne_error *err) {
    struct permit_view now;
    bool wanted = is_wanted(fence) && view->refuses;
    enum nft_outcome outcome = permit_write(&permit->nft, view, fence, wanted, permit->mark, err);
    if (outcome != NFT_DONE)
        return outcome;
    outcome = permit_read(&permit->nft, &now, err);
    if (outcome == NFT_DONE && now.count != (wanted ? permit_count(fence) : 0)) {
        (void)ne_fail(err, NE_KERNEL,
                      "nf_tables: somebody changed table %s " PERMIT_TABLE " meanwhile",
                      table->name);
        outcome = NFT_FAILED;
    }
    table->made = wanted && outcome == NFT_DONE;
    table->hash = hash_of(&now);
    table->content = content_of(fence);
    permit_view_free(&now);
    return outcome;
}

/* look_at() - Compare one table, and mend it if @change. *@right: it was, or is now, as it should.
 */
static enum nft_outcome look_at(struct permit *permit, struct table *table,
                                const struct ne_fence *fence, bool change, bool *right,
                                struct ne_firewall_report *report, struct ne_error *err) {
    struct permit_view view;
    permit->nft.family = table->family;
    enum nft_outcome outcome = permit_read(&permit->nft, &view, err);
    *right = outcome == NFT_DONE && is_right(table, &view, fence);
    if (outcome == NFT_DONE && !*right) {
        /* A fence that is new here differs from the old rules: that is no news. */
        bool news = permit->looked && permit->content == content_of(fence);
        if (news || !change)
            note(report, table);
        if (change) {
            outcome = mend(permit, table, &view, fence, err);
            *right = outcome == NFT_DONE;
        }
    }
    permit_view_free(&view);
    return outcome;
}

static void complain(struct permit *permit, const struct ne_error *why) {
    if (!permit->complained)
        ne_warn("%s: the host's firewall may refuse to forward what policies allow beyond the "
                "host, and between containers; it is tried again when its rules change",
                why->text);
    permit->complained = true;
}

static int run(struct permit *permit, const struct ne_fence *fence, bool change,
               struct ne_firewall_report *report) {
    struct ne_error why = {0};
    uint32_t generation = 0;
    bool all_right = true;
    if (report != NULL)
        *report = (struct ne_firewall_report){0};
    if (permit->absent || (!permit->looked && !change && !is_wanted(fence)))
        return 0;
    enum nft_outcome outcome = nft_generation(&permit->nft, &generation, &why);
    bool same = permit->looked && permit->content == content_of(fence);
    if (outcome == NFT_DONE && same && permit->generation == generation)
        return 0;
    for (size_t i = 0; i < 2 && outcome == NFT_DONE; i++) {
        bool right = false;
        outcome = look_at(permit, &permit->tables[i], fence, change, &right, report, &why);
        all_right &= right;
    }
    permit->absent = outcome == NFT_ABSENT;
    if (outcome == NFT_FAILED)
        complain(permit, &why);
    else
        permit->complained = false;
    /* What failed would mostly fail again, until somebody changes something. */
    if (all_right || outcome == NFT_FAILED) {
        permit->generation = generation;
        permit->content = content_of(fence);
        permit->looked = true;
    }
    return 0;
}

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    (void)err;
    return run((struct permit *)firewall, fence, true, report);
}

static int check(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    (void)err;
    return run((struct permit *)firewall, fence, false, report);
}

static void describe(const struct ne_firewall *firewall, char *text, size_t size) {
    const struct permit *permit = (const struct permit *)firewall;
    bool given = permit->tables[0].made || permit->tables[1].made;
    (void)snprintf(text, size,
                   given ? "forwarding permitted in table " PERMIT_TABLE
                         : "forwarding needs no permission");
}

static void close_permit(struct ne_firewall *firewall) {
    struct permit *permit = (struct permit *)firewall;
    nft_close(&permit->nft);
    free(permit);
}

static const struct ne_firewall_ops permit_ops = {
    .apply = apply,
    .check = check,
    .describe = describe,
    .close = close_permit,
};

struct ne_firewall *ne_permit_open(const struct ne_firewall_settings *settings,
                                   struct ne_error *err) {
    struct permit *permit = calloc(1, sizeof(*permit));
    if (permit == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the permission to forward");
        return NULL;
    }
    permit->base.ops = &permit_ops;
    permit->mark = settings->mark;
    permit->tables[0] = (struct table){.family = NFPROTO_IPV4, .name = "ip"};
    permit->tables[1] = (struct table){.family = NFPROTO_IPV6, .name = "ip6"};
    return &permit->base;
}
