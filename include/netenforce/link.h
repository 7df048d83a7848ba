/* link.h - the edge to the kernel's links (rtnetlink), as a table of functions.
 *
 * Everything "ensures": it makes what is missing, mends what differs and is
 * silent about what is already so. Removing what is absent succeeds.
 */
#ifndef NETENFORCE_LINK_H
#define NETENFORCE_LINK_H

#include <netenforce/addr.h>
#include <netenforce/error.h>
#include <netenforce/names.h>

#define NE_ALIAS_SIZE  96
#define NE_MENDED_TEXT 160

struct ne_bridge {
    char name[NE_IFNAME_SIZE];
    struct ne_mac mac;         /* set by us: without, a bridge takes the MAC of a port */
    unsigned mtu;              /* bytes; 0 leaves the kernel's */
    struct ne_prefix gateway4; /* family NE_NONE: none */
    struct ne_prefix gateway6; /* family NE_NONE: IPv6 is switched off on the bridge */
    char owner[NE_ID_SIZE];    /* network id: kept in the link's alias */
};

struct ne_port {
    char name[NE_IFNAME_SIZE]; /* the host's end */
    char peer[NE_IFNAME_SIZE]; /* the container's end, made in the host's namespace */
    char bridge[NE_IFNAME_SIZE];
    struct ne_mac mac;        /* of the container's end */
    struct ne_mac bridge_mac; /* the only sender of frames that leave the bridge by the port */
    unsigned mtu;
    struct ne_addr addr4; /* the endpoint's addresses: fixed neighbours of the bridge */
    struct ne_addr addr6;
    char owner[NE_ID_SIZE]; /* endpoint id: kept in the link's alias */
};

enum ne_link_kind { NE_LINK_OTHER, NE_LINK_BRIDGE, NE_LINK_PORT };

/* A link of ours that survey() found. */
struct ne_link_found {
    enum ne_link_kind kind;
    char name[NE_IFNAME_SIZE];
    char owner[NE_ID_SIZE]; /* from the alias */
};

typedef int (*ne_link_visit)(void *context, const struct ne_link_found *found,
                             struct ne_error *err);

struct ne_link;

struct ne_link_ops {
    /* bridge_check - Whether @bridge's name is free, or this network's bridge already; else
     * NE_CONFLICT. Rules about a name come before its bridge, and must not hit another's.
     */
    int (*bridge_check)(struct ne_link *link, const struct ne_bridge *bridge, struct ne_error *err);

    /* bridge_ensure - The bridge exists as @bridge says: address, MAC, MTU, up,
     * no IPv6 unless it has a gateway6 (then its gateway is usable at once: no
     * duplicate address detection, no link-local address, no router advertisements taken),
     * no multicast snooping. A link of that name that is not this network's is
     * NE_CONFLICT, and is not touched. If a step fails, a bridge that this call made is removed.
     */
    int (*bridge_ensure)(struct ne_link *link, const struct ne_bridge *bridge,
                         struct ne_error *err);

    /* port_ensure - The pair exists, its host end is a port of the bridge:
     * isolated, locked (where the kernel has it), learning and unknown-unicast flooding off, with a
     * fixed forwarding entry for the container's MAC address and fixed neighbours for
     * its addresses; no IPv6 on the host's end; up. A pair that is half there is
     * made anew; a pair that is whole (also when its other end has
     * moved into a container) is mended in place. If a step fails, a pair that
     * this call made is removed.
     */
    int (*port_ensure)(struct ne_link *link, const struct ne_port *port, struct ne_error *err);

    /* port_quench - Take the host's end down and forget the fixed neighbours: no
     * packet passes any more. Cheap; for Leave. Absent is success.
     */
    int (*port_quench)(struct ne_link *link, const struct ne_port *port, struct ne_error *err);

    /* remove - Delete the link called @name if it is @owner's. Absent is success. */
    int (*remove)(struct ne_link *link, const char *name, const char *owner, struct ne_error *err);

    /* survey - Call @visit for each link of ours in the namespace (by alias). */
    int (*survey)(struct ne_link *link, ne_link_visit visit, void *context, struct ne_error *err);

    /* overlap - Look for a unicast route (any table but local) that shares an address
     * with @pool. Not counted: default routes and their halves (length 0 and 1)
     * and routes out of the interface @except (may be NULL).
     * *@found is set to such a route's destination, @device to its interface's name (empty for
     * a nexthop object that names none); or found->addr.family is NE_NONE.
     */
    int (*overlap)(struct ne_link *link, const struct ne_prefix *pool, const char *except,
                   struct ne_prefix *found, char device[static NE_IFNAME_SIZE],
                   struct ne_error *err);

    /* is_local - Whether @addr is an address of this host (a route of type local). */
    int (*is_local)(struct ne_link *link, const struct ne_addr *addr, bool *local,
                    struct ne_error *err);

    void (*close)(struct ne_link *link);
};

/* What the ensuring calls found other than it should be, and mended, since it was last cleared. */
struct ne_link_mended {
    unsigned count;
    char first[NE_MENDED_TEXT]; /* "interface nv-...: port flags were changed" */
};

struct ne_link {
    const struct ne_link_ops *ops;
    struct ne_link_mended mended; /* the caller clears it */
};

/* ne_rtnl_open() - The real edge, over a netlink socket (libmnl).
 * @ipv6_conf is the folder that holds IPv6's per-interface switches as this process
 * may write them ("/proc/sys/net/ipv6/conf", or where a plugin has it mounted);
 * NULL or unwritable: the switch is left, the address generation mode is still set by netlink.
 * Return: the edge, to be ended with ops->close(), or NULL with @err filled.
 */
struct ne_link *ne_rtnl_open(const char *ipv6_conf, struct ne_error *err);

#endif
