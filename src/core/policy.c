/* policy.c - from options to the rules of the fence: see model.h and fence.h. */
#include <netenforce/model.h>

#include <netinet/in.h>
#include <string.h>

#define ND_NEIGHBOUR_SOLICITATION  135 /* RFC 4861, 4.3 */
#define ND_NEIGHBOUR_ADVERTISEMENT 136 /* RFC 4861, 4.4 */

struct ne_options ne_effective_options(const struct ne_network *network,
                                       const struct ne_endpoint *endpoint) {
    struct ne_options options = network->options;
    if (!options.has_proxy) {
        options.proxy_count = 1;
        options.proxy[0] = (struct ne_proxy){.port = NE_PROXY_PORT};
    }
    if (endpoint == NULL)
        return options;
    if (endpoint->options.has_proxy) {
        options.proxy_count = endpoint->options.proxy_count;
        memcpy(options.proxy, endpoint->options.proxy, sizeof(options.proxy));
    }
    if (endpoint->options.has_refuse)
        options.refuse = endpoint->options.refuse;
    return options;
}

static int pass_tcp(struct ne_policy *policy, const struct ne_addr *to, uint16_t port,
                    struct ne_error *err) {
    if (to->family == NE_NONE)
        return 0;
    const struct ne_rule rule = {
        .to = ne_prefix_host(to),
        .proto = IPPROTO_TCP,
        .port_low = port,
        .port_high = port,
        .icmp_type = NE_ICMP_TYPE_ANY,
        .verdict = NE_PASS,
    };
    return ne_policy_add_rule(policy, &rule, err);
}

static int pass_icmpv6(struct ne_policy *policy, const struct ne_addr *to, int16_t type,
                       struct ne_error *err) {
    const struct ne_rule rule = {
        .to = ne_prefix_host(to),
        .proto = IPPROTO_ICMPV6,
        .port_high = UINT16_MAX,
        .icmp_type = type,
        .verdict = NE_PASS,
    };
    return ne_policy_add_rule(policy, &rule, err);
}

/* pass_neighbour_discovery() - Let a container ask for the bridge's MAC address.
 *
 * In IPv6 that question is an IP packet, unlike ARP. It goes to the solicited-node group of the
 * bridge's address, later to the address itself (RFC 4861, 7.2.2 and 7.3.1).
 * What the packet claims cannot spoil a neighbour: the bridge's neighbours are fixed entries.
 */
static int pass_neighbour_discovery(struct ne_policy *policy, const struct ne_addr *bridge,
                                    struct ne_error *err) {
    if (bridge->family == NE_NONE)
        return 0;
    struct ne_addr group = ne_addr_solicited_node(bridge);
    if (pass_icmpv6(policy, &group, ND_NEIGHBOUR_SOLICITATION, err) < 0 ||
        pass_icmpv6(policy, bridge, ND_NEIGHBOUR_SOLICITATION, err) < 0 ||
        pass_icmpv6(policy, bridge, ND_NEIGHBOUR_ADVERTISEMENT, err) < 0)
        return -1;
    return 0;
}

/* add_policy() - The rules that @options mean on @network. */
static int add_policy(struct ne_fence *fence, const char *id, const struct ne_network *network,
                      const struct ne_options *options, struct ne_error *err) {
    enum ne_verdict otherwise = options->refuse == NE_REFUSE_DROP ? NE_DROP : NE_REJECT;
    struct ne_policy *policy = NULL;
    if (ne_fence_add_policy(fence, id, otherwise, &policy, err) < 0)
        return -1;

    for (unsigned i = 0; i < options->proxy_count; i++) {
        const struct ne_proxy *proxy = &options->proxy[i];
        if (proxy->addr.family == NE_NONE) {
            if (pass_tcp(policy, &network->gateway4.addr, proxy->port, err) < 0 ||
                pass_tcp(policy, &network->gateway6.addr, proxy->port, err) < 0)
                return -1;
            continue;
        }
        if (pass_tcp(policy, &proxy->addr, proxy->port, err) < 0)
            return -1;
        if (!ne_addr_equal(&proxy->addr, &network->gateway4.addr) &&
            !ne_addr_equal(&proxy->addr, &network->gateway6.addr))
            fence->reaches_beyond = true;
    }
    return pass_neighbour_discovery(policy, &network->gateway6.addr, err);
}

static int add_members(struct ne_fence *fence, const struct ne_network *network,
                       const struct ne_endpoint *endpoint, size_t policy, struct ne_error *err) {
    const struct ne_addr *addresses[] = {&endpoint->addr4, &endpoint->addr6};
    for (size_t i = 0; i < 2; i++) {
        if (addresses[i]->family == NE_NONE)
            continue;
        struct ne_member member = {.mac = endpoint->mac, .addr = *addresses[i], .policy = policy};
        memcpy(member.bridge, network->bridge, sizeof(member.bridge));
        if (ne_fence_add_member(fence, &member, err) < 0)
            return -1;
    }
    return 0;
}

static int build(const struct ne_model *model, struct ne_fence *fence, struct ne_error *err) {
    for (size_t i = 0; i < model->networks.count; i++) {
        const struct ne_network *network = ne_model_network_at(model, i);
        struct ne_options options = ne_effective_options(network, NULL);
        if (ne_fence_add_bridge(fence, network->bridge, err) < 0 ||
            add_policy(fence, network->id, network, &options, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        size_t policy; /* networks' policies come first, in the order of the networks */
        if (!endpoint->joined || !ne_model_network_position(model, endpoint->network, &policy))
            continue;

        const struct ne_network *network = ne_model_network_at(model, policy);
        if (endpoint->options.has_proxy || endpoint->options.has_refuse) {
            struct ne_options options = ne_effective_options(network, endpoint);
            policy = fence->policy_count;
            if (add_policy(fence, endpoint->id, network, &options, err) < 0)
                return -1;
        }
        if (add_members(fence, network, endpoint, policy, err) < 0)
            return -1;
    }
    ne_fence_sort(fence);
    return 0;
}

int ne_model_fence(const struct ne_model *model, struct ne_fence *fence, struct ne_error *err) {
    ne_fence_init(fence);
    if (build(model, fence, err) == 0)
        return 0;
    ne_fence_free(fence);
    return ne_context(err, "building the rules");
}

size_t ne_routes(const struct ne_network *network, const struct ne_endpoint *endpoint,
                 struct ne_addr routes[static NE_PROXY_MAX]) {
    struct ne_options options = ne_effective_options(network, endpoint);
    size_t count = 0;
    for (unsigned i = 0; i < options.proxy_count; i++) {
        const struct ne_addr *addr = &options.proxy[i].addr;
        if (addr->family == NE_NONE || ne_prefix_contains(&network->pool4, addr) ||
            ne_prefix_contains(&network->pool6, addr))
            continue;
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known = known || ne_addr_equal(&routes[k], addr);
        if (!known)
            routes[count++] = *addr;
    }
    return count;
}
