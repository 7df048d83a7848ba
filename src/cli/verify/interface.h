/* interface.h - the few things to do with interfaces of the current namespace (rtnetlink, libmnl).
 * Each is one question to the kernel. Return: 0, or -1 with NE_KERNEL.
 */
#ifndef NETENFORCE_CLI_INTERFACE_H
#define NETENFORCE_CLI_INTERFACE_H

#include <netenforce/addr.h>
#include <netenforce/error.h>

/* interface_move() - Into the namespace @netns, under another name. */
int interface_move(const char *name, int netns, const char *new_name, struct ne_error *err);

int interface_up(unsigned index, struct ne_error *err);

/* interface_address() - @own is the address with its network's length; usable at once. */
int interface_address(unsigned index, const struct ne_prefix *own, struct ne_error *err);

/* interface_route() - The default route of @via's family. */
int interface_route(unsigned index, const struct ne_addr *via, struct ne_error *err);

/* interface_forwards() - Whether @name, a bridge's port, is in the forwarding state. */
int interface_forwards(const char *name, bool *forwards, struct ne_error *err);

#endif
