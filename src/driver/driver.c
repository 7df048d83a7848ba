/* driver.c - the driver's life, and what its operations share: see driver.h. */
#include "internal.h"

#include <errno.h>
#include <netenforce/log.h>
#include <string.h>
#include <sys/random.h>

void ne_driver_init(struct ne_driver *driver, struct ne_link *link, struct ne_firewall *firewall,
                    struct ne_store *store) {
    *driver = (struct ne_driver){.link = link, .firewall = firewall, .store = store};
    ne_model_init(&driver->model);
}

void ne_driver_free(struct ne_driver *driver) {
    ne_model_free(&driver->model);
}

int ne_driver_load(struct ne_driver *driver, struct ne_error *err) {
    return driver->store->ops->load(driver->store, &driver->model, err);
}

int enforce(struct ne_driver *driver, struct ne_firewall_report *report, struct ne_error *err) {
    struct ne_fence fence;
    if (ne_model_fence(&driver->model, &fence, err) < 0)
        return -1;
    int result = driver->firewall->ops->apply(driver->firewall, &fence, report, err);
    ne_fence_free(&fence);
    return result;
}

int ne_driver_check(struct ne_driver *driver, struct ne_firewall_report *report,
                    struct ne_error *err) {
    struct ne_fence fence;
    if (ne_model_fence(&driver->model, &fence, err) < 0)
        return -1;
    int result = driver->firewall->ops->check(driver->firewall, &fence, report, err);
    ne_fence_free(&fence);
    return result;
}

struct ne_bridge bridge_of(const struct ne_network *network) {
    struct ne_bridge bridge = {
        .mac = network->mac,
        .mtu = network->options.has_mtu ? network->options.mtu : 0,
        .gateway4 = network->gateway4,
        .gateway6 = network->gateway6,
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
    };
    ne_port_name(endpoint->id, port.name);
    ne_peer_name(endpoint->id, port.peer);
    memcpy(port.bridge, network->bridge, sizeof(port.bridge));
    memcpy(port.owner, endpoint->id, sizeof(port.owner));
    return port;
}

void not_undone(struct ne_driver *driver, const char *what, const char *id,
                const struct ne_error *err) {
    ne_err("%s %.12s: %s; it will be tried again", what, id, err->text);
    driver->unsettled = true;
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
