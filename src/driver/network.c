/* network.c - CreateNetwork and DeleteNetwork: see driver.h. */
#include "internal.h"

#include <netenforce/log.h>
#include <string.h>

static void name_bridge(struct ne_network *network) {
    if (network->options.has_bridge)
        memcpy(network->bridge, network->options.bridge, sizeof(network->bridge));
    else
        ne_bridge_name(network->id, network->bridge);
}

static bool same_place(const struct ne_network *a, const struct ne_network *b) {
    return ne_prefix_equal(&a->pool4, &b->pool4) && ne_prefix_equal(&a->pool6, &b->pool6) &&
           ne_prefix_equal(&a->gateway4, &b->gateway4) &&
           ne_prefix_equal(&a->gateway6, &b->gateway6) && a->internal == b->internal;
}

/* is_there() - Whether @known is what @asked asks for: what holds now, or what it was made with.
 *
 * An engine that asks again (a swarm's node does, after a crash of its engine) says the latter also
 * after an operator has changed the policy, and the change stands: that is told. Anything else
 * could be meant to be stricter than what holds; so could what the operator's file says (@declared)
 * where it is not what holds.
 */
static bool is_there(const struct ne_network *known, const struct ne_network *asked,
                     bool declared) {
    if (!same_place(known, asked))
        return false;
    if (ne_options_equal(&known->options, &asked->options))
        return true;
    if (declared || !ne_options_equal(&known->asked, &asked->asked))
        return false;
    ne_warn("network %.12s is asked for again as it was made: its policy, revision %lu, stands",
            known->id, known->revision);
    return true;
}

/* check_routes() - The host must not lose a way to somewhere else under the new pool. */
static int check_routes(struct ne_driver *driver, const struct ne_network *network,
                        struct ne_error *err) {
    const struct ne_prefix *pools[] = {&network->pool4, &network->pool6};
    for (size_t i = 0; i < 2; i++) {
        if (pools[i]->addr.family == NE_NONE)
            continue;
        struct ne_prefix found;
        char device[NE_IFNAME_SIZE];
        if (driver->link->ops->overlap(driver->link, pools[i], network->bridge, &found, device,
                                       err) < 0)
            return -1;
        if (found.addr.family == NE_NONE)
            continue;
        char pool_text[NE_PREFIX_TEXT];
        char found_text[NE_PREFIX_TEXT];
        return ne_fail(err, NE_CONFLICT,
                       "pool %s overlaps the host's route to %s (interface %s): choose another "
                       "--subnet",
                       ne_prefix_format(pools[i], pool_text), ne_prefix_format(&found, found_text),
                       device);
    }
    return 0;
}

/* check_allowed_local() - Only single addresses can be looked up: a prefix is beyond. */
static int check_allowed_local(struct ne_driver *driver, const struct ne_network *network,
                               const struct ne_options *options, struct ne_error *err) {
    for (size_t i = 0; network->internal && options->has_allow && i < options->allow.count; i++) {
        const struct ne_target *target = &options->allow.items[i];
        bool local = false;
        if (target->to.len == ne_addr_bits(target->to.addr.family) &&
            driver->link->ops->is_local(driver->link, &target->to.addr, &local, err) < 0)
            return -1;
        /* The bridge's own address is there once the bridge is. */
        local = local || ne_addr_equal(&target->to.addr, &network->gateway4.addr) ||
                ne_addr_equal(&target->to.addr, &network->gateway6.addr);
        char text[NE_TARGET_TEXT];
        if (!local)
            return ne_fail(err, NE_BAD_INPUT,
                           "option allow: %s is no address of this host, and the network is "
                           "--internal: leave it or --internal out",
                           ne_target_format(target, text));
    }
    return 0;
}

/* is_hosts() - Whether @addr is the host's. The bridge's own are there once the bridge is. */
static int is_hosts(struct ne_driver *driver, const struct ne_network *network,
                    const struct ne_addr *addr, bool *local, struct ne_error *err) {
    *local = addr->family == NE_NONE || ne_addr_equal(addr, &network->gateway4.addr) ||
             ne_addr_equal(addr, &network->gateway6.addr);
    return *local ? 0 : driver->link->ops->is_local(driver->link, addr, local, err);
}

static int check_names_local(struct ne_driver *driver, const struct ne_network *network,
                             const struct ne_options *options, struct ne_error *err) {
    for (unsigned i = 0; network->internal && options->has_dns && i < options->dns.count; i++) {
        const struct ne_addr *addr = &options->dns.servers[i];
        char text[NE_ADDR_TEXT];
        bool local;
        if (is_hosts(driver, network, addr, &local, err) < 0)
            return -1;
        if (!local)
            return ne_fail(err, NE_BAD_INPUT,
                           "option dns: %s is no address of this host, and the network is "
                           "--internal: use a server on this host, or leave --internal out",
                           ne_addr_format(addr, text));
    }
    return 0;
}

int check_local(struct ne_driver *driver, const struct ne_network *network,
                const struct ne_options *options, struct ne_error *err) {
    if (network->internal && options->has_mode && options->mode == NE_MODE_TRANSPARENT)
        return ne_fail(err, NE_BAD_INPUT,
                       "option mode: transparent is for what a container sends beyond this host, "
                       "and the network is --internal: leave it or --internal out");
    if (network->internal && options->has_mode && options->mode == NE_MODE_AUDIT)
        return ne_fail(err, NE_BAD_INPUT,
                       "option mode: audit lets pass what leaves this host, and the network is "
                       "--internal: leave it or --internal out");
    for (unsigned i = 0; network->internal && i < options->proxy.count; i++) {
        const struct ne_addr *addr = &options->proxy.items[i].addr;
        bool local;
        if (ne_is_member_address(network, addr))
            continue;
        if (is_hosts(driver, network, addr, &local, err) < 0)
            return -1;
        char text[NE_ADDR_TEXT];
        if (!local)
            return ne_fail(err, NE_BAD_INPUT,
                           "option proxy: %s is no address of this host, and the network is "
                           "--internal: use a proxy on this host or leave --internal out",
                           ne_addr_format(addr, text));
    }
    if (check_names_local(driver, network, options, err) < 0)
        return -1;
    return check_allowed_local(driver, network, options, err);
}

/* undo_create() - Take back a network of which a step failed. The bridge goes before
 * the rules: nothing may pass by a bridge whose rules are gone. */
static void undo_create(struct ne_driver *driver, const struct ne_network *network) {
    struct ne_error err;
    char id[NE_ID_SIZE];
    memcpy(id, network->id, sizeof(id));

    if (driver->link->ops->remove(driver->link, network->bridge, id, &err) < 0)
        not_undone(driver, "network", id, &err);
    ne_model_drop_network(&driver->model, id);
    if (enforce(driver, NULL, &err) < 0)
        not_undone(driver, "network", id, &err);
    if (driver->store->ops->forget_network(driver->store, id, &err) < 0)
        not_undone(driver, "network", id, &err);
}

static int bring_up(struct ne_driver *driver, struct ne_network *network, struct ne_error *err) {
    const struct ne_bridge bridge = bridge_of(network);
    /* A bridge where neighbours reach each other is made by the one call, any other by the other.
     */
    if (network->near)
        return follow_near(driver, network, err);
    return driver->link->ops->bridge_ensure(driver->link, &bridge, err);
}

/* take_declared() - The operator's file goes before what the engine's user gives. While there is
 * one that cannot be read, nobody knows what it says of a new network. */
static int take_declared(const struct ne_driver *driver, struct ne_network *network,
                         struct ne_error *err) {
    const struct ne_declared *declared = ne_declaration_of(&driver->declared, network);
    if (driver->undeclared != NULL)
        return ne_fail(err, NE_STATE,
                       "%s: mend it and send the daemon SIGHUP (pkill -HUP -x netenforced)",
                       driver->undeclared);
    if (declared != NULL)
        network->options = ne_declared_options(declared, &network->options);
    return 0;
}

int ne_driver_create_network(struct ne_driver *driver, const struct ne_network *wanted,
                             struct ne_error *err) {
    struct ne_network record = *wanted;
    name_bridge(&record);
    record.asked = wanted->options;
    record.revision = 1;
    record.forwarder_up = record.unsaved = false;

    if (take_declared(driver, &record, err) < 0)
        return -1;
    const struct ne_network *known = ne_model_network(&driver->model, record.id);
    const bool declared = ne_declaration_of(&driver->declared, &record) != NULL;
    if (known != NULL && is_there(known, &record, declared))
        return 0;
    if (ne_network_check(&driver->model, &record, err) < 0 ||
        check_forwarder(driver, &record.options, err) < 0 ||
        check_resolver(driver, &record, NULL, err) < 0 || check_routes(driver, &record, err) < 0 ||
        check_local(driver, &record, &record.options, err) < 0 || random_mac(&record.mac, err) < 0)
        return -1;

    struct ne_bridge bridge = bridge_of(&record);
    if (driver->link->ops->bridge_check(driver->link, &bridge, err) < 0)
        return -1;

    struct ne_network *network = ne_model_add_network(&driver->model, &record, err);
    if (network == NULL)
        return -1;
    if (driver->store->ops->save_network(driver->store, network, err) < 0 ||
        enforce(driver, NULL, err) < 0 || bring_up(driver, network, err) < 0) {
        undo_create(driver, network);
        return ne_context(err, "network %.12s", record.id);
    }
    tell_of(record.id, NULL, "created");
    char pool[NE_PREFIX_TEXT];
    ne_info("network %.12s: bridge %s, pool %s", record.id, record.bridge,
            ne_prefix_format(record.pool4.addr.family != NE_NONE ? &record.pool4 : &record.pool6,
                             pool));
    return 0;
}

static void delete_endpoints_of(struct ne_driver *driver, const char *network) {
    for (size_t i = driver->model.endpoints.count; i-- > 0;) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        if (strcmp(endpoint->network, network) != 0)
            continue;
        char id[NE_ID_SIZE];
        memcpy(id, endpoint->id, sizeof(id));
        struct ne_error err;
        ne_warn("network %.12s goes while endpoint %.12s is there: deleted with it", network, id);
        if (ne_driver_delete_endpoint(driver, id, &err) < 0)
            not_undone(driver, "endpoint", id, &err);
    }
}

/* The engine forgets the network whatever is answered. So the model forgets it, too, and what
 * could not be removed stays closed and belongs to nobody: repair removes it. */
int ne_driver_delete_network(struct ne_driver *driver, const char *id, struct ne_error *err) {
    const struct ne_network *network = ne_model_network(&driver->model, id);
    if (network == NULL)
        return 0;
    delete_endpoints_of(driver, id);

    int result = 0;
    char bridge[NE_IFNAME_SIZE];
    memcpy(bridge, network->bridge, sizeof(bridge));
    if (driver->link->ops->remove(driver->link, bridge, id, err) < 0) {
        result = -1;
        note_stray(driver, bridge);
    }

    ne_model_drop_network(&driver->model, id);
    tell_of(id, NULL, "deleted");
    struct ne_error late;
    if (enforce(driver, NULL, &late) < 0) {
        *err = late;
        result = -1;
    }
    if (driver->store->ops->forget_network(driver->store, id, &late) < 0) {
        *err = late;
        result = -1;
    }
    if (result < 0) {
        driver->unsettled = true;
        return ne_context(err, "network %.12s", id);
    }
    ne_info("network %.12s: removed", id);
    return 0;
}
