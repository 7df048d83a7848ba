/* fence_backend.c - the main fence in nf_tables as a firewall backend: see fence.h and firewall.h.
 */
#include "fence.h"
#include "print.h"

#include <netenforce/firewall.h>
#include <netenforce/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>

#ifndef NFT_TABLE_F_PERSIST /* Linux 6.9 */
#define NFT_TABLE_F_PERSIST 0x4
#endif

struct nftables {
    struct ne_firewall base;
    struct nft nft;
    struct xt_marks marks;
    bool made;                   /* what follows is of a table that was made by this process */
    struct fence_table standing; /* without its rules */
    uint64_t digest;             /* of the elements */
    struct nft_print print;      /* of the chains and rules */
    uint32_t generation;         /* when all was last seen as it should be */
    unsigned connections;        /* of the socket that owns it */
    bool not_owned;              /* this kernel has no tables that outlive their owner */
};

/* stands() - Whether the table is as it was made. */
static enum nft_outcome stands(struct nftables *tables, bool *as_made, struct ne_error *err) {
    struct nft_print now;
    uint32_t generation = 0;
    uint64_t digest = 0;
    *as_made = false;
    enum nft_outcome outcome = nft_generation(&tables->nft, &generation, err);
    if (outcome != NFT_DONE || !tables->made || tables->connections != tables->nft.connections)
        return outcome;
    *as_made = generation == tables->generation;
    if (*as_made)
        return NFT_DONE;
    outcome = nft_print_read(&tables->nft, FENCE_TABLE, &now, &generation, err);
    if (outcome != NFT_DONE || now.hash != tables->print.hash || now.rules != tables->print.rules)
        return outcome;
    outcome = fence_read_digest(&tables->nft, &digest, err);
    if (outcome != NFT_DONE || digest != tables->digest)
        return outcome;
    *as_made = true;
    tables->generation = generation;
    return NFT_DONE;
}

static enum nft_outcome begin(struct nftables *tables, struct nft_batch *batch, struct writer *w,
                              size_t size, struct ne_error *err) {
    *w = (struct writer){.nft = &tables->nft,
                         .batch = batch,
                         .table = FENCE_TABLE,
                         .flags = tables->not_owned ? 0 : NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST};
    enum nft_outcome outcome = nft_connect(&tables->nft, err);
    if (outcome == NFT_DONE && nft_batch_begin(&tables->nft, batch, size, err) < 0)
        outcome = NFT_FAILED;
    return outcome;
}

static enum nft_outcome put_whole(struct nftables *tables, const struct fence_table *wanted,
                                  struct ne_error *err) {
    struct nft_batch batch;
    struct writer w;
    enum nft_outcome outcome = begin(tables, &batch, &w, fence_size(wanted, NULL), err);
    if (outcome != NFT_DONE)
        return outcome;
    if (wanted->chain_count > 0)
        fence_put_whole(&w, wanted);
    else
        fence_put_nothing(&w);
    return nft_batch_commit(&tables->nft, &batch, err);
}

/* is_as_put() - Look at what stands after a change of chains. Unless nobody else can change the
 * table, nobody may have changed anything meanwhile. */
static enum nft_outcome is_as_put(struct nftables *tables, const struct fence_table *wanted,
                                  uint32_t before, struct ne_error *err) {
    uint32_t now = 0;
    enum nft_outcome outcome = nft_print_read(&tables->nft, FENCE_TABLE, &tables->print, &now, err);
    tables->digest = fence_digest(wanted);
    tables->generation = now;
    tables->connections = tables->nft.connections;
    tables->made = outcome == NFT_DONE && tables->print.rules == wanted->rule_count &&
                   (!tables->not_owned || now == before);
    return outcome;
}

#define REPLACE_TRIES 5

static enum nft_outcome replace(struct nftables *tables, const struct fence_table *wanted,
                                struct ne_error *err) {
    uint32_t before = 0;
    enum nft_outcome outcome = NFT_DONE;
    tables->made = false;
    for (int i = 0; i < REPLACE_TRIES && outcome == NFT_DONE && !tables->made; i++) {
        outcome = nft_generation(&tables->nft, &before, err);
        if (outcome == NFT_DONE)
            outcome = put_whole(tables, wanted, err);
        if (outcome == NFT_ABSENT && !tables->not_owned) {
            tables->not_owned = true;
            outcome = put_whole(tables, wanted, err);
            tables->not_owned = outcome != NFT_ABSENT;
        }
        if (outcome == NFT_DONE)
            outcome = is_as_put(tables, wanted, before, err);
    }
    if (outcome == NFT_DONE && !tables->made) {
        (void)ne_fail(err, NE_KERNEL,
                      "nf_tables: somebody changes table " FENCE_TABLE " as it is made");
        outcome = NFT_FAILED;
    }
    return outcome;
}

/* change() - The table stands as it was made: only what differs is put. Where that is elements
 * alone, the next look compares if somebody else changed anything. */
static enum nft_outcome change(struct nftables *tables, const struct fence_table *wanted,
                               struct ne_error *err) {
    struct nft_batch batch;
    struct writer w;
    enum nft_outcome outcome =
        begin(tables, &batch, &w, fence_size(wanted, &tables->standing), err);
    if (outcome != NFT_DONE)
        return outcome;
    bool chains = fence_put_difference(&w, &tables->standing, wanted);
    tables->made = false;
    outcome = nft_batch_commit(&tables->nft, &batch, err);
    if (outcome != NFT_DONE)
        return outcome;
    tables->digest = fence_digest(wanted);
    tables->made = !chains;
    if (chains)
        outcome = is_as_put(tables, wanted, tables->generation, err);
    return outcome == NFT_DONE && !tables->made ? replace(tables, wanted, err) : outcome;
}

/* remove_table() - If there is one: else nf_tables are left alone. */
static enum nft_outcome remove_table(struct nftables *tables, struct ne_error *err) {
    const struct fence_table nothing = {0};
    bool there = false;
    tables->made = false;
    enum nft_outcome outcome = fence_stands(&tables->nft, &there, err);
    if (outcome != NFT_DONE || !there)
        return outcome;
    outcome = put_whole(tables, &nothing, err);
    if (outcome != NFT_ABSENT || tables->not_owned)
        return outcome;
    tables->not_owned = true;
    return put_whole(tables, &nothing, err);
}

/* keep() - Remember @wanted as what stands. */
static void keep(struct nftables *tables, struct fence_table *wanted) {
    fence_free(&tables->standing);
    fence_drop_plans(wanted);
    tables->standing = *wanted;
    *wanted = (struct fence_table){0};
}

static void note(struct ne_firewall_report *report, const char *what) {
    if (report != NULL && report->differences++ == 0)
        (void)snprintf(report->first, sizeof(report->first), "nf_tables/" FENCE_TABLE ": %s", what);
}

/* look() - Compare, and @apply the difference. A table that this process did not make is replaced
 * without being called a difference: at the start of a daemon that is not news. */
static enum nft_outcome look(struct nftables *tables, struct fence_table *wanted, bool apply,
                             struct ne_firewall_report *report, struct ne_error *err) {
    bool as_made = false;
    enum nft_outcome outcome = stands(tables, &as_made, err);
    if (outcome != NFT_DONE)
        return outcome;
    bool same = fence_same(&tables->standing, wanted);
    if (as_made && same)
        return NFT_DONE;
    if (!as_made && tables->made)
        note(report, "its table was removed or changed");
    else if (!apply)
        note(report, as_made ? "it is of an older policy" : "its table is not made yet");
    if (!apply)
        return NFT_DONE;
    outcome = as_made ? change(tables, wanted, err) : replace(tables, wanted, err);
    if (outcome == NFT_DONE)
        keep(tables, wanted);
    return outcome;
}

/* conclude() - The kernel's word for a kind of set, chain or expression that it lacks is ENOENT:
 * nft_expr_type_get(). */
static int conclude(const struct nftables *tables, enum nft_outcome outcome,
                    const struct ne_error *why, struct ne_error *err) {
    if (outcome == NFT_DONE)
        return 0;
    if (outcome == NFT_ABSENT || (why->sys_errno == ENOENT && tables->standing.chains == NULL))
        return ne_fail(err, NE_UNSUPPORTED,
                       "%s: this kernel lacks what the fence needs; load it (modprobe -a "
                       "nf_tables nft_ct nft_reject_inet nft_chain_nat nft_masq nft_nat)",
                       why->text);
    if (err != NULL)
        *err = *why;
    return -1;
}

/* look_for_none() - There should be no table. */
static enum nft_outcome look_for_none(struct nftables *tables, struct ne_firewall_report *report,
                                      struct ne_error *err) {
    bool there = false;
    enum nft_outcome outcome = nft_connect(&tables->nft, err);
    if (outcome == NFT_DONE)
        outcome = fence_stands(&tables->nft, &there, err);
    if (outcome == NFT_DONE && there)
        note(report, "the table is there, for no network");
    return outcome;
}

static int run(struct nftables *tables, const struct ne_fence *fence, bool apply,
               struct ne_firewall_report *report, struct ne_error *err) {
    struct ne_error why = {0};
    struct fence_table wanted;
    if (report != NULL)
        *report = (struct ne_firewall_report){0};
    if (fence->bridge_count == 0) {
        enum nft_outcome outcome = look_for_none(tables, report, &why);
        if (apply && outcome == NFT_DONE)
            outcome = remove_table(tables, &why);
        if (apply)
            fence_free(&tables->standing);
        /* Without nf_tables there is nothing to remove. */
        return outcome == NFT_ABSENT ? 0 : conclude(tables, outcome, &why, err);
    }
    if (fence_compile(fence, tables->marks, &wanted, err) < 0)
        return -1;
    enum nft_outcome outcome = look(tables, &wanted, apply, report, &why);
    fence_free(&wanted);
    return conclude(tables, outcome, &why, err);
}

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct nftables *)firewall, fence, true, report, err);
}

static int check(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct nftables *)firewall, fence, false, report, err);
}

static void describe(const struct ne_firewall *firewall, char *text, size_t size) {
    const struct nftables *tables = (const struct nftables *)firewall;
    (void)snprintf(text, size, "nftables (table inet " FENCE_TABLE "%s)",
                   tables->not_owned ? ", open to changes" : "");
}

static void close_nftables(struct ne_firewall *firewall) {
    struct nftables *tables = (struct nftables *)firewall;
    nft_close(&tables->nft);
    fence_free(&tables->standing);
    free(tables);
}

static const struct ne_firewall_ops nftables_ops = {
    .apply = apply,
    .check = check,
    .describe = describe,
    .close = close_nftables,
};

struct ne_firewall *ne_nftables_open(const struct ne_firewall_settings *settings,
                                     struct ne_error *err) {
    struct nftables *tables = calloc(1, sizeof(*tables));
    if (tables == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the firewall");
        return NULL;
    }
    tables->base.ops = &nftables_ops;
    tables->marks = xt_marks_of(settings->mark);
    return &tables->base;
}
