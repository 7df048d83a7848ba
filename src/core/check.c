/* check.c - what may be added to the model: see model.h. */
#include <netenforce/model.h>

#include <string.h>

#define DNS_PORT 53
#define SHORT_ID 12 /* as the engine's command line shows ids */

static int check_family(const struct ne_prefix *pool, const struct ne_prefix *gateway,
                        const char *family, struct ne_error *err) {
    char pool_text[NE_PREFIX_TEXT];
    char gateway_text[NE_PREFIX_TEXT];
    ne_prefix_format(pool, pool_text);
    ne_prefix_format(gateway, gateway_text);

    if (pool->addr.family == NE_NONE)
        return 0;
    if (gateway->addr.family == NE_NONE)
        return ne_fail(err, NE_BAD_INPUT,
                       "the %s pool %s has no gateway address for the bridge: give one with "
                       "--gateway, or use the default IPAM driver",
                       family, pool_text);
    if (!ne_prefix_contains(pool, &gateway->addr))
        return ne_fail(err, NE_BAD_INPUT,
                       "gateway %s is not in the pool %s: give a --gateway within it", gateway_text,
                       pool_text);
    if (!ne_addr_is_host(&gateway->addr))
        return ne_fail(err, NE_BAD_INPUT,
                       "gateway %s cannot be a bridge's address: choose a --subnet that is neither "
                       "loopback, link-local, multicast nor reserved",
                       gateway_text);
    return 0;
}

/* check_proxies() - A container can reach a proxy only over a family that its network has. */
static int check_proxies(const struct ne_network *network, const struct ne_options *options,
                         struct ne_error *err) {
    for (unsigned i = 0; i < options->proxy.count; i++) {
        const struct ne_addr *addr = &options->proxy.items[i].addr;
        char text[NE_ADDR_TEXT];
        ne_addr_format(addr, text);
        if (addr->family == NE_V4 && network->pool4.addr.family == NE_NONE)
            return ne_fail(err, NE_BAD_INPUT,
                           "option proxy: %s is IPv4, but the network has none: create it with an "
                           "IPv4 --subnet",
                           text);
        if (addr->family == NE_V6 && network->pool6.addr.family == NE_NONE)
            return ne_fail(err, NE_BAD_INPUT,
                           "option proxy: %s is IPv6, but the network has none: create it with "
                           "--ipv6 and a --subnet of that family",
                           text);
    }
    return 0;
}

/* check_names() - As a proxy's, a name server's family must be the network's, and a neighbour can
 * be none. Lists of names are read by the forwarder: nobody would read them with other servers. */
static int check_names(const struct ne_network *network, const struct ne_options *options,
                       struct ne_error *err) {
    for (unsigned i = 0; options->has_dns && i < options->dns.count; i++) {
        const struct ne_addr *addr = &options->dns.servers[i];
        bool v6 = addr->family == NE_V6;
        const struct ne_prefix *pool = v6 ? &network->pool6 : &network->pool4;
        const struct ne_addr *bridge = v6 ? &network->gateway6.addr : &network->gateway4.addr;
        char text[NE_ADDR_TEXT];
        char pool_text[NE_PREFIX_TEXT];
        if (pool->addr.family == NE_NONE)
            return ne_fail(err, NE_BAD_INPUT,
                           "option dns: %s is IPv%d, but the network has none: create it with a "
                           "--subnet of that family",
                           ne_addr_format(addr, text), v6 ? 6 : 4);
        if (ne_prefix_contains(pool, addr) && !ne_addr_equal(addr, bridge))
            return ne_fail(err, NE_BAD_INPUT,
                           "option dns: %s lies in the network's own pool %s, where only the "
                           "bridge's address can be a name server",
                           ne_addr_format(addr, text), ne_prefix_format(pool, pool_text));
    }
    if (options->has_dns && options->dns.kind == NE_DNS_SERVERS &&
        (options->has_dns_allow || options->has_dns_deny))
        return ne_fail(err, NE_BAD_INPUT,
                       "option %s: names are judged with dns=log alone, and servers that dns names "
                       "would be asked past it: set dns=log, or leave the list out",
                       options->has_dns_allow ? "dns_allow" : "dns_deny");
    return 0;
}

/* check_allowed() - An allowance must be of a family that the network has, and not about a
 * neighbour: what goes from port to port never comes to the rules. */
static int check_allowed(const struct ne_network *network, const struct ne_options *options,
                         struct ne_error *err) {
    for (size_t i = 0; options->has_allow && i < options->allow.count; i++) {
        const struct ne_target *target = &options->allow.items[i];
        const struct ne_prefix *to = &target->to;
        bool v6 = to->addr.family == NE_V6;
        const struct ne_prefix *pool = v6 ? &network->pool6 : &network->pool4;
        const struct ne_addr *bridge = v6 ? &network->gateway6.addr : &network->gateway4.addr;
        char text[NE_TARGET_TEXT];
        char pool_text[NE_PREFIX_TEXT];
        if (pool->addr.family == NE_NONE)
            return ne_fail(err, NE_BAD_INPUT,
                           "option allow: %s is IPv%d, but the network has none: create it with a "
                           "--subnet of that family",
                           ne_target_format(target, text), v6 ? 6 : 4);
        bool is_bridge =
            to->len == ne_addr_bits(to->addr.family) && ne_addr_equal(&to->addr, bridge);
        if (!is_bridge && to->len >= pool->len && ne_prefix_contains(pool, &to->addr))
            return ne_fail(err, NE_BAD_INPUT,
                           "option allow: %s lies in the network's own pool %s, where only the "
                           "bridge's address can be allowed: icc=true is what lets containers of "
                           "one network reach each other",
                           ne_target_format(target, text), ne_prefix_format(pool, pool_text));
    }
    return 0;
}

static int check_pool_is_free(const struct ne_network *other, const struct ne_prefix *pool,
                              struct ne_error *err) {
    const struct ne_prefix *taken = pool->addr.family == NE_V6 ? &other->pool6 : &other->pool4;
    if (!ne_prefix_overlaps(pool, taken))
        return 0;
    char pool_text[NE_PREFIX_TEXT];
    char taken_text[NE_PREFIX_TEXT];
    return ne_fail(err, NE_CONFLICT, "pool %s overlaps %s of network %.*s: choose another --subnet",
                   ne_prefix_format(pool, pool_text), ne_prefix_format(taken, taken_text), SHORT_ID,
                   other->id);
}

int ne_options_check(const struct ne_network *network, const struct ne_options *options,
                     struct ne_error *err) {
    if (check_proxies(network, options, err) < 0 || check_names(network, options, err) < 0)
        return -1;
    return check_allowed(network, options, err);
}

int ne_mode_check(const struct ne_network *network, const struct ne_endpoint *endpoint,
                  struct ne_error *err) {
    const struct ne_options options = ne_effective_options(network, endpoint);
    if (options.mode != NE_MODE_TRANSPARENT)
        return 0;
    for (unsigned i = 0; i < options.proxy.count; i++) {
        const struct ne_proxy *proxy = &options.proxy.items[i];
        char text[NE_PROXY_TEXT];
        if (proxy->by_role)
            return ne_fail(err, NE_BAD_INPUT,
                           "option proxy: %s is a container's, and mode=transparent hands "
                           "connections to this host alone, where the proxy can ask for their "
                           "destinations; accepted is a port, 8080",
                           ne_proxy_format(proxy, text));
        if (proxy->addr.family != NE_NONE &&
            !ne_addr_equal(&proxy->addr, &network->gateway4.addr) &&
            !ne_addr_equal(&proxy->addr, &network->gateway6.addr))
            return ne_fail(err, NE_BAD_INPUT,
                           "option proxy: %s is not on the bridge's address, and mode=transparent "
                           "hands connections to this host alone, where the proxy can ask for "
                           "their destinations; accepted is a port, 8080",
                           ne_proxy_format(proxy, text));
        if (proxy->port == DNS_PORT)
            return ne_fail(err, NE_BAD_INPUT,
                           "option proxy: port 53 is for names; mode=transparent needs another one "
                           "for the proxy, 8080");
        if (i > 0 && proxy->port != options.proxy.items[0].port)
            return ne_fail(err, NE_BAD_INPUT,
                           "option proxy: mode=transparent hands all connections to one port, and "
                           "%u and %u are given; accepted is one, 8080",
                           options.proxy.items[0].port, proxy->port);
    }
    return 0;
}

int ne_role_check(const struct ne_model *model, const struct ne_endpoint *endpoint,
                  const struct ne_options *options, struct ne_error *err) {
    size_t count = 0;
    for (size_t i = 0; options->has_role && i < model->endpoints.count; i++) {
        const struct ne_endpoint *other = ne_model_endpoint_at(model, i);
        count += other->joined && other->options->has_role &&
                 strcmp(other->network, endpoint->network) == 0 &&
                 strcmp(other->id, endpoint->id) != 0;
    }
    if (count < NE_PROXY_MAX)
        return 0;
    return ne_fail(err, NE_CONFLICT,
                   "option role: %zu containers of network %.*s are its proxies; accepted are %d",
                   count, SHORT_ID, endpoint->network, NE_PROXY_MAX);
}

/* difference() - In what two networks of one id differ, the first of it. */
static const char *difference(const struct ne_network *a, const struct ne_network *b) {
    if (!ne_prefix_equal(&a->pool4, &b->pool4) || !ne_prefix_equal(&a->pool6, &b->pool6))
        return "--subnet";
    if (!ne_prefix_equal(&a->gateway4, &b->gateway4) ||
        !ne_prefix_equal(&a->gateway6, &b->gateway6))
        return "--gateway";
    if (a->internal != b->internal)
        return "--internal";
    const char *key = ne_options_difference(&a->asked, &b->asked);
    if (key == NULL)
        key = ne_options_difference(&a->options, &b->options);
    return key != NULL ? key : "its bridge";
}

int ne_network_check(const struct ne_model *model, const struct ne_network *network,
                     struct ne_error *err) {
    if (network->pool4.addr.family == NE_NONE && network->pool6.addr.family == NE_NONE)
        return ne_fail(err, NE_BAD_INPUT,
                       "the network has no address pool: give a --subnet, or use the default IPAM "
                       "driver");
    if (check_family(&network->pool4, &network->gateway4, "IPv4", err) < 0 ||
        check_family(&network->pool6, &network->gateway6, "IPv6", err) < 0 ||
        ne_options_check(network, &network->options, err) < 0 ||
        ne_mode_check(network, NULL, err) < 0)
        return -1;
    if (network->options.has_mtu && network->options.mtu < 1280 &&
        network->pool6.addr.family != NE_NONE)
        return ne_fail(err, NE_BAD_INPUT,
                       "option com.docker.network.driver.mtu: %u is too small for IPv6; accepted "
                       "are 1280 and more",
                       network->options.mtu);

    for (size_t i = 0; i < model->networks.count; i++) {
        const struct ne_network *other = ne_model_network_at(model, i);
        if (strcmp(other->id, network->id) == 0)
            return ne_fail(err, NE_CONFLICT,
                           "network %.*s exists already with other settings (%s): remove it first",
                           SHORT_ID, network->id, difference(other, network));
        if (strcmp(other->bridge, network->bridge) == 0)
            return ne_fail(err, NE_CONFLICT,
                           "bridge %s belongs to network %.*s: choose another "
                           "com.docker.network.bridge.name",
                           network->bridge, SHORT_ID, other->id);
        if (check_pool_is_free(other, &network->pool4, err) < 0 ||
            check_pool_is_free(other, &network->pool6, err) < 0)
            return -1;
    }
    return 0;
}

bool ne_endpoint_clashes(const struct ne_endpoint *a, const struct ne_endpoint *b) {
    if (strcmp(a->network, b->network) != 0)
        return false;
    return (a->addr4.family != NE_NONE && ne_addr_equal(&a->addr4, &b->addr4)) ||
           (a->addr6.family != NE_NONE && ne_addr_equal(&a->addr6, &b->addr6));
}

static int check_address(const struct ne_addr *addr, const struct ne_prefix *pool,
                         const struct ne_prefix *gateway, struct ne_error *err) {
    if (addr->family == NE_NONE)
        return 0;
    char text[NE_ADDR_TEXT];
    char pool_text[NE_PREFIX_TEXT];
    ne_addr_format(addr, text);
    if (!ne_prefix_contains(pool, addr))
        return ne_fail(err, NE_BAD_INPUT,
                       "address %s is not in the network's pool %s: choose an --ip%s within it",
                       text, ne_prefix_format(pool, pool_text), addr->family == NE_V6 ? "6" : "");
    if (ne_addr_equal(addr, &gateway->addr))
        return ne_fail(err, NE_BAD_INPUT, "address %s is the bridge's own: choose another", text);
    return 0;
}

int ne_endpoint_check(const struct ne_model *model, const struct ne_network *network,
                      const struct ne_endpoint *endpoint, struct ne_error *err) {
    if (endpoint->addr4.family == NE_NONE && endpoint->addr6.family == NE_NONE)
        return ne_fail(err, NE_BAD_INPUT, "endpoint %.*s has no address", SHORT_ID, endpoint->id);
    if (check_address(&endpoint->addr4, &network->pool4, &network->gateway4, err) < 0 ||
        check_address(&endpoint->addr6, &network->pool6, &network->gateway6, err) < 0 ||
        ne_options_check(network, endpoint->options, err) < 0 ||
        ne_mode_check(network, endpoint, err) < 0)
        return -1;

    char mac[NE_MAC_TEXT];
    ne_mac_format(&endpoint->mac, mac);
    if (!ne_mac_is_host(&endpoint->mac))
        return ne_fail(err, NE_BAD_INPUT,
                       "MAC address %s is a group's or zero; accepted is one station's, such as "
                       "02:00:00:00:00:01",
                       mac);
    if (ne_mac_equal(&endpoint->mac, &network->mac))
        return ne_fail(err, NE_CONFLICT, "MAC address %s is the bridge's own: choose another", mac);

    size_t ports = 0;
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *other = ne_model_endpoint_at(model, i);
        if (strcmp(other->network, network->id) != 0 || ne_endpoint_clashes(other, endpoint))
            continue;
        ports++;
        if (ne_mac_equal(&other->mac, &endpoint->mac))
            return ne_fail(err, NE_CONFLICT,
                           "MAC address %s belongs to endpoint %.*s of the same network: choose "
                           "another --mac-address",
                           mac, SHORT_ID, other->id);
    }
    if (ports >= NE_PORTS_MAX)
        return ne_fail(err, NE_CONFLICT,
                       "network %.*s is full: a Linux bridge takes %d ports; use a second network",
                       SHORT_ID, network->id, NE_PORTS_MAX);
    return 0;
}
