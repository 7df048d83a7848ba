/* choice.c - which backend writes the main fence: see firewall.h. */
#include <netenforce/firewall.h>
#include <netenforce/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALONE_EVERY_S 5 /* a look at the other backend: it costs more than all else of a check */

struct choice {
    struct ne_firewall base;
    struct ne_firewall *iptables, *nftables;
    struct ne_firewall *chosen; /* NULL: not yet, and the legacy tables are tried first */
    const char *why;            /* of what is chosen */
    bool alone;                 /* nothing of the other one's stands any more */
    bool came_back;             /* it did not, and then something stood again */
    time_t alone_at;            /* when that was last looked at */
};

static struct ne_firewall *other_of(const struct choice *choice) {
    return choice->chosen == choice->iptables ? choice->nftables : choice->iptables;
}

static struct ne_firewall *first_of(const struct choice *choice) {
    return choice->chosen != NULL ? choice->chosen : choice->iptables;
}

/* choose() - The first fence tells which of them this kernel can do. */
static int choose(struct choice *choice, const struct ne_fence *fence,
                  struct ne_firewall_report *report, struct ne_error *err) {
    struct ne_error legacy = {0};
    struct ne_error why = {0};
    if (choice->iptables->ops->apply(choice->iptables, fence, report, &legacy) == 0) {
        choice->chosen = choice->iptables;
        return 0;
    }
    if (legacy.code == NE_UNSUPPORTED &&
        choice->nftables->ops->apply(choice->nftables, fence, report, &why) == 0) {
        choice->chosen = choice->nftables;
        choice->why = ", since there are no legacy tables";
        ne_info("%s: the fence is written in nf_tables", legacy.text);
        return 0;
    }
    if (why.text[0] != '\0')
        ne_warn("%s", why.text);
    if (err != NULL)
        *err = legacy;
    return -1;
}

/* be_alone() - What the other backend left, under an earlier daemon, goes once the chosen one's
 * stands. */
static int be_alone(struct choice *choice, struct ne_firewall_report *report,
                    struct ne_error *err) {
    struct ne_firewall *other = other_of(choice);
    struct ne_firewall_report left = {0};
    struct ne_fence nothing;
    struct ne_error why = {0};
    if (choice->alone)
        return 0;
    ne_fence_init(&nothing);
    if (other->ops->apply(other, &nothing, &left, &why) < 0 && why.code != NE_UNSUPPORTED) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (choice->came_back && report != NULL && report->differences == 0)
        *report = left; /* of an earlier daemon's it would be no news */
    choice->alone = true;
    choice->came_back = false;
    return 0;
}

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    struct choice *choice = (struct choice *)firewall;
    if (choice->chosen != NULL || fence->bridge_count > 0) {
        int result = choice->chosen == NULL
                         ? choose(choice, fence, report, err)
                         : choice->chosen->ops->apply(choice->chosen, fence, report, err);
        return result < 0 ? -1 : be_alone(choice, report, err);
    }
    /* Nothing to enforce: whatever stands goes. */
    if (choice->iptables->ops->apply(choice->iptables, fence, report, err) < 0)
        return -1;
    return choice->nftables->ops->apply(choice->nftables, fence, NULL, err);
}

/* check_alone() - What an earlier daemon wrote with the other backend may come back: somebody
 * restores a file of that time. Two judges write the same bits. */
static int check_alone(struct choice *choice, struct ne_firewall_report *report,
                       struct ne_error *err) {
    struct ne_firewall *other = other_of(choice);
    struct ne_firewall_report left = {0};
    struct ne_fence nothing;
    struct ne_error why = {0};
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (choice->alone && now.tv_sec - choice->alone_at < ALONE_EVERY_S)
        return 0;
    choice->alone_at = now.tv_sec;
    ne_fence_init(&nothing);
    if (other->ops->check(other, &nothing, &left, &why) < 0 && why.code != NE_UNSUPPORTED) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (choice->alone && left.differences > 0) {
        choice->alone = false;
        choice->came_back = true;
    }
    if (report != NULL && left.differences > 0 && report->differences == 0)
        *report = left;
    return 0;
}

static int check(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err) {
    struct choice *choice = (struct choice *)firewall;
    struct ne_firewall *first = first_of(choice);
    if (first->ops->check(first, fence, report, err) < 0)
        return -1;
    return choice->chosen == NULL ? 0 : check_alone(choice, report, err);
}

static void describe(const struct ne_firewall *firewall, char *text, size_t size) {
    const struct choice *choice = (const struct choice *)firewall;
    const struct ne_firewall *first = first_of(choice);
    first->ops->describe(first, text, size);
    size_t used = strlen(text);
    (void)snprintf(text + used, size - used, "%s", choice->why);
}

static void close_both(struct ne_firewall *firewall) {
    struct choice *choice = (struct choice *)firewall;
    choice->iptables->ops->close(choice->iptables);
    choice->nftables->ops->close(choice->nftables);
    free(choice);
}

static const struct ne_firewall_ops choice_ops = {
    .apply = apply,
    .check = check,
    .describe = describe,
    .close = close_both,
};

bool ne_firewall_choice_parse(const char *word, enum ne_firewall_choice *choice) {
    static const char *const words[] = {
        [NE_FIREWALL_AUTO] = "auto",
        [NE_FIREWALL_IPTABLES] = "iptables",
        [NE_FIREWALL_NFTABLES] = "nftables",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) != 0)
            continue;
        *choice = (enum ne_firewall_choice)i;
        return true;
    }
    return false;
}

struct ne_firewall *ne_main_fence_open(const struct ne_firewall_settings *settings,
                                       struct ne_error *err) {
    struct ne_firewall *iptables = ne_iptables_open(settings, err);
    struct ne_firewall *nftables = iptables == NULL ? NULL : ne_nftables_open(settings, err);
    struct choice *choice = nftables == NULL ? NULL : calloc(1, sizeof(*choice));
    if (choice == NULL) {
        if (nftables != NULL) {
            (void)ne_fail(err, NE_NO_MEMORY, "no memory for the firewall");
            nftables->ops->close(nftables);
        }
        if (iptables != NULL)
            iptables->ops->close(iptables);
        return NULL;
    }
    *choice = (struct choice){
        .base.ops = &choice_ops, .iptables = iptables, .nftables = nftables, .why = ""};
    if (settings->choice != NE_FIREWALL_AUTO) {
        choice->chosen = settings->choice == NE_FIREWALL_IPTABLES ? iptables : nftables;
        choice->why = ", as set";
    }
    return &choice->base;
}
