/* names.h - ids as the engine gives them and the kernel names made of them.
 *
 * docs/interface.md: bridges are "ne-", host-side veths "nv-" plus a part of the id.
 * The other end of the pair, which the engine moves into the container, is "nc-".
 */
#ifndef NETENFORCE_NAMES_H
#define NETENFORCE_NAMES_H

#include <stdbool.h>

#define NE_ID_SIZE     65 /* 64 characters and NUL */
#define NE_IFNAME_SIZE 16 /* IFNAMSIZ, <linux/if.h> */

#define NE_BRIDGE_PREFIX "ne-"
#define NE_PORT_PREFIX   "nv-"
#define NE_PEER_PREFIX   "nc-"
#define NE_NAME_ID_PART  12 /* characters of the id in an interface's name */

/* ne_id_valid() - Whether @id can be an engine's id: 12 to 64 letters and
 * digits. Docker's are 64 hexadecimal digits, swarm's 25 of base 36. Nothing
 * else may become part of a path, an interface's or a chain's name.
 */
bool ne_id_valid(const char *id);

/* ne_ifname_valid() - Whether @name can name an interface (dev_valid_name(),
 * net/core/dev.c), in printable ASCII, without '/', ':' and '+' (the
 * wildcard of iptables).
 */
bool ne_ifname_valid(const char *name);

/* Fill @out from a valid @id; return @out. */
const char *ne_bridge_name(const char *network_id, char out[static NE_IFNAME_SIZE]);
const char *ne_port_name(const char *endpoint_id, char out[static NE_IFNAME_SIZE]);
const char *ne_peer_name(const char *endpoint_id, char out[static NE_IFNAME_SIZE]);

#endif
