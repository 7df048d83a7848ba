/* use.c - what endpoints have used: see driver.h. */
#include "internal.h"

#include <netenforce/event.h>
#include <netenforce/grow.h>
#include <netenforce/log.h>
#include <stdlib.h>
#include <string.h>

struct uses {
    struct ne_use *list;
    size_t count;
};

static int take_counted(void *context, const struct ne_usage *usage, struct ne_error *err) {
    struct uses *uses = context;
    void *room = ne_grow(uses->list, uses->count, sizeof(*uses->list), err);
    if (room == NULL)
        return -1;
    uses->list = room;
    uses->list[uses->count++] = (struct ne_use){.counted = *usage};
    return 0;
}

static int by_id(const void *id, const void *use) {
    return strcmp(id, ((const struct ne_use *)use)->counted.id);
}

static int take_received(void *context, const struct ne_port_traffic *traffic,
                         struct ne_error *err) {
    const struct uses *uses = context;
    struct ne_use *use =
        bsearch(traffic->owner, uses->list, uses->count, sizeof(*uses->list), by_id);
    (void)err;
    if (use == NULL)
        return 0;
    use->received_packets = traffic->packets;
    use->received_bytes = traffic->bytes;
    return 0;
}

int ne_driver_uses(const struct ne_driver *driver, struct ne_use **uses, size_t *count,
                   struct ne_error *err) {
    struct uses all = {0};
    int result = driver->firewall->ops->usage(driver->firewall, NULL, take_counted, &all, err);
    if (result == 0 && all.count > 0)
        result = driver->link->ops->traffic(driver->link, take_received, &all, err);
    *uses = all.list;
    *count = all.count;
    return result;
}

static int note(void *context, const struct ne_usage *usage, struct ne_error *err) {
    struct ne_driver *driver = context;
    struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, usage->id);
    bool reached = usage->quota != 0 && usage->quota_used >= usage->quota;
    struct ne_error late;
    (void)err;
    if (endpoint == NULL || endpoint->quota_reached == reached)
        return 0;
    endpoint->quota_reached = reached;
    /* The kernel keeps count: the record only tells that it was told. */
    if (write_record(driver, endpoint, &late) < 0)
        not_undone(driver, "endpoint", endpoint->id, &late);
    if (!reached)
        return 0;
    char quota[NE_UNIT_TEXT];
    ne_warn("endpoint %.12s has used its quota of %s: nothing passes any more", endpoint->id,
            ne_bytes_format(usage->quota, quota));
    const struct ne_event event = {
        .type = "blocked",
        .network = endpoint->network,
        .endpoint = endpoint->id,
        .option = "quota",
        .rule = quota,
        .reason = "quota",
    };
    ne_event_emit(&event);
    return 0;
}

int ne_driver_note_use(struct ne_driver *driver, struct ne_error *err) {
    return driver->firewall->ops->usage(driver->firewall, NULL, note, driver, err);
}
