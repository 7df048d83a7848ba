/* near.c - bridges and ports after neighbours came to reach each other, or no longer do:
 * internal.h.
 *
 * Rules come before: they open and close the way. What follows here is how a neighbour is found.
 */
#include "internal.h"

#include <netenforce/log.h>
#include <string.h>

/* tell_forwarding() - The switch is the host's, and so the operator's: it is said, not touched. */
static void tell_forwarding(struct ne_driver *driver, const struct ne_network *network) {
    bool forwards = true;
    struct ne_error err;
    if (network->pool6.addr.family == NE_NONE)
        return;
    if (driver->link->ops->forwards(driver->link, NE_V6, &forwards, &err) < 0)
        ne_warn("network %.12s: %s", network->id, err.text);
    else if (!forwards)
        ne_warn("network %.12s: this host does not forward IPv6, so its containers do not reach "
                "each other by IPv6, by icc or as a proxy; to change it: sysctl "
                "net.ipv6.conf.all.forwarding=1",
                network->id);
}

int ensure_bridge(struct ne_driver *driver, struct ne_network *network, struct ne_error *err) {
    const struct ne_bridge bridge = bridge_of(network);
    int result = driver->link->ops->bridge_ensure(driver->link, &bridge, err);
    if (result == 0)
        network->near_linked = network->near;
    return result;
}

int follow_near(struct ne_driver *driver, struct ne_network *network, struct ne_error *err) {
    if (network->near != network->near_linked) {
        if (ensure_bridge(driver, network, err) < 0)
            return -1;
        if (network->near)
            tell_forwarding(driver, network);
    }
    if (network->proxied == network->proxied_linked)
        return 0;
    if (follow_icc(driver, network, err) < 0)
        return -1;
    network->proxied_linked = network->proxied;
    return 0;
}

int follow_icc(struct ne_driver *driver, const struct ne_network *network, struct ne_error *err) {
    for (size_t i = 0; i < driver->model.endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        if (!endpoint->joined || endpoint->addr6.family == NE_NONE ||
            strcmp(endpoint->network, network->id) != 0)
            continue;
        struct ne_port port = port_of(network, endpoint);
        port.kept = true; /* that its container is gone is for a repair to find */
        if (driver->link->ops->port_ensure(driver->link, &port, err) < 0)
            return -1;
    }
    return 0;
}
