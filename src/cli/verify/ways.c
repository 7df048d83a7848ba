/* ways.c - what is tried: see ways.h and docs/threat-model.md. */
#include "ways.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <linux/if_ether.h>

#define COUNT(array)       (sizeof(array) / sizeof((array)[0]))
#define HOST_ADDRESSES_MAX 12
#define PORT_UNUSED        47113
#define ETHERTYPE_LOCAL    0x88b5 /* IEEE 802: for local experiments */
#define PROTO_GRE          47
#define PROTO_ESP          50

static const struct {
    const char *key;
    const char *name;
} ways[WAY_COUNT] = {
    [WAY_PORTS] = {"ports", "other ports of the host"},
    [WAY_ADDRESSES] = {"addresses", "other addresses of the host"},
    [WAY_BEYOND] = {"beyond", "machines beyond the host"},
    [WAY_METADATA] = {"metadata", "cloud metadata"},
    [WAY_DNS] = {"dns", "name servers"},
    [WAY_PROTOCOLS] = {"protocols", "other IP protocols"},
    [WAY_SOURCE] = {"source", "a false source address"},
    [WAY_MAC] = {"mac", "a false MAC address"},
    [WAY_LINK_LOCAL] = {"link_local", "IPv6 link-local"},
    [WAY_NEIGHBOUR] = {"neighbour", "a neighbour"},
    [WAY_RAW] = {"raw", "raw Ethernet"},
    [WAY_GROUPS] = {"groups", "multicast and broadcast"},
};

const char *way_name(enum way way) {
    return ways[way].name;
}

const char *way_key(enum way way) {
    return ways[way].key;
}

/* What the attempts are made of. */
struct scene {
    struct attempts *attempts;
    const struct ground *ground;
    const struct place *place;
    const struct place *neighbour;
    uint16_t proxy_port;
};

static struct ne_addr addr(const char *text) {
    struct ne_addr parsed = {0};
    (void)ne_addr_parse(text, &parsed);
    return parsed;
}

/* RFC 5737, RFC 3849 */
struct ne_addr way_beyond(enum ne_family family) {
    return addr(family == NE_V6 ? "2001:db8:4e45::2" : "198.51.100.2");
}

static struct ends ends_to(const struct scene *scene, const struct ne_addr *to) {
    return (struct ends){
        .from_mac = scene->place->mac,
        .to_mac = scene->ground->mac,
        .from = to->family == NE_V6 ? scene->place->addr6 : scene->place->addr4,
        .to = *to,
    };
}

/* add() - One more attempt, with its cookie. Return: NULL if there are too many, which is no
 * matter: the list is made for far fewer. */
static struct attempt *add(const struct scene *scene, enum way way, enum judge judge,
                           uint8_t cookie[static COOKIE_SIZE]) {
    struct attempts *attempts = scene->attempts;
    if (attempts->count == ATTEMPTS_MAX)
        return NULL;
    memcpy(cookie, attempts->run, COOKIE_SIZE);
    cookie[COOKIE_SIZE - 2] = (uint8_t)(attempts->count >> 8);
    cookie[COOKIE_SIZE - 1] = (uint8_t)attempts->count;
    struct attempt *attempt = &attempts->items[attempts->count++];
    *attempt = (struct attempt){.way = way, .judge = judge};
    return attempt;
}

static struct ne_target target_of(const struct ne_addr *to, uint8_t proto, uint16_t port) {
    return (struct ne_target){
        .to = ne_prefix_host(to), .proto = proto, .port_low = port, .port_high = port};
}

/* add_packet() - A packet of its own addresses, which the model judges. */
static void add_packet(const struct scene *scene, enum way way, const struct ne_addr *to,
                       uint8_t proto, uint16_t port) {
    uint8_t cookie[COOKIE_SIZE];
    const struct ends ends = ends_to(scene, to);
    struct attempt *attempt = add(scene, way, JUDGE_MODEL, cookie);
    if (attempt == NULL)
        return;
    attempt->target = target_of(to, proto, port);
    (void)ne_target_format(&attempt->target, attempt->what);
    frame_ip(&attempt->frame, &ends, proto, port, cookie);
}

/* add_odd() - Any other packet. */
__attribute__((format(printf, 7, 8))) static struct attempt *
add_odd(const struct scene *scene, enum way way, enum judge judge, const struct ends *ends,
        uint8_t proto, uint16_t port, const char *what, ...) {
    uint8_t cookie[COOKIE_SIZE];
    struct attempt *attempt = add(scene, way, judge, cookie);
    if (attempt == NULL)
        return NULL;
    va_list list;
    va_start(list, what);
    (void)vsnprintf(attempt->what, sizeof(attempt->what), what, list);
    va_end(list);
    frame_ip(&attempt->frame, ends, proto, port, cookie);
    return attempt;
}

static uint8_t echo_of(const struct ne_addr *to) {
    return to->family == NE_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

static void try_ports(const struct scene *scene, const struct ne_addr *bridge) {
    static const uint16_t tcp[] = {22, 80, 443, 2375, PORT_UNUSED};
    static const uint16_t udp[] = {67, 123, 443, PORT_UNUSED};
    for (size_t i = 0; i < COUNT(tcp); i++)
        add_packet(scene, WAY_PORTS, bridge, IPPROTO_TCP, tcp[i]);
    for (size_t i = 0; i < COUNT(udp); i++)
        add_packet(scene, WAY_PORTS, bridge, IPPROTO_UDP, udp[i]);
    add_packet(scene, WAY_PORTS, bridge, IPPROTO_UDP, scene->proxy_port);
    add_packet(scene, WAY_PORTS, bridge, echo_of(bridge), 0);
}

static void try_beyond(const struct scene *scene, const struct ne_addr *to) {
    add_packet(scene, WAY_BEYOND, to, IPPROTO_TCP, 443);
    add_packet(scene, WAY_BEYOND, to, IPPROTO_TCP, scene->proxy_port);
    add_packet(scene, WAY_BEYOND, to, IPPROTO_UDP, 443);
    add_packet(scene, WAY_BEYOND, to, echo_of(to), 0);
}

static void try_dns(const struct scene *scene, const struct ne_addr *to) {
    add_packet(scene, WAY_DNS, to, IPPROTO_UDP, 53);
    add_packet(scene, WAY_DNS, to, IPPROTO_TCP, 53);
    add_packet(scene, WAY_DNS, to, IPPROTO_TCP, 853);
}

static void try_protocols(const struct scene *scene, const struct ne_addr *to) {
    static const struct {
        uint8_t proto;
        const char *name;
    } protocols[] = {
        {IPPROTO_SCTP, "SCTP"}, {PROTO_GRE, "GRE"}, {IPPROTO_IPIP, "IP in IP"}, {PROTO_ESP, "ESP"}};
    char text[NE_ADDR_TEXT];
    const struct ends ends = ends_to(scene, to);
    for (size_t i = 0; i < COUNT(protocols); i++)
        (void)add_odd(scene, WAY_PROTOCOLS, JUDGE_MODE, &ends, protocols[i].proto, 0, "%s to %s",
                      protocols[i].name, ne_addr_format(to, text));
}

/* try_source() - To the proxy's port, which is open: only the source is wrong. */
static void try_source(const struct scene *scene, const struct ne_addr *bridge,
                       const struct ne_addr *source) {
    char from[NE_ADDR_TEXT];
    char to[NE_ADDR_TEXT];
    struct ends ends = ends_to(scene, bridge);
    ends.from = *source;
    (void)ne_addr_format(source, from);
    (void)ne_addr_format(bridge, to);
    (void)add_odd(scene, WAY_SOURCE, JUDGE_NEVER, &ends, IPPROTO_TCP, scene->proxy_port,
                  "as %s to %s port %u, tcp", from, to, scene->proxy_port);
    (void)add_odd(scene, WAY_SOURCE, JUDGE_NEVER, &ends, IPPROTO_UDP, PORT_UNUSED,
                  "as %s to %s port %u, udp", from, to, PORT_UNUSED);
}

static void try_mac(const struct scene *scene, const struct ne_addr *bridge) {
    const struct ne_mac unknown = {{0x02, 0x4e, 0x45, 0, 0, 1}};
    const struct ne_mac *macs[] = {&unknown, &scene->neighbour->mac, &scene->ground->mac};
    for (size_t i = 0; i < COUNT(macs); i++) {
        char mac[NE_MAC_TEXT];
        char to[NE_ADDR_TEXT];
        struct ends ends = ends_to(scene, bridge);
        ends.from_mac = *macs[i];
        (void)add_odd(scene, WAY_MAC, JUDGE_NEVER, &ends, IPPROTO_TCP, scene->proxy_port,
                      "as %s to %s port %u, tcp", ne_mac_format(macs[i], mac),
                      ne_addr_format(bridge, to), scene->proxy_port);
    }
}

/* try_neighbour() - Straight to another port of the bridge, which nothing permits, and by way of
 * the bridge, which is how icc=true lets neighbours meet. */
static void try_neighbour(const struct scene *scene, const struct ne_addr *to) {
    char text[NE_ADDR_TEXT];
    struct ends straight = ends_to(scene, to);
    straight.to_mac = scene->neighbour->mac;
    (void)ne_addr_format(to, text);
    (void)add_odd(scene, WAY_NEIGHBOUR, JUDGE_NEVER, &straight, IPPROTO_TCP, 80,
                  "%s port 80, tcp, straight", text);
    (void)add_odd(scene, WAY_NEIGHBOUR, JUDGE_NEVER, &straight, IPPROTO_UDP, 53,
                  "%s port 53, udp, straight", text);
    (void)add_odd(scene, WAY_NEIGHBOUR, JUDGE_NEVER, &straight, echo_of(to), 0,
                  "%s, echo, straight", text);
    add_packet(scene, WAY_NEIGHBOUR, to, IPPROTO_TCP, 80);
    add_packet(scene, WAY_NEIGHBOUR, to, IPPROTO_UDP, 53);
    add_packet(scene, WAY_NEIGHBOUR, to, echo_of(to), 0);
}

static void try_groups(const struct scene *scene, const char *group, const struct ne_mac *mac,
                       uint8_t proto, uint16_t port) {
    const struct ne_addr to = addr(group);
    struct ends ends = ends_to(scene, &to);
    ends.to_mac = *mac;
    (void)add_odd(scene, WAY_GROUPS, JUDGE_MODE, &ends, proto, port,
                  port != 0 ? "%s port %u" : "%s, protocol %u", group,
                  port != 0 ? (unsigned)port : proto);
}

static void try_link_local(const struct scene *scene) {
    const struct ne_mac all_nodes = {{0x33, 0x33, 0, 0, 0, 1}};
    const struct ne_mac all_routers = {{0x33, 0x33, 0, 0, 0, 2}};
    uint8_t cookie[COOKIE_SIZE];
    const struct ne_mac *bridge = &scene->ground->mac;
    struct ends ends = {
        .from_mac = scene->place->mac, .to_mac = *bridge, .from = addr("fe80::4e45")};
    ends.to = addr("fe80::");
    const uint8_t tail[] = {(uint8_t)(bridge->bytes[0] ^ 2u),
                            bridge->bytes[1],
                            bridge->bytes[2],
                            0xff,
                            0xfe,
                            bridge->bytes[3],
                            bridge->bytes[4],
                            bridge->bytes[5]};
    memcpy(ends.to.bytes + 8, tail, sizeof(tail)); /* RFC 4291, appendix A */
    (void)add_odd(scene, WAY_LINK_LOCAL, JUDGE_NEVER, &ends, IPPROTO_TCP, scene->proxy_port,
                  "the bridge's link-local address, port %u, tcp", scene->proxy_port);
    (void)add_odd(scene, WAY_LINK_LOCAL, JUDGE_NEVER, &ends, IPPROTO_ICMPV6, 0,
                  "the bridge's link-local address, echo");
    ends.to = addr("ff02::1");
    ends.to_mac = all_nodes;
    (void)add_odd(scene, WAY_LINK_LOCAL, JUDGE_NEVER, &ends, IPPROTO_ICMPV6, 0, "ff02::1, echo");
    (void)add_odd(scene, WAY_LINK_LOCAL, JUDGE_NEVER, &ends, IPPROTO_UDP, 5353,
                  "ff02::1 port 5353, udp");
    struct attempt *attempt = add(scene, WAY_LINK_LOCAL, JUDGE_NEVER, cookie);
    if (attempt != NULL) {
        (void)snprintf(attempt->what, sizeof(attempt->what), "ff02::1, router advertisement");
        frame_router(&attempt->frame, &ends, cookie);
    }
    ends.to = addr("ff02::2");
    ends.to_mac = all_routers;
    (void)add_odd(scene, WAY_LINK_LOCAL, JUDGE_NEVER, &ends, IPPROTO_UDP, PORT_UNUSED,
                  "ff02::2 port %u, udp", PORT_UNUSED);
}

static void add_raw(const struct scene *scene, const struct ends *ends, bool tagged,
                    const char *what) {
    uint8_t cookie[COOKIE_SIZE];
    struct attempt *attempt = add(scene, WAY_RAW, JUDGE_NEVER, cookie);
    if (attempt == NULL)
        return;
    (void)snprintf(attempt->what, sizeof(attempt->what), "%s", what);
    frame_raw(&attempt->frame, ends, ETHERTYPE_LOCAL, cookie);
    if (tagged)
        frame_tag(&attempt->frame);
}

static void try_raw(const struct scene *scene) {
    const struct ne_mac everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    uint8_t cookie[COOKIE_SIZE];
    struct ends ends = {.from_mac = scene->place->mac, .to_mac = scene->neighbour->mac};
    add_raw(scene, &ends, false, "EtherType 0x88b5 to a neighbour");
    add_raw(scene, &ends, true, "VLAN 1 to a neighbour");
    ends.to_mac = everybody;
    add_raw(scene, &ends, false, "EtherType 0x88b5 to everybody");
    if (scene->place->addr4.family == NE_NONE)
        return;
    struct attempt *attempt = add(scene, WAY_RAW, JUDGE_NEVER, cookie);
    if (attempt == NULL)
        return;
    ends.from = scene->ground->gateway4.addr;
    ends.to = scene->neighbour->addr4;
    (void)snprintf(attempt->what, sizeof(attempt->what), "ARP that claims the bridge's address");
    frame_arp(&attempt->frame, &ends, cookie);
}

static void try_v4(const struct scene *scene) {
    const struct ne_mac everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    const struct ne_mac mdns = {{0x01, 0, 0x5e, 0, 0, 0xfb}};
    const struct ne_mac all_hosts = {{0x01, 0, 0x5e, 0, 0, 1}};
    const struct ne_addr *bridge = &scene->ground->gateway4.addr;
    const struct ne_addr beyond = way_beyond(NE_V4);
    const struct ne_addr metadata[] = {addr("169.254.169.254"), addr("100.100.100.200")};
    const struct ne_addr sources[] = {scene->neighbour->addr4, *bridge, beyond, addr("127.0.0.1")};
    try_ports(scene, bridge);
    try_beyond(scene, &beyond);
    for (size_t i = 0; i < COUNT(metadata); i++)
        add_packet(scene, WAY_METADATA, &metadata[i], IPPROTO_TCP, 80);
    try_dns(scene, bridge);
    try_dns(scene, &beyond);
    try_protocols(scene, bridge);
    try_protocols(scene, &beyond);
    for (size_t i = 0; i < COUNT(sources); i++)
        try_source(scene, bridge, &sources[i]);
    try_mac(scene, bridge);
    try_neighbour(scene, &scene->neighbour->addr4);
    try_groups(scene, "255.255.255.255", &everybody, IPPROTO_UDP, 67);
    try_groups(scene, "224.0.0.251", &mdns, IPPROTO_UDP, 5353);
    try_groups(scene, "224.0.0.1", &all_hosts, IPPROTO_IGMP, 0);
}

static void try_v6(const struct scene *scene) {
    const struct ne_addr *bridge = &scene->ground->gateway6.addr;
    const struct ne_addr beyond = way_beyond(NE_V6);
    const struct ne_addr metadata = addr("fd00:ec2::254");
    const struct ne_addr sources[] = {scene->neighbour->addr6, *bridge, beyond};
    try_ports(scene, bridge);
    try_beyond(scene, &beyond);
    add_packet(scene, WAY_METADATA, &metadata, IPPROTO_TCP, 80);
    try_dns(scene, bridge);
    try_dns(scene, &beyond);
    try_protocols(scene, bridge);
    for (size_t i = 0; i < COUNT(sources); i++)
        try_source(scene, bridge, &sources[i]);
    try_mac(scene, bridge);
    try_neighbour(scene, &scene->neighbour->addr6);
}

static bool read_sockaddr(const struct sockaddr *given, struct ne_addr *out) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    *out = (struct ne_addr){0};
    if (given != NULL && given->sa_family == AF_INET) {
        memcpy(&v4, given, sizeof(v4));
        out->family = NE_V4;
        memcpy(out->bytes, &v4.sin_addr, 4);
    } else if (given != NULL && given->sa_family == AF_INET6) {
        memcpy(&v6, given, sizeof(v6));
        out->family = NE_V6;
        memcpy(out->bytes, &v6.sin6_addr, 16);
    }
    return out->family != NE_NONE;
}

static int try_host(const struct scene *scene, struct ne_error *err) {
    struct ifaddrs *list;
    unsigned tried = 0;
    if (getifaddrs(&list) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot list the host's addresses");
    for (const struct ifaddrs *item = list; item != NULL && tried < HOST_ADDRESSES_MAX;
         item = item->ifa_next) {
        struct ne_addr to;
        if (!read_sockaddr(item->ifa_addr, &to) ||
            (to.family == NE_V6 ? scene->place->addr6 : scene->place->addr4).family == NE_NONE ||
            ne_addr_equal(&to, &scene->ground->gateway4.addr) ||
            ne_addr_equal(&to, &scene->ground->gateway6.addr) ||
            (to.family == NE_V6 && !ne_addr_is_host(&to)))
            continue;
        tried++;
        add_packet(scene, WAY_ADDRESSES, &to, IPPROTO_TCP, scene->proxy_port);
        add_packet(scene, WAY_ADDRESSES, &to, IPPROTO_TCP, 22);
        add_packet(scene, WAY_ADDRESSES, &to, IPPROTO_UDP, 53);
    }
    freeifaddrs(list);
    return 0;
}

bool proxy_read(const json_t *proxy, struct ne_target *target) {
    char text[NE_TARGET_TEXT + 8];
    const char *given = json_string_value(proxy);
    return given != NULL && snprintf(text, sizeof(text), "%s/tcp", given) < (int)sizeof(text) &&
           ne_target_parse(text, target);
}

static bool same_addr(const struct sockaddr *given, const struct ne_addr *addr) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (given == NULL)
        return false;
    if (given->sa_family == AF_INET && addr->family == NE_V4) {
        memcpy(&v4, given, sizeof(v4));
        return memcmp(&v4.sin_addr, addr->bytes, 4) == 0;
    }
    if (given->sa_family == AF_INET6 && addr->family == NE_V6) {
        memcpy(&v6, given, sizeof(v6));
        return memcmp(&v6.sin6_addr, addr->bytes, 16) == 0;
    }
    return false;
}

bool target_is_beyond(const struct ne_target *target) {
    struct ifaddrs *list;
    bool here = false;
    if (target->to.len < ne_addr_bits(target->to.addr.family))
        return true;
    if (getifaddrs(&list) < 0)
        return false;
    for (const struct ifaddrs *item = list; item != NULL; item = item->ifa_next)
        here = here || same_addr(item->ifa_addr, &target->to.addr);
    freeifaddrs(list);
    return !here;
}

int attempts_make(struct attempts *attempts, const struct ground *ground, const struct place *place,
                  const struct place *neighbour, const json_t *proxies, struct ne_error *err) {
    struct ne_target proxy;
    struct scene scene = {attempts, ground, place, neighbour, 8080};
    attempts->count = 0;
    if (getrandom(attempts->run, sizeof(attempts->run), 0) != (ssize_t)sizeof(attempts->run))
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make a cookie");
    if (proxy_read(json_array_get(proxies, 0), &proxy))
        scene.proxy_port = proxy.port_low;
    if (place->addr4.family != NE_NONE)
        try_v4(&scene);
    if (place->addr6.family != NE_NONE)
        try_v6(&scene);
    try_link_local(&scene);
    try_raw(&scene);
    return try_host(&scene, err);
}
