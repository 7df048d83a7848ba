/* apply.c - compare and apply, one table: see apply.h. */
#include "apply.h"

#include "encode.h"
#include "table.h"

#include <errno.h>
#include <netenforce/grow.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_TRIES 5

struct session {
    const struct xtc *xtc;
    struct xtc_handle *handle;
    enum xt_table table;
    enum xt_mode mode;
    struct ne_firewall_report *report;
    struct ne_error *err;
    bool *made; /* by the plan's chains: missing, and so noted already */
    bool dirty; /* the snapshot was edited */
};

static int failed(struct session *s, const char *what, const char *chain) {
    int cause = errno; /* libiptc's words depend on it and on what it did last */
    return ne_fail(s->err, NE_KERNEL, "table %s%s, chain %s: cannot %s: %s",
                   s->xtc->family == NE_V6 ? "ip6/" : "", xt_table_name(s->table), chain, what,
                   s->xtc->words(cause));
}

static void note(struct session *s, const char *chain, const char *what) {
    if (s->report->differences++ == 0)
        (void)snprintf(s->report->first, sizeof(s->report->first), "%s%s/%s: %s",
                       s->xtc->family == NE_V6 ? "ip6/" : "", xt_table_name(s->table), chain, what);
}

static bool is_ours(const char *chain) {
    return chain != NULL && strncmp(chain, CHAIN_PREFIX, strlen(CHAIN_PREFIX)) == 0;
}

static const char *target_of(struct session *s, const void *rule) {
    return s->xtc->target(rule, s->handle);
}

/* chain_is_as_planned() - Rule by rule; of a built-in chain only the first ones, and none of the
 * rest may lead to us. */
static bool chain_is_as_planned(struct session *s, const struct xt_chain *chain) {
    const void *rule = s->xtc->first_rule(chain->name, s->handle);
    for (size_t i = 0; i < chain->count; i++) {
        struct encoded wanted;
        if (rule == NULL)
            return false;
        xt_encode(&chain->rules[i], s->xtc->family, &wanted);
        if (!xt_same(&wanted, s->xtc->family, rule, target_of(s, rule)))
            return false;
        rule = s->xtc->next_rule(rule, s->handle);
    }
    if (!chain->builtin)
        return rule == NULL;
    for (; rule != NULL; rule = s->xtc->next_rule(rule, s->handle)) {
        if (is_ours(target_of(s, rule)))
            return false;
    }
    return true;
}

/* remove_jumps() - Take every rule out of a built-in chain that leads to a chain of ours. */
static int remove_jumps(struct session *s, const char *chain) {
    unsigned position = 0;
    const void *rule = s->xtc->first_rule(chain, s->handle);
    while (rule != NULL) {
        if (!is_ours(target_of(s, rule))) {
            rule = s->xtc->next_rule(rule, s->handle);
            position++;
            continue;
        }
        if (!s->xtc->remove(chain, position, s->handle))
            return failed(s, "remove a jump", chain);
        /* The list was edited under the iterator: walk again to the same place. */
        rule = s->xtc->first_rule(chain, s->handle);
        for (unsigned i = 0; i < position && rule != NULL; i++)
            rule = s->xtc->next_rule(rule, s->handle);
    }
    return 0;
}

static int write_builtin(struct session *s, const struct xt_chain *chain) {
    if (remove_jumps(s, chain->name) < 0)
        return -1;
    for (size_t i = 0; i < chain->count; i++) {
        struct encoded entry;
        xt_encode(&chain->rules[i], s->xtc->family, &entry);
        if (!s->xtc->insert(chain->name, entry.bytes, (unsigned)i, s->handle))
            return failed(s, "insert a jump", chain->name);
    }
    return 0;
}

static int write_chain(struct session *s, const struct xt_chain *chain) {
    if (!s->xtc->flush(chain->name, s->handle))
        return failed(s, "empty it", chain->name);
    for (size_t i = 0; i < chain->count; i++) {
        struct encoded entry;
        xt_encode(&chain->rules[i], s->xtc->family, &entry);
        if (!s->xtc->append(chain->name, entry.bytes, s->handle))
            return failed(s, "add a rule", chain->name);
    }
    return 0;
}

/* make_missing() - Every chain must exist before a rule can lead to it. */
static int make_missing(struct session *s, const struct xt_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct xt_chain *chain = &plan->chains[i];
        if (chain->builtin || s->xtc->is_chain(chain->name, s->handle))
            continue;
        note(s, chain->name, "the chain is missing");
        s->made[i] = true;
        if (s->mode == XT_CHECK)
            continue;
        if (!s->xtc->create_chain(chain->name, s->handle))
            return failed(s, "make it", chain->name);
        s->dirty = true;
    }
    return 0;
}

static int write_different(struct session *s, const struct xt_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct xt_chain *chain = &plan->chains[i];
        if (!chain->builtin && !s->xtc->is_chain(chain->name, s->handle))
            continue; /* XT_CHECK: noted as missing */
        if (chain_is_as_planned(s, chain))
            continue;
        if (!s->made[i])
            note(s, chain->name, "rules are missing, changed, or behind others'");
        if (s->mode == XT_CHECK)
            continue;
        if ((chain->builtin ? write_builtin(s, chain) : write_chain(s, chain)) < 0)
            return -1;
        s->dirty = true;
    }
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp((const char *)a, (const char *)b);
}

/* Names of the chains of ours that the plan does not have. */
struct stale {
    char (*names)[CHAIN_SIZE];
    size_t count;
};

/* all_are_planned() - Whether the table has as many chains of ours as the plan: those of the plan
 * are there by now, or were noted as missing, so that no other is. */
static bool all_are_planned(const struct session *s, const struct xt_plan *plan) {
    size_t planned = 0;
    size_t found = 0;
    for (size_t i = 0; i < plan->count; i++)
        planned += !plan->chains[i].builtin && (s->mode == XT_APPLY || !s->made[i]);
    const char *name = s->xtc->first_chain(s->handle);
    for (; name != NULL; name = s->xtc->next_chain(s->handle))
        found += is_ours(name);
    return found == planned;
}

static int find_stale(struct session *s, const struct xt_plan *plan, struct stale *stale) {
    if (all_are_planned(s, plan))
        return 0;
    char(*planned)[CHAIN_SIZE] = calloc(plan->count + 1, CHAIN_SIZE);
    if (planned == NULL)
        return ne_fail(s->err, NE_NO_MEMORY, "no memory for %zu names", plan->count);
    for (size_t i = 0; i < plan->count; i++)
        memcpy(planned[i], plan->chains[i].name, CHAIN_SIZE);
    qsort(planned, plan->count, CHAIN_SIZE, by_name);

    int result = 0;
    const char *name = s->xtc->first_chain(s->handle);
    for (; name != NULL && result == 0; name = s->xtc->next_chain(s->handle)) {
        char key[CHAIN_SIZE] = {0};
        if (!is_ours(name))
            continue;
        memcpy(key, name, strnlen(name, CHAIN_SIZE - 1));
        if (bsearch(key, planned, plan->count, CHAIN_SIZE, by_name) != NULL)
            continue;
        void *room = ne_grow(stale->names, stale->count, CHAIN_SIZE, s->err);
        if (room == NULL) {
            result = -1;
            break;
        }
        stale->names = room;
        memcpy(stale->names[stale->count++], key, CHAIN_SIZE);
    }
    free(planned);
    return result;
}

static bool is_empty(struct session *s, const char *chain) {
    return s->xtc->first_rule(chain, s->handle) == NULL;
}

/* is_held() - Whether a rule leads to the chain. Once all of ours are empty it is somebody else's,
 * and theirs are not ours to remove. */
static bool is_held(struct session *s, const char *chain) {
    unsigned count = 0;
    return s->xtc->references(&count, chain, s->handle) && count > 0;
}

static int empty_stale(struct session *s, const struct stale *stale) {
    for (size_t i = 0; i < stale->count; i++) {
        const char *name = stale->names[i];
        if (is_empty(s, name) && is_held(s, name))
            continue; /* all that could be done is done, or is noted where the rule is */
        note(s, name, "the chain belongs to nobody");
        if (s->mode == XT_CHECK || is_empty(s, name))
            continue;
        if (!s->xtc->flush(name, s->handle))
            return failed(s, "empty it", name);
        s->dirty = true;
    }
    return 0;
}

/* remove_stale() - Empty all first: they may lead to each other. */
static int remove_stale(struct session *s, const struct stale *stale) {
    if (empty_stale(s, stale) < 0)
        return -1;
    for (size_t i = 0; i < stale->count && s->mode == XT_APPLY; i++) {
        const char *name = stale->names[i];
        if (is_held(s, name)) {
            if (s->dirty)
                ne_warn("chain %s stays, empty: a rule of somebody else leads to it", name);
            continue;
        }
        if (!s->xtc->delete_chain(name, s->handle))
            return failed(s, "remove it", name);
        s->dirty = true;
    }
    return 0;
}

static int bring_into_line(struct session *s, const struct xt_plan *plan) {
    struct stale stale = {0};
    int result = -1;
    s->made = calloc(plan->count + 1, sizeof(*s->made));
    if (s->made == NULL)
        return ne_fail(s->err, NE_NO_MEMORY, "no memory for %zu chains", plan->count);
    if (make_missing(s, plan) == 0 && write_different(s, plan) == 0 &&
        find_stale(s, plan, &stale) == 0)
        result = remove_stale(s, &stale);
    free(stale.names);
    free(s->made);
    return result;
}

/* empty_verdicts() - Only if one of them says something else than planned. */
static int empty_verdicts(struct session *s, const struct xt_plan *plan) {
    static const char *const names[] = {VERDICT_CHAINS};
    const size_t count = sizeof(names) / sizeof(names[0]);
    bool other = false;
    for (size_t i = 0; i < count; i++) {
        const struct xt_chain *chain = xt_plan_chain(plan, names[i]);
        if (chain != NULL && s->xtc->is_chain(names[i], s->handle) && !is_empty(s, names[i]))
            other |= !chain_is_as_planned(s, chain);
    }
    for (size_t i = 0; i < count && other; i++) {
        if (!s->xtc->is_chain(names[i], s->handle))
            continue;
        if (!s->xtc->flush(names[i], s->handle))
            return failed(s, "empty it", names[i]);
        s->dirty = true;
    }
    return 0;
}

static enum xt_outcome no_table(struct session *s, int cause) {
    const char *six = s->xtc->family == NE_V6 ? "6" : "";
    const char *name = xt_table_name(s->table);
    /* ENOPROTOOPT: no such tables at all; ENOENT: not this one (xt_find_table_lock()). */
    if (cause != ENOPROTOOPT && cause != ENOENT) {
        errno = cause;
        (void)failed(s, "read the table", "all");
        return XT_FAILED;
    }
    (void)ne_fail(s->err, NE_UNSUPPORTED,
                  "the kernel's legacy ip%stables has no table %s (%s): load it (modprobe -a "
                  "ip%s_tables ip%stable_%s), use a kernel with CONFIG_NETFILTER_XTABLES_LEGACY, "
                  "or let the fence be written in nf_tables (FIREWALL=auto or nftables, "
                  "netenforced --firewall)",
                  six, name, s->xtc->words(cause), six, six, name);
    return XT_NO_TABLE;
}

static enum xt_outcome edit_once(struct session *s, const struct xt_plan *plan,
                                 int (*edit)(struct session *s, const struct xt_plan *plan),
                                 bool *again) {
    s->dirty = false;
    *again = false;
    s->handle = s->xtc->init(xt_table_name(s->table));
    if (s->handle == NULL)
        return no_table(s, errno);

    enum xt_outcome outcome = XT_FAILED;
    if (edit(s, plan) == 0) {
        outcome = XT_DONE;
        if (s->dirty && !s->xtc->commit(s->handle)) {
            *again = errno == EAGAIN;
            outcome = XT_FAILED;
            (void)failed(s, "commit", "all");
        }
    }
    s->xtc->free(s->handle);
    return outcome;
}

enum xt_outcome xt_apply(const struct xt_plan *plan, enum ne_family family, enum xt_table table,
                         enum xt_mode mode, struct ne_firewall_report *report,
                         struct ne_error *err) {
    const struct ne_firewall_report before = *report;
    struct session s = {
        .xtc = xtc_of(family), .table = table, .mode = mode, .report = report, .err = err};
    enum xt_outcome outcome = XT_FAILED;
    bool again = true;
    /* EAGAIN: somebody without the lock changed the table meanwhile. */
    for (int i = 0; again && i < COMMIT_TRIES; i++) {
        *report = before;
        outcome = edit_once(&s, plan, bring_into_line, &again);
    }
    return outcome;
}

enum xt_outcome xt_disarm(const struct xt_plan *raw, enum ne_family family, struct ne_error *err) {
    struct session s = {.xtc = xtc_of(family), .table = XT_RAW, .mode = XT_APPLY, .err = err};
    enum xt_outcome outcome = XT_FAILED;
    bool again = true;
    for (int i = 0; again && i < COMMIT_TRIES; i++)
        outcome = edit_once(&s, raw, empty_verdicts, &again);
    return outcome;
}
