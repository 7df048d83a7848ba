/* build.c - the fence that follows from networks and endpoints: see ne_model_fence() in model.h. */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

static int add_meter(struct ne_fence *fence, const struct ne_endpoint *endpoint, size_t policy,
                     struct ne_error *err) {
    struct ne_meter meter = fence->policies[policy].limits;
    memcpy(meter.id, endpoint->id, sizeof(meter.id));
    meter.spent = endpoint->quota_reached;
    return ne_fence_add_meter(fence, &meter, err);
}

/* add_members() - Under the meter that was added last. */
static int add_members(struct ne_fence *fence, const struct ne_network *network,
                       const struct ne_endpoint *endpoint, size_t policy, bool icc,
                       struct ne_error *err) {
    const struct ne_addr *addresses[] = {&endpoint->addr4, &endpoint->addr6};
    for (size_t i = 0; i < 2; i++) {
        if (addresses[i]->family == NE_NONE)
            continue;
        struct ne_member member = {.mac = endpoint->mac,
                                   .addr = *addresses[i],
                                   .icc = icc,
                                   .policy = policy,
                                   .meter = fence->meter_count - 1};
        memcpy(member.bridge, network->bridge, sizeof(member.bridge));
        if (ne_fence_add_member(fence, &member, err) < 0)
            return -1;
    }
    return 0;
}

static int add_insides(struct ne_fence *fence, const struct ne_network *network,
                       struct ne_error *err) {
    const struct ne_inside insides[] = {{network->pool4, network->gateway4.addr},
                                        {network->pool6, network->gateway6.addr}};
    for (size_t i = 0; i < 2; i++) {
        if (insides[i].pool.addr.family != NE_NONE &&
            ne_fence_add_inside(fence, &insides[i], err) < 0)
            return -1;
    }
    return 0;
}

static bool has_icc(const struct ne_network *network, const struct ne_endpoint *endpoint) {
    bool own = endpoint != NULL && endpoint->options->has_icc;
    return own ? endpoint->options->icc : network->options.has_icc && network->options.icc;
}

/* note_near() - On which networks members may reach each other: where the network has icc or a
 * proxy in its pool, or a member of its own. */
static void note_near(const struct ne_model *model) {
    for (size_t i = 0; i < model->networks.count; i++) {
        struct ne_network *network = ne_model_network_at(model, i);
        network->proxied = names_member(network, &network->options);
        network->near = network->proxied || has_icc(network, NULL);
    }
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        size_t position;
        if (!endpoint->joined || !(endpoint->options->has_icc || endpoint->options->has_proxy) ||
            !ne_model_network_position(model, endpoint->network, &position))
            continue;
        struct ne_network *network = ne_model_network_at(model, position);
        network->proxied |= names_member(network, endpoint->options);
        network->near |= network->proxied || has_icc(network, endpoint);
    }
}

static int build(const struct ne_model *model, const struct role_proxies *proxies,
                 struct ne_fence *fence, struct ne_error *err) {
    note_near(model);
    for (size_t i = 0; i < model->networks.count; i++) {
        const struct ne_network *network = ne_model_network_at(model, i);
        struct ne_options options = ne_effective_options(network, NULL);
        if (ne_fence_add_bridge(fence, network->bridge, err) < 0 ||
            (network->near && ne_fence_add_near(fence, network->bridge, err) < 0) ||
            (network->proxied && ne_fence_add_proxied(fence, network->bridge, err) < 0) ||
            add_insides(fence, network, err) < 0 ||
            add_policy(fence, network->id, network, &options, proxies, err) < 0 ||
            add_hands(fence, network, NULL, &options, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        size_t policy; /* networks' policies come first, in the order of the networks */
        if (!endpoint->joined || !ne_model_network_position(model, endpoint->network, &policy))
            continue;

        const struct ne_network *network = ne_model_network_at(model, policy);
        if (ne_options_own_policy(endpoint->options)) {
            struct ne_options options = ne_effective_options(network, endpoint);
            policy = fence->policy_count;
            if (add_policy(fence, endpoint->id, network, &options, proxies, err) < 0 ||
                add_hands(fence, network, endpoint, &options, err) < 0)
                return -1;
        }
        if (add_meter(fence, endpoint, policy, err) < 0 ||
            add_members(fence, network, endpoint, policy, has_icc(network, endpoint), err) < 0)
            return -1;
    }
    ne_fence_sort(fence);
    return 0;
}

int ne_model_fence(const struct ne_model *model, struct ne_fence *fence, struct ne_error *err) {
    struct role_proxies proxies;
    ne_fence_init(fence);
    int result = gather_proxies(model, &proxies, err);
    if (result == 0)
        result = build(model, &proxies, fence, err);
    free(proxies.items);
    if (result == 0)
        return 0;
    ne_fence_free(fence);
    return ne_context(err, "building the rules");
}
