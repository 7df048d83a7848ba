/* encode.h - one rule as the kernel's entry: ipt_entry or ip6t_entry, matches, target. Pure.
 *
 * libxtables, which could do it, loads extensions with dlopen() and calls exit(); the
 * few matches and targets here are laid out by hand as <linux/netfilter*.h> declares them.
 */
#ifndef NETENFORCE_IPTABLES_ENCODE_H
#define NETENFORCE_IPTABLES_ENCODE_H

#include "plan.h"

#define ENTRY_MAX 1024 /* bytes; the largest entry here is about 600 */

/* The bytes of an entry, aligned as the kernel wants them. */
struct encoded {
    _Alignas(8) unsigned char bytes[ENTRY_MAX];
    size_t target_offset;
    size_t size;
    bool standard; /* the target is a verdict or a chain, not an extension's */
};

/* xt_encode() - Lay @rule out as an entry of @family. Jumps carry the chain's name as
 * their target, as libiptc takes it. Cannot fail: a rule has a bounded number of matches.
 */
void xt_encode(const struct xt_rule *rule, enum ne_family family, struct encoded *entry);

/* xt_same() - Whether the kernel's @entry, whose target libiptc calls @target, says the same as
 * @wanted. Counters do not count, nor what follows a name's end: the kernel leaves
 * that to chance.
 */
bool xt_same(const struct encoded *wanted, enum ne_family family, const void *entry,
             const char *target);

#endif
