/* handing.c - mode=transparent: what a policy hands, and where to: see policy.h. */
#include "policy.h"

#include <netinet/in.h>
#include <string.h>

#define HTTP_PORT  80
#define HTTPS_PORT 443

/* proxy_port() - To which port of @bridge mode=transparent hands; 0: to none. */
static uint16_t proxy_port(const struct ne_options *options, const struct ne_addr *bridge) {
    for (unsigned i = 0; i < options->proxy.count && bridge->family != NE_NONE; i++) {
        const struct ne_proxy *proxy = &options->proxy.items[i];
        if (proxy->by_role)
            continue;
        if (proxy->addr.family == NE_NONE || ne_addr_equal(&proxy->addr, bridge))
            return proxy->port;
    }
    return 0;
}

int close_proxy(struct ne_policy *policy, const struct ne_options *options,
                const struct ne_addr *bridge, struct ne_error *err) {
    uint16_t port = proxy_port(options, bridge);
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

int add_handing(struct ne_policy *policy, const struct ne_network *network,
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

int add_hands(struct ne_fence *fence, const struct ne_network *network,
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
