/* drops.c - how many frames the guards have dropped: see drops() in link.h.
 *
 * The guard's qdisc (clsact) counts what its classifiers drop, of both directions:
 * mini_qdisc_qstats_cpu_drop(), net/core/dev.c. A dump leaves out the qdiscs that do nothing, so
 * that it lists little but guards.
 */
#include "rtnl.h"

#include <linux/gen_stats.h>
#include <netenforce/grow.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct ne_guard_drops *items;
    size_t count;
    bool no_memory;
};

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

static void take(void *context, const struct nlmsghdr *message) {
    struct list *list = context;
    struct ne_guard_drops drops;
    if (message == NULL) {
        free(list->items);
        *list = (struct list){0};
        return;
    }
    if (list->no_memory || !ne_drops_parse(message, &drops))
        return;
    void *room = ne_grow(list->items, list->count, sizeof(*list->items), NULL);
    list->no_memory = room == NULL;
    if (room == NULL)
        return;
    list->items = room;
    list->items[list->count++] = drops;
}

int ne_rtnl_drops(struct ne_link *link, ne_drops_visit visit, void *context, struct ne_error *err) {
    struct list list = {0};
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETQDISC, 0, sizeof(struct tcmsg), "list the guards");
    request->answer = take;
    request->context = &list;
    int status = ne_rtnl_dump(ne_rtnl_of(link), &batch, err);
    if (status == 0 && list.no_memory)
        status = ne_fail(err, NE_NO_MEMORY, "no memory for the list of guards");
    for (size_t i = 0; status == 0 && i < list.count; i++)
        status = visit(context, &list.items[i], err);
    free(list.items);
    return status;
}
