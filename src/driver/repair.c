/* repair.c - the kernel brought into line with the model: see driver.h. */
#include "internal.h"

#include <netenforce/grow.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a survey found, kept until the survey is over: a netlink dump cannot be
 * read and acted upon at once. */
struct survey {
    struct ne_link_found *found;
    size_t count;
};

static int note(void *context, const struct ne_link_found *found, struct ne_error *err) {
    struct survey *survey = context;
    void *room = ne_grow(survey->found, survey->count, sizeof(*survey->found), err);
    if (room == NULL)
        return -1;
    survey->found = room;
    survey->found[survey->count++] = *found;
    return 0;
}

static int by_kind_and_owner(const void *left, const void *right) {
    const struct ne_link_found *a = left;
    const struct ne_link_found *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->owner, b->owner);
}

static void sort_survey(struct survey *survey) {
    if (survey->count > 1)
        qsort(survey->found, survey->count, sizeof(*survey->found), by_kind_and_owner);
}

static bool port_found(const struct survey *survey, const char *owner) {
    struct ne_link_found wanted = {.kind = NE_LINK_PORT};
    memcpy(wanted.owner, owner, strnlen(owner, sizeof(wanted.owner) - 1));
    return survey->count > 0 && bsearch(&wanted, survey->found, survey->count,
                                        sizeof(*survey->found), by_kind_and_owner) != NULL;
}

/* A run of steps that goes on after a failure and remembers the first. */
struct run {
    struct ne_driver *driver;
    struct ne_error *err;
    bool failed;
};

static void step(struct run *run, int result, struct ne_error *err, const char *what,
                 const char *id) {
    if (result == 0)
        return;
    (void)ne_context(err, "%s %.12s", what, id);
    /* A failure that lasts is told once, not twice a second. */
    if (strcmp(err->text, run->driver->complaint) == 0)
        ne_debug("%s", err->text);
    else
        ne_err("%s", err->text);
    if (!run->failed)
        *run->err = *err;
    run->failed = true;
}

/* An endpoint without its port has no container any more: a pair goes with the
 * namespace that its other end is in. */
static void settle_endpoints(struct run *run, const struct survey *survey) {
    struct ne_model *model = &run->driver->model;
    for (size_t i = 0; i < model->endpoints.count; i++) {
        struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        if (!endpoint->joined || port_found(survey, endpoint->id))
            continue;
        struct ne_error err;
        ne_info("endpoint %.12s: its port is gone, taken as left", endpoint->id);
        endpoint->joined = false;
        endpoint->sandbox[0] = '\0';
        tell_of(endpoint->network, endpoint->id, "left");
        step(run, write_record(run->driver, endpoint, &err), &err, "endpoint", endpoint->id);
    }
}

/* save_late() - Write what could not be written when it changed. One failure ends it: what one
 * record cannot be written for, such as a full disk, is mostly so for the others, too. */
static int save_late(struct ne_driver *driver, struct ne_error *err) {
    for (size_t i = 0; i < driver->model.networks.count; i++) {
        struct ne_network *network = ne_model_network_at(&driver->model, i);
        if (network->unsaved && write_network(driver, network, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < driver->model.endpoints.count; i++) {
        struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        if (endpoint->unsaved && write_record(driver, endpoint, err) < 0)
            return -1;
    }
    return 0;
}

static int remove_link(struct ne_driver *driver, const struct ne_link_found *link,
                       struct ne_error *err) {
    if (link->kind == NE_LINK_PORT)
        return retire(driver, link->name, link->owner, err);
    return driver->link->ops->remove(driver->link, link->name, link->owner, err);
}

static void remove_orphans(struct run *run, const struct survey *survey) {
    struct ne_model *model = &run->driver->model;
    size_t retired = 0;
    for (size_t i = 0; i < survey->count; i++) {
        const struct ne_link_found *link = &survey->found[i];
        const struct ne_endpoint *endpoint = ne_model_endpoint(model, link->owner);
        const struct ne_network *network = ne_model_network(model, link->owner);
        /* A port whose endpoint has left is down, and waits for DeleteEndpoint: the engine may be
         * taking its other end out of the container at this moment. */
        bool wanted = link->kind == NE_LINK_PORT
                          ? endpoint != NULL
                          : network != NULL && strcmp(network->bridge, link->name) == 0;
        if (wanted)
            continue;
        struct ne_error err;
        if (link->retired) {
            retired++;
            continue;
        }
        ne_info("link %s belongs to nobody: removed", link->name);
        const int removed = remove_link(run->driver, link, &err);
        step(run, removed, &err, "link", link->name);
        if (removed < 0)
            note_stray(run->driver, link->name);
    }
    /* Those of an earlier daemon, too. */
    if (retired > run->driver->retired)
        run->driver->retired = retired;
}

static void ensure_links(struct run *run) {
    struct ne_driver *driver = run->driver;
    struct ne_error err;
    for (size_t i = 0; i < driver->model.networks.count; i++) {
        struct ne_network *network = ne_model_network_at(&driver->model, i);
        step(run, ensure_bridge(driver, network, &err), &err, "network", network->id);
    }
    for (size_t i = 0; i < driver->model.endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        const struct ne_network *network = ne_model_network(&driver->model, endpoint->network);
        if (!endpoint->joined || network == NULL)
            continue;
        struct ne_port port = port_of(network, endpoint);
        step(run, driver->link->ops->port_ensure(driver->link, &port, &err), &err, "endpoint",
             endpoint->id);
    }
    for (size_t i = 0; i < driver->model.networks.count && !run->failed; i++) {
        struct ne_network *network = ne_model_network_at(&driver->model, i);
        network->proxied_linked = network->proxied;
    }
}

/* add() - What a part of the repair has put right. */
static void add(struct ne_repaired *repaired, unsigned count, const char *first) {
    if (repaired->count == 0)
        (void)snprintf(repaired->first, sizeof(repaired->first), "%s", first);
    repaired->count += count;
}

int ne_driver_repair(struct ne_driver *driver, struct ne_repaired *repaired, struct ne_error *err) {
    struct survey survey = {0};
    struct run run = {.driver = driver, .err = err};
    struct ne_firewall_report report = {0};
    struct ne_error why;
    *repaired = (struct ne_repaired){0};
    driver->link->mended = (struct ne_link_mended){0};

    /* Only what could not be written or forgotten leaves a wrong record, and that is known. */
    if (driver->unsettled) {
        bool written = driver->store->ops->sweep(driver->store, &driver->model, &why) == 0 &&
                       save_late(driver, &why) == 0;
        step(&run, written ? 0 : -1, &why, "records of", "what changed");
    }

    bool surveyed = driver->link->ops->survey(driver->link, note, &survey, &why) == 0;
    step(&run, surveyed ? 0 : -1, &why, "survey of", "links");
    /* What belongs to nobody goes while the old rules still stand: a bridge of a name of its own
     * is closed by a rule that the new ones lack. */
    if (surveyed) {
        sort_survey(&survey);
        settle_endpoints(&run, &survey);
        driver->surveyed = true;
        forget_strays(driver);
        remove_orphans(&run, &survey);
    }
    /* Rules before links: a bridge that comes up finds its fence standing. */
    int enforced = enforce(driver, &report, &why);
    step(&run, enforced, &why, "rules of", "all networks");
    if (report.differences > 0)
        add(repaired, report.differences, report.first);
    /* Without rules no link is brought up: what is up stays closed or as it was. */
    if (enforced == 0)
        ensure_links(&run);
    if (driver->link->mended.count > 0)
        add(repaired, driver->link->mended.count, driver->link->mended.first);
    driver->repairs += repaired->count;

    free(survey.found);
    driver->unsettled = run.failed;
    driver->complaint[0] = '\0';
    if (run.failed)
        memcpy(driver->complaint, err->text, sizeof(driver->complaint));
    return run.failed ? -1 : 0;
}
