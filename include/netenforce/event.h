/* event.h - what happened, for programs: one JSON object a line on standard error.
 *
 * docs/events.schema.json describes the lines. The log (log.h) is for people; an event stands
 * beside its log line, and begins with '{', which no log line does.
 */
#ifndef NETENFORCE_EVENT_H
#define NETENFORCE_EVENT_H

/* Fields that are NULL or 0 are left out. */
struct ne_event {
    const char *type; /* "repair", "warning" */
    const char *network;
    const char *endpoint;
    const char *interface;
    const char *reason;
    unsigned long count;
};

/* ne_event_emit() - Write one line. Never fails visibly: without memory there is no event. */
void ne_event_emit(const struct ne_event *event);

#endif
