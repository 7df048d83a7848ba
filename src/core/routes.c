/* routes.c - the routes that a container is given: see ne_routes() in model.h. */
#include <netenforce/model.h>

/* add_route() - @to, unless the container is on its link or has the route already. */
static void add_route(const struct ne_network *network, const struct ne_prefix *to,
                      struct ne_prefix routes[static NE_ROUTES_MAX], size_t *count) {
    const struct ne_prefix *pool = to->addr.family == NE_V6 ? &network->pool6 : &network->pool4;
    if (to->addr.family == NE_NONE || (ne_prefix_contains(pool, &to->addr) && to->len >= pool->len))
        return;
    for (size_t i = 0; i < *count; i++) {
        if (ne_prefix_equal(&routes[i], to))
            return;
    }
    routes[(*count)++] = *to;
}

/* add_halves() - The whole of @like's family would be a default route, which the engine keeps to
 * itself: its two halves are as good. */
static void add_halves(const struct ne_network *network, const struct ne_addr *like,
                       struct ne_prefix routes[static NE_ROUTES_MAX], size_t *count) {
    struct ne_prefix half = {.addr = {.family = like->family}, .len = 1};
    add_route(network, &half, routes, count);
    half.addr.bytes[0] = 0x80;
    add_route(network, &half, routes, count);
}

size_t ne_routes(const struct ne_network *network, const struct ne_endpoint *endpoint,
                 struct ne_prefix routes[static NE_ROUTES_MAX]) {
    const struct ne_options options = ne_effective_options(network, endpoint);
    size_t count = 0;
    for (unsigned i = 0; i < options.proxy.count; i++) {
        const struct ne_prefix host = ne_prefix_host(&options.proxy.items[i].addr);
        add_route(network, &host, routes, &count);
    }
    for (unsigned i = 0; i < options.dns.count; i++) {
        const struct ne_prefix host = ne_prefix_host(&options.dns.servers[i]);
        add_route(network, &host, routes, &count);
    }
    for (size_t i = 0; i < options.allow.count; i++) {
        const struct ne_prefix to = options.allow.items[i].to;
        if (to.len > 0) {
            add_route(network, &to, routes, &count);
            continue;
        }
        add_halves(network, &to.addr, routes, &count);
    }
    if (options.mode == NE_MODE_AUDIT || options.mode == NE_MODE_TRANSPARENT) {
        add_halves(network, &network->gateway4.addr, routes, &count);
        add_halves(network, &network->gateway6.addr, routes, &count);
    }
    return count;
}
