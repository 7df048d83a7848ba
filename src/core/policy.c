/* policy.c - from options to the rules of the fence: see policy.h and fence.h. */
#include "policy.h"

#include <netinet/in.h>
#include <string.h>

#define ND_NEIGHBOUR_SOLICITATION  135 /* RFC 4861, 4.3 */
#define ND_NEIGHBOUR_ADVERTISEMENT 136 /* RFC 4861, 4.4 */

struct ne_options ne_effective_options(const struct ne_network *network,
                                       const struct ne_endpoint *endpoint) {
    struct ne_options options = ne_options_default();
    ne_options_override(&options, NE_SCOPE_NETWORK, &network->options);
    if (endpoint != NULL)
        ne_options_override(&options, NE_SCOPE_ENDPOINT, endpoint->options);
    /* Who cannot be told of a proxy asks for names. */
    if (options.mode == NE_MODE_TRANSPARENT && !network->options.has_dns &&
        (endpoint == NULL || !endpoint->options->has_dns))
        options.dns.kind = NE_DNS_LOG;
    return options;
}

static int pass_port(struct ne_policy *policy, const char *option, const struct ne_addr *to,
                     uint8_t proto, uint16_t port, struct ne_error *err) {
    if (to->family == NE_NONE)
        return 0;
    const struct ne_rule rule = {
        .to = ne_prefix_host(to),
        .proto = proto,
        .port_low = port,
        .port_high = port,
        .icmp_type = NE_ICMP_TYPE_ANY,
        .verdict = NE_PASS,
        .option = option,
    };
    return ne_policy_add_rule(policy, &rule, err);
}

int pass_tcp(struct ne_policy *policy, const struct ne_addr *to, uint16_t port,
             struct ne_error *err) {
    return pass_port(policy, "proxy", to, IPPROTO_TCP, port, err);
}

/* pass_names() - Questions to the name server @to, by both of its protocols (RFC 7766). */
static int pass_names(struct ne_policy *policy, const struct ne_addr *to, struct ne_error *err) {
    if (pass_port(policy, "dns", to, IPPROTO_UDP, DNS_PORT, err) < 0)
        return -1;
    return pass_port(policy, "dns", to, IPPROTO_TCP, DNS_PORT, err);
}

static int pass_icmpv6(struct ne_policy *policy, const struct ne_addr *to, int16_t type,
                       struct ne_error *err) {
    const struct ne_rule rule = {
        .to = ne_prefix_host(to),
        .proto = IPPROTO_ICMPV6,
        .port_high = UINT16_MAX,
        .icmp_type = type,
        .verdict = NE_PASS,
        .option = "neighbour discovery",
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

/* pass_questions() - Let a container with neighbours ask for their MAC addresses, which the
 * bridge answers: to the solicited-node groups (RFC 4291, 2.7.1). The host is in those of the
 * neighbours that it answers for, and in its own. */
static int pass_questions(struct ne_policy *policy, const struct ne_network *network,
                          struct ne_error *err) {
    if (network->pool6.addr.family == NE_NONE)
        return 0;
    struct ne_rule rule = {
        .to = {.addr = ne_addr_solicited_node(&network->gateway6.addr), .len = 104},
        .proto = IPPROTO_ICMPV6,
        .port_high = UINT16_MAX,
        .icmp_type = ND_NEIGHBOUR_SOLICITATION,
        .verdict = NE_PASS,
        .option = "neighbour discovery",
    };
    rule.to = ne_prefix_network(&rule.to);
    return ne_policy_add_rule(policy, &rule, err);
}

static int add_targets(struct ne_policy *policy, const struct ne_targets *targets,
                       const char *option, enum ne_verdict verdict, struct ne_error *err) {
    for (size_t i = 0; i < targets->count; i++) {
        const struct ne_target *target = &targets->items[i];
        const struct ne_rule rule = {
            .to = target->to,
            .proto = target->proto,
            .port_low = target->port_low,
            .port_high = target->port_high,
            .icmp_type = NE_ICMP_TYPE_ANY,
            .verdict = verdict,
            .option = option,
        };
        if (ne_policy_add_rule(policy, &rule, err) < 0)
            return -1;
    }
    return 0;
}

/* add_names() - What `dns` lets pass. The forwarder's port is open only while the forwarder
 * listens: a server of the host's that listens on every address would answer in its place, unasked.
 */
static int add_names(struct ne_fence *fence, struct ne_policy *policy,
                     const struct ne_network *network, const struct ne_dns *dns,
                     struct ne_error *err) {
    if (dns->kind == NE_DNS_LOG && network->forwarder_up &&
        (pass_names(policy, &network->gateway4.addr, err) < 0 ||
         pass_names(policy, &network->gateway6.addr, err) < 0))
        return -1;
    for (unsigned i = 0; i < dns->count; i++) {
        const struct ne_addr *server = &dns->servers[i];
        if (pass_names(policy, server, err) < 0)
            return -1;
        if (!ne_addr_equal(server, &network->gateway4.addr) &&
            !ne_addr_equal(server, &network->gateway6.addr))
            fence->reaches_beyond = true;
    }
    return 0;
}

static bool is_bridge_alone(const struct ne_network *network, const struct ne_prefix *to) {
    const struct ne_addr *bridge =
        to->addr.family == NE_V6 ? &network->gateway6.addr : &network->gateway4.addr;
    return to->len == ne_addr_bits(to->addr.family) && ne_addr_equal(&to->addr, bridge);
}

/* add_bridge_rules() - What @options say of the bridge's own address @bridge, in rules that name it
 * alone: what follows is about the pool around it. */
static int add_bridge_rules(struct ne_policy *policy, const struct ne_options *options,
                            const struct ne_addr *bridge, struct ne_error *err) {
    struct ne_rule rule = {
        .to = ne_prefix_host(bridge),
        .icmp_type = NE_ICMP_TYPE_ANY,
        .verdict = NE_PASS,
        .option = "allow",
    };
    for (size_t i = 0; i < options->allow.count; i++) {
        const struct ne_target *target = &options->allow.items[i];
        if (!ne_prefix_contains(&target->to, bridge))
            continue;
        rule.proto = target->proto;
        rule.port_low = target->port_low;
        rule.port_high = target->port_high;
        if (ne_policy_add_rule(policy, &rule, err) < 0)
            return -1;
    }
    const struct ne_rule rest = {.to = rule.to,
                                 .proto = NE_PROTO_ANY,
                                 .port_high = UINT16_MAX,
                                 .icmp_type = NE_ICMP_TYPE_ANY,
                                 .verdict = policy->otherwise};
    return ne_policy_add_rule(policy, &rest, err);
}

/* add_back() - Into @pool goes what a proxy there answers. */
static int add_back(struct ne_policy *policy, const struct ne_prefix *pool, struct ne_error *err) {
    const struct ne_rule rule = {
        .kind = NE_RULE_BACK,
        .to = *pool,
        .proto = IPPROTO_TCP,
        .port_high = UINT16_MAX,
        .icmp_type = NE_ICMP_TYPE_ANY,
        .verdict = policy->otherwise,
    };
    return ne_policy_add_rule(policy, &rule, err);
}

/* add_pool() - To neighbours in @pool with icc, if the sender has it, and as a proxy to who may
 * reach it; to nobody else there, however wide an allowance is: what is passed here, the gates let
 * back into the same bridge. */
static int add_pool(struct ne_policy *policy, const struct ne_options *options, bool proxied,
                    const struct ne_prefix *pool, const struct ne_addr *bridge,
                    struct ne_error *err) {
    struct ne_rule rule = {
        .kind = NE_RULE_NEIGHBOUR,
        .to = *pool,
        .proto = NE_PROTO_ANY,
        .port_high = UINT16_MAX,
        .icmp_type = NE_ICMP_TYPE_ANY,
        .verdict = NE_PASS,
        .option = "icc",
    };
    if (pool->addr.family == NE_NONE)
        return 0;
    if (add_bridge_rules(policy, options, bridge, err) < 0 ||
        (options->icc && ne_policy_add_rule(policy, &rule, err) < 0) ||
        (proxied && add_back(policy, pool, err) < 0))
        return -1;
    rule.kind = NE_RULE_INSIDE;
    rule.verdict = policy->otherwise;
    return ne_policy_add_rule(policy, &rule, err);
}

static struct ne_meter limits_of(const struct ne_options *options) {
    return (struct ne_meter){
        .rate = options->rate,
        .conn_rate = options->conn_rate,
        .quota = options->quota,
        .log = options->log,
        .silent = options->refuse == NE_REFUSE_DROP,
        .hands = options->mode == NE_MODE_TRANSPARENT,
    };
}

int add_policy(struct ne_fence *fence, const char *id, const struct ne_network *network,
               const struct ne_options *options, const struct role_proxies *proxies,
               struct ne_error *err) {
    enum ne_verdict otherwise = options->refuse == NE_REFUSE_DROP ? NE_DROP : NE_REJECT;
    struct ne_policy *policy = NULL;
    if (ne_fence_add_policy(fence, id, otherwise, &policy, err) < 0)
        return -1;
    policy->limits = limits_of(options);
    const struct ne_addr *bridge[] = {&network->gateway4.addr, &network->gateway6.addr};
    bool hands = options->mode == NE_MODE_TRANSPARENT;
    policy->audit = options->mode == NE_MODE_AUDIT;
    if (policy->audit)
        fence->reaches_beyond = true;
    policy->inbound = options->inbound;
    fence->inbound |= policy->inbound;

    /* First what makes addresses resolve at all, then the denials: they win over the rest. */
    if (pass_neighbour_discovery(policy, &network->gateway6.addr, err) < 0 ||
        ((options->icc || network->proxied) && pass_questions(policy, network, err) < 0) ||
        add_targets(policy, &options->deny, "deny", otherwise, err) < 0)
        return -1;
    for (size_t i = 0; hands && i < 2; i++) {
        if (close_proxy(policy, options, bridge[i], err) < 0)
            return -1;
    }
    if ((!hands && pass_proxies(fence, policy, network, options, true, err) < 0) ||
        add_names(fence, policy, network, &options->dns, err) < 0)
        return -1;
    /* No rule above passes anything to an address of the pool but the bridge's own and those of
     * members that are proxies. What is for a container, or for the bridge itself, is handed to
     * nobody. */
    if (!hands && network->near && pass_members(policy, network, options, proxies, err) < 0)
        return -1;
    if ((network->near || hands) && (add_pool(policy, options, network->proxied, &network->pool4,
                                              &network->gateway4.addr, err) < 0 ||
                                     add_pool(policy, options, network->proxied, &network->pool6,
                                              &network->gateway6.addr, err) < 0))
        return -1;
    if (!hands && pass_proxies(fence, policy, network, options, false, err) < 0)
        return -1;
    for (size_t i = 0; i < options->allow.count; i++) {
        if (!is_bridge_alone(network, &options->allow.items[i].to))
            fence->reaches_beyond = true;
    }
    if (add_targets(policy, &options->allow, "allow", NE_PASS, err) < 0)
        return -1;
    for (size_t i = 0; hands && i < 2; i++) {
        if (add_handing(policy, network, options, bridge[i], err) < 0)
            return -1;
    }
    return 0;
}
