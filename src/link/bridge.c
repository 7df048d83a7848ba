/* bridge.c - a network's bridge: see link.h.
 *
 * DOC: what a hostile container could do to the host through its bridge, one layer below the fence
 *
 * The settings below close what the IPv4 stack would do of its own accord with what comes in at
 * the bridge. The fence (fence.h) drops the same packets; these hold while it is being put up,
 * and some are about ARP, which iptables never sees. Sources: Documentation/networking/
 * ip-sysctl.rst and the functions named, of which arp_process() is in net/ipv4/arp.c,
 * fib_validate_source() in net/ipv4/fib_frontend.c.
 *
 * Strict reverse-path filtering can't break the way to the proxy: a packet passes if the host's
 * answer to it would leave by the bridge, and where it would not, no connection could come about.
 */
#include "rtnl.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

static const struct ne_setting bridge_settings[] = {
    /* 127.0.0.0/8 stays out of reach, whatever a source or destination claims. */
    {IPV4_DEVCONF_ROUTE_LOCALNET, 0},
    /* The host doesn't answer ARP for addresses that lie elsewhere. */
    {IPV4_DEVCONF_PROXY_ARP, 0},
    /* It answers for the bridge's own address only, and only to a sender in its subnet: its
     * addresses on other interfaces are not to be found out by asking. (Such an address is still
     * reached by a route with the bridge's address as its gateway.)
     */
    {IPV4_DEVCONF_ARP_IGNORE, 2},
    /* Nor does it name another address of its own when it asks. */
    {IPV4_DEVCONF_ARP_ANNOUNCE, 2},
    /* Unasked claims to an address make or change no neighbour entry. */
    {IPV4_DEVCONF_ARP_ACCEPT, 0},
    {IPV4_DEVCONF_DROP_GRATUITOUS_ARP, 1},
    /* Sources that aren't behind the bridge are dropped, in ARP requests also: arp_process() asks
     * fib_validate_source(), so such a sender gets no neighbour entry.
     */
    {IPV4_DEVCONF_RP_FILTER, 1},
    {IPV4_DEVCONF_ACCEPT_LOCAL, 0},
    /* The sender doesn't choose the way, and changes no route of the host. */
    {IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0},
    {IPV4_DEVCONF_ACCEPT_REDIRECTS, 0},
    /* No container is told of a neighbour's address as the better way. */
    {IPV4_DEVCONF_SEND_REDIRECTS, 0},
    /* An Ethernet broadcast doesn't carry a packet for one address. */
    {IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST, 1},
};

/* The settings above and what depends on @bridge. */
struct settings {
    struct ne_setting list[NE_COUNT_OF(bridge_settings) + 2];
    size_t count;
};

static struct settings settings_of(const struct ne_bridge *bridge) {
    struct settings settings = {.count = NE_COUNT_OF(bridge_settings)};
    memcpy(settings.list, bridge_settings, sizeof(bridge_settings));
    /* It answers in the neighbours' names, each to the others, and takes what is for them: near.c.
     * What it forwards else is the host's own affair, where neighbours don't reach each other. */
    settings.list[settings.count++] =
        (struct ne_setting){IPV4_DEVCONF_PROXY_ARP_PVLAN, bridge->near};
    if (bridge->near)
        settings.list[settings.count++] = (struct ne_setting){IPV4_DEVCONF_FORWARDING, 1};
    return settings;
}

/* Look for @want among the addresses of an interface. */
struct address_search {
    int index;
    const struct ne_prefix *want;
    bool found;
    bool unusable;               /* found, but duplicate address detection holds it back */
    struct ne_prefix link_local; /* one that the kernel made; NE_NONE: there is none */
};

bool ne_address_parse(const struct nlmsghdr *message, enum ne_family family,
                      struct ne_address *address) {
    const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[IFA_MAX + 1];
    if (message->nlmsg_type != RTM_NEWADDR ||
        mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
        header->ifa_family != (family == NE_V4 ? AF_INET : AF_INET6) ||
        header->ifa_prefixlen > ne_addr_bits(family))
        return false;

    ne_attrs_of_message(message, sizeof(*header), attrs, IFA_MAX);
    *address = (struct ne_address){
        .index = header->ifa_index,
        .prefix.len = header->ifa_prefixlen,
        .flags = header->ifa_flags,
        .scope = header->ifa_scope,
    };
    (void)ne_attr_u32(attrs[IFA_FLAGS], &address->flags);
    return ne_attr_addr(attrs[IFA_LOCAL], family, &address->prefix.addr) ||
           ne_attr_addr(attrs[IFA_ADDRESS], family, &address->prefix.addr);
}

static void take_address(void *context, const struct nlmsghdr *message) {
    struct address_search *search = context;
    struct ne_address here;
    if (message == NULL) {
        search->found = search->unusable = false;
        search->link_local.addr.family = NE_NONE;
        return;
    }
    enum ne_family family = search->want->addr.family;
    if (!ne_address_parse(message, family, &here) || here.index != (unsigned)search->index)
        return;
    if (ne_prefix_equal(&here.prefix, search->want)) {
        search->found = true;
        search->unusable = (here.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0;
    } else if (family == NE_V6 && here.scope == RT_SCOPE_LINK) {
        search->link_local = here.prefix;
    }
}

static int find_address(struct ne_rtnl *rtnl, const char *device, struct address_search *search,
                        struct ne_error *err) {
    struct ne_batch batch;
    ne_batch_init(&batch, device);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETADDR, 0, sizeof(struct ifaddrmsg), "list its addresses");
    struct ifaddrmsg *header = ne_request_header(request);
    header->ifa_family = search->want->addr.family == NE_V4 ? AF_INET : AF_INET6;
    header->ifa_index = (unsigned)search->index; /* heeded from 4.20 on */
    request->answer = take_address;
    request->context = search;
    return ne_rtnl_dump(rtnl, &batch, err);
}

static void request_address(struct ne_batch *batch, uint16_t type, int index,
                            const struct ne_prefix *prefix) {
    bool add = type == RTM_NEWADDR;
    bool v4 = prefix->addr.family == NE_V4;
    struct ne_request *request =
        ne_batch_add(batch, type, add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(struct ifaddrmsg),
                     add ? "give it its address" : "take an address from it");
    struct ifaddrmsg *header = ne_request_header(request);
    header->ifa_family = v4 ? AF_INET : AF_INET6;
    header->ifa_prefixlen = prefix->len;
    header->ifa_scope = RT_SCOPE_UNIVERSE;
    header->ifa_index = (unsigned)index;
    size_t size = ne_addr_bits(prefix->addr.family) / 8;
    ne_put(request, IFA_LOCAL, size, prefix->addr.bytes);
    if (v4)
        ne_put(request, IFA_ADDRESS, size, prefix->addr.bytes);
    if (add && !v4)
        ne_put_u32(request, IFA_FLAGS, IFA_F_NODAD);
    ne_request_tolerate(request, add ? EEXIST : EADDRNOTAVAIL);
}

/* Append what gives the bridge @want. A fresh bridge isn't asked what it has. Addresses that
 * someone else gave it are left; a link-local one is the kernel's own, from before it was told not
 * to make any.
 */
static int plan_address(struct ne_rtnl *rtnl, const struct ne_link_state *state, bool fresh,
                        const struct ne_prefix *want, struct ne_batch *batch,
                        struct ne_error *err) {
    struct address_search search = {.index = state->index, .want = want};
    if (want->addr.family == NE_NONE)
        return 0;
    if (!fresh && find_address(rtnl, batch->device, &search, err) != 0)
        return -1;
    if (search.unusable)
        request_address(batch, RTM_DELADDR, state->index, want);
    if (!fresh && (!search.found || search.unusable))
        ne_mended(rtnl, batch->device, "had lost its address");
    if (!search.found || search.unusable)
        request_address(batch, RTM_NEWADDR, state->index, want);
    if (search.link_local.addr.family != NE_NONE)
        request_address(batch, RTM_DELADDR, state->index, &search.link_local);
    return 0;
}

/* No snooping: it would forget groups that were joined before a querier came. No spanning tree:
 * with it off a port forwards at once, whatever the forward delay (br_make_forwarding(),
 * net/bridge/br_stp.c).
 */
static void put_bridge_kind(struct ne_request *request) {
    struct nlattr *info = ne_nest(request, IFLA_LINKINFO);
    ne_put_text(request, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = ne_nest(request, IFLA_INFO_DATA);
    ne_put_u8(request, IFLA_BR_MCAST_SNOOPING, 0);
    ne_put_u32(request, IFLA_BR_STP_STATE, 0);
    ne_nest_end(request, data);
    ne_nest_end(request, info);
}

/* Append what makes @state, down to the addresses, like @bridge, except for being up. */
static void plan_mend(struct ne_batch *batch, const struct ne_link_state *state,
                      const struct ne_bridge *bridge, const struct settings *settings) {
    bool wrong_mtu = bridge->mtu != 0 && state->mtu != bridge->mtu;
    bool wrong_mac = !ne_mac_equal(&state->mac, &bridge->mac);
    if (state->snooping || state->stp)
        put_bridge_kind(
            ne_request_link(batch, RTM_NEWLINK, 0, state->index, NULL, "set its bridge options"));
    if (wrong_mtu || wrong_mac || ne_inet_differs(state, settings->list, settings->count)) {
        struct ne_request *request = ne_request_link(batch, RTM_SETLINK, 0, state->index, NULL,
                                                     "set its MTU, MAC address and settings");
        if (wrong_mtu)
            ne_put_u32(request, IFLA_MTU, bridge->mtu);
        if (wrong_mac)
            ne_put(request, IFLA_ADDRESS, sizeof(bridge->mac.bytes), bridge->mac.bytes);
        (void)ne_put_inet(request, state, settings->list, settings->count);
    }
    if (state->makes_addresses)
        ne_request_no_ipv6_addresses(batch, state->index, NULL);
    if (bridge->near)
        ne_request_no_delay(batch, state->index);
}

/* switch_ipv6() - What netlink cannot set. A bridge whose host forwards IPv6 does so, too. */
static void switch_ipv6(struct ne_rtnl *rtnl, const struct ne_bridge *bridge,
                        const struct ne_link_state *state, bool host_forwards) {
    uint32_t disable = bridge->gateway6.addr.family == NE_NONE;
    if (state->accept_ra != 0)
        ne_ipv6_switch(rtnl, bridge->name, "accept_ra", false);
    if (state->proxy_ndp != bridge->near)
        ne_ipv6_switch(rtnl, bridge->name, "proxy_ndp", bridge->near);
    if (bridge->near && host_forwards && state->forwarding6 == 0)
        ne_ipv6_switch(rtnl, bridge->name, "forwarding", true);
    if (state->disable_ipv6 != disable)
        ne_ipv6_switch(rtnl, bridge->name, "disable_ipv6", disable);
}

/* Bring an existing bridge to what @bridge says; send nothing where nothing differs. */
static int mend(struct ne_rtnl *rtnl, const struct ne_bridge *bridge,
                const struct ne_link_state *state, bool fresh, struct ne_error *err) {
    struct ne_batch batch;
    struct settings settings = settings_of(bridge);
    bool forwards4 = false;
    bool forwards6 = false;
    if (bridge->near && ne_rtnl_forwards(&rtnl->link, NE_V6, &forwards6, err) != 0)
        return -1;
    /* Neighbours no longer reach each other: the bridge forwards as the host does. */
    if (!bridge->near && state->inet[IPV4_DEVCONF_PROXY_ARP_PVLAN] != 0) {
        if (ne_rtnl_forwards(&rtnl->link, NE_V4, &forwards4, err) != 0)
            return -1;
        settings.list[settings.count++] = (struct ne_setting){IPV4_DEVCONF_FORWARDING, forwards4};
    }
    ne_batch_init(&batch, bridge->name);
    plan_mend(&batch, state, bridge, &settings);
    if (ne_batch_send(rtnl, &batch, err) != 0)
        return -1;
    if (state->has_inet6)
        switch_ipv6(rtnl, bridge, state, forwards6);

    /* Up before the addresses: an IPv6 route to its subnet needs that (fib6_nh_init()). */
    ne_batch_init(&batch, bridge->name);
    if ((state->flags & IFF_UP) == 0) {
        struct ne_request *request =
            ne_request_link(&batch, RTM_SETLINK, 0, state->index, NULL, "bring it up");
        ne_request_flags(request, IFF_UP, IFF_UP);
    }
    if (plan_address(rtnl, state, fresh, &bridge->gateway4, &batch, err) != 0 ||
        plan_address(rtnl, state, fresh, &bridge->gateway6, &batch, err) != 0)
        return -1;
    if (ne_batch_send(rtnl, &batch, err) == 0)
        return 0;
    if (bridge->gateway6.addr.family != NE_NONE && err != NULL && err->sys_errno == EACCES)
        return ne_context(err, "IPv6 is switched off on this host and cannot be switched on from "
                               "here: sysctl -w net.ipv6.conf.default.disable_ipv6=0, or make the "
                               "network without --ipv6");
    return -1;
}

/* Make the bridge, down and without addresses, and read back what it has become.
 * IFLA_IFALIAS and IFLA_AF_SPEC are not heeded when a link is made (rtnl_create_link(),
 * net/core/rtnetlink.c), but must be there before anyone else can look: same send. They go by name,
 * the index not being known yet: that nobody had a link of this name was asked just before.
 */
static int make(struct ne_rtnl *rtnl, const struct ne_bridge *bridge, struct ne_link_state *state,
                struct ne_error *err) {
    char alias[NE_ALIAS_SIZE];
    const struct settings settings = settings_of(bridge);
    struct ne_batch batch;
    ne_batch_init(&batch, bridge->name);
    struct ne_request *creation = ne_request_link(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0,
                                                  bridge->name, "make the bridge");
    ne_put(creation, IFLA_ADDRESS, sizeof(bridge->mac.bytes), bridge->mac.bytes);
    if (bridge->mtu != 0)
        ne_put_u32(creation, IFLA_MTU, bridge->mtu);
    put_bridge_kind(creation);

    struct ne_request *request =
        ne_request_link(&batch, RTM_SETLINK, 0, 0, bridge->name, "set its alias and settings");
    ne_put_text(request, IFLA_IFALIAS, ne_alias(NE_LINK_BRIDGE, bridge->owner, alias));
    (void)ne_put_inet(request, NULL, settings.list, settings.count);
    ne_request_no_ipv6_addresses(&batch, 0, bridge->name);
    ne_request_get_link(&batch, 0, bridge->name, state);

    int status = ne_batch_send(rtnl, &batch, err);
    if (status == 0 && !state->found)
        status = ne_fail(err, NE_KERNEL, "interface %s: it vanished as it was made", bridge->name);
    if (status != 0)
        ne_link_undo(rtnl, creation, bridge->name, NE_LINK_BRIDGE, bridge->owner);
    return status;
}

/* can_do() - Whether this host has the families that @bridge needs. */
static int can_do(const struct ne_bridge *bridge, struct ne_error *err) {
    if (bridge->gateway6.addr.family == NE_NONE || access("/proc/net/if_inet6", F_OK) == 0)
        return 0;
    return ne_fail(err, NE_UNSUPPORTED,
                   "this host has no IPv6: make the network without --ipv6, or boot the kernel "
                   "without ipv6.disable=1");
}

/* look() - Read what bears the name; refuse what is not this network's. */
static int look(struct ne_rtnl *rtnl, const struct ne_bridge *bridge, struct ne_link_state *state,
                struct ne_error *err) {
    if (!ne_ifname_valid(bridge->name) || !ne_id_valid(bridge->owner))
        return ne_fail(err, NE_BAD_INPUT, "a bridge needs an interface's name and a network's id");
    if (ne_link_get(rtnl, 0, bridge->name, state, err) != 0)
        return -1;
    if (state->found && !ne_link_is(state, bridge->name, NE_LINK_BRIDGE, bridge->owner))
        return ne_link_conflict(state, "this network's bridge", err);
    return 0;
}

int ne_rtnl_bridge_check(struct ne_link *link, const struct ne_bridge *bridge,
                         struct ne_error *err) {
    struct ne_link_state state;
    return can_do(bridge, err) < 0 ? -1 : look(ne_rtnl_of(link), bridge, &state, err);
}

/* is_changed() - Whether a setting of a bridge that is there is not as it was left. */
static bool is_changed(const struct ne_rtnl *rtnl, const struct ne_bridge *bridge,
                       const struct ne_link_state *state) {
    const struct settings settings = settings_of(bridge);
    bool answers = state->proxy_ndp != 0;
    return state->snooping || state->stp || state->makes_addresses ||
           (state->has_inet6 && answers != bridge->near && !rtnl->switches_fixed) ||
           !ne_mac_equal(&state->mac, &bridge->mac) ||
           (bridge->mtu != 0 && state->mtu != bridge->mtu) ||
           ne_inet_differs(state, settings.list, settings.count);
}

/* note_differences() - What of a bridge that is there is not as it was left; its addresses are
 * looked at where they are mended. */
static void note_differences(struct ne_rtnl *rtnl, const struct ne_bridge *bridge,
                             const struct ne_link_state *state) {
    if ((state->flags & IFF_UP) == 0)
        ne_mended(rtnl, bridge->name, "was down");
    if (is_changed(rtnl, bridge, state))
        ne_mended(rtnl, bridge->name, "had its settings changed");
}

int ne_rtnl_bridge_whole(struct ne_link *link, const struct ne_bridge *bridge, bool *whole,
                         struct ne_error *err) {
    struct ne_link_state state;
    if (look(ne_rtnl_of(link), bridge, &state, err) != 0)
        return -1;
    *whole =
        state.found && (state.flags & IFF_UP) != 0 && !is_changed(ne_rtnl_of(link), bridge, &state);
    return 0;
}

int ne_rtnl_bridge_ensure(struct ne_link *link, const struct ne_bridge *bridge,
                          struct ne_error *err) {
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    struct ne_link_state state;
    if (!ne_mac_is_host(&bridge->mac))
        return ne_fail(err, NE_BAD_INPUT, "interface %s: a bridge needs a MAC address of its own",
                       bridge->name);
    if (can_do(bridge, err) < 0 || look(rtnl, bridge, &state, err) != 0)
        return -1;
    if (state.found) {
        note_differences(rtnl, bridge, &state);
        return mend(rtnl, bridge, &state, false, err);
    }
    ne_mended(rtnl, bridge->name, "was not there");

    if (make(rtnl, bridge, &state, err) != 0)
        return -1;
    if (mend(rtnl, bridge, &state, true, err) == 0)
        return 0;
    (void)ne_link_delete(rtnl, state.index, bridge->name, NULL);
    return -1;
}
