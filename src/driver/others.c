/* others.c - containers that have another way out: see ne_driver_look_around() in driver.h. */
#include "internal.h"

#include <netenforce/grow.h>
#include <netenforce/log.h>
#include <stdlib.h>
#include <string.h>

/* What a look finds, in the order in which it does. */
struct look {
    const struct ne_model *model;
    struct ne_link_others *found;
    size_t count;
};

static int note(void *context, const struct ne_link_others *others, struct ne_error *err) {
    struct look *look = context;
    const struct ne_endpoint *endpoint = ne_model_endpoint(look->model, others->owner);
    if (endpoint == NULL || !endpoint->joined)
        return 0;
    void *room = ne_grow(look->found, look->count, sizeof(*look->found), err);
    if (room == NULL)
        return -1;
    look->found = room;
    look->found[look->count++] = *others;
    return 0;
}

static int compare(const void *a, const void *b) {
    const struct ne_link_others *one = a;
    const struct ne_link_others *other = b;
    return strcmp(one->owner, other->owner);
}

static int compare_owner(const void *owner, const void *others) {
    return strcmp(owner, ((const struct ne_link_others *)others)->owner);
}

static const struct ne_link_others *find(const struct ne_link_others *list, size_t count,
                                         const char *owner) {
    return count == 0 ? NULL : bsearch(owner, list, count, sizeof(*list), compare_owner);
}

/* same() - Whether two looks saw one interface. One of them may not have learnt its name: a
 * container that keeps changing its interfaces must not make a line of the log of that each time.
 */
static bool same(const struct ne_link_other *a, const struct ne_link_other *b) {
    bool unknown = strcmp(a->name, "?") == 0 || strcmp(b->name, "?") == 0;
    return (unknown || strcmp(a->name, b->name) == 0) && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->host, b->host) == 0;
}

static bool lists(const struct ne_link_others *others, const struct ne_link_other *wanted) {
    for (size_t i = 0; others != NULL && i < others->count && i < NE_OTHERS_MAX; i++) {
        if (same(&others->listed[i], wanted))
            return true;
    }
    return false;
}

/* tell() - Log each interface of @some that @rest (may be NULL) doesn't list: as new or as gone. */
static void tell(const struct ne_driver *driver, const struct ne_link_others *some,
                 const struct ne_link_others *rest, bool is_new) {
    const struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, some->owner);
    if (endpoint == NULL || !endpoint->joined)
        return;
    for (size_t i = 0; i < some->count && i < NE_OTHERS_MAX; i++) {
        const struct ne_link_other *other = &some->listed[i];
        if (lists(rest, other))
            continue;
        const char *to = other->host[0] != '\0' ? " by way of the host's " : "";
        if (is_new && ne_model_is_proxy(&driver->model, endpoint))
            ne_info("endpoint %.12s (network %.12s) is its network's proxy, and has its way out by "
                    "interface %s (%s)%s%s",
                    endpoint->id, endpoint->network, other->name, other->kind, to, other->host);
        else if (is_new)
            ne_warn("endpoint %.12s (network %.12s) has another way out: interface %s (%s)%s%s: "
                    "what leaves by it is not enforced; `docker network disconnect` it",
                    endpoint->id, endpoint->network, other->name, other->kind, to, other->host);
        else
            ne_info(
                "endpoint %.12s (network %.12s): the other way out by interface %s (%s) is gone",
                endpoint->id, endpoint->network, other->name, other->kind);
    }
}

int ne_driver_look_around(struct ne_driver *driver, struct ne_error *err) {
    struct look look = {.model = &driver->model};
    if (driver->link->ops->others(driver->link, note, &look, err) < 0) {
        free(look.found);
        return -1;
    }
    if (look.count > 0)
        qsort(look.found, look.count, sizeof(*look.found), compare);
    for (size_t i = 0; i < look.count; i++)
        tell(driver, &look.found[i],
             find(driver->others, driver->others_count, look.found[i].owner), true);
    for (size_t i = 0; i < driver->others_count; i++)
        tell(driver, &driver->others[i], find(look.found, look.count, driver->others[i].owner),
             false);
    free(driver->others);
    driver->others = look.found;
    driver->others_count = look.count;
    return 0;
}

const struct ne_link_others *ne_driver_others(const struct ne_driver *driver,
                                              const struct ne_endpoint *endpoint) {
    return endpoint->joined ? find(driver->others, driver->others_count, endpoint->id) : NULL;
}
