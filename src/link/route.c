/* route.c - what the host's routes say of a pool or an address: see link.h. */
#include "rtnl.h"

#include <errno.h>
#include <string.h>

struct search {
    const struct ne_prefix *pool;
    int except; /* 0: none */
    bool found;
    struct ne_route route;
};

/* The first way out of a route that isn't by @except; -1 if all are. 0 is a way out, too: a route
 * by a nexthop object, where net.ipv4.nexthop_compat_mode is off, names no interface.
 */
static int way_out(const struct nlattr *const *attrs, int except) {
    int device = 0;
    if (attrs[RTA_MULTIPATH] == NULL) {
        (void)ne_attr_index(attrs[RTA_OIF], &device);
        return device != 0 && device == except ? -1 : device;
    }
    const char *at = mnl_attr_get_payload(attrs[RTA_MULTIPATH]);
    size_t left = mnl_attr_get_payload_len(attrs[RTA_MULTIPATH]);
    while (left >= sizeof(struct rtnexthop)) {
        struct rtnexthop hop;
        memcpy(&hop, at, sizeof(hop));
        if (hop.rtnh_ifindex != except)
            return hop.rtnh_ifindex;
        size_t step = ((size_t)hop.rtnh_len + RTNH_ALIGNTO - 1) / RTNH_ALIGNTO * RTNH_ALIGNTO;
        if (hop.rtnh_len < sizeof(hop) || step > left)
            break;
        at += step;
        left -= step;
    }
    return -1;
}

bool ne_route_parse(const struct nlmsghdr *message, enum ne_family family, int except,
                    struct ne_route *route) {
    const struct rtmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[RTA_MAX + 1];
    if (message->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(message) < sizeof(*header))
        return false;
    if (header->rtm_family != (family == NE_V4 ? AF_INET : AF_INET6) ||
        header->rtm_type != RTN_UNICAST || (header->rtm_flags & RTM_F_CLONED) != 0 ||
        header->rtm_dst_len <= 1 || header->rtm_dst_len > ne_addr_bits(family))
        return false;

    ne_attrs_of_message(message, sizeof(*header), attrs, RTA_MAX);
    uint32_t table = header->rtm_table;
    (void)ne_attr_u32(attrs[RTA_TABLE], &table);
    route->to.len = header->rtm_dst_len;
    if (table == RT_TABLE_LOCAL || !ne_attr_addr(attrs[RTA_DST], family, &route->to.addr))
        return false;
    route->device = way_out(attrs, except);
    return route->device >= 0;
}

static void take_route(void *context, const struct nlmsghdr *message) {
    struct search *search = context;
    struct ne_route route;
    if (message == NULL) {
        search->found = false;
        return;
    }
    if (search->found ||
        !ne_route_parse(message, search->pool->addr.family, search->except, &route) ||
        !ne_prefix_overlaps(&route.to, search->pool))
        return;
    search->found = true;
    search->route = route;
}

int ne_rtnl_overlap(struct ne_link *link, const struct ne_prefix *pool, const char *except,
                    struct ne_prefix *found, char device[static NE_IFNAME_SIZE],
                    struct ne_error *err) {
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    struct search search = {.pool = pool};
    struct ne_link_state state = {0};
    if (pool->addr.family == NE_NONE)
        return ne_fail(err, NE_BAD_INPUT, "a pool has no addresses");
    if (except != NULL) {
        if (ne_link_get(rtnl, 0, except, &state, err) != 0)
            return -1;
        search.except = state.index;
    }

    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETROUTE, 0, sizeof(struct rtmsg), "list the routes");
    struct rtmsg *header = ne_request_header(request);
    header->rtm_family = pool->addr.family == NE_V4 ? AF_INET : AF_INET6;
    header->rtm_type = RTN_UNICAST; /* kernels from 4.20 on leave the others out */
    request->answer = take_route;
    request->context = &search;
    if (ne_rtnl_dump(rtnl, &batch, err) != 0)
        return -1;

    *found = (struct ne_prefix){.addr.family = NE_NONE};
    device[0] = '\0';
    if (!search.found)
        return 0;
    int by = search.route.device;
    if (by != 0 && ne_link_get(rtnl, by, "", &state, err) != 0)
        return -1;
    if (by != 0 && state.found)
        memcpy(device, state.name, NE_IFNAME_SIZE);
    *found = search.route.to;
    return 0;
}

bool ne_route_type(const struct nlmsghdr *message, uint8_t *type) {
    const struct rtmsg *header = mnl_nlmsg_get_payload(message);
    if (message->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(message) < sizeof(*header))
        return false;
    *type = header->rtm_type;
    return true;
}

static void take_type(void *context, const struct nlmsghdr *message) {
    (void)ne_route_type(message, context);
}

/* The errnos are what a look-up ends with that finds no route, or one of type blackhole, prohibit
 * or unreachable (fib_props, net/ipv4/fib_semantics.c), or that meets a kernel without IPv6. None
 * of them is a local address.
 */
int ne_rtnl_is_local(struct ne_link *link, const struct ne_addr *addr, bool *local,
                     struct ne_error *err) {
    static const int not_local[] = {ENETUNREACH, EHOSTUNREACH, EACCES,
                                    EINVAL,      EOPNOTSUPP,   EAFNOSUPPORT};
    uint8_t type = RTN_UNSPEC;
    char text[NE_ADDR_TEXT];
    struct ne_batch batch;
    if (addr->family == NE_NONE)
        return ne_fail(err, NE_BAD_INPUT, "no address is given");
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETROUTE, 0, sizeof(struct rtmsg), "look up its route");
    struct rtmsg *header = ne_request_header(request);
    header->rtm_family = addr->family == NE_V4 ? AF_INET : AF_INET6;
    header->rtm_dst_len = (unsigned char)ne_addr_bits(addr->family);
    ne_put(request, RTA_DST, ne_addr_bits(addr->family) / 8, addr->bytes);
    for (size_t i = 0; i < NE_COUNT_OF(not_local); i++)
        ne_request_tolerate(request, not_local[i]);
    request->answer = take_type;
    request->context = &type;
    if (ne_batch_send(ne_rtnl_of(link), &batch, err) != 0)
        return ne_context(err, "address %s", ne_addr_format(addr, text));
    *local = type == RTN_LOCAL;
    return 0;
}
