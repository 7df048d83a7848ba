/* watch.c - learn at once that the backstop was changed: see firewall.h. */
#include "rules.h"

#include <netenforce/firewall.h>

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRAIN_MAX 1024 /* datagrams a call: a flood of changes must not hold the daemon's loop */

int ne_firewall_watch_open(int *fd, struct ne_error *err) {
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = 1u << (NFNLGRP_NFTABLES - 1)};
    int fresh = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fresh < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot open a socket to watch nf_tables");
    if (bind(fresh, (const struct sockaddr *)&groups, sizeof(groups)) < 0) {
        (void)ne_fail_errno(err, NE_KERNEL, errno, "cannot watch nf_tables");
        (void)close(fresh);
        return -1;
    }
    *fd = fresh;
    return 0;
}

static int find_table(const struct nlattr *attr, void *found) {
    if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
        *(bool *)found = strcmp(mnl_attr_get_str(attr), BACKSTOP_TABLE) == 0;
    return MNL_CB_OK;
}

bool nft_names_our_table(const struct nlmsghdr *message) {
    bool found = false;
    if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg))
        (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), find_table, &found);
    return found;
}

static bool any_is_ours(const void *datagram, ssize_t size) {
    int left = (int)size;
    const struct nlmsghdr *message = datagram;
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (NFNL_SUBSYS_ID(message->nlmsg_type) == NFNL_SUBSYS_NFTABLES &&
            NFNL_MSG_TYPE(message->nlmsg_type) != NFT_MSG_NEWGEN && nft_names_our_table(message))
            return true;
    }
    return false;
}

bool ne_firewall_watch_drain(int fd) {
    _Alignas(struct nlmsghdr) char datagram[32768];
    bool changed = false;
    for (int i = 0; i < DRAIN_MAX; i++) {
        ssize_t size = recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return changed;
        if (size < 0 && errno != ENOBUFS)
            return true;
        if (size < 0 || (size_t)size > sizeof(datagram))
            changed = true; /* events were left out, or one was cut */
        else if (!changed)
            changed = any_is_ours(datagram, size);
    }
    return changed;
}
