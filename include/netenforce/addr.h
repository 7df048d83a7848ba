/* addr.h - addresses, prefixes and MAC addresses as plain data.
 *
 * Bytes are in network order. A family of NE_NONE means "absent"; there is no
 * other sentinel.
 */
#ifndef NETENFORCE_ADDR_H
#define NETENFORCE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ne_family { NE_NONE = 0, NE_V4 = 4, NE_V6 = 6 };

struct ne_addr {
    enum ne_family family;
    uint8_t bytes[16]; /* the first 4 for NE_V4; the rest is zero */
};

struct ne_prefix {
    struct ne_addr addr;
    uint8_t len; /* bits */
};

struct ne_mac {
    uint8_t bytes[6];
};

#define NE_ADDR_TEXT   46 /* enough for any address and its NUL */
#define NE_PREFIX_TEXT 50 /* address, '/', up to 3 digits, NUL  */
#define NE_MAC_TEXT    18

/* ne_addr_bits() - Length of an address of @family in bits: 32, 128 or 0. */
unsigned ne_addr_bits(enum ne_family family);

/* ne_addr_parse() - Read an IPv4 or IPv6 address in its usual text form, whole.
 * Return: true and *@addr set, or false with *@addr untouched.
 */
bool ne_addr_parse(const char *text, struct ne_addr *addr);

/* ne_prefix_parse() - Read ADDR/LEN; without /LEN the length is the family's.
 * Host bits are kept (an interface address is a prefix, too).
 * Return: true and *@prefix set, or false with *@prefix untouched.
 */
bool ne_prefix_parse(const char *text, struct ne_prefix *prefix);

/* ne_mac_parse() - Read six hexadecimal octets with colons.
 * Return: true and *@mac set, or false with *@mac untouched.
 */
bool ne_mac_parse(const char *text, struct ne_mac *mac);

/* The three formatters write text with its NUL and return @out. An absent
 * address is written as "-".
 */
const char *ne_addr_format(const struct ne_addr *addr, char out[static NE_ADDR_TEXT]);
const char *ne_prefix_format(const struct ne_prefix *prefix, char out[static NE_PREFIX_TEXT]);
const char *ne_mac_format(const struct ne_mac *mac, char out[static NE_MAC_TEXT]);

bool ne_addr_equal(const struct ne_addr *a, const struct ne_addr *b);
bool ne_prefix_equal(const struct ne_prefix *a, const struct ne_prefix *b);
bool ne_mac_equal(const struct ne_mac *a, const struct ne_mac *b);

/* ne_prefix_contains() - Whether @addr lies in @prefix (same family). */
bool ne_prefix_contains(const struct ne_prefix *prefix, const struct ne_addr *addr);

/* ne_prefix_overlaps() - Whether one of the two holds an address of the other. */
bool ne_prefix_overlaps(const struct ne_prefix *a, const struct ne_prefix *b);

/* ne_prefix_host() - The prefix that holds @addr alone (/32 or /128). */
struct ne_prefix ne_prefix_host(const struct ne_addr *addr);

/* ne_prefix_network() - @prefix with its host bits cleared. */
struct ne_prefix ne_prefix_network(const struct ne_prefix *prefix);

/* ne_addr_is_host() - Whether @addr can be one host's address that others
 * reach: not unspecified, loopback, multicast, IPv4 class E or broadcast, nor IPv6
 * link-local (which would need a zone).
 */
bool ne_addr_is_host(const struct ne_addr *addr);

/* ne_addr_solicited_node() - The solicited-node multicast address of an IPv6
 * address (RFC 4291, 2.7.1).
 */
struct ne_addr ne_addr_solicited_node(const struct ne_addr *addr);

/* ne_mac_is_host() - Whether @mac can be one station's: not zero, not a group. */
bool ne_mac_is_host(const struct ne_mac *mac);

#endif
