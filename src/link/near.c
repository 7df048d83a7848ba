/* near.c - what lets neighbours reach each other by way of the bridge: see rtnl.h.
 *
 * DOC: the way of a packet from one neighbour to another
 *
 * Ports stay isolated: no frame goes from one to the other. The bridge answers the question for a
 * neighbour's MAC address with its own (proxy_arp_pvlan: arp_fwd_pvlan_proxy(), net/ipv4/arp.c; for
 * IPv6 an entry for each neighbour: ndisc_recv_ns(), net/ipv6/ndisc.c). So the packet comes to the
 * host's IP layer, where the judge sees it as any other, and is forwarded back into the same
 * bridge, by the fixed neighbour entry. The guard at the way out lets it pass, since the bridge is
 * its sender.
 *
 * IPv4 is forwarded by the setting of the interface that a packet comes in on
 * (ip_route_input_slow(), net/ipv4/route.c). IPv6 has but the host's own switch (ip6_forward(),
 * net/ipv6/ip6_output.c), and that is the operator's.
 */
#include "rtnl.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>

static void request_delay(struct ne_batch *batch, int bridge, uint8_t family, const char *table) {
    struct ne_request *request =
        ne_batch_add(batch, RTM_SETNEIGHTBL, 0, sizeof(struct ndtmsg), "let it answer at once");
    struct ndtmsg *header = ne_request_header(request);
    const uint64_t at_once = 0;
    header->ndtm_family = family;
    ne_put_text(request, NDTA_NAME, table);
    struct nlattr *parameters = ne_nest(request, NDTA_PARMS);
    ne_put_u32(request, NDTPA_IFINDEX, (uint32_t)bridge);
    ne_put(request, NDTPA_PROXY_DELAY, sizeof(at_once), &at_once);
    ne_nest_end(request, parameters);
    /* No IPv6 here, or none on this bridge: nothing will be asked. */
    if (family == AF_INET6) {
        ne_request_tolerate(request, ENOENT);
        ne_request_tolerate(request, EAFNOSUPPORT);
    }
}

void ne_request_no_delay(struct ne_batch *batch, int bridge) {
    request_delay(batch, bridge, AF_INET, "arp_cache");
    request_delay(batch, bridge, AF_INET6, "ndisc_cache");
}

static void take_forwarding(void *context, const struct nlmsghdr *message) {
    const struct nlattr *attrs[NETCONFA_FORWARDING + 1];
    uint32_t value = 0;
    if (message->nlmsg_type != RTM_NEWNETCONF)
        return;
    ne_attrs_of_message(message, sizeof(struct netconfmsg), attrs, NETCONFA_FORWARDING);
    if (ne_attr_u32(attrs[NETCONFA_FORWARDING], &value))
        *(bool *)context = value != 0;
}

int ne_rtnl_forwards(struct ne_link *link, enum ne_family family, bool *forwards,
                     struct ne_error *err) {
    struct ne_batch batch;
    *forwards = false;
    ne_batch_init(&batch, NULL);
    struct ne_request *request = ne_batch_add(&batch, RTM_GETNETCONF, 0, sizeof(struct netconfmsg),
                                              "ask whether the host forwards");
    struct netconfmsg *header = ne_request_header(request);
    header->ncm_family = family == NE_V6 ? AF_INET6 : AF_INET;
    ne_put_u32(request, NETCONFA_IFINDEX, (uint32_t)NETCONFA_IFINDEX_ALL);
    /* A kernel without this family. */
    ne_request_tolerate(request, EOPNOTSUPP);
    ne_request_tolerate(request, EAFNOSUPPORT);
    request->answer = take_forwarding;
    request->context = forwards;
    return ne_batch_send(ne_rtnl_of(link), &batch, err);
}
