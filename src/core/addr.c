/* addr.c - addresses, prefixes, MAC addresses: see addr.h. */
#include <netenforce/addr.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

unsigned ne_addr_bits(enum ne_family family) {
    switch (family) {
    case NE_V4:
        return 32;
    case NE_V6:
        return 128;
    case NE_NONE:
        break;
    }
    return 0;
}

bool ne_addr_parse(const char *text, struct ne_addr *addr) {
    struct ne_addr parsed = {0};
    if (inet_pton(AF_INET, text, parsed.bytes) == 1)
        parsed.family = NE_V4;
    else if (inet_pton(AF_INET6, text, parsed.bytes) == 1)
        parsed.family = NE_V6;
    else
        return false;
    *addr = parsed;
    return true;
}

bool ne_prefix_parse(const char *text, struct ne_prefix *prefix) {
    char copy[NE_PREFIX_TEXT];
    size_t length = strlen(text);
    if (length >= sizeof(copy))
        return false;
    memcpy(copy, text, length + 1);

    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';

    struct ne_prefix parsed;
    if (!ne_addr_parse(copy, &parsed.addr))
        return false;
    unsigned len = ne_addr_bits(parsed.addr.family);

    if (slash != NULL) {
        const char *digits = slash + 1;
        size_t count = strlen(digits);
        if (count < 1 || count > 3 || strspn(digits, "0123456789") != count)
            return false;
        unsigned given = 0;
        for (const char *d = digits; *d != '\0'; d++)
            given = given * 10 + (unsigned)(*d - '0');
        if (given > len)
            return false;
        len = given;
    }
    parsed.len = (uint8_t)len;
    *prefix = parsed;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool ne_mac_parse(const char *text, struct ne_mac *mac) {
    if (strlen(text) != NE_MAC_TEXT - 1)
        return false;
    struct ne_mac parsed;
    for (size_t i = 0; i < sizeof(parsed.bytes); i++) {
        int high = hex_digit(text[i * 3]);
        int low = hex_digit(text[i * 3 + 1]);
        char after = text[i * 3 + 2];
        if (high < 0 || low < 0 || after != (i == 5 ? '\0' : ':'))
            return false;
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *mac = parsed;
    return true;
}

const char *ne_addr_format(const struct ne_addr *addr, char out[static NE_ADDR_TEXT]) {
    int family = addr->family == NE_V4 ? AF_INET : AF_INET6;
    if (addr->family == NE_NONE || inet_ntop(family, addr->bytes, out, NE_ADDR_TEXT) == NULL)
        memcpy(out, "-", 2);
    return out;
}

const char *ne_prefix_format(const struct ne_prefix *prefix, char out[static NE_PREFIX_TEXT]) {
    char addr[NE_ADDR_TEXT];
    ne_addr_format(&prefix->addr, addr);
    if (prefix->addr.family == NE_NONE)
        memcpy(out, "-", 2);
    else
        (void)snprintf(out, NE_PREFIX_TEXT, "%s/%u", addr, prefix->len);
    return out;
}

const char *ne_mac_format(const struct ne_mac *mac, char out[static NE_MAC_TEXT]) {
    const uint8_t *b = mac->bytes;
    (void)snprintf(out, NE_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
                   b[5]);
    return out;
}

bool ne_addr_equal(const struct ne_addr *a, const struct ne_addr *b) {
    return a->family == b->family && memcmp(a->bytes, b->bytes, ne_addr_bits(a->family) / 8) == 0;
}

bool ne_prefix_equal(const struct ne_prefix *a, const struct ne_prefix *b) {
    return ne_addr_equal(&a->addr, &b->addr) && a->len == b->len;
}

bool ne_mac_equal(const struct ne_mac *a, const struct ne_mac *b) {
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Whether the first @bits bits of two addresses of one family are the same. */
static bool same_start(const struct ne_addr *a, const struct ne_addr *b, unsigned bits) {
    if (memcmp(a->bytes, b->bytes, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    if (rest == 0)
        return true;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return ((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & mask) == 0;
}

bool ne_prefix_contains(const struct ne_prefix *prefix, const struct ne_addr *addr) {
    return addr->family != NE_NONE && addr->family == prefix->addr.family &&
           same_start(&prefix->addr, addr, prefix->len);
}

bool ne_prefix_overlaps(const struct ne_prefix *a, const struct ne_prefix *b) {
    return a->addr.family != NE_NONE && a->addr.family == b->addr.family &&
           same_start(&a->addr, &b->addr, a->len < b->len ? a->len : b->len);
}

struct ne_prefix ne_prefix_host(const struct ne_addr *addr) {
    return (struct ne_prefix){.addr = *addr, .len = (uint8_t)ne_addr_bits(addr->family)};
}

struct ne_prefix ne_prefix_network(const struct ne_prefix *prefix) {
    struct ne_prefix network = *prefix;
    for (unsigned bit = prefix->len; bit < ne_addr_bits(prefix->addr.family); bit++)
        network.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return network;
}

bool ne_addr_is_host(const struct ne_addr *addr) {
    static const uint8_t zero[16];
    const uint8_t *b = addr->bytes;

    switch (addr->family) {
    case NE_V4:
        return b[0] != 0 && b[0] != 127 && b[0] < 224;
    case NE_V6: {
        bool unspecified_or_loopback = memcmp(b, zero, 15) == 0 && b[15] <= 1;
        bool multicast = b[0] == 0xff;
        bool link_local = b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
        /* ::ffff:a.b.c.d would be IPv4 in disguise. */
        bool mapped = memcmp(b, zero, 10) == 0 && b[10] == 0xff && b[11] == 0xff;
        return !unspecified_or_loopback && !multicast && !link_local && !mapped;
    }
    case NE_NONE:
        break;
    }
    return false;
}

struct ne_addr ne_addr_solicited_node(const struct ne_addr *addr) {
    struct ne_addr group = {.family = NE_V6, .bytes = {0xff, 0x02}};
    group.bytes[11] = 0x01;
    group.bytes[12] = 0xff;
    memcpy(group.bytes + 13, addr->bytes + 13, 3);
    return group;
}

bool ne_mac_is_host(const struct ne_mac *mac) {
    static const uint8_t zero[6];
    return memcmp(mac->bytes, zero, sizeof(zero)) != 0 && (mac->bytes[0] & 1) == 0;
}
