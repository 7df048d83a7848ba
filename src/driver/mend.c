/* mend.c - a few links brought into line, after they were changed: see ne_driver_mend().
 *
 * Nearly all changes are the daemon's own or the engine's: a container started, another ended. To
 * ask for each port of a thousand because of one would cost the calls that come meanwhile more than
 * those themselves.
 */
#include "internal.h"

#include <netenforce/log.h>
#include <stdio.h>
#include <string.h>

/* A walk over the model, and whose the changed links are. */
struct walk {
    struct ne_driver *driver;
    const struct ne_link_changes *changes;
    bool known[NE_WATCH_NAMES];
    bool failed;
};

static const struct ne_link_change *change_of(struct walk *walk, const char *name) {
    for (unsigned i = 0; i < walk->changes->count; i++) {
        if (strcmp(walk->changes->changed[i].name, name) == 0) {
            walk->known[i] = true;
            return &walk->changes->changed[i];
        }
    }
    return NULL;
}

static void visit_network(struct walk *walk, struct ne_network *network) {
    const struct ne_link_change *change = change_of(walk, network->bridge);
    struct ne_error err;
    if (change != NULL && (change->gone || ensure_bridge(walk->driver, network, &err) < 0))
        walk->failed = true;
}

/* A port whose endpoint has left is down, and waits for DeleteEndpoint; one that is gone may be
 * gone with its container. */
static void visit_endpoint(struct walk *walk, const struct ne_endpoint *endpoint) {
    char name[NE_IFNAME_SIZE];
    const struct ne_link_change *change = change_of(walk, ne_port_name(endpoint->id, name));
    const struct ne_network *network = ne_model_network(&walk->driver->model, endpoint->network);
    struct ne_error err;
    if (change == NULL || !endpoint->joined || network == NULL)
        return;
    const struct ne_port port = port_of(network, endpoint);
    if (change->gone || walk->driver->link->ops->port_ensure(walk->driver->link, &port, &err) < 0)
        walk->failed = true;
}

/* all_are_known() - What is nobody's is gone, or waits to be deleted; or else it has no business
 * here. */
static bool all_are_known(const struct walk *walk) {
    for (unsigned i = 0; i < walk->changes->count; i++) {
        const struct ne_link_change *change = &walk->changes->changed[i];
        if (!walk->known[i] && !change->gone && !change->retired)
            return false;
    }
    return true;
}

bool ne_driver_mend(struct ne_driver *driver, const struct ne_link_changes *changes,
                    struct ne_repaired *repaired) {
    struct walk walk = {.driver = driver, .changes = changes};
    *repaired = (struct ne_repaired){0};
    if (changes->all)
        return false;
    if (changes->count == 0)
        return true;
    driver->link->mended = (struct ne_link_mended){0};
    for (size_t i = 0; i < driver->model.networks.count && !walk.failed; i++)
        visit_network(&walk, ne_model_network_at(&driver->model, i));
    for (size_t i = 0; i < driver->model.endpoints.count && !walk.failed; i++)
        visit_endpoint(&walk, ne_model_endpoint_at(&driver->model, i));
    repaired->count = driver->link->mended.count;
    memcpy(repaired->first, driver->link->mended.first, sizeof(repaired->first));
    driver->repairs += repaired->count;
    return !walk.failed && all_are_known(&walk);
}
