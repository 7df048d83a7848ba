/* interface.c - rtnetlink for the probe: see interface.h. */
#include "interface.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#define ANSWER_SIZE 32768

/* The message being made; its size leaves room for whatever is put below. */
union request {
    struct nlmsghdr header;
    char bytes[512];
};

static void *begin(union request *request, uint16_t type, uint16_t flags, size_t size) {
    memset(request, 0, sizeof(*request));
    struct nlmsghdr *header = mnl_nlmsg_put_header(request->bytes);
    header->nlmsg_type = type;
    header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    header->nlmsg_seq = 1;
    return mnl_nlmsg_put_extra_header(header, size);
}

/* ask() - Send @request in the current namespace and hand what comes to @visit (may be NULL). */
static int ask(union request *request, mnl_cb_t visit, void *context, const char *what,
               struct ne_error *err) {
    static _Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
    struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    int result = -1;
    if (sock != NULL && mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) == 0 &&
        mnl_socket_sendto(sock, &request->header, request->header.nlmsg_len) >= 0) {
        ssize_t size = mnl_socket_recvfrom(sock, answer, sizeof(answer));
        result = size < 0 ? -1
                          : mnl_cb_run(answer, (size_t)size, 1, mnl_socket_get_portid(sock), visit,
                                       context);
    }
    int cause = errno;
    if (sock != NULL)
        (void)mnl_socket_close(sock);
    return result < 0 ? ne_fail_errno(err, NE_KERNEL, cause, "cannot %s", what) : 0;
}

int interface_move(const char *name, int netns, const char *new_name, struct ne_error *err) {
    union request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, NLM_F_ACK, sizeof(*link));
    link->ifi_index = (int)if_nametoindex(name);
    if (link->ifi_index == 0)
        return ne_fail(err, NE_NOT_FOUND,
                       "there is no interface %s here: is this the host's network namespace?",
                       name);
    mnl_attr_put_u32(&request.header, IFLA_NET_NS_FD, (uint32_t)netns);
    mnl_attr_put_strz(&request.header, IFLA_IFNAME, new_name);
    return ask(&request, NULL, NULL, "move the probe's interface into a namespace", err);
}

int interface_up(unsigned index, struct ne_error *err) {
    union request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, NLM_F_ACK, sizeof(*link));
    link->ifi_index = (int)index;
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    return ask(&request, NULL, NULL, "set the probe's interface up", err);
}

int interface_address(unsigned index, const struct ne_prefix *own, struct ne_error *err) {
    union request request;
    struct ifaddrmsg *addr =
        begin(&request, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, sizeof(*addr));
    const size_t size = ne_addr_bits(own->addr.family) / 8;
    addr->ifa_family = own->addr.family == NE_V6 ? AF_INET6 : AF_INET;
    addr->ifa_prefixlen = own->len;
    addr->ifa_flags = IFA_F_NODAD;
    addr->ifa_index = index;
    mnl_attr_put(&request.header, IFA_LOCAL, size, own->addr.bytes);
    mnl_attr_put(&request.header, IFA_ADDRESS, size, own->addr.bytes);
    return ask(&request, NULL, NULL, "give the probe its address", err);
}

int interface_route(unsigned index, const struct ne_addr *via, struct ne_error *err) {
    union request request;
    struct rtmsg *route = begin(&request, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, sizeof(*route));
    route->rtm_family = via->family == NE_V6 ? AF_INET6 : AF_INET;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    mnl_attr_put(&request.header, RTA_GATEWAY, ne_addr_bits(via->family) / 8, via->bytes);
    mnl_attr_put_u32(&request.header, RTA_OIF, index);
    return ask(&request, NULL, NULL, "give the probe a route", err);
}

/* find() - The attribute @type among the @size bytes at @at, or NULL. */
static const struct nlattr *find(const void *at, size_t size, uint16_t type) {
    const char *bytes = at;
    while (size >= sizeof(struct nlattr)) {
        const struct nlattr *attr = (const struct nlattr *)(const void *)bytes;
        const size_t step = ((size_t)attr->nla_len + 3) / 4 * 4;
        if (attr->nla_len < sizeof(*attr) || attr->nla_len > size)
            return NULL;
        if (mnl_attr_get_type(attr) == type)
            return attr;
        if (step >= size)
            return NULL;
        bytes += step;
        size -= step;
    }
    return NULL;
}

static const struct nlattr *inner(const struct nlattr *nest, uint16_t type) {
    return nest == NULL ? NULL
                        : find(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), type);
}

static int read_state(const struct nlmsghdr *header, void *context) {
    bool *forwards = context;
    const size_t skip = sizeof(struct ifinfomsg);
    if (header->nlmsg_type != RTM_NEWLINK || header->nlmsg_len < sizeof(*header) + skip)
        return MNL_CB_OK;
    const struct nlattr *info = find((const char *)mnl_nlmsg_get_payload(header) + skip,
                                     mnl_nlmsg_get_payload_len(header) - skip, IFLA_LINKINFO);
    const struct nlattr *state = inner(inner(info, IFLA_INFO_SLAVE_DATA), IFLA_BRPORT_STATE);
    *forwards = state != NULL && mnl_attr_get_payload_len(state) >= 1 &&
                mnl_attr_get_u8(state) == BR_STATE_FORWARDING;
    return MNL_CB_OK;
}

int interface_forwards(const char *name, bool *forwards, struct ne_error *err) {
    union request request;
    struct ifinfomsg *link = begin(&request, RTM_GETLINK, 0, sizeof(*link));
    link->ifi_index = (int)if_nametoindex(name);
    return ask(&request, read_state, forwards, "look at the probe's port", err);
}
