/* watch.c - learn at once that the backstop was changed: see firewall.h. */
#include "rules.h"

#include <netenforce/firewall.h>
#include <netenforce/netlink.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

int ne_firewall_watch_open(int *fd, struct ne_error *err) {
    return ne_watch_open(NETLINK_NETFILTER, 1u << (NFNLGRP_NFTABLES - 1), "nf_tables", fd, err);
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

static bool any_is_ours(const char *datagram, size_t size) {
    size_t at = 0;
    const struct nlmsghdr *message;
    while ((message = ne_next_message(datagram, size, &at)) != NULL) {
        if (NFNL_SUBSYS_ID(message->nlmsg_type) == NFNL_SUBSYS_NFTABLES &&
            NFNL_MSG_TYPE(message->nlmsg_type) != NFT_MSG_NEWGEN && nft_names_our_table(message))
            return true;
    }
    return false;
}

bool ne_firewall_watch_drain(int fd) {
    return ne_watch_drain(fd, any_is_ours);
}
