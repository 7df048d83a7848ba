/* backend.c - the legacy tables as a firewall backend: see firewall.h and plan.h. */
#include "apply.h"
#include "table.h"

#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct iptables {
    struct ne_firewall base;
    struct xt_marks marks;
    char *lock_path;
    bool told_no_security; /* said once */
    bool judge_known;      /* the kernel's judge writes our bits: seen once, they do not change */
};

/* order_for() - The gates before the judge: what refuses stands before anything is let pass. When
 * the last bridge goes, the judge goes first. The source is hidden before anything is let
 * pass beyond the host, and as long as it is; what is handed is led before it is handed. */
static const enum xt_table *order_for(const struct ne_fence *fence) {
    static const enum xt_table beyond[] = {XT_FILTER, XT_SECURITY, XT_NAT, XT_RAW};
    static const enum xt_table within[] = {XT_FILTER, XT_SECURITY, XT_RAW, XT_NAT};
    static const enum xt_table nothing[] = {XT_RAW, XT_FILTER, XT_SECURITY, XT_NAT};
    if (fence->bridge_count == 0)
        return nothing;
    return fence->reaches_beyond || fence->hand_count > 0 ? beyond : within;
}
#define TABLES 4

/* table_is_loaded() - Whether the namespace has the table by now. Asking libiptc would load it,
 * and connection tracking with nat. */
static bool table_is_loaded(enum ne_family family, enum xt_table table) {
    FILE *file =
        fopen(family == NE_V6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names", "re");
    char line[64];
    bool found = false;
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strcmp(line, xt_table_name(table)) == 0;
    }
    (void)fclose(file);
    return found;
}

/* table_is_wanted() - Whether @fence has something to say in @table. */
static bool table_is_wanted(const struct ne_fence *fence, enum xt_table table) {
    if (table == XT_NAT)
        return fence->reaches_beyond || fence->hand_count > 0;
    return fence->bridge_count > 0;
}

static int run_table(struct iptables *iptables, const struct ne_fence *fence, enum ne_family family,
                     enum xt_table table, enum xt_mode mode, struct ne_firewall_report *report,
                     struct ne_error *err) {
    struct xt_plan plan;
    struct ne_error why;
    if (!table_is_wanted(fence, table) && !table_is_loaded(family, table))
        return 0;
    if (xt_compile(fence, family, table, iptables->marks, &plan, err) < 0)
        return -1;
    enum xt_outcome outcome = xt_apply(&plan, family, table, mode, report, &why);
    xt_plan_free(&plan);

    if (outcome == XT_DONE)
        return 0;
    if (outcome == XT_NO_TABLE && table == XT_SECURITY) {
        if (!iptables->told_no_security)
            ne_warn("%s; the second gate is left out", why.text);
        iptables->told_no_security = true;
        return 0;
    }
    if (err != NULL)
        *err = why;
    return -1;
}

/* disarm() - The first time: a judge that an earlier daemon left may write other bits. */
static int disarm(struct iptables *iptables, const struct ne_fence *fence, enum ne_family family,
                  struct ne_error *err) {
    struct xt_plan raw;
    struct ne_error why;
    if (xt_compile(fence, family, XT_RAW, iptables->marks, &raw, err) < 0)
        return -1;
    enum xt_outcome outcome = xt_disarm(&raw, family, &why);
    xt_plan_free(&raw);
    /* Without the table there is no judge; that it is needed is found where it is applied. */
    if (outcome != XT_FAILED)
        return 0;
    if (err != NULL)
        *err = why;
    return -1;
}

static int run(struct iptables *iptables, const struct ne_fence *fence, enum xt_mode mode,
               struct ne_firewall_report *report, struct ne_error *err) {
    static const enum ne_family families[] = {NE_V4, NE_V6};
    struct ne_firewall_report unasked;
    if (report == NULL)
        report = &unasked;
    *report = (struct ne_firewall_report){0};

    /* A kernel without IPv6 has nothing to close there. */
    size_t family_count = access("/proc/net/if_inet6", F_OK) == 0 ? 2 : 1;
    const enum xt_table *order = order_for(fence);
    bool to_disarm = mode == XT_APPLY && fence->bridge_count > 0 && !iptables->judge_known;

    int lock = xtables_lock(iptables->lock_path, err);
    if (lock < 0)
        return -1;
    int result = 0;
    for (size_t f = 0; f < family_count && result == 0 && to_disarm; f++)
        result = disarm(iptables, fence, families[f], err);
    for (size_t t = 0; t < TABLES && result == 0; t++) {
        for (size_t f = 0; f < family_count && result == 0; f++)
            result = run_table(iptables, fence, families[f], order[t], mode, report, err);
    }
    (void)close(lock);
    if (result == 0 && to_disarm)
        iptables->judge_known = true;
    return result;
}

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct iptables *)firewall, fence, XT_APPLY, report, err);
}

static int check(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    return run((struct iptables *)firewall, fence, XT_CHECK, report, err);
}

static void describe(const struct ne_firewall *firewall, char *text, size_t size) {
    const struct iptables *iptables = (const struct iptables *)firewall;
    (void)snprintf(text, size, "iptables (legacy tables%s)",
                   iptables->told_no_security ? ", no security" : "");
}

static void close_iptables(struct ne_firewall *firewall) {
    struct iptables *iptables = (struct iptables *)firewall;
    free(iptables->lock_path);
    free(iptables);
}

static const struct ne_firewall_ops iptables_ops = {
    .apply = apply,
    .check = check,
    .describe = describe,
    .close = close_iptables,
};

struct ne_firewall *ne_iptables_open(const struct ne_firewall_settings *settings,
                                     struct ne_error *err) {
    struct iptables *iptables = calloc(1, sizeof(*iptables));
    if (iptables != NULL)
        iptables->lock_path = strdup(settings->lock_path);
    if (iptables == NULL || iptables->lock_path == NULL) {
        free(iptables);
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the firewall");
        return NULL;
    }
    iptables->base.ops = &iptables_ops;
    iptables->marks = xt_marks_of(settings->mark);
    return &iptables->base;
}
