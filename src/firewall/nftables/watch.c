/* watch.c - learn at once that the backstop was changed: see firewall.h. */
#include "fence.h"
#include "meter.h"
#include "print.h"
#include "rules.h"

#include <netenforce/firewall.h>
#include <netenforce/netlink.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

int ne_firewall_watch_open(int *fd, struct ne_error *err) {
    return ne_watch_open(NETLINK_NETFILTER, 1u << (NFNLGRP_NFTABLES - 1), "nf_tables", fd, err);
}

/* hint_of() - What one event tells. The main fence changes with every container: by us, which is no
 * news. The meter's objects and elements do, too; a quota that has just been reached is told by its
 * object. */
static unsigned hint_of(const struct nlmsghdr *message) {
    uint16_t type = NFNL_MSG_TYPE(message->nlmsg_type);
    struct meter_found found;
    if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES || type == NFT_MSG_NEWGEN)
        return 0;
    if (nft_names_table(message, BACKSTOP_TABLE))
        return NE_RULES_CHANGED;
    if (nft_names_table(message, FENCE_TABLE))
        return nft_is_own(message->nlmsg_pid) ? 0 : NE_RULES_CHANGED;
    if (!nft_names_table(message, METER_TABLE))
        return 0;
    if (type == NFT_MSG_NEWOBJ && meter_parse_object(message, &found))
        return found.object.type == NFT_OBJECT_QUOTA && found.count.bytes >= found.object.amount
                   ? NE_QUOTA_REACHED
                   : 0;
    return type == NFT_MSG_DELOBJ || type == NFT_MSG_NEWSETELEM || type == NFT_MSG_DELSETELEM
               ? 0
               : NE_RULES_CHANGED;
}

static void note(void *context, const char *datagram, size_t size) {
    unsigned *hints = context;
    size_t at = 0;
    const struct nlmsghdr *message;
    while ((message = ne_next_message(datagram, size, &at)) != NULL)
        *hints |= hint_of(message);
}

unsigned ne_firewall_watch_drain(int fd) {
    unsigned hints = 0;
    return ne_watch_drain(fd, note, &hints) ? hints : NE_RULES_CHANGED | NE_QUOTA_REACHED;
}
