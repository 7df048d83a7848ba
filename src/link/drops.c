/* drops.c - how many frames the guards have dropped: see drops() in link.h.
 *
 * The guard's qdisc (clsact) counts what its classifiers drop, of both directions:
 * mini_qdisc_qstats_cpu_drop(), net/core/dev.c. A dump leaves out the qdiscs that do nothing, so
 * that it lists little but guards.
 */
#include "rtnl.h"

#include <linux/gen_stats.h>
#include <stdlib.h>
#include <string.h>

bool ne_drops_parse(const struct nlmsghdr *message, struct ne_guard_drops *drops) {
    const struct nlattr *attrs[TCA_MAX + 1];
    const struct nlattr *stats[TCA_STATS_MAX + 1];
    struct gnet_stats_queue queue = {0};
    char kind[NE_KIND_SIZE];
    if (message->nlmsg_type != RTM_NEWQDISC ||
        message->nlmsg_len < sizeof(struct nlmsghdr) + sizeof(struct tcmsg))
        return false;
    const struct tcmsg *header = mnl_nlmsg_get_payload(message);
    ne_attrs_of_message(message, sizeof(*header), attrs, TCA_MAX);
    if (!ne_attr_text(attrs[TCA_KIND], kind, sizeof(kind)) || strcmp(kind, "clsact") != 0 ||
        attrs[TCA_STATS2] == NULL)
        return false;
    ne_attrs_of_nest(attrs[TCA_STATS2], stats, TCA_STATS_MAX);
    if (stats[TCA_STATS_QUEUE] == NULL ||
        mnl_attr_get_payload_len(stats[TCA_STATS_QUEUE]) < sizeof(queue))
        return false;
    memcpy(&queue, mnl_attr_get_payload(stats[TCA_STATS_QUEUE]), sizeof(queue));
    *drops = (struct ne_guard_drops){.index = header->tcm_ifindex, .count = queue.drops};
    return true;
}

static bool parse(const struct nlmsghdr *message, void *item) {
    return ne_drops_parse(message, item);
}

int ne_rtnl_drops(struct ne_link *link, ne_drops_visit visit, void *context, struct ne_error *err) {
    struct ne_guard_drops drops;
    struct ne_gathered list = {.parse = parse, .item = &drops, .size = sizeof(drops)};
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    (void)ne_batch_add(&batch, RTM_GETQDISC, 0, sizeof(struct tcmsg), "list the guards");
    int status = ne_gather(ne_rtnl_of(link), &batch, &list, "the list of guards", err);
    const struct ne_guard_drops *all = list.items;
    for (size_t i = 0; status == 0 && i < list.count; i++)
        status = visit(context, &all[i], err);
    free(list.items);
    return status;
}
