/* hub.c - each event to everywhere: see event.h. */
#include "internal.h"

#include <netenforce/log.h>

#include <stdlib.h>
#include <string.h>

static struct hub hub;
static uint64_t dropped[NE_PLACES];
static void (*tell_news)(void *context);
static void *news_context;
static void (*note_emit)(void *context, const struct ne_event *event);
static void *emit_context;

struct hub *event_hub(void) {
    return &hub;
}

int ne_events_open(const struct ne_events_settings *settings, struct ne_error *err) {
    free(hub.file.path);
    hub.file = (struct event_file){0};
    if (settings->file == NULL || settings->file[0] == '\0')
        return 0;
    hub.file.path = strdup(settings->file);
    if (hub.file.path == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for the event file's path");
    hub.file.size_max = settings->size;
    hub.file.count = settings->count == 0 ? 1 : settings->count;
    hub.file.generation = hub.file.count; /* what earlier daemons left has lower numbers */
    event_file_look(&hub.file);
    return 0;
}

void ne_events_close(void) {
    free(hub.file.path);
    ring_free(&hub.ring);
    hub = (struct hub){0};
    memset(dropped, 0, sizeof(dropped));
    tell_news = NULL;
    note_emit = NULL;
}

size_t ne_events_kept(void) {
    return ring_memory(&hub.ring);
}

void ne_events_on_news(void (*tell)(void *context), void *context) {
    tell_news = tell;
    news_context = context;
}

void ne_events_on_emit(void (*note)(void *context, const struct ne_event *event), void *context) {
    note_emit = note;
    emit_context = context;
}

void ne_events_lost(enum ne_event_place place, uint64_t count) {
    dropped[place] += count;
}

uint64_t ne_events_dropped(enum ne_event_place place) {
    return dropped[place];
}

const char *ne_event_place_name(enum ne_event_place place) {
    static const char *const names[NE_PLACES] = {
        [NE_PLACE_KERNEL] = "kernel",       [NE_PLACE_STDERR] = "stderr", [NE_PLACE_FILE] = "file",
        [NE_PLACE_FOLLOWERS] = "followers", [NE_PLACE_MEMORY] = "memory",
    };
    return names[place];
}

void ne_event_emit(const struct ne_event *event) {
    if (note_emit != NULL)
        note_emit(emit_context, event);
    struct ring_entry entry = {.line = event_line(event, &entry.size)};
    if (entry.line == NULL || entry.size > NE_EVENT_LINE) {
        free(entry.line);
        dropped[NE_PLACE_MEMORY]++;
        return;
    }
    if (!ne_log_line(entry.line, entry.size))
        dropped[NE_PLACE_STDERR]++;
    bool written = event_file_write(&hub.file, entry.line, entry.size);
    if (!written)
        dropped[NE_PLACE_FILE]++;
    entry.generation = hub.file.generation;
    entry.offset = written && hub.file.path != NULL ? hub.file.size - entry.size : hub.file.size;
    if (!ring_add(&hub.ring, &entry))
        dropped[NE_PLACE_MEMORY]++;
    else if (tell_news != NULL)
        tell_news(news_context);
}
