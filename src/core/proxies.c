/* proxies.c - which proxies a policy lets through to: see policy.h. */
#include "policy.h"

#include <netenforce/grow.h>
#include <stdlib.h>
#include <string.h>

bool ne_is_member_address(const struct ne_network *network, const struct ne_addr *addr) {
    bool v6 = addr->family == NE_V6;
    const struct ne_prefix *pool = v6 ? &network->pool6 : &network->pool4;
    const struct ne_addr *bridge = v6 ? &network->gateway6.addr : &network->gateway4.addr;
    return addr->family != NE_NONE && ne_prefix_contains(pool, addr) &&
           !ne_addr_equal(addr, bridge);
}

bool ne_is_role_proxy(const struct ne_network *network, const struct ne_endpoint *endpoint) {
    return endpoint->joined && endpoint->options->has_role &&
           strcmp(endpoint->network, network->id) == 0;
}

static int by_network(const void *a, const void *b) {
    const struct role_proxy *one = a;
    const struct role_proxy *other = b;
    return strcmp(one->endpoint->network, other->endpoint->network);
}

int gather_proxies(const struct ne_model *model, struct role_proxies *proxies,
                   struct ne_error *err) {
    *proxies = (struct role_proxies){0};
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        if (!endpoint->joined || !endpoint->options->has_role)
            continue;
        void *room = ne_grow(proxies->items, proxies->count, sizeof(*proxies->items), err);
        if (room == NULL)
            return -1;
        proxies->items = room;
        proxies->items[proxies->count++].endpoint = endpoint;
    }
    if (proxies->count > 0)
        qsort(proxies->items, proxies->count, sizeof(*proxies->items), by_network);
    return 0;
}

bool names_member(const struct ne_network *network, const struct ne_options *options) {
    for (unsigned i = 0; options->has_proxy && i < options->proxy.count; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
        if (proxy->by_role || ne_is_member_address(network, &proxy->addr))
            return true;
    }
    return false;
}

static int pass_member(struct ne_policy *policy, const struct ne_addr *to, uint16_t port,
                       struct ne_error *err) {
    if (to->family == NE_NONE)
        return 0;
    if (pass_tcp(policy, to, port, err) < 0)
        return -1;
    policy->rules[policy->rule_count - 1].kind = NE_RULE_PROXY;
    return 0;
}

/* first_of() - Where those of @network begin, or would. */
static size_t first_of(const struct role_proxies *proxies, const struct ne_network *network) {
    size_t low = 0;
    size_t high = proxies->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(proxies->items[middle].endpoint->network, network->id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int pass_by_role(struct ne_policy *policy, const struct ne_network *network, uint16_t port,
                        const struct role_proxies *proxies, struct ne_error *err) {
    for (size_t i = first_of(proxies, network); i < proxies->count; i++) {
        const struct ne_endpoint *endpoint = proxies->items[i].endpoint;
        if (!ne_is_role_proxy(network, endpoint))
            break;
        if (pass_member(policy, &endpoint->addr4, port, err) < 0 ||
            pass_member(policy, &endpoint->addr6, port, err) < 0)
            return -1;
    }
    return 0;
}

int pass_members(struct ne_policy *policy, const struct ne_network *network,
                 const struct ne_options *options, const struct role_proxies *proxies,
                 struct ne_error *err) {
    for (unsigned i = 0; i < options->proxy.count; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
        if (proxy->by_role && pass_by_role(policy, network, proxy->port, proxies, err) < 0)
            return -1;
        if (ne_is_member_address(network, &proxy->addr) &&
            pass_member(policy, &proxy->addr, proxy->port, err) < 0)
            return -1;
    }
    return 0;
}

int pass_proxies(struct ne_fence *fence, struct ne_policy *policy, const struct ne_network *network,
                 const struct ne_options *options, bool here, struct ne_error *err) {
    const struct ne_addr *bridge[] = {&network->gateway4.addr, &network->gateway6.addr};
    for (unsigned i = 0; i < options->proxy.count; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
        if (proxy->by_role)
            continue;
        if (proxy->addr.family == NE_NONE) {
            if (here && (pass_tcp(policy, bridge[0], proxy->port, err) < 0 ||
                         pass_tcp(policy, bridge[1], proxy->port, err) < 0))
                return -1;
            continue;
        }
        if (ne_is_member_address(network, &proxy->addr))
            continue;
        bool is_here =
            ne_addr_equal(&proxy->addr, bridge[0]) || ne_addr_equal(&proxy->addr, bridge[1]);
        if (is_here == here && pass_tcp(policy, &proxy->addr, proxy->port, err) < 0)
            return -1;
        if (!is_here)
            fence->reaches_beyond = true;
    }
    return 0;
}

/* names() - Whether @options, of @endpoint's network or a member of it, make @endpoint a proxy. */
static bool names(const struct ne_options *options, const struct ne_endpoint *endpoint) {
    for (unsigned i = 0; options->has_proxy && i < options->proxy.count; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
        const struct ne_addr *addr = &proxy->addr;
        if (proxy->by_role && endpoint->options->has_role)
            return true;
        if (addr->family != NE_NONE &&
            (ne_addr_equal(addr, &endpoint->addr4) || ne_addr_equal(addr, &endpoint->addr6)))
            return true;
    }
    return false;
}

bool ne_model_is_proxy(const struct ne_model *model, const struct ne_endpoint *endpoint) {
    const struct ne_network *network = ne_model_network(model, endpoint->network);
    if (network == NULL || !network->proxied)
        return false;
    if (names(&network->options, endpoint))
        return true;
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *other = ne_model_endpoint_at(model, i);
        if (other->joined && strcmp(other->network, endpoint->network) == 0 &&
            names(other->options, endpoint))
            return true;
    }
    return false;
}
