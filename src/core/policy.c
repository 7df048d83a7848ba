/* policy.c - from options to the rules of the fence: see model.h and fence.h. */
#include <netenforce/model.h>

#include <netinet/in.h>
#include <string.h>

#define ND_NEIGHBOUR_SOLICITATION  135 /* RFC 4861, 4.3 */
#define ND_NEIGHBOUR_ADVERTISEMENT 136 /* RFC 4861, 4.4 */
#define DNS_PORT                   53
#define HTTP_PORT                  80
#define HTTPS_PORT                 443

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

static int pass_tcp(struct ne_policy *policy, const struct ne_addr *to, uint16_t port,
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

bool ne_is_member_address(const struct ne_network *network, const struct ne_addr *addr) {
    bool v6 = addr->family == NE_V6;
    const struct ne_prefix *pool = v6 ? &network->pool6 : &network->pool4;
    const struct ne_addr *bridge = v6 ? &network->gateway6.addr : &network->gateway4.addr;
    return addr->family != NE_NONE && ne_prefix_contains(pool, addr) &&
           !ne_addr_equal(addr, bridge);
}

/* names_member() - Whether @options name a proxy in the pool of @network. */
static bool names_member(const struct ne_network *network, const struct ne_options *options) {
    for (unsigned i = 0; options->has_proxy && i < options->proxy.count; i++) {
        if (ne_is_member_address(network, &options->proxy.items[i].addr))
            return true;
    }
    return false;
}

/* pass_members() - Proxies that are members of @network. */
static int pass_members(struct ne_policy *policy, const struct ne_network *network,
                        const struct ne_options *options, struct ne_error *err) {
    for (unsigned i = 0; i < options->proxy.count; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
        if (!ne_is_member_address(network, &proxy->addr))
            continue;
        if (pass_tcp(policy, &proxy->addr, proxy->port, err) < 0)
            return -1;
        policy->rules[policy->rule_count - 1].kind = NE_RULE_PROXY;
    }
    return 0;
}

/* pass_proxies() - Those on the bridge's own addresses, or (@here false) those beyond the network.
 */
static int pass_proxies(struct ne_fence *fence, struct ne_policy *policy,
                        const struct ne_network *network, const struct ne_options *options,
                        bool here, struct ne_error *err) {
    const struct ne_addr *bridge[] = {&network->gateway4.addr, &network->gateway6.addr};
    for (unsigned i = 0; i < options->proxy.count; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
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

/* proxy_port() - To which port of @bridge mode=transparent hands; 0: to none. */
static uint16_t proxy_port(const struct ne_options *options, const struct ne_addr *bridge) {
    for (unsigned i = 0; i < options->proxy.count && bridge->family != NE_NONE; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
        if (proxy->addr.family == NE_NONE || ne_addr_equal(&proxy->addr, bridge))
            return proxy->port;
    }
    return 0;
}

/* close_proxy() - The port that is handed to is reached by no other way: a proxy that was connected
 * to itself would go round in circles. */
static int close_proxy(struct ne_policy *policy, const struct ne_addr *bridge, uint16_t port,
                       struct ne_error *err) {
    const struct ne_rule rule = {
        .to = ne_prefix_host(bridge),
        .proto = IPPROTO_TCP,
        .port_low = port,
        .port_high = port,
        .icmp_type = NE_ICMP_TYPE_ANY,
        .verdict = policy->otherwise,
        .option = "mode",
    };
    return port == 0 ? 0 : ne_policy_add_rule(policy, &rule, err);
}

static int hand_port(struct ne_policy *policy, enum ne_family family, uint8_t proto, uint16_t port,
                     uint16_t handed_to, struct ne_error *err) {
    const struct ne_rule rule = {
        .kind = NE_RULE_HANDED,
        .to = {.addr = {.family = family}},
        .proto = proto,
        .port_low = port,
        .port_high = port,
        .icmp_type = NE_ICMP_TYPE_ANY,
        .handed_to = handed_to,
        .verdict = NE_PASS,
        .option = "mode",
    };
    return ne_policy_add_rule(policy, &rule, err);
}

/* keep_to_itself() - What means the host itself, or nobody in particular: a frame may say so, and
 * who was handed it would ask its own loopback. ::/80 has ::1 and the mapped IPv4 addresses. */
static int keep_to_itself(struct ne_policy *policy, enum ne_family family, struct ne_error *err) {
    static const char *const nowhere[] = {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3",
                                          "::/80",     "fe80::/10",   "ff00::/8"};
    struct ne_rule rule = {
        .proto = NE_PROTO_ANY,
        .port_high = UINT16_MAX,
        .icmp_type = NE_ICMP_TYPE_ANY,
        .verdict = policy->otherwise,
    };
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        if (ne_prefix_parse(nowhere[i], &rule.to) && rule.to.addr.family == family &&
            ne_policy_add_rule(policy, &rule, err) < 0)
            return -1;
    }
    return 0;
}

/* add_handing() - What goes to 80 and 443 of any address of @bridge's family is handed to the
 * proxy, and questions to the forwarder, while that listens. */
static int add_handing(struct ne_policy *policy, const struct ne_network *network,
                       const struct ne_options *options, const struct ne_addr *bridge,
                       struct ne_error *err) {
    uint16_t port = proxy_port(options, bridge);
    if (keep_to_itself(policy, bridge->family, err) < 0)
        return -1;
    if (port != 0 && (hand_port(policy, bridge->family, IPPROTO_TCP, HTTP_PORT, port, err) < 0 ||
                      hand_port(policy, bridge->family, IPPROTO_TCP, HTTPS_PORT, port, err) < 0))
        return -1;
    if (bridge->family == NE_NONE || options->dns.kind != NE_DNS_LOG || !network->forwarder_up)
        return 0;
    if (hand_port(policy, bridge->family, IPPROTO_UDP, DNS_PORT, DNS_PORT, err) < 0)
        return -1;
    return hand_port(policy, bridge->family, IPPROTO_TCP, DNS_PORT, DNS_PORT, err);
}

/* hand_for_all() - Where @bridge's members are led that no other entry names; NULL: nowhere yet. */
static const struct ne_hand *hand_for_all(const struct ne_fence *fence, const char *bridge,
                                          enum ne_family family, uint8_t proto, uint16_t asked) {
    for (size_t i = 0; i < fence->hand_count; i++) {
        const struct ne_hand *hand = &fence->hands[i];
        if (hand->from.family == NE_NONE && hand->to.family == family && hand->proto == proto &&
            hand->asked == asked && strcmp(hand->bridge, bridge) == 0)
            return hand;
    }
    return NULL;
}

/* add_hand() - For all of @network's members, or, where those are led to another port, for @from
 * alone (NE_NONE: the network itself has the policy). */
static int add_hand(struct ne_fence *fence, const struct ne_network *network,
                    const struct ne_addr *from, const struct ne_addr *to, uint8_t proto,
                    uint16_t asked, uint16_t port, struct ne_error *err) {
    struct ne_hand hand = {.to = *to, .proto = proto, .asked = asked, .port = port};
    const struct ne_hand *others = hand_for_all(fence, network->bridge, to->family, proto, asked);
    if (others != NULL && (others->port == port || from->family == NE_NONE))
        return 0;
    if (others != NULL)
        hand.from = *from;
    memcpy(hand.bridge, network->bridge, sizeof(hand.bridge));
    return ne_fence_add_hand(fence, &hand, err);
}

/* add_hands() - Where @options lead what their policy hands, for @endpoint or (NULL) the network.
 */
static int add_hands(struct ne_fence *fence, const struct ne_network *network,
                     const struct ne_endpoint *endpoint, const struct ne_options *options,
                     struct ne_error *err) {
    const struct ne_addr nobody = {0};
    const struct ne_addr *bridges[] = {&network->gateway4.addr, &network->gateway6.addr};
    const struct ne_addr *froms[] = {endpoint != NULL ? &endpoint->addr4 : &nobody,
                                     endpoint != NULL ? &endpoint->addr6 : &nobody};
    bool names = options->dns.kind == NE_DNS_LOG && network->forwarder_up;
    for (size_t i = 0; options->mode == NE_MODE_TRANSPARENT && i < 2; i++) {
        const struct ne_addr *to = bridges[i];
        uint16_t port = proxy_port(options, to);
        if (to->family == NE_NONE || (endpoint != NULL && froms[i]->family == NE_NONE))
            continue;
        if (port != 0 && add_hand(fence, network, froms[i], to, IPPROTO_TCP, 0, port, err) < 0)
            return -1;
        if (names &&
            (add_hand(fence, network, &nobody, to, IPPROTO_UDP, DNS_PORT, DNS_PORT, err) < 0 ||
             add_hand(fence, network, &nobody, to, IPPROTO_TCP, DNS_PORT, DNS_PORT, err) < 0))
            return -1;
    }
    return 0;
}

/* add_policy() - The rules that @options mean on @network. */
static int add_policy(struct ne_fence *fence, const char *id, const struct ne_network *network,
                      const struct ne_options *options, struct ne_error *err) {
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
        if (close_proxy(policy, bridge[i], proxy_port(options, bridge[i]), err) < 0)
            return -1;
    }
    if ((!hands && pass_proxies(fence, policy, network, options, true, err) < 0) ||
        add_names(fence, policy, network, &options->dns, err) < 0)
        return -1;
    /* No rule above passes anything to an address of the pool but the bridge's own and those of
     * members that are proxies. What is for a container, or for the bridge itself, is handed to
     * nobody. */
    if (!hands && network->near && pass_members(policy, network, options, err) < 0)
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

static bool names(const struct ne_options *options, const struct ne_endpoint *endpoint) {
    for (unsigned i = 0; options->has_proxy && i < options->proxy.count; i++) {
        const struct ne_addr *addr = &options->proxy.items[i].addr;
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

static int build(const struct ne_model *model, struct ne_fence *fence, struct ne_error *err) {
    note_near(model);
    for (size_t i = 0; i < model->networks.count; i++) {
        const struct ne_network *network = ne_model_network_at(model, i);
        struct ne_options options = ne_effective_options(network, NULL);
        if (ne_fence_add_bridge(fence, network->bridge, err) < 0 ||
            (network->near && ne_fence_add_near(fence, network->bridge, err) < 0) ||
            (network->proxied && ne_fence_add_proxied(fence, network->bridge, err) < 0) ||
            add_insides(fence, network, err) < 0 ||
            add_policy(fence, network->id, network, &options, err) < 0 ||
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
            if (add_policy(fence, endpoint->id, network, &options, err) < 0 ||
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
    ne_fence_init(fence);
    if (build(model, fence, err) == 0)
        return 0;
    ne_fence_free(fence);
    return ne_context(err, "building the rules");
}

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
