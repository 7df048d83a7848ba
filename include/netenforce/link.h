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
#define NE_KIND_SIZE   16
#define NE_OTHERS_MAX  4

/* The interface group (ip-link(8)) of ports that wait to be deleted. */
#define NE_RETIRED_GROUP 28261

struct ne_bridge {
    char name[NE_IFNAME_SIZE];
    struct ne_mac mac;         /* set by us: without, a bridge takes the MAC of a port */
    unsigned mtu;              /* bytes; 0 leaves the kernel's */
    struct ne_prefix gateway4; /* family NE_NONE: none */
    struct ne_prefix gateway6; /* family NE_NONE: IPv6 is switched off on the bridge */
    bool near; /* it answers ARP and neighbour discovery for the endpoints, to each other, and
                * takes packets that are to go back into it */
    char owner[NE_ID_SIZE]; /* network id: kept in the link's alias */
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
    bool near;              /* where the bridge is near: it answers for addr6 */
    bool kept;              /* only if it is there: one that is gone is not made anew */
    char owner[NE_ID_SIZE]; /* endpoint id: kept in the link's alias */
};

enum ne_link_kind { NE_LINK_OTHER, NE_LINK_BRIDGE, NE_LINK_PORT };

/* A link of ours that survey() found. */
struct ne_link_found {
    enum ne_link_kind kind;
    bool retired; /* a port that reap() deletes */
    char name[NE_IFNAME_SIZE];
    char owner[NE_ID_SIZE]; /* from the alias */
};

typedef int (*ne_link_visit)(void *context, const struct ne_link_found *found,
                             struct ne_error *err);

/* An interface by which a container gets past its ports. What stands in a name the container may
 * have chosen: bytes that are not printable ASCII are shown as '?'.
 */
struct ne_link_other {
    char name[NE_IFNAME_SIZE]; /* in the container; "?" if this kernel can't tell */
    char kind[NE_KIND_SIZE]; /* "veth", as ip(8) calls it; "device": none, such as a network card */
    char host[NE_IFNAME_SIZE]; /* the link of this namespace that it leads to; empty: not known */
};

/* All such interfaces of the container that a port of ours leads to. */
struct ne_link_others {
    char owner[NE_ID_SIZE]; /* the port's: endpoint id */
    unsigned count;         /* of all; the first NE_OTHERS_MAX are listed */
    struct ne_link_other listed[NE_OTHERS_MAX];
};

typedef int (*ne_others_visit)(void *context, const struct ne_link_others *others,
                               struct ne_error *err);

/* What the guard of a port has dropped since it was made: frames that are not from the endpoint's
 * own addresses, and frames to it that are not the bridge's. */
struct ne_guard_drops {
    int index; /* of the port's host end */
    uint32_t count;
};

typedef int (*ne_drops_visit)(void *context, const struct ne_guard_drops *drops,
                              struct ne_error *err);

/* What has gone by a port into its container since the port was made, ARP among it. */
struct ne_port_traffic {
    char owner[NE_ID_SIZE]; /* endpoint id */
    uint64_t packets;
    uint64_t bytes; /* without Ethernet's headers */
};

typedef int (*ne_traffic_visit)(void *context, const struct ne_port_traffic *traffic,
                                struct ne_error *err);

struct ne_link;

struct ne_link_ops {
    /* bridge_check - Whether @bridge's name is free, or this network's bridge already; else
     * NE_CONFLICT. Rules about a name come before its bridge, and must not hit another's.
     */
    int (*bridge_check)(struct ne_link *link, const struct ne_bridge *bridge, struct ne_error *err);

    /* bridge_whole - Whether the bridge is there, up, and has its settings; its addresses are not
     * looked at. One question to the kernel; changes nothing.
     */
    int (*bridge_whole)(struct ne_link *link, const struct ne_bridge *bridge, bool *whole,
                        struct ne_error *err);

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

    /* retire - Take the port called @name, if it is @owner's, out of use for good: down, and in
     * the group that reap() deletes. *@retired says whether there was one. Absent is success.
     */
    int (*retire)(struct ne_link *link, const char *name, const char *owner, bool *retired,
                  struct ne_error *err);

    /* reap - Delete all retired ports. Takes some 16 ms, whether of one port or of sixty.
     * Nothing is deleted, NE_CONFLICT, while something else stands in their group.
     */
    int (*reap)(struct ne_link *link, struct ne_error *err);

    /* survey - Call @visit for each link of ours in the namespace (by alias). */
    int (*survey)(struct ne_link *link, ne_link_visit visit, void *context, struct ne_error *err);

    /* others - Call @visit for each port of ours whose other end lies in a namespace that has
     * another way out. One that is apart (IFLA_LINK_NETNSID: its other end or what lies below it
     * is in another namespace) and no port of ours is one; and so is one of a kind of which the
     * kernel doesn't tell (a network card, macvtap, wireguard). What can be made within and leads
     * nowhere else is none: dummy, bridge, tun, a pair with both ends within, a tunnel, whatever is
     * stacked on another. (A tun that a process of the host's holds can't be told from those.)
     *
     * One dump of this namespace, and one of each other that a port leads to, by
     * IFLA_TARGET_NETNSID: rtnl_dump_ifinfo(), net/core/rtnetlink.c, since Linux 4.15; it takes
     * CAP_NET_ADMIN over that namespace, rtnl_get_net_ns_capable(). Where that fails, is never
     * whole since the container keeps changing its interfaces, or is too long, this namespace's
     * own links tell: those that lead to the same namespace as a port of ours.
     */
    int (*others)(struct ne_link *link, ne_others_visit visit, void *context, struct ne_error *err);

    /* drops - Call @visit for each guard in the namespace. One dump; changes nothing. */
    int (*drops)(struct ne_link *link, ne_drops_visit visit, void *context, struct ne_error *err);

    /* traffic - Call @visit for each port of ours that is in use. One dump; changes nothing. */
    int (*traffic)(struct ne_link *link, ne_traffic_visit visit, void *context,
                   struct ne_error *err);

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

    /* forwards - Whether the host forwards packets of @family at all (net.ipv4.conf.all.forwarding,
     * net.ipv6.conf.all.forwarding).
     */
    int (*forwards)(struct ne_link *link, enum ne_family family, bool *forwards,
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
