/* pair.c - the main fence and its backstop as one firewall: see firewall.h. */
#include <netenforce/firewall.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    struct ne_firewall base;
    struct ne_firewall *main, *backstop;
};

/* add() - What the second has to report, behind the first's. */
static void add(struct ne_firewall_report *sum, const struct ne_firewall_report *more) {
    if (sum->differences == 0)
        memcpy(sum->first, more->first, sizeof(sum->first));
    sum->differences += more->differences;
}

/* apply() - The backstop only refuses: it stands before the main fence lets anything pass, and goes
 * when that has gone. */
static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    struct pair *pair = (struct pair *)firewall;
    bool leaving = fence->bridge_count == 0;
    struct ne_firewall *first = leaving ? pair->main : pair->backstop;
    struct ne_firewall *second = leaving ? pair->backstop : pair->main;
    struct ne_firewall_report one = {0};
    struct ne_firewall_report other = {0};
    if (first->ops->apply(first, fence, &one, err) < 0 ||
        second->ops->apply(second, fence, &other, err) < 0)
        return -1;
    add(&one, &other);
    if (report != NULL)
        *report = one;
    return 0;
}

static int check(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    struct pair *pair = (struct pair *)firewall;
    struct ne_firewall_report other = {0};
    if (pair->main->ops->check(pair->main, fence, report, err) < 0 ||
        pair->backstop->ops->check(pair->backstop, fence, &other, err) < 0)
        return -1;
    add(report, &other);
    return 0;
}

static int usage_of(struct ne_firewall *firewall, const char *only,
                    int (*visit)(void *context, const struct ne_usage *usage, struct ne_error *err),
                    void *context, struct ne_error *err) {
    return firewall->ops->usage == NULL ? 0
                                        : firewall->ops->usage(firewall, only, visit, context, err);
}

static int usage(struct ne_firewall *firewall, const char *only,
                 int (*visit)(void *context, const struct ne_usage *usage, struct ne_error *err),
                 void *context, struct ne_error *err) {
    struct pair *pair = (struct pair *)firewall;
    if (usage_of(pair->main, only, visit, context, err) < 0)
        return -1;
    return usage_of(pair->backstop, only, visit, context, err);
}

static void describe(const struct ne_firewall *firewall, char *text, size_t size) {
    const struct pair *pair = (const struct pair *)firewall;
    pair->main->ops->describe(pair->main, text, size);
    size_t used = strlen(text);
    (void)snprintf(text + used, size - used, ", ");
    used = strlen(text);
    pair->backstop->ops->describe(pair->backstop, text + used, size - used);
}

static void close_both(struct ne_firewall *firewall) {
    struct pair *pair = (struct pair *)firewall;
    pair->main->ops->close(pair->main);
    pair->backstop->ops->close(pair->backstop);
    free(pair);
}

static const struct ne_firewall_ops pair_ops = {
    .apply = apply,
    .check = check,
    .usage = usage,
    .describe = describe,
    .close = close_both,
};

struct ne_firewall *ne_firewall_pair(struct ne_firewall *main, struct ne_firewall *backstop,
                                     struct ne_error *err) {
    struct pair *pair = main == NULL || backstop == NULL ? NULL : calloc(1, sizeof(*pair));
    if (pair == NULL) {
        if (main != NULL && backstop != NULL)
            (void)ne_fail(err, NE_NO_MEMORY, "no memory for the firewall");
        if (main != NULL)
            main->ops->close(main);
        if (backstop != NULL)
            backstop->ops->close(backstop);
        return NULL;
    }
    *pair = (struct pair){.base.ops = &pair_ops, .main = main, .backstop = backstop};
    return &pair->base;
}
