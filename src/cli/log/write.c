/* write.c - events for programs: the daemon's own lines, with the container's name. */
#include "log.h"

#include <string.h>

void event_write(FILE *out, json_t *event, const char *container) {
    json_t *named = json_object();
    const char *key;
    json_t *value;
    json_object_foreach(event, key, value) {
        (void)json_object_set(named, key, value);
        if (strcmp(key, "endpoint") == 0)
            (void)json_object_set_new(named, "container", json_string(container));
    }
    (void)json_dumpf(named, out, JSON_COMPACT);
    (void)fputc('\n', out);
    json_decref(named);
}
