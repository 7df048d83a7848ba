/* backstop.c - a second fence beside the legacy tables', in nf_tables: see firewall.h and rules.h.
 *
 * print.h tells how it knows that its table is as it left it. Any difference puts the whole table
 * anew, in one transaction that has no instant without a table.
 */
#include "hash.h"
#include "print.h"
#include "rules.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netenforce/firewall.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct backstop {
    struct ne_firewall base;
    struct nft nft;
    uint32_t mark;
    bool made;              /* @print and @content are of a table that was made by this process */
    uint64_t content;       /* of the fence that it was made for */
    struct nft_print print; /* what was listed then */
    uint32_t generation;    /* when the table was last seen as it should be */
    bool absent;            /* said once: this kernel has no nf_tables */
};

/* content_of() - What of the fence the table depends on. */
static uint64_t content_of(const struct ne_fence *fence) {
    uint64_t hash = hash_more(HASH_START, &fence->reaches_beyond, sizeof(fence->reaches_beyond));
    hash = hash_more(hash, &fence->inbound, sizeof(fence->inbound));
    if (fence->bridge_count > 0)
        hash = hash_more(hash, "table", 5);
    for (size_t i = 0; i < fence->bridge_count; i++) {
        const char *bridge = fence->bridges[i];
        if (strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) != 0)
            hash = hash_text(hash, bridge);
    }
    for (size_t i = 0; i < fence->near_count; i++)
        hash = hash_more(hash, fence->near[i], sizeof(fence->near[i]));
    hash = hash_text(hash, "proxied");
    for (size_t i = 0; i < fence->proxied_count; i++)
        hash = hash_more(hash, fence->proxied[i], sizeof(fence->proxied[i]));
    for (size_t i = 0; i < fence->hand_count; i++)
        hash = hash_hand(hash, &fence->hands[i]);
    return hash;
}

/* stands() - Whether the table is as it was made. */
static enum nft_outcome stands(struct backstop *backstop, bool *as_made, struct ne_error *err) {
    struct nft_print now;
    uint32_t generation = 0;
    *as_made = false;
    enum nft_outcome outcome = nft_generation(&backstop->nft, &generation, err);
    if (outcome != NFT_DONE || !backstop->made)
        return outcome;
    *as_made = generation == backstop->generation;
    if (*as_made)
        return NFT_DONE;
    outcome = nft_print_read(&backstop->nft, BACKSTOP_TABLE, &now, &generation, err);
    *as_made = outcome == NFT_DONE && now.hash == backstop->print.hash &&
               now.rules == backstop->print.rules;
    if (*as_made)
        backstop->generation = generation;
    return outcome;
}

static enum nft_outcome replace(struct backstop *backstop, const struct ne_fence *fence,
                                struct ne_error *err) {
    struct nft_batch batch;
    backstop->made = false;
    enum nft_outcome outcome = nft_connect(&backstop->nft, err);
    if (outcome != NFT_DONE)
        return outcome;
    if (nft_batch_begin(&backstop->nft, &batch, rules_size(fence), err) < 0)
        return NFT_FAILED;
    rules_put(&backstop->nft, &batch, fence, backstop->mark);
    outcome = nft_batch_commit(&backstop->nft, &batch, err);
    if (outcome == NFT_DONE)
        outcome = nft_print_read(&backstop->nft, BACKSTOP_TABLE, &backstop->print,
                                 &backstop->generation, err);
    if (outcome == NFT_DONE && backstop->print.rules != rules_count(fence)) {
        (void)ne_fail(err, NE_KERNEL,
                      "nf_tables: somebody changed table " BACKSTOP_TABLE " as it was made");
        outcome = NFT_FAILED;
    }
    if (outcome != NFT_DONE)
        return outcome;
    backstop->content = content_of(fence);
    backstop->made = true;
    return NFT_DONE;
}

/* conclude() - Without nf_tables the legacy tables stand alone, which is said once. */
static int conclude(struct backstop *backstop, enum nft_outcome outcome, const struct ne_error *why,
                    struct ne_error *err) {
    if (outcome == NFT_DONE)
        return 0;
    if (outcome == NFT_ABSENT) {
        if (!backstop->absent)
            ne_warn("%s: the backstop is left out; what empties all legacy tables at once opens "
                    "the fence until the next check",
                    why->text);
        backstop->absent = true;
        return 0;
    }
    if (err != NULL)
        *err = *why;
    return -1;
}

static void note(struct ne_firewall_report *report, const char *what) {
    if (report != NULL && report->differences++ == 0)
        (void)snprintf(report->first, sizeof(report->first), "nf_tables/" BACKSTOP_TABLE ": %s",
                       what);
}

/* run() - A table that this process did not make is replaced without being called a difference:
 * at the start of a daemon that is not news. */
static int run(struct backstop *backstop, const struct ne_fence *fence, bool change,
               struct ne_firewall_report *report, struct ne_error *err) {
    struct ne_error why = {0};
    bool as_made = false;
    if (report != NULL)
        *report = (struct ne_firewall_report){0};
    /* Nothing to guard, nothing made: this host's nf_tables are not even looked at. */
    if (backstop->absent || (fence->bridge_count == 0 && !backstop->made && !change))
        return 0;
    enum nft_outcome outcome = stands(backstop, &as_made, &why);
    if (outcome != NFT_DONE)
        return conclude(backstop, outcome, &why, err);
    bool wanted = backstop->made && backstop->content == content_of(fence);
    if (as_made && wanted)
        return 0;
    if (!as_made && backstop->made)
        note(report, "its table was removed or changed");
    else if (!change)
        note(report, "its table is not made yet");
    return change ? conclude(backstop, replace(backstop, fence, &why), &why, err) : 0;
}

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct backstop *)firewall, fence, true, report, err);
}

static int check(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct backstop *)firewall, fence, false, report, err);
}

static void describe(const struct ne_firewall *firewall, char *text, size_t size) {
    const struct backstop *backstop = (const struct backstop *)firewall;
    (void)snprintf(text, size,
                   backstop->absent ? "no backstop (this kernel has no nf_tables)"
                                    : "backstop in nf_tables");
}

static void close_backstop(struct ne_firewall *firewall) {
    struct backstop *backstop = (struct backstop *)firewall;
    nft_close(&backstop->nft);
    free(backstop);
}

static const struct ne_firewall_ops backstop_ops = {
    .apply = apply,
    .check = check,
    .describe = describe,
    .close = close_backstop,
};

struct ne_firewall *ne_backstop_open(const struct ne_firewall_settings *settings,
                                     struct ne_error *err) {
    struct backstop *backstop = calloc(1, sizeof(*backstop));
    if (backstop == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the backstop");
        return NULL;
    }
    backstop->base.ops = &backstop_ops;
    backstop->mark = settings->mark;
    return &backstop->base;
}
