/* port.c - an endpoint's pair of links: see link.h. */
#include "rtnl.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netenforce/log.h>
#include <string.h>

/* create() - Make the pair, both ends down, the host's end a port of its bridge.
 *
 * One queue each: more would only cost time to make. The alias must come in a message of its
 * own (rtnl_create_link() does not take it); both are one send, so there is no pair without one.
 */
static int create(struct rtnl *rtnl, const struct ne_port *port, unsigned bridge,
                  struct ne_error *err) {
    struct batch batch;
    char alias[NE_ALIAS_SIZE];
    alias_write(alias, NE_LINK_PORT, port->owner);
    batch_begin(&batch);

    struct nlmsghdr *message = batch_link(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, AF_UNSPEC,
                                          port->name, 0, "make the pair of links");
    if (port->mtu != 0)
        mnl_attr_put_u32(message, IFLA_MTU, port->mtu);
    mnl_attr_put_u32(message, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
    (void)mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, port->peer);
    mnl_attr_put(message, IFLA_ADDRESS, sizeof(port->mac.bytes), port->mac.bytes);
    if (port->mtu != 0)
        mnl_attr_put_u32(message, IFLA_MTU, port->mtu);
    mnl_attr_put_u32(message, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);

    message = batch_link(&batch, RTM_NEWLINK, 0, AF_UNSPEC, port->name, 0, "name its owner");
    mnl_attr_put_strz(message, IFLA_IFALIAS, alias);
    mnl_attr_put_u32(message, IFLA_MASTER, bridge);
    return batch_send(rtnl, &batch, port->name, err);
}

/* batch_flags() - What the bridge does with this port (br_setport(), net/bridge/br_netlink.c):
 *  - isolated: no frame to another isolated port, whatever iptables sees of bridged frames;
 *  - learning off, with one fixed entry: the container cannot move a MAC address to itself;
 *  - locked (5.18): a frame with any other source MAC address is dropped;
 *  - no flooding of unknown unicast and multicast: nobody's frames but its own come in;
 *    broadcast stays, ARP needs it.
 */
static void batch_flags(struct batch *batch, unsigned index, bool lock) {
    struct nlmsghdr *message =
        batch_link(batch, RTM_SETLINK, 0, PF_BRIDGE, NULL, index,
                   lock ? "set the port's flags" : "set the port's flags without locking it");
    struct nlattr *flags = mnl_attr_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED);
    mnl_attr_put_u8(message, IFLA_BRPORT_ISOLATED, 1);
    mnl_attr_put_u8(message, IFLA_BRPORT_LEARNING, 0);
    mnl_attr_put_u8(message, IFLA_BRPORT_UNICAST_FLOOD, 0);
    mnl_attr_put_u8(message, IFLA_BRPORT_MCAST_FLOOD, 0);
    if (lock)
        mnl_attr_put_u8(message, IFLA_BRPORT_LOCKED, 1);
    mnl_attr_nest_end(message, flags);
}

/* set_flags() - The flags, with the lock where the kernel has it. */
static int set_flags(struct rtnl *rtnl, const struct ne_port *port, unsigned index,
                     struct ne_error *err) {
    struct batch batch;
    batch_begin(&batch);
    batch_flags(&batch, index, !rtnl->ports_cannot_lock);
    if (batch_send(rtnl, &batch, port->name, err) == 0)
        return 0;
    if (rtnl->ports_cannot_lock || (batch.results[0] != EINVAL && batch.results[0] != EOPNOTSUPP))
        return -1;
    batch_begin(&batch);
    batch_flags(&batch, index, false);
    if (batch_send(rtnl, &batch, port->name, err) < 0)
        return -1;
    ne_warn("this kernel cannot lock a bridge port to its MAC address (5.18 can): the packet "
            "filter alone checks it");
    rtnl->ports_cannot_lock = true;
    return 0;
}

/* settle() - Everything about the port that may have changed; up comes last. */
static int settle(struct rtnl *rtnl, const struct ne_port *port, unsigned index, unsigned bridge,
                  struct ne_error *err) {
    struct batch batch;
    batch_begin(&batch);
    struct nlmsghdr *message =
        batch_link(&batch, RTM_NEWLINK, 0, AF_UNSPEC, NULL, index, "put the port on its bridge");
    mnl_attr_put_u32(message, IFLA_MASTER, bridge);

    /* Frames that a bridge hands to its port (IEEE 802.1D, 7.12.6) must find no address there. */
    message = batch_link(&batch, RTM_NEWLINK, 0, AF_UNSPEC, NULL, index,
                         "keep IPv6 from making an address");
    struct nlattr *spec = mnl_attr_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(message, AF_INET6);
    mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(message, inet6);
    mnl_attr_nest_end(message, spec);
    batch_tolerate(&batch);
    if (batch_send(rtnl, &batch, port->name, err) < 0 || set_flags(rtnl, port, index, err) < 0)
        return -1;

    batch_begin(&batch);
    batch_forwarding(&batch, index, &port->mac);
    if (port->addr4.family != NE_NONE)
        batch_neighbour(&batch, bridge, &port->addr4, &port->mac, false);
    if (port->addr6.family != NE_NONE)
        batch_neighbour(&batch, bridge, &port->addr6, &port->mac, false);
    batch_up(&batch, index, true, "set the port up");
    return batch_send(rtnl, &batch, port->name, err);
}

int port_ensure(struct ne_link *link, const struct ne_port *port, struct ne_error *err) {
    struct rtnl *rtnl = rtnl_of(link);
    struct found_link bridge;
    struct found_link found;
    char owner[NE_ID_SIZE];
    if (rtnl_find(rtnl, port->bridge, &bridge, err) < 0 ||
        rtnl_find(rtnl, port->name, &found, err) < 0)
        return -1;
    if (bridge.index == 0)
        return ne_fail(err, NE_KERNEL, "%s: its bridge %s is gone", port->name, port->bridge);

    bool made = found.index == 0;
    if (!made && (alias_read(found.alias, owner) != NE_LINK_PORT ||
                  strcmp(owner, port->owner) != 0 || strcmp(found.kind, "veth") != 0))
        return ne_fail(err, NE_CONFLICT,
                       "interface %s exists and is not this endpoint's: remove it", port->name);
    if (made) {
        if (create(rtnl, port, bridge.index, err) < 0 ||
            rtnl_find(rtnl, port->name, &found, err) < 0) {
            (void)link_remove(link, port->name, port->owner, NULL);
            return -1;
        }
        if (found.index == 0)
            return ne_fail(err, NE_KERNEL, "%s: it was removed while it was made", port->name);
    }
    if (settle(rtnl, port, found.index, bridge.index, err) == 0)
        return 0;
    if (made)
        (void)link_remove(link, port->name, port->owner, NULL);
    return -1;
}

int port_quench(struct ne_link *link, const struct ne_port *port, struct ne_error *err) {
    struct rtnl *rtnl = rtnl_of(link);
    struct found_link bridge;
    struct found_link found;
    struct batch batch;
    if (rtnl_find(rtnl, port->bridge, &bridge, err) < 0 ||
        rtnl_find(rtnl, port->name, &found, err) < 0)
        return -1;

    batch_begin(&batch);
    if (found.index != 0) {
        batch_up(&batch, found.index, false, "set the port down");
        batch_tolerate(&batch);
    }
    if (bridge.index != 0 && port->addr4.family != NE_NONE) {
        batch_neighbour(&batch, bridge.index, &port->addr4, &port->mac, true);
        batch_tolerate(&batch);
    }
    if (bridge.index != 0 && port->addr6.family != NE_NONE) {
        batch_neighbour(&batch, bridge.index, &port->addr6, &port->mac, true);
        batch_tolerate(&batch);
    }
    if (batch.steps == 0)
        return 0;
    if (batch_send(rtnl, &batch, port->name, err) < 0)
        return -1;
    int refused = found.index != 0 ? batch.results[0] : 0;
    if (refused != 0 && refused != ENODEV)
        return ne_fail_errno(err, NE_KERNEL, refused, "%s: cannot set the port down", port->name);
    return 0;
}
