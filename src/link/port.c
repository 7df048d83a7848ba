/* port.c - an endpoint's veth pair, whose host end is a port of the bridge: see link.h.
 *
 * DOC: the order
 *
 * The host's end comes up last, when all that binds it is in force: until then the bridge takes
 * nothing from it (br_handle_frame() passes by a port in state disabled). Making a pair takes three
 * sends: the pair with its alias, flags and settings, which are read back by the same send; then,
 * by the index so learnt, its entries and its guard; then "up", if all that succeeded.
 */
#include "rtnl.h"

#include <netenforce/log.h>

#include <errno.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>

/* By IFLA_BRPORT_*. What floods from the host itself (ARP, NDP) is not held back by the flooding
 * flags, except for unknown unicast: br_flood(), net/bridge/br_forward.c.
 */
static const struct ne_setting port_flags[] = {
    {IFLA_BRPORT_ISOLATED, 1},      /* no frame to or from another isolated port */
    {IFLA_BRPORT_LOCKED, 1},        /* frames from the fixed MAC address only    */
    {IFLA_BRPORT_LEARNING, 0},      /* no entry is made of what comes in         */
    {IFLA_BRPORT_UNICAST_FLOOD, 0}, /* frames for the fixed MAC address only     */
    {IFLA_BRPORT_MCAST_FLOOD, 0},   /* no group or broadcast of other ports, as a */
    {IFLA_BRPORT_BCAST_FLOOD, 0},   /* second layer below "isolated"             */
    {IFLA_BRPORT_MODE, 0},          /* no hairpin                                */
    {IFLA_BRPORT_PROXYARP, 0},      /* the bridge doesn't answer for others      */
    {IFLA_BRPORT_GUARD, 1},         /* were the spanning tree switched on: no say in it */
};

/* The host's end has no address and no business with IP. But a bridge hands link-local frames
 * (01:80:c2:00:00:0x) to the port itself, with whatever they carry (br_handle_frame()), so what
 * would reach the host's stack that way is refused: IFF_NOARP (arp_rcv()), every source address
 * (fib_validate_source(): strict, and no route leads back), forwarding, unicast packets in group
 * frames. The fence drops all of it once more.
 */
static const struct ne_setting port_settings[] = {
    {IPV4_DEVCONF_RP_FILTER, 1},
    {IPV4_DEVCONF_FORWARDING, 0},
    {IPV4_DEVCONF_ARP_IGNORE, 8},
    {IPV4_DEVCONF_ACCEPT_LOCAL, 0},
    {IPV4_DEVCONF_ACCEPT_REDIRECTS, 0},
    {IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0},
    {IPV4_DEVCONF_ROUTE_LOCALNET, 0},
    {IPV4_DEVCONF_PROXY_ARP, 0},
    {IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST, 1},
};

/* All that is to be known before anything is done. */
struct scene {
    struct ne_link_state bridge, here, peer;
    bool fresh; /* made by this call: nobody has changed it */
};

static void put_port_flags(struct ne_request *request) {
    struct nlattr *info = ne_nest(request, IFLA_LINKINFO);
    ne_put_text(request, IFLA_INFO_SLAVE_KIND, "bridge");
    struct nlattr *data = ne_nest(request, IFLA_INFO_SLAVE_DATA);
    for (size_t i = 0; i < NE_COUNT_OF(port_flags); i++)
        ne_put_u8(request, port_flags[i].id, (uint8_t)port_flags[i].value);
    ne_nest_end(request, data);
    ne_nest_end(request, info);
}

/* A flag that the kernel doesn't report it doesn't know: it would never get set. */
static bool port_flags_differ(const struct ne_link_state *here) {
    for (size_t i = 0; i < NE_COUNT_OF(port_flags); i++) {
        uint16_t id = port_flags[i].id;
        if (here->has_port_flag[id] && here->port_flag[id] != port_flags[i].value)
            return true;
    }
    return false;
}

/* What a kernel that is too old makes of the port. Return: 0, or -1 if it can't be fenced in. */
static int check_kernel(struct ne_rtnl *rtnl, const struct ne_link_state *here,
                        struct ne_error *err) {
    if (!here->has_port_flag[IFLA_BRPORT_ISOLATED])
        return ne_fail(err, NE_UNSUPPORTED,
                       "interface %s: this kernel's bridges have no isolated ports: Linux 4.18 or "
                       "later is needed",
                       here->name);
    if (!here->has_port_flag[IFLA_BRPORT_LOCKED] && !rtnl->warned_locked) {
        rtnl->warned_locked = true;
        ne_warn(
            "this kernel's bridges have no locked ports (Linux 5.18): against forged source MAC "
            "addresses stand only the guard on each port and the firewall rules");
    }
    return 0;
}

/* Append what makes the host's end like @port, except for being up. The entries are always sent:
 * to replace an entry by its like changes nothing and tells no listener, and asking first would
 * cost more. Return: whether the end is up.
 */
static bool plan_mend(struct ne_batch *batch, const struct scene *scene, const struct ne_port *port,
                      const struct ne_request **guard) {
    const struct ne_link_state *here = &scene->here, *peer = &scene->peer;
    bool up = (here->flags & IFF_UP) != 0;
    bool moved = here->master != scene->bridge.index;
    if (moved) {
        /* It joins without its flags: not while it is up. */
        struct ne_request *request =
            ne_request_link(batch, RTM_SETLINK, 0, here->index, NULL, "take it down");
        ne_request_flags(request, 0, IFF_UP);
        up = false;
        request = ne_request_link(batch, RTM_SETLINK, 0, here->index, NULL,
                                  "make it a port of the bridge");
        ne_put_u32(request, IFLA_MASTER, (uint32_t)scene->bridge.index);
    }
    if (moved || port_flags_differ(here))
        put_port_flags(
            ne_request_link(batch, RTM_NEWLINK, 0, here->index, NULL, "set its port flags"));
    if (here->group == NE_RETIRED_GROUP) /* its endpoint is here again before it was deleted */
        ne_put_u32(ne_request_link(batch, RTM_SETLINK, 0, here->index, NULL, "take it back in use"),
                   IFLA_GROUP, 0);
    if (port->mtu != 0 && here->mtu != port->mtu)
        ne_put_u32(ne_request_link(batch, RTM_SETLINK, 0, here->index, NULL, "set its MTU"),
                   IFLA_MTU, port->mtu);
    if ((here->flags & IFF_NOARP) == 0 ||
        ne_inet_differs(here, port_settings, NE_COUNT_OF(port_settings))) {
        struct ne_request *request =
            ne_request_link(batch, RTM_SETLINK, 0, here->index, NULL, "set its IPv4 settings");
        ne_request_flags(request, IFF_NOARP, IFF_NOARP);
        (void)ne_put_inet(request, here, port_settings, NE_COUNT_OF(port_settings));
    }
    if (here->makes_addresses)
        ne_request_no_ipv6_addresses(batch, here->index, NULL);
    if (peer->found && !ne_mac_equal(&peer->mac, &port->mac))
        ne_put(ne_request_link(batch, RTM_SETLINK, 0, peer->index, NULL,
                               "set the MAC address of its other end"),
               IFLA_ADDRESS, sizeof(port->mac.bytes), port->mac.bytes);
    if (peer->found && port->mtu != 0 && peer->mtu != port->mtu)
        ne_put_u32(ne_request_link(batch, RTM_SETLINK, 0, peer->index, NULL,
                                   "set the MTU of its other end"),
                   IFLA_MTU, port->mtu);
    ne_request_forwarding(batch, here->index, &port->mac);
    ne_request_neighbour(batch, scene->bridge.index, &port->addr4, &port->mac);
    /* Where the bridge has no IPv6, nothing is ever sent there; the kernel refuses the entry. */
    if (scene->bridge.has_inet6 && scene->bridge.disable_ipv6 == 0) {
        ne_request_neighbour(batch, scene->bridge.index, &port->addr6, &port->mac);
        ne_request_proxy(batch, scene->bridge.index, &port->addr6, port->near);
    }
    *guard = ne_request_guard(batch, here->index, port);
    return up;
}

static int mend(struct ne_rtnl *rtnl, const struct ne_port *port, const struct scene *scene,
                struct ne_error *err) {
    struct ne_batch batch;
    ne_batch_init(&batch, port->name);
    const struct ne_request *guard;
    bool up = plan_mend(&batch, scene, port, &guard);
    if (ne_batch_send(rtnl, &batch, err) != 0)
        return -1;
    for (size_t i = 0; i < NE_GUARD_REQUESTS && !scene->fresh; i++) {
        if (guard[i].error == 0)
            ne_mended(rtnl, port->name, "had lost its guard");
    }
    if (up)
        return 0;
    /* On its own: in a batch it would be done also where what stands before it has failed. */
    ne_batch_init(&batch, port->name);
    ne_request_flags(
        ne_request_link(&batch, RTM_SETLINK, 0, scene->here.index, NULL, "bring it up"), IFF_UP,
        IFF_UP);
    return ne_batch_send(rtnl, &batch, err);
}

/* VETH_INFO_PEER holds a link message of its own: header, then attributes (drivers/net/veth.c). One
 * queue each: a container's own link needs no more, and each costs memory and time.
 */
static void put_pair(struct ne_request *request, const struct ne_port *port) {
    struct nlattr *info = ne_nest(request, IFLA_LINKINFO);
    ne_put_text(request, IFLA_INFO_KIND, "veth");
    struct nlattr *data = ne_nest(request, IFLA_INFO_DATA);
    struct nlattr *peer = ne_nest(request, VETH_INFO_PEER);
    ne_put_space(request, sizeof(struct ifinfomsg));
    ne_put_text(request, IFLA_IFNAME, port->peer);
    ne_put(request, IFLA_ADDRESS, sizeof(port->mac.bytes), port->mac.bytes);
    if (port->mtu != 0)
        ne_put_u32(request, IFLA_MTU, port->mtu);
    ne_put_u32(request, IFLA_NUM_TX_QUEUES, 1);
    ne_put_u32(request, IFLA_NUM_RX_QUEUES, 1);
    ne_nest_end(request, peer);
    ne_nest_end(request, data);
    ne_nest_end(request, info);
}

/* Make the pair, its host end a port that is bound but still down; read back what it became. */
static int make(struct ne_rtnl *rtnl, const struct ne_port *port, struct scene *scene,
                struct ne_error *err) {
    char alias[NE_ALIAS_SIZE];
    struct ne_batch batch;
    ne_batch_init(&batch, port->name);
    struct ne_request *creation =
        ne_request_link(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, port->name,
                        "make the pair and join it to the bridge");
    if (port->mtu != 0)
        ne_put_u32(creation, IFLA_MTU, port->mtu);
    ne_put_u32(creation, IFLA_NUM_TX_QUEUES, 1);
    ne_put_u32(creation, IFLA_NUM_RX_QUEUES, 1);
    ne_put_u32(creation, IFLA_MASTER, (uint32_t)scene->bridge.index);
    put_pair(creation, port);

    struct ne_request *request = ne_request_link(&batch, RTM_NEWLINK, 0, 0, port->name,
                                                 "set its alias, port flags and settings");
    ne_put_text(request, IFLA_IFALIAS, ne_alias(NE_LINK_PORT, port->owner, alias));
    put_port_flags(request);
    ne_request_flags(request, IFF_NOARP, IFF_NOARP);
    (void)ne_put_inet(request, NULL, port_settings, NE_COUNT_OF(port_settings));
    ne_request_no_ipv6_addresses(&batch, 0, port->name);
    ne_request_get_link(&batch, 0, port->name, &scene->here);

    int status = ne_batch_send(rtnl, &batch, err);
    if (status != 0 && creation->error == EXFULL)
        (void)ne_context(
            err, "bridge %s is full: a Linux bridge takes 1,023 ports; use a second network",
            port->bridge);
    if (status == 0 && !scene->here.found)
        status = ne_fail(err, NE_KERNEL, "interface %s: it vanished as it was made", port->name);
    if (status == 0)
        status = check_kernel(rtnl, &scene->here, err);
    if (status != 0)
        ne_link_undo(rtnl, creation, port->name, NE_LINK_PORT, port->owner);
    memset(&scene->peer, 0, sizeof(scene->peer)); /* it is as it was made */
    scene->fresh = true;
    return status;
}

/* Whether both ends are here, and are each other's. */
static bool paired(const struct scene *scene) {
    const struct ne_link_state *here = &scene->here, *peer = &scene->peer;
    return here->found && peer->found && !here->peer_is_apart && here->peer == peer->index;
}

/* Decide what to do with what is there of the pair: clear away a half of ours.
 * On return scene->here.found says whether a whole pair is there to be mended.
 */
static int clear_half(struct ne_rtnl *rtnl, const struct ne_port *port, struct scene *scene,
                      struct ne_error *err) {
    struct ne_link_state *here = &scene->here, *peer = &scene->peer;
    if (here->found && here->peer_is_apart) {
        peer->found = false; /* the container's: not to be touched, whatever bears that name here */
        return 0;
    }
    if (paired(scene))
        return 0;

    /* The host's end lost its partner's name, or its own: whoever renamed it, it's unusable. */
    struct ne_link_state other = {0};
    if (!here->found && peer->found && peer->peer != 0 && !peer->peer_is_apart &&
        ne_link_get(rtnl, peer->peer, "", &other, err) != 0)
        return -1;
    if (here->found)
        other = *here;
    else if (!other.found || !ne_link_is(&other, other.name, NE_LINK_PORT, port->owner))
        return peer->found ? ne_link_conflict(peer, "this endpoint's", err) : 0;
    here->found = false;
    if (ne_link_delete(rtnl, other.index, other.name, err) != 0)
        return -1;
    if (!peer->found || other.peer == peer->index)
        return 0;
    return ne_link_conflict(peer, "this endpoint's", err);
}

/* Read the scene and refuse what must not be touched or cannot work. */
static int look(struct ne_rtnl *rtnl, const struct ne_port *port, struct scene *scene,
                struct ne_error *err) {
    char network[NE_ID_SIZE];
    struct ne_batch batch;
    ne_batch_init(&batch, port->name);
    ne_request_get_link(&batch, 0, port->bridge, &scene->bridge);
    ne_request_get_link(&batch, 0, port->name, &scene->here);
    ne_request_get_link(&batch, 0, port->peer, &scene->peer);
    if (ne_batch_send(rtnl, &batch, err) != 0)
        return -1;
    /* The engine may have moved the other end away after the one was read and before the other
     * was: then it only seems lost, and the end that is here says so by now.
     */
    if (scene->here.found && !scene->here.peer_is_apart && !paired(scene) &&
        ne_link_get(rtnl, 0, port->name, &scene->here, err) != 0)
        return -1;
    if (!scene->bridge.found)
        return ne_fail(err, NE_NOT_FOUND, "interface %s: its bridge %s does not exist", port->name,
                       port->bridge);
    if (ne_link_owner(&scene->bridge, network) != NE_LINK_BRIDGE ||
        strcmp(scene->bridge.name, port->bridge) != 0)
        return ne_link_conflict(&scene->bridge, "a bridge of ours", err);
    /* That entry would take the host's own frames away from it: fdb_add_entry(). */
    if (ne_mac_equal(&scene->bridge.mac, &port->mac))
        return ne_fail(err, NE_CONFLICT,
                       "interface %s: the container's MAC address is the bridge's own: choose "
                       "another",
                       port->name);
    if (scene->here.found && !ne_link_is(&scene->here, port->name, NE_LINK_PORT, port->owner))
        return ne_link_conflict(&scene->here, "this endpoint's", err);
    return clear_half(rtnl, port, scene, err);
}

/* note_differences() - What of a port that is there is not as it was left. */
static void note_differences(struct ne_rtnl *rtnl, const struct ne_port *port,
                             const struct scene *scene) {
    const struct ne_link_state *here = &scene->here;
    if (here->master != scene->bridge.index)
        ne_mended(rtnl, port->name, "was taken from its bridge");
    else if (port_flags_differ(here))
        ne_mended(rtnl, port->name, "had its port flags changed");
    if ((here->flags & IFF_UP) == 0)
        ne_mended(rtnl, port->name, "was down");
    if ((here->flags & IFF_NOARP) == 0 || here->makes_addresses ||
        ne_inet_differs(here, port_settings, NE_COUNT_OF(port_settings)) ||
        (port->mtu != 0 && here->mtu != port->mtu))
        ne_mended(rtnl, port->name, "had its settings changed");
}

int ne_rtnl_port_ensure(struct ne_link *link, const struct ne_port *port, struct ne_error *err) {
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    struct scene scene = {.fresh = false};
    if (!ne_ifname_valid(port->name) || !ne_ifname_valid(port->peer) ||
        !ne_ifname_valid(port->bridge) || !ne_id_valid(port->owner))
        return ne_fail(err, NE_BAD_INPUT, "a port needs interfaces' names and an endpoint's id");
    if (!ne_mac_is_host(&port->mac))
        return ne_fail(err, NE_BAD_INPUT, "interface %s: the container needs a MAC address",
                       port->name);
    if (look(rtnl, port, &scene, err) != 0)
        return -1;
    if (scene.here.found) {
        note_differences(rtnl, port, &scene);
        return mend(rtnl, port, &scene, err);
    }
    if (port->kept)
        return 0;

    if (make(rtnl, port, &scene, err) != 0)
        return -1;
    if (mend(rtnl, port, &scene, err) == 0)
        return 0;
    (void)ne_rtnl_port_quench(link, port, NULL); /* its neighbours would outlive it */
    (void)ne_link_delete(rtnl, scene.here.index, port->name, NULL);
    return -1;
}
