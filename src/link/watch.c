/* watch.c - hints that links or addresses of ours were changed: see link_watch.h. */
#include <netenforce/link_watch.h>

#include "rtnl.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* At most so many datagrams a call: a flood of events must not hold the daemon's loop. */
#define DRAIN_MAX 1024

int ne_link_watch_open(int *fd, struct ne_error *err) {
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_LINK | RTMGRP_TC | RTMGRP_IPV4_IFADDR |
                                              RTMGRP_IPV6_IFADDR};
    int fresh = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fresh < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot open a socket to watch interfaces");
    if (bind(fresh, (const struct sockaddr *)&groups, sizeof(groups)) < 0) {
        (void)ne_fail_errno(err, NE_KERNEL, errno, "cannot watch interfaces");
        (void)close(fresh);
        return -1;
    }
    *fd = fresh;
    return 0;
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
    _Alignas(
        struct nlmsghdr) char datagram[32768]; /* NLMSG_GOODSIZE, the kernel's limit, and more */
    bool changed = false;
    for (int i = 0; i < DRAIN_MAX; i++) {
        struct sockaddr_nl from = {0};
        socklen_t from_size = sizeof(from);
        ssize_t size = recvfrom(fd, datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC,
                                (struct sockaddr *)&from, &from_size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return changed;
        if (size < 0 && errno != ENOBUFS)
            return true;
        if (size < 0 || (size_t)size > sizeof(datagram))
            changed = true; /* events were left out, or one was cut */
        else if (!changed && from.nl_pid == 0)
            changed = ne_watch_is_ours(datagram, (size_t)size);
    }
    return changed;
}
