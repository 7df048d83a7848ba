/* privileges.h - the daemon keeps what it uses. */
#ifndef NETENFORCE_DAEMON_PRIVILEGES_H
#define NETENFORCE_DAEMON_PRIVILEGES_H

#include <netenforce/error.h>

/* privileges_check() - Refuse a user namespace other than the machine's own, as rootless Docker
 * lives in: what is root there is not root on the host. Return: 0, or -1 with NE_UNSUPPORTED and
 * what to do.
 */
int privileges_check(struct ne_error *err);

/* privileges_drop() - Keep CAP_NET_ADMIN (links, rules) and CAP_NET_RAW (libiptc's
 * raw socket), give up every other capability for good, and forbid to gain any by exec.
 * Return: 0, or -1 with NE_KERNEL: without these two there is nothing to do.
 */
int privileges_drop(struct ne_error *err);

#endif
