/* endpoint.c - CreateEndpoint, DeleteEndpoint: see driver.h. */
#include "internal.h"

#include <netenforce/log.h>
#include <string.h>

static bool mac_is_zero(const struct ne_mac *mac) {
    static const struct ne_mac zero;
    return ne_mac_equal(mac, &zero);
}

/* difference() - In what @wanted differs from the endpoint of its id, the first of it; or NULL. */
static const char *difference(const struct ne_endpoint *known, const struct ne_endpoint *wanted) {
    bool same_mac =
        known->mac_is_ours ? mac_is_zero(&wanted->mac) : ne_mac_equal(&known->mac, &wanted->mac);
    if (!same_mac)
        return "--mac-address";
    if (strcmp(known->network, wanted->network) != 0)
        return "its network";
    if (!ne_addr_equal(&known->addr4, &wanted->addr4))
        return "--ip";
    if (!ne_addr_equal(&known->addr6, &wanted->addr6))
        return "--ip6";
    return ne_options_difference(known->options, wanted->options);
}

/* supersede() - The engine gave the address away again: who held it is gone, though
 * no Leave or DeleteEndpoint arrived (the engine was killed, or our answer was lost). */
static void supersede(struct ne_driver *driver, const struct ne_endpoint *wanted) {
    for (size_t i = driver->model.endpoints.count; i-- > 0;) {
        const struct ne_endpoint *other = ne_model_endpoint_at(&driver->model, i);
        if (!ne_endpoint_clashes(other, wanted))
            continue;
        char id[NE_ID_SIZE];
        memcpy(id, other->id, sizeof(id));
        struct ne_error err;
        ne_warn("endpoint %.12s holds an address that the engine gave to %.12s: superseded", id,
                wanted->id);
        if (ne_driver_delete_endpoint(driver, id, &err) < 0)
            not_undone(driver, "endpoint", id, &err);
    }
}

int ne_driver_create_endpoint(struct ne_driver *driver, const struct ne_endpoint *wanted,
                              const struct ne_endpoint **made, struct ne_error *err) {
    const struct ne_network *network = ne_model_network(&driver->model, wanted->network);
    if (network == NULL)
        return ne_fail(err, NE_NOT_FOUND,
                       "network %.12s is not known here (its record may have been lost): remove it "
                       "and create it again",
                       wanted->network);

    const struct ne_endpoint *known = ne_model_endpoint(&driver->model, wanted->id);
    if (known != NULL) {
        const char *differs = difference(known, wanted);
        if (differs != NULL)
            return ne_fail(err, NE_CONFLICT,
                           "endpoint %.12s exists already with other settings (%s): disconnect its "
                           "container first",
                           wanted->id, differs);
        *made = known;
        return 0;
    }

    struct ne_endpoint record = *wanted;
    record.joined = record.unsaved = record.lacks_route = record.quota_reached = false;
    record.revision = 1;
    record.sandbox[0] = '\0';
    record.mac_is_ours = mac_is_zero(&wanted->mac);
    if (record.mac_is_ours && random_mac(&record.mac, err) < 0)
        return -1;
    if (ne_endpoint_check(&driver->model, network, &record, err) < 0 ||
        check_forwarder(driver, record.options, err) < 0 ||
        check_local(driver, network, record.options, err) < 0)
        return -1;
    supersede(driver, &record);

    const struct ne_endpoint *endpoint = ne_model_add_endpoint(&driver->model, &record, err);
    if (endpoint == NULL)
        return -1;
    if (driver->store->ops->save_endpoint(driver->store, endpoint, err) < 0) {
        struct ne_error late;
        ne_model_drop_endpoint(&driver->model, record.id);
        /* It may have failed after the record was there, when its folder was synced. */
        if (driver->store->ops->forget_endpoint(driver->store, record.id, &late) < 0)
            not_undone(driver, "endpoint", record.id, &late);
        return ne_context(err, "endpoint %.12s", record.id);
    }
    tell_of(endpoint->network, endpoint->id, "created");
    *made = endpoint;
    return 0;
}

/* As with networks: the engine forgets the endpoint whatever is answered. */
int ne_driver_delete_endpoint(struct ne_driver *driver, const char *id, struct ne_error *err) {
    struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, id);
    if (endpoint == NULL)
        return 0;

    int result = 0;
    struct ne_error late;
    if (endpoint->joined) {
        result = put_out(driver, endpoint, &late);
        if (result < 0)
            *err = late;
        tell_of(endpoint->network, endpoint->id, "left");
    }
    char port[NE_IFNAME_SIZE];
    if (retire(driver, ne_port_name(id, port), id, &late) < 0) {
        *err = late;
        result = -1;
        note_stray(driver, port);
    }
    tell_of(endpoint->network, endpoint->id, "deleted");
    char gone[NE_ID_SIZE]; /* @id may be the record's own */
    memcpy(gone, endpoint->id, sizeof(gone));
    ne_model_drop_endpoint(&driver->model, gone);
    if (driver->store->ops->forget_endpoint(driver->store, gone, &late) < 0) {
        *err = late;
        result = -1;
    }
    if (result < 0) {
        driver->unsettled = true;
        return ne_context(err, "endpoint %.12s", gone);
    }
    return 0;
}
