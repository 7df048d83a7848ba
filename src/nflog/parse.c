/* parse.c - a message of NFLOG, and the packet in it: see nflog.h. */
#include <netenforce/nflog.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <string.h>

/* Bytes of a packet, and how far they have been read. */
struct bytes {
    const uint8_t *at;
    size_t size;
};

#define EXTENSIONS_MAX 16 /* headers of IPv6 that are looked through */

static uint16_t two(const uint8_t *at) {
    return (uint16_t)(at[0] << 8 | at[1]);
}

static bool skip(struct bytes *bytes, size_t size) {
    if (size > bytes->size)
        return false;
    bytes->at += size;
    bytes->size -= size;
    return true;
}

/* read_transport() - What the bytes reach of it; none of a fragment but the first. */
static void read_transport(const struct bytes *bytes, struct ne_logged *logged) {
    bool ports = logged->proto == IPPROTO_TCP || logged->proto == IPPROTO_UDP ||
                 logged->proto == IPPROTO_SCTP;
    if (ports && bytes->size >= 4) {
        logged->has_ports = true;
        logged->sport = two(bytes->at);
        logged->dport = two(bytes->at + 2);
    }
    if (logged->proto == IPPROTO_TCP && bytes->size >= 14) {
        logged->has_tcp_flags = true;
        logged->tcp_flags = bytes->at[13];
    }
    if ((logged->proto == IPPROTO_ICMP || logged->proto == IPPROTO_ICMPV6) && bytes->size >= 1) {
        logged->has_icmp_type = true;
        logged->icmp_type = bytes->at[0];
    }
}

static void read_addr(enum ne_family family, const uint8_t *at, struct ne_addr *addr) {
    addr->family = family;
    memcpy(addr->bytes, at, ne_addr_bits(family) / 8);
}

/* RFC 791, 3.1 */
static bool read_ipv4(struct bytes bytes, struct ne_logged *logged) {
    if (bytes.size < 20)
        return false;
    size_t header = (size_t)(bytes.at[0] & 0xf) * 4;
    bool later = (two(bytes.at + 6) & 0x1fff) != 0;
    logged->proto = bytes.at[9];
    read_addr(NE_V4, bytes.at + 12, &logged->from);
    read_addr(NE_V4, bytes.at + 16, &logged->to);
    if (header >= 20 && !later && skip(&bytes, header))
        read_transport(&bytes, logged);
    return true;
}

/* skip_extension() - Past the header of type @logged->proto, whose follower's type takes its place
 * (RFC 8200, 4.1). *@later: what follows is a fragment but the first. Return: false at the end.
 */
static bool skip_extension(struct bytes *bytes, struct ne_logged *logged, bool *later) {
    uint8_t type = logged->proto;
    bool known = type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING || type == IPPROTO_FRAGMENT ||
                 type == IPPROTO_AH || type == IPPROTO_DSTOPTS;
    if (!known || *later || bytes->size < 8)
        return false;
    size_t size = (size_t)(bytes->at[1] + 1) * 8;
    if (type == IPPROTO_AH)
        size = (size_t)(bytes->at[1] + 2) * 4;
    if (type == IPPROTO_FRAGMENT) {
        size = 8;
        *later = (two(bytes->at + 2) & 0xfff8) != 0;
    }
    uint8_t next = bytes->at[0];
    if (!skip(bytes, size))
        return false;
    logged->proto = next;
    return true;
}

static bool read_ipv6(struct bytes bytes, struct ne_logged *logged) {
    bool later = false;
    if (bytes.size < 40)
        return false;
    logged->proto = bytes.at[6];
    read_addr(NE_V6, bytes.at + 8, &logged->from);
    read_addr(NE_V6, bytes.at + 24, &logged->to);
    (void)skip(&bytes, 40);
    for (int i = 0; i < EXTENSIONS_MAX && skip_extension(&bytes, logged, &later); i++)
        ;
    if (!later)
        read_transport(&bytes, logged);
    return true;
}

static bool read_packet(const struct nlattr *payload, struct ne_logged *logged) {
    struct bytes bytes = {.at = mnl_attr_get_payload(payload),
                          .size = mnl_attr_get_payload_len(payload)};
    if (bytes.size == 0)
        return false;
    switch (bytes.at[0] >> 4) {
    case 4:
        return read_ipv4(bytes, logged);
    case 6:
        return read_ipv6(bytes, logged);
    default:
        return false;
    }
}

/* read_place() - "ne:refused": what follows the prefix. */
static bool read_place(const struct nlattr *prefix, char place[static NE_PLACE_SIZE]) {
    static const char begin[] = NE_LOGGED_PREFIX;
    const char *text = mnl_attr_get_payload(prefix);
    size_t size = strnlen(text, mnl_attr_get_payload_len(prefix));
    if (size < sizeof(begin) || memcmp(text, begin, sizeof(begin) - 1) != 0 ||
        size - (sizeof(begin) - 1) >= NE_PLACE_SIZE)
        return false;
    text += sizeof(begin) - 1;
    size -= sizeof(begin) - 1;
    if (strspn(text, "abcdefghijklmnopqrstuvwxyz_-") < size)
        return false;
    memcpy(place, text, size);
    place[size] = '\0';
    return true;
}

static bool has(const struct nlattr *attr, size_t size) {
    return attr != NULL && mnl_attr_get_payload_len(attr) >= size;
}

static void read_rest(struct nlattr *const *attrs, struct ne_logged *logged) {
    if (has(attrs[NFULA_IFINDEX_INDEV], sizeof(uint32_t)))
        logged->device = ntohl(mnl_attr_get_u32(attrs[NFULA_IFINDEX_INDEV]));
    struct nfulnl_msg_packet_hw hardware;
    if (has(attrs[NFULA_HWADDR], sizeof(hardware))) {
        memcpy(&hardware, mnl_attr_get_payload(attrs[NFULA_HWADDR]), sizeof(hardware));
        logged->has_mac = ntohs(hardware.hw_addrlen) == sizeof(logged->mac.bytes);
        memcpy(logged->mac.bytes, hardware.hw_addr, sizeof(logged->mac.bytes));
    }
    logged->has_sequence = has(attrs[NFULA_SEQ], sizeof(uint32_t));
    if (logged->has_sequence)
        logged->sequence = ntohl(mnl_attr_get_u32(attrs[NFULA_SEQ]));
}

bool ne_logged_parse(const struct nlmsghdr *message, struct ne_logged *logged) {
    struct nlattr *attrs[NFULA_MAX + 1] = {0};
    *logged = (struct ne_logged){.device = 0};
    if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
        message->nlmsg_len < sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg) ||
        nflog_nlmsg_parse(message, attrs) < 0 || attrs[NFULA_PREFIX] == NULL ||
        attrs[NFULA_PAYLOAD] == NULL)
        return false;
    if (!read_place(attrs[NFULA_PREFIX], logged->place) ||
        !read_packet(attrs[NFULA_PAYLOAD], logged))
        return false;
    read_rest(attrs, logged);
    return true;
}
