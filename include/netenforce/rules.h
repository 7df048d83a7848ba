/* rules.h - allowances and denials as the user writes them: one grammar for driver options, the
 * control API and the command. Pure.
 *
 *   ADDR[/LEN]:PORT[-PORT]/PROTO    10.0.0.5:5432/tcp, [2001:db8::]/32:1-1023/udp
 *   ADDR[/LEN]/icmp                 192.0.2.0/24/icmp, [2001:db8::1]/icmp
 */
#ifndef NETENFORCE_RULES_H
#define NETENFORCE_RULES_H

#include <netenforce/addr.h>
#include <netenforce/error.h>

#define NE_TARGETS_MAX  32 /* most rules of one list: a packet may meet each of them */
#define NE_TARGET_TEXT  72
#define NE_TARGETS_TEXT ((size_t)NE_TARGETS_MAX * NE_TARGET_TEXT)
#define NE_TARGET_FORM                                                                             \
    "ADDR[/LEN]:PORT[-PORT]/PROTO, several with commas or spaces: 10.0.0.5:5432/tcp, "             \
    "[2001:db8::1]:443/tcp, 192.0.2.0/24/icmp"

struct ne_target {
    struct ne_prefix to;
    uint8_t proto;     /* IPPROTO_TCP, _UDP, _ICMP or _ICMPV6 */
    uint16_t port_low; /* with TCP and UDP 1..65535, else 0   */
    uint16_t port_high;
};

struct ne_targets {
    uint8_t count;
    struct ne_target items[NE_TARGETS_MAX];
};

/* ne_target_parse() - Read one rule, whole. Return: whether it is one; else *@target stays. */
bool ne_target_parse(const char *text, struct ne_target *target);

/* ne_target_format() - Write a rule as ne_target_parse() reads it. Return: @out. */
const char *ne_target_format(const struct ne_target *target, char out[static NE_TARGET_TEXT]);

bool ne_target_equal(const struct ne_target *a, const struct ne_target *b);
bool ne_targets_equal(const struct ne_targets *a, const struct ne_targets *b);

/* ne_targets_find() - Return: whether @list holds @target; then *@position says where. */
bool ne_targets_find(const struct ne_targets *list, const struct ne_target *target,
                     size_t *position);

/* ne_targets_parse() - Read a list, with commas or blanks between the rules; one that comes twice
 * counts once. @key names the list in an error. On failure @list may hold a part.
 * Return: 0, or -1 with NE_BAD_INPUT.
 */
int ne_targets_parse(struct ne_targets *list, const char *key, const char *text,
                     struct ne_error *err);

/* ne_targets_format() - Write a list as ne_targets_parse() reads it. Return: @out. */
const char *ne_targets_format(const struct ne_targets *list, char out[static NE_TARGETS_TEXT]);

#endif
