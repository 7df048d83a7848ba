/* frames.c - Ethernet frames by hand: see frames.h. */
#include "frames.h"

#include <netinet/in.h>
#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define SOURCE_PORT    40000
#define RUN_SIZE       (COOKIE_SIZE - 2)

static void put(struct frame *frame, const void *bytes, size_t size) {
    if (size > FRAME_SIZE - frame->size)
        return; /* the longest, IPv6 with TCP, takes 90 bytes */
    memcpy(frame->bytes + frame->size, bytes, size);
    frame->size += size;
}

static void put8(struct frame *frame, unsigned value) {
    const uint8_t byte = (uint8_t)value;
    put(frame, &byte, 1);
}

static void put16(struct frame *frame, unsigned value) {
    put8(frame, value >> 8);
    put8(frame, value & 0xff);
}

static void put_addr(struct frame *frame, const struct ne_addr *addr) {
    put(frame, addr->bytes, ne_addr_bits(addr->family) / 8);
}

static void begin(struct frame *frame, const struct ends *ends, uint16_t ethertype) {
    frame->size = 0;
    put(frame, ends->to_mac.bytes, sizeof(ends->to_mac.bytes));
    put(frame, ends->from_mac.bytes, sizeof(ends->from_mac.bytes));
    put16(frame, ethertype);
}

/* sum() - The Internet checksum's sum so far (RFC 1071). */
static uint32_t sum(uint32_t so_far, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        so_far += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    return so_far;
}

static void put_checksum(struct frame *frame, size_t at, uint32_t total) {
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    const uint32_t folded = ~total & 0xffff;
    frame->bytes[at] = (uint8_t)(folded >> 8);
    frame->bytes[at + 1] = (uint8_t)folded;
}

static void put_ip(struct frame *frame, const struct ends *ends, uint8_t proto, size_t payload,
                   uint8_t hops) {
    const size_t start = frame->size;
    if (ends->to.family == NE_V6) {
        put16(frame, 0x6000);
        put16(frame, 0);
        put16(frame, (unsigned)payload);
        put8(frame, proto);
        put8(frame, hops);
    } else {
        put16(frame, 0x4500);
        put16(frame, (unsigned)(20 + payload));
        put16(frame, 1);      /* identification */
        put16(frame, 0x4000); /* may not be fragmented */
        put8(frame, hops);
        put8(frame, proto);
        put16(frame, 0);
    }
    put_addr(frame, &ends->from);
    put_addr(frame, &ends->to);
    if (ends->to.family == NE_V4)
        put_checksum(frame, start + 10, sum(0, frame->bytes + start, 20));
}

/* pseudo() - The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1). */
static uint32_t pseudo(const struct ends *ends, uint8_t proto, size_t payload) {
    const size_t length = ne_addr_bits(ends->to.family) / 8;
    return sum(sum((uint32_t)(proto + payload), ends->from.bytes, length), ends->to.bytes, length);
}

static void put_tcp(struct frame *frame, uint16_t port) {
    put16(frame, SOURCE_PORT);
    put16(frame, port);
    put16(frame, 0x1234); /* sequence number */
    put16(frame, 0x5678);
    put16(frame, 0); /* acknowledgement */
    put16(frame, 0);
    put16(frame, 0x5002); /* five words, SYN */
    put16(frame, 64240);
    put16(frame, 0);
    put16(frame, 0);
}

void frame_ip(struct frame *frame, const struct ends *ends, uint8_t proto, uint16_t port,
              const uint8_t cookie[static COOKIE_SIZE]) {
    const bool v6 = ends->to.family == NE_V6;
    const size_t header = proto == IPPROTO_TCP ? 20
                          : proto == IPPROTO_UDP || proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6
                              ? 8
                              : 0;
    const size_t payload = header + COOKIE_SIZE;
    begin(frame, ends, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
    put_ip(frame, ends, proto, payload, 64);
    const size_t start = frame->size;
    size_t checksum = 0;
    switch (proto) {
    case IPPROTO_TCP:
        put_tcp(frame, port);
        checksum = 16;
        break;
    case IPPROTO_UDP:
        put16(frame, SOURCE_PORT);
        put16(frame, port);
        put16(frame, (unsigned)payload);
        put16(frame, 0);
        checksum = 6;
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        put16(frame, proto == IPPROTO_ICMP ? 0x0800 : 0x8000);
        put16(frame, 0);
        put16(frame, SOURCE_PORT);
        put16(frame, 1);
        checksum = 2;
        break;
    default:
        break;
    }
    put(frame, cookie, COOKIE_SIZE);
    if (checksum == 0)
        return;
    const uint32_t before = proto == IPPROTO_ICMP ? 0 : pseudo(ends, proto, payload);
    put_checksum(frame, start + checksum, sum(before, frame->bytes + start, payload));
}

void frame_router(struct frame *frame, const struct ends *ends,
                  const uint8_t cookie[static COOKIE_SIZE]) {
    const size_t payload = 16 + 24;
    begin(frame, ends, ETHERTYPE_IPV6);
    put_ip(frame, ends, IPPROTO_ICMPV6, payload, 255);
    const size_t start = frame->size;
    put16(frame, 134 << 8);
    put16(frame, 0);
    for (int i = 0; i < 6; i++)
        put16(frame, 0);  /* a lifetime of 0: no router */
    put16(frame, 0xfd03); /* an option of no meaning (RFC 4727), 24 bytes */
    put(frame, cookie, COOKIE_SIZE);
    for (int i = 0; i < 3; i++)
        put16(frame, 0);
    put_checksum(frame, start + 2,
                 sum(pseudo(ends, IPPROTO_ICMPV6, payload), frame->bytes + start, payload));
}

void frame_arp(struct frame *frame, const struct ends *ends,
               const uint8_t cookie[static COOKIE_SIZE]) {
    begin(frame, ends, ETHERTYPE_ARP);
    put16(frame, 1); /* Ethernet */
    put16(frame, ETHERTYPE_IPV4);
    put16(frame, 0x0604);
    put16(frame, 2); /* an answer */
    put(frame, ends->from_mac.bytes, sizeof(ends->from_mac.bytes));
    put(frame, ends->from.bytes, 4);
    put(frame, ends->to_mac.bytes, sizeof(ends->to_mac.bytes));
    put(frame, ends->to.bytes, 4);
    put(frame, cookie, COOKIE_SIZE);
}

void frame_raw(struct frame *frame, const struct ends *ends, uint16_t ethertype,
               const uint8_t cookie[static COOKIE_SIZE]) {
    begin(frame, ends, ethertype);
    put(frame, cookie, COOKIE_SIZE);
}

void frame_tag(struct frame *frame) {
    const uint8_t tag[] = {ETHERTYPE_VLAN >> 8, ETHERTYPE_VLAN & 0xff, 0, 1};
    if (frame->size + sizeof(tag) > FRAME_SIZE)
        return;
    memmove(frame->bytes + 12 + sizeof(tag), frame->bytes + 12, frame->size - 12);
    memcpy(frame->bytes + 12, tag, sizeof(tag));
    frame->size += sizeof(tag);
}

int frame_find(const uint8_t *bytes, size_t size, const uint8_t run[static COOKIE_SIZE]) {
    const uint8_t *found = size < COOKIE_SIZE ? NULL : memmem(bytes, size - 2, run, RUN_SIZE);
    return found == NULL ? -1 : found[RUN_SIZE] << 8 | found[RUN_SIZE + 1];
}
