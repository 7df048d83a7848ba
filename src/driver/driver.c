/* driver.c - the driver's life, and what its operations share: see driver.h. */
#include "internal.h"

#include <errno.h>
#include <netenforce/event.h>
#include <netenforce/log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void ne_driver_init(struct ne_driver *driver, struct ne_link *link, struct ne_firewall *firewall,
                    struct ne_store *store) {
    *driver = (struct ne_driver){.link = link, .firewall = firewall, .store = store};
    ne_model_init(&driver->model);
}

void ne_driver_free(struct ne_driver *driver) {
    ne_model_free(&driver->model);
    forget_strays(driver);
    ne_declarations_free(&driver->declared);
    free(driver->others);
    driver->others = NULL;
    driver->others_count = 0;
}

int ne_driver_load(struct ne_driver *driver, struct ne_error *err) {
    return driver->store->ops->load(driver->store, &driver->model, err);
}

/* fence_of() - What is to hold; to be freed. */
static int fence_of(const struct ne_driver *driver, struct ne_fence *fence, struct ne_error *err) {
    if (ne_model_fence(&driver->model, fence, err) < 0)
        return -1;
    if (close_strays(driver, fence, err) == 0)
        return 0;
    ne_fence_free(fence);
    return -1;
}

int enforce(struct ne_driver *driver, struct ne_firewall_report *report, struct ne_error *err) {
    struct ne_fence fence;
    if (!driver->surveyed && driver->model.networks.count == 0)
        return 0;
    if (fence_of(driver, &fence, err) < 0)
        return -1;
    int result = driver->firewall->ops->apply(driver->firewall, &fence, report, err);
    if (result == 0 && driver->on_fence != NULL)
        driver->on_fence(driver->on_context, &fence);
    ne_fence_free(&fence);
    return result;
}

int ne_driver_check(struct ne_driver *driver, struct ne_firewall_report *report,
                    struct ne_error *err) {
    struct ne_fence fence;
    if (fence_of(driver, &fence, err) < 0)
        return -1;
    int result = driver->firewall->ops->check(driver->firewall, &fence, report, err);
    ne_fence_free(&fence);
    return result;
}

bool ne_driver_check_links(struct ne_driver *driver, size_t limit) {
    size_t count = driver->model.networks.count;
    for (size_t i = 0; i < count && i < limit; i++) {
        if (driver->next_link >= count)
            driver->next_link = 0;
        struct ne_bridge bridge = bridge_of(ne_model_network_at(&driver->model, driver->next_link));
        bool whole = false;
        if (driver->link->ops->bridge_whole(driver->link, &bridge, &whole, NULL) < 0 || !whole)
            return false;
        driver->next_link++;
    }
    return true;
}

struct ne_bridge bridge_of(const struct ne_network *network) {
    struct ne_bridge bridge = {
        .mac = network->mac,
        .mtu = network->options.has_mtu ? network->options.mtu : 0,
        .gateway4 = network->gateway4,
        .gateway6 = network->gateway6,
        .near = network->near,
    };
    memcpy(bridge.name, network->bridge, sizeof(bridge.name));
    memcpy(bridge.owner, network->id, sizeof(bridge.owner));
    return bridge;
}

struct ne_port port_of(const struct ne_network *network, const struct ne_endpoint *endpoint) {
    struct ne_port port = {
        .mac = endpoint->mac,
        .bridge_mac = network->mac,
        .mtu = network->options.has_mtu ? network->options.mtu : 0,
        .addr4 = endpoint->addr4,
        .addr6 = endpoint->addr6,
        .near = network->proxied || ne_effective_options(network, endpoint).icc,
    };
    ne_port_name(endpoint->id, port.name);
    ne_peer_name(endpoint->id, port.peer);
    memcpy(port.bridge, network->bridge, sizeof(port.bridge));
    memcpy(port.owner, endpoint->id, sizeof(port.owner));
    return port;
}

/* So many are deleted at once at the latest, in the call that made them so many: a bridge has no
 * more than 1,023 ports, and these still take up theirs. */
#define RETIRED_MAX 512

int retire(struct ne_driver *driver, const char *name, const char *owner, struct ne_error *err) {
    bool retired = false;
    if (driver->link->ops->retire(driver->link, name, owner, &retired, err) < 0)
        return -1;
    driver->retired += retired;
    return driver->retired < RETIRED_MAX ? 0 : ne_driver_reap(driver, err);
}

int ne_driver_reap(struct ne_driver *driver, struct ne_error *err) {
    if (driver->retired == 0)
        return 0;
    if (driver->link->ops->reap(driver->link, err) < 0)
        return -1;
    driver->retired = 0;
    return 0;
}

void not_undone(struct ne_driver *driver, const char *what, const char *id,
                const struct ne_error *err) {
    ne_err("%s %.12s: %s; it will be tried again", what, id, err->text);
    driver->unsettled = true;
}

void tell_of(const char *network, const char *endpoint, const char *what) {
    const struct ne_event event = {.type = endpoint != NULL ? "endpoint" : "network",
                                   .network = network,
                                   .endpoint = endpoint,
                                   .reason = what};
    ne_event_emit(&event);
}

int write_network(struct ne_driver *driver, struct ne_network *network, struct ne_error *err) {
    int result = driver->store->ops->save_network(driver->store, network, err);
    network->unsaved = result < 0;
    return result;
}

int write_record(struct ne_driver *driver, struct ne_endpoint *endpoint, struct ne_error *err) {
    int result = driver->store->ops->save_endpoint(driver->store, endpoint, err);
    endpoint->unsaved = result < 0;
    return result;
}

int random_mac(struct ne_mac *mac, struct ne_error *err) {
    struct ne_mac made;
    if (getrandom(made.bytes, sizeof(made.bytes), 0) != (ssize_t)sizeof(made.bytes))
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make a MAC address");
    /* IEEE 802: bit 1 of the first octet is "local", bit 0 "group". */
    made.bytes[0] = (uint8_t)((made.bytes[0] & 0xfcu) | 0x02u);
    *mac = made;
    return 0;
}
