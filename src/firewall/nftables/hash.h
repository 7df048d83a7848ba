/* hash.h - to tell contents apart: FNV-1a, 64 bits. No protection against an adversary, who would
 * have to be root. */
#ifndef NETENFORCE_FIREWALL_NFTABLES_HASH_H
#define NETENFORCE_FIREWALL_NFTABLES_HASH_H

#include <netenforce/fence.h>

#include <stddef.h>
#include <stdint.h>

#define HASH_START 0xcbf29ce484222325u
#define HASH_STEP  0x100000001b3u

static inline uint64_t hash_more(uint64_t hash, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * HASH_STEP;
    return hash;
}

static inline uint64_t hash_number(uint64_t hash, uint64_t number) {
    for (unsigned shift = 0; shift < 64; shift += 8)
        hash = (hash ^ (number >> shift & 0xff)) * HASH_STEP;
    return hash;
}

/* hash_text() - With its final zero, so that "a", "bc" and "ab", "c" differ. */
static inline uint64_t hash_text(uint64_t hash, const char *text) {
    const char *end = text;
    while (*end != '\0')
        end++;
    return hash_more(hash, text, (size_t)(end - text) + 1);
}

/* hash_hand() - Field by field: what lies between them is anything. */
static inline uint64_t hash_hand(uint64_t hash, const struct ne_hand *hand) {
    hash = hash_text(hash, hand->bridge);
    hash = hash_more(hash, hand->from.bytes, sizeof(hand->from.bytes));
    hash = hash_more(hash, hand->to.bytes, sizeof(hand->to.bytes));
    hash = hash_number(hash, (uint64_t)hand->to.family << 8 | hand->proto);
    return hash_number(hash, (uint64_t)hand->asked << 16 | hand->port);
}

#endif
