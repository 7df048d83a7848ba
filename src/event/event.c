/* event.c - an event as a line of JSON: see event.h. */
#include "internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static void put_number(json_t *object, const char *key, uint64_t value) {
    if (value > 0)
        (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

char *event_line(const struct ne_event *event, size_t *size) {
    char now[TIME_SIZE];
    json_t *object = json_object();
    put(object, "time", format_now(now));
    put(object, "type", event->type);
    put(object, "network", event->network);
    put(object, "endpoint", event->endpoint);
    put(object, "interface", event->interface);
    put(object, "src", event->src);
    put_number(object, "sport", event->sport);
    put(object, "dst", event->dst);
    put_number(object, "dport", event->dport);
    put(object, "proto", event->proto);
    if (event->has_icmp_type)
        (void)json_object_set_new(object, "icmp_type", json_integer((json_int_t)event->icmp_type));
    put(object, "tcp_flags", event->tcp_flags);
    put(object, "name", event->name);
    put(object, "query", event->query);
    put(object, "answer", event->answer);
    put(object, "result", event->result);
    put(object, "verdict", event->verdict);
    put(object, "reason", event->reason);
    put(object, "option", event->option);
    put(object, "rule", event->rule);
    put_number(object, "revision", event->revision);
    put_number(object, "count", event->count);
    put_number(object, "suppressed", event->suppressed);

    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    if (text == NULL)
        return NULL;
    *size = strlen(text) + 1;
    text[*size - 1] = '\n'; /* in the place of the final zero */
    return text;
}
