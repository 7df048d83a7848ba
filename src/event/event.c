/* event.c - events as JSON lines: see event.h. */
#include <netenforce/event.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIME_SIZE 64

/* RFC 3339, UTC, milliseconds. */
static const char *format_now(char text[static TIME_SIZE]) {
    struct timespec now = {0};
    struct tm parts = {0};
    char seconds[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    (void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text, TIME_SIZE, "%s.%03uZ", seconds, (unsigned)(now.tv_nsec / 1000000) % 1000u);
    return text;
}

static void put(json_t *object, const char *key, const char *value) {
    if (value != NULL && value[0] != '\0')
        (void)json_object_set_new(object, key, json_string(value));
}

void ne_event_emit(const struct ne_event *event) {
    char now[TIME_SIZE];
    json_t *object = json_object();
    put(object, "time", format_now(now));
    put(object, "type", event->type);
    put(object, "network", event->network);
    put(object, "endpoint", event->endpoint);
    put(object, "interface", event->interface);
    put(object, "reason", event->reason);
    if (event->count > 0)
        (void)json_object_set_new(object, "count", json_integer((json_int_t)event->count));

    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    if (text == NULL)
        return;
    /* One write a line, the newline in the place of the final zero: lines never mix. */
    size_t length = strlen(text);
    text[length] = '\n';
    ssize_t written = write(STDERR_FILENO, text, length + 1);
    (void)written;
    free(text);
}
