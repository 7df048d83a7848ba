/* confine.h - whom the launcher and what it starts run as, and what they may call. */
#ifndef NETENFORCE_FORWARDER_CONFINE_H
#define NETENFORCE_FORWARDER_CONFINE_H

#include <netenforce/error.h>

/* The user and group of the launcher and of each dnsmasq. No account has to be there; nothing
 * belongs to it. As the group of NFLOG: "NE". */
#define FORWARDER_ID 20037

/* confine_launcher() - Become FORWARDER_ID with CAP_NET_BIND_SERVICE alone, in a form that outlives
 * execve(), with no way to more, and with a filter for system calls that is inherited, too.
 * Return: 0, or -1.
 */
int confine_launcher(struct ne_error *err);

#endif
