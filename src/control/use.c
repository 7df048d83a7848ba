/* use.c - what endpoints have used, as the API shows it. */
#include "view.h"

#include <stdlib.h>

static json_t *use_json(const struct ne_use *use) {
    const struct ne_usage *counted = &use->counted;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "passed_packets",
        (json_int_t)counted->passed_packets, "passed_bytes", (json_int_t)counted->passed_bytes,
        "received_packets", (json_int_t)use->received_packets, "received_bytes",
        (json_int_t)use->received_bytes, "refused_packets", (json_int_t)counted->refused_packets,
        "refused_bytes", (json_int_t)counted->refused_bytes, "limited_packets",
        (json_int_t)counted->limited_packets, "quota_used", (json_int_t)counted->quota_used);
}

json_t *uses_json(const struct ne_driver *driver) {
    json_t *object = json_object();
    struct ne_use *uses = NULL;
    size_t count = 0;
    if (ne_driver_uses(driver, &uses, &count, NULL) == 0) {
        for (size_t i = 0; i < count; i++)
            (void)json_object_set_new(object, uses[i].counted.id, use_json(&uses[i]));
    }
    free(uses);
    return object;
}
