/* neighbour.c - the fixed entries by which a bridge knows an endpoint, and taking it off the air.
 *
 * DOC: why they are fixed
 *
 * A locked port (br_handle_frame_finish(), net/bridge/br_input.c) takes frames only from a source
 * MAC address with an entry for this port: the static one below, as the port learns none. The
 * neighbours are permanent: __neigh_update() (net/core/neighbour.c) lets only an administrator
 * change such an entry, so no ARP or NDP message can.
 */
#include "rtnl.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <string.h>

static struct ne_request *request_neighbour(struct ne_batch *batch, uint16_t type, uint16_t flags,
                                            uint8_t family, int index, const char *doing) {
    struct ne_request *request = ne_batch_add(batch, type, flags, sizeof(struct ndmsg), doing);
    struct ndmsg *header = ne_request_header(request);
    header->ndm_family = family;
    header->ndm_ifindex = index;
    return request;
}

static void put_address(struct ne_request *request, const struct ne_addr *addr) {
    ne_put(request, NDA_DST, ne_addr_bits(addr->family) / 8, addr->bytes);
}

static uint8_t family_of(const struct ne_addr *addr) {
    return addr->family == NE_V4 ? AF_INET : AF_INET6;
}

/* Static entries are allowed on a port that is down, and outlive its going down: fdb_add_entry(),
 * br_fdb_delete_by_port(), net/bridge/br_fdb.c.
 */
void ne_request_forwarding(struct ne_batch *batch, int index, const struct ne_mac *mac) {
    struct ne_request *request =
        request_neighbour(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, AF_BRIDGE, index,
                          "fix the container's MAC address to it");
    struct ndmsg *header = ne_request_header(request);
    header->ndm_state = NUD_NOARP;
    header->ndm_flags = NTF_MASTER;
    ne_put(request, NDA_LLADDR, sizeof(mac->bytes), mac->bytes);
}

void ne_request_neighbour(struct ne_batch *batch, int bridge, const struct ne_addr *addr,
                          const struct ne_mac *mac) {
    if (addr->family == NE_NONE)
        return;
    struct ne_request *request =
        request_neighbour(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, family_of(addr),
                          bridge, "fix the container's address to its MAC address");
    struct ndmsg *header = ne_request_header(request);
    header->ndm_state = NUD_PERMANENT;
    put_address(request, addr);
    ne_put(request, NDA_LLADDR, sizeof(mac->bytes), mac->bytes);
}

/* The kernel's table of these knows no MAC address, and is asked only where the bridge's proxy_ndp
 * is on. An entry also makes the host a member of the address's solicited-node group
 * (pndisc_constructor(), net/ipv6/ndisc.c). */
void ne_request_proxy(struct ne_batch *batch, int bridge, const struct ne_addr *addr,
                      bool answers) {
    if (addr->family != NE_V6)
        return;
    struct ne_request *request = request_neighbour(
        batch, answers ? RTM_NEWNEIGH : RTM_DELNEIGH, answers ? NLM_F_CREATE | NLM_F_REPLACE : 0,
        AF_INET6, bridge,
        answers ? "let the bridge answer for the container" : "let the bridge answer no more");
    struct ndmsg *header = ne_request_header(request);
    header->ndm_flags = NTF_PROXY;
    put_address(request, addr);
    if (answers)
        return;
    ne_request_tolerate(request, ENOENT);
    ne_request_tolerate(request, ENODEV);
    ne_request_tolerate(request, EAFNOSUPPORT);
    ne_request_tolerate(request, EINVAL);
}

/* What the bridge knows of one address. */
struct entry {
    struct ne_mac mac;
};

bool ne_entry_parse(const struct nlmsghdr *message, struct ne_mac *mac) {
    const struct nlattr *attrs[NDA_LLADDR + 1];
    if (message->nlmsg_type != RTM_NEWNEIGH)
        return false;
    ne_attrs_of_message(message, sizeof(struct ndmsg), attrs, NDA_LLADDR);
    return ne_attr_mac(attrs[NDA_LLADDR], mac);
}

static void take_entry(void *context, const struct nlmsghdr *message) {
    struct entry *entry = context;
    (void)ne_entry_parse(message, &entry->mac);
}

/* Look @addr up. Kernels before 5.0 cannot (EOPNOTSUPP): there it counts as @fallback. */
static void request_entry(struct ne_batch *batch, int bridge, const struct ne_addr *addr,
                          const struct ne_mac *fallback, struct entry *entry) {
    *entry = (struct entry){.mac = *fallback};
    if (addr->family == NE_NONE)
        return;
    struct ne_request *request = request_neighbour(batch, RTM_GETNEIGH, 0, family_of(addr), bridge,
                                                   "look up the container's address");
    put_address(request, addr);
    ne_request_tolerate(request, ENOENT);
    ne_request_tolerate(request, EOPNOTSUPP);
    ne_request_tolerate(request, EAFNOSUPPORT);
    ne_request_tolerate(request, ENODEV);
    ne_request_tolerate(request, EINVAL); /* no IPv6 on this bridge: no entry either */
    request->answer = take_entry;
    request->context = entry;
}

/* Forget @addr, unless another endpoint has taken it over meanwhile. */
static void request_forget(struct ne_batch *batch, int bridge, const struct ne_addr *addr,
                           const struct ne_mac *mac, const struct entry *entry) {
    if (addr->family == NE_NONE || !ne_mac_equal(&entry->mac, mac))
        return;
    struct ne_request *request = request_neighbour(batch, RTM_DELNEIGH, 0, family_of(addr), bridge,
                                                   "forget the container's address");
    put_address(request, addr);
    ne_request_tolerate(request, ENOENT);
    ne_request_tolerate(request, ENODEV);
    ne_request_tolerate(request, EAFNOSUPPORT);
    ne_request_tolerate(request, EINVAL);
    ne_request_proxy(batch, bridge, addr, false);
}

int ne_rtnl_port_quench(struct ne_link *link, const struct ne_port *port, struct ne_error *err) {
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    struct ne_link_state here, bridge;
    struct entry entry4, entry6;
    struct ne_batch batch;

    ne_batch_init(&batch, port->name);
    ne_request_get_link(&batch, 0, port->name, &here);
    ne_request_get_link(&batch, 0, port->bridge, &bridge);
    if (ne_batch_send(rtnl, &batch, err) != 0)
        return -1;
    bridge.found = bridge.found && strcmp(bridge.name, port->bridge) == 0;
    if (here.found && !ne_link_is(&here, port->name, NE_LINK_PORT, port->owner))
        return ne_link_conflict(&here, "this endpoint's", err);

    ne_batch_init(&batch, port->name);
    if (here.found && (here.flags & IFF_UP) != 0) {
        struct ne_request *request =
            ne_request_link(&batch, RTM_SETLINK, 0, here.index, NULL, "take it down");
        ne_request_flags(request, 0, IFF_UP);
        ne_request_tolerate(request, ENODEV);
    }
    if (bridge.found) {
        request_entry(&batch, bridge.index, &port->addr4, &port->mac, &entry4);
        request_entry(&batch, bridge.index, &port->addr6, &port->mac, &entry6);
    }
    if (ne_batch_send(rtnl, &batch, err) != 0)
        return -1;
    if (!bridge.found)
        return 0;

    ne_batch_init(&batch, port->name);
    request_forget(&batch, bridge.index, &port->addr4, &port->mac, &entry4);
    request_forget(&batch, bridge.index, &port->addr6, &port->mac, &entry6);
    return ne_batch_send(rtnl, &batch, err);
}
