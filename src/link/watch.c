/* watch.c - hints that links or addresses of ours were changed: see link_watch.h. */
#include <netenforce/link_watch.h>

#include "rtnl.h"

#include <net/if.h>
#include <string.h>

int ne_link_watch_open(int *fd, struct ne_error *err) {
    return ne_watch_open(NETLINK_ROUTE,
                         RTMGRP_LINK | RTMGRP_TC | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                         "interfaces", fd, err);
}

static bool name_is_ours(const char *name) {
    return strncmp(name, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0 ||
           strncmp(name, NE_PORT_PREFIX, strlen(NE_PORT_PREFIX)) == 0;
}

static bool link_is_ours(const struct nlmsghdr *message) {
    const struct nlattr *attrs[IFLA_MAX + 1];
    char name[NE_IFNAME_SIZE], alias[NE_ALIAS_SIZE];
    static const char mark[] = "netenforce ";
    ne_attrs_of_message(message, sizeof(struct ifinfomsg), attrs, IFLA_MAX);
    if (ne_attr_text(attrs[IFLA_IFNAME], name, sizeof(name)) && name_is_ours(name))
        return true;
    return ne_attr_text(attrs[IFLA_IFALIAS], alias, sizeof(alias)) &&
           strncmp(alias, mark, sizeof(mark) - 1) == 0;
}

static bool address_is_ours(const struct nlmsghdr *message) {
    char name[IF_NAMESIZE];
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifaddrmsg))
        return false;
    const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
    /* If it's gone by now, its own event says so. */
    return if_indextoname(header->ifa_index, name) != NULL && name_is_ours(name);
}

/* A guard that was taken away. The index is of one of ours, or of a link that has gone itself. */
static bool guard_is_ours(const struct nlmsghdr *message) {
    char name[IF_NAMESIZE];
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct tcmsg))
        return false;
    const struct tcmsg *header = mnl_nlmsg_get_payload(message);
    return if_indextoname((unsigned)header->tcm_ifindex, name) != NULL && name_is_ours(name);
}

bool ne_watch_is_ours(const char *datagram, size_t size) {
    size_t at = 0;
    const struct nlmsghdr *message;
    while ((message = ne_next_message(datagram, size, &at)) != NULL) {
        uint16_t type = message->nlmsg_type;
        if ((type == RTM_NEWLINK || type == RTM_DELLINK) && link_is_ours(message))
            return true;
        if ((type == RTM_NEWADDR || type == RTM_DELADDR) && address_is_ours(message))
            return true;
        if ((type == RTM_DELQDISC || type == RTM_DELTFILTER) && guard_is_ours(message))
            return true;
    }
    return false;
}

bool ne_link_watch_drain(int fd) {
    return ne_watch_drain(fd, ne_watch_is_ours);
}
