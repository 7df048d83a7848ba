/* bridge.c - a network's bridge: see link.h. */
#include "rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <net/if.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ipv6_switch() - Write one of IPv6's per-interface switches, where this process may.
 * Inside a managed plugin the folder may be missing or read-only. The fence refuses what IPv6
 * brings in any case; this keeps the kernel from even looking at it. */
static void ipv6_switch(const struct rtnl *rtnl, const char *device, const char *name,
                        const char *value) {
    char path[PATH_SIZE + 64];
    if (rtnl->ipv6_conf[0] == '\0')
        return;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", rtnl->ipv6_conf, device, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        ne_debug("%s: %s", path, strerror(errno));
        return;
    }
    if (write(fd, value, strlen(value)) < 0)
        ne_debug("%s: %s", path, strerror(errno));
    (void)close(fd);
}

/* put_ipv4_switches() - How the host treats a hostile neighbour, by device (inet_set_link_af(),
 * net/ipv4/devinet.c). In addition to the fence, which alone must suffice:
 *  - rp_filter 1: a source that is not reached by way of this bridge is a martian;
 *  - arp_ignore 1: answer for the bridge's own address only, not for the host's others;
 *  - drop_gratuitous_arp 1, arp_accept 0: nobody may announce himself into the table;
 *  - redirects and source routes are neither taken nor sent.
 */
static void put_ipv4_switches(struct nlmsghdr *message) {
    static const struct {
        uint16_t type;
        uint32_t value;
    } switches[] = {
        {IPV4_DEVCONF_RP_FILTER, 1},           {IPV4_DEVCONF_ARP_IGNORE, 1},
        {IPV4_DEVCONF_ARP_ACCEPT, 0},          {IPV4_DEVCONF_DROP_GRATUITOUS_ARP, 1},
        {IPV4_DEVCONF_PROXY_ARP, 0},           {IPV4_DEVCONF_ROUTE_LOCALNET, 0},
        {IPV4_DEVCONF_ACCEPT_REDIRECTS, 0},    {IPV4_DEVCONF_SEND_REDIRECTS, 0},
        {IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0},
    };
    struct nlattr *spec = mnl_attr_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *inet = mnl_attr_nest_start(message, AF_INET);
    struct nlattr *conf = mnl_attr_nest_start(message, IFLA_INET_CONF);
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
        mnl_attr_put_u32(message, switches[i].type, switches[i].value);
    mnl_attr_nest_end(message, conf);
    mnl_attr_nest_end(message, inet);
    mnl_attr_nest_end(message, spec);
}

/* batch_no_link_local() - The link makes no IPv6 address by itself. Refused by a
 * kernel without IPv6, and on links that are too small for it. */
static void batch_no_link_local(struct batch *batch, unsigned index) {
    struct nlmsghdr *message = batch_link(batch, RTM_NEWLINK, 0, AF_UNSPEC, NULL, index,
                                          "keep IPv6 from making an address");
    struct nlattr *spec = mnl_attr_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(message, AF_INET6);
    mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(message, inet6);
    mnl_attr_nest_end(message, spec);
    batch_tolerate(batch);
}

static void put_bridge_kind(struct nlmsghdr *message) {
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    mnl_attr_put_u32(message, IFLA_BR_STP_STATE, 0);
    mnl_attr_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
    /* Members of a group are learnt from the containers' own words: not wanted. */
    mnl_attr_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
}

/* create() - Make the bridge, down, with its owner's name on it. */
static int create(struct rtnl *rtnl, const struct ne_bridge *bridge, struct ne_error *err) {
    struct batch batch;
    char alias[NE_ALIAS_SIZE];
    alias_write(alias, NE_LINK_BRIDGE, bridge->owner);
    batch_begin(&batch);

    struct nlmsghdr *message = batch_link(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, AF_UNSPEC,
                                          bridge->name, 0, "make the bridge");
    mnl_attr_put(message, IFLA_ADDRESS, sizeof(bridge->mac.bytes), bridge->mac.bytes);
    put_bridge_kind(message);
    message = batch_link(&batch, RTM_NEWLINK, 0, AF_UNSPEC, bridge->name, 0, "name its owner");
    mnl_attr_put_strz(message, IFLA_IFALIAS, alias);
    return batch_send(rtnl, &batch, bridge->name, err);
}

/* settle() - Everything about the bridge that may have changed, in one send; up comes last. */
static int settle(struct rtnl *rtnl, const struct ne_bridge *bridge, unsigned index,
                  struct ne_error *err) {
    bool ipv6 = bridge->gateway6.addr.family != NE_NONE;
    struct batch batch;
    batch_begin(&batch);

    struct nlmsghdr *message = batch_link(&batch, RTM_NEWLINK, 0, AF_UNSPEC, NULL, index,
                                          "set the bridge's MAC address and switches");
    mnl_attr_put(message, IFLA_ADDRESS, sizeof(bridge->mac.bytes), bridge->mac.bytes);
    /* Set on a bridge that exists: only then it does not follow its ports (br_change_mtu()). */
    if (bridge->mtu != 0)
        mnl_attr_put_u32(message, IFLA_MTU, bridge->mtu);
    put_bridge_kind(message);
    put_ipv4_switches(message);

    batch_no_link_local(&batch, index);
    if (batch_send(rtnl, &batch, bridge->name, err) < 0)
        return -1;

    ipv6_switch(rtnl, bridge->name, "accept_ra", "0");
    ipv6_switch(rtnl, bridge->name, "disable_ipv6", ipv6 ? "0" : "1");

    batch_begin(&batch);
    if (bridge->gateway4.addr.family != NE_NONE)
        batch_address(&batch, index, &bridge->gateway4);
    if (ipv6)
        batch_address(&batch, index, &bridge->gateway6);
    batch_up(&batch, index, true, "set the bridge up");
    return batch_send(rtnl, &batch, bridge->name, err);
}

int bridge_ensure(struct ne_link *link, const struct ne_bridge *bridge, struct ne_error *err) {
    struct rtnl *rtnl = rtnl_of(link);
    struct found_link found;
    char owner[NE_ID_SIZE];
    if (rtnl_find(rtnl, bridge->name, &found, err) < 0)
        return -1;

    bool made = found.index == 0;
    if (!made && (alias_read(found.alias, owner) != NE_LINK_BRIDGE ||
                  strcmp(owner, bridge->owner) != 0 || strcmp(found.kind, "bridge") != 0))
        return ne_fail(err, NE_CONFLICT,
                       "interface %s exists and is not this network's: remove it, or choose "
                       "another com.docker.network.bridge.name",
                       bridge->name);
    if (made) {
        if (create(rtnl, bridge, err) < 0 || rtnl_find(rtnl, bridge->name, &found, err) < 0) {
            (void)link_remove(link, bridge->name, bridge->owner, NULL);
            return -1;
        }
        if (found.index == 0)
            return ne_fail(err, NE_KERNEL, "%s: it was removed while it was made", bridge->name);
    }
    if (settle(rtnl, bridge, found.index, err) == 0)
        return 0;
    if (made)
        (void)link_remove(link, bridge->name, bridge->owner, NULL);
    return -1;
}
