/* traffic.c - what has gone by the ports into their containers: see traffic() in link.h.
 *
 * A veth counts a frame as it is handed over, whole, with its Ethernet header: veth_xmit(),
 * drivers/net/veth.c.
 */
#include "rtnl.h"

#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

bool ne_traffic_parse(const struct nlmsghdr *message, struct ne_port_traffic *traffic) {
    const struct nlattr *attrs[IFLA_MAX + 1];
    struct ne_link_state state;
    struct rtnl_link_stats64 stats = {0};
    *traffic = (struct ne_port_traffic){0};
    if (!ne_link_parse(message, &state) || ne_link_owner(&state, traffic->owner) != NE_LINK_PORT ||
        state.group == NE_RETIRED_GROUP)
        return false;
    ne_attrs_of_message(message, sizeof(struct ifinfomsg), attrs, IFLA_MAX);
    /* It has grown, and goes on to: what is asked for here stands at its beginning. */
    if (attrs[IFLA_STATS64] == NULL ||
        mnl_attr_get_payload_len(attrs[IFLA_STATS64]) <
            offsetof(struct rtnl_link_stats64, tx_bytes) + sizeof(stats.tx_bytes))
        return false;
    memcpy(&stats, mnl_attr_get_payload(attrs[IFLA_STATS64]),
           offsetof(struct rtnl_link_stats64, tx_bytes) + sizeof(stats.tx_bytes));
    uint64_t headers = stats.tx_packets * ETH_HLEN;
    traffic->packets = stats.tx_packets;
    traffic->bytes = stats.tx_bytes > headers ? stats.tx_bytes - headers : 0;
    return true;
}

static bool parse(const struct nlmsghdr *message, void *item) {
    return ne_traffic_parse(message, item);
}

int ne_rtnl_traffic(struct ne_link *link, ne_traffic_visit visit, void *context,
                    struct ne_error *err) {
    struct ne_port_traffic traffic;
    struct ne_gathered list = {.parse = parse, .item = &traffic, .size = sizeof(traffic)};
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    (void)ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg),
                       "list what interfaces have sent");
    int status = ne_gather(ne_rtnl_of(link), &batch, &list, "what interfaces have sent", err);
    const struct ne_port_traffic *all = list.items;
    for (size_t i = 0; status == 0 && i < list.count; i++)
        status = visit(context, &all[i], err);
    free(list.items);
    return status;
}
