/* event.h - what happened, for programs: one JSON object a line.
 *
 * docs/events.schema.json describes the lines. Whoever has something to tell fills a struct
 * ne_event and emits it. The hub behind that hands the line on to three places; none of them can
 * hold up the others, or whoever emits:
 *
 *   standard error   beside the log (log.h), which is for people: an event begins with '{', which
 *                    no line of the log does
 *   a file           with rotation
 *   a ring           in memory, of bounded size, which followers (follow.h) read
 *
 * What a place could not take is counted. One hub a process, one thread.
 */
#ifndef NETENFORCE_EVENT_H
#define NETENFORCE_EVENT_H

#include <netenforce/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NE_EVENT_SCHEMA 2 /* the version of docs/events.schema.json */

/* Fields that are NULL, empty, 0 or false are left out. Texts are borrowed for the call. */
struct ne_event {
    const char *type; /* "blocked", "dns", "policy", "network", "endpoint", "repair", "warning" */
    const char *network;   /* id */
    const char *endpoint;  /* id */
    const char *interface; /* the host's: where the packet came in */

    /* blocked: the packet; dns: who asked whom */
    const char *src;
    const char *dst;
    const char *proto; /* "tcp", "udp", "icmp", "icmpv6", else its number */
    unsigned sport;
    unsigned dport;
    bool has_icmp_type;
    unsigned icmp_type;
    const char *tcp_flags; /* "SYN", "SYN,ACK" */

    const char *verdict; /* blocked: what became of it: "reject", "drop", or "pass" (mode=audit) */
    const char *option;  /* the option that the rule comes of, as `explain` has it */
    const char *rule;    /* as it was given: "10.0.0.5:5432/tcp"; for dns: the pattern */
    const char *reason;

    /* dns */
    const char *name;   /* what was asked for: "example.com" */
    const char *query;  /* the type of the question: "A", "AAAA" */
    const char *answer; /* addresses or names, several with commas */
    const char *result; /* a short word that metrics count by: "answered", "refused", "failed" */

    uint64_t suppressed; /* of the same kind, since the event before, that got none of their own */
    unsigned long revision; /* policy */
    unsigned long count;    /* repair: how many things were put right */
};

/* ne_event_emit() - Tell it everywhere. Never fails visibly: what is lost is counted. */
void ne_event_emit(const struct ne_event *event);

/* The longest line, its newline included; a longer one is dropped. */
#define NE_EVENT_LINE 4096

/* Where events get lost. */
enum ne_event_place {
    NE_PLACE_KERNEL,    /* the kernel had no room for packets that were to be logged */
    NE_PLACE_STDERR,    /* nobody reads it */
    NE_PLACE_FILE,      /* a full disk, or no right to write */
    NE_PLACE_FOLLOWERS, /* one was too slow; counted for each */
    NE_PLACE_MEMORY,    /* there was none, or the line was too long */
    NE_PLACES
};

struct ne_events_settings {
    const char *file; /* path, copied; NULL or empty: none */
    uint64_t size;    /* bytes; a file that would get larger is rotated: PATH.1, PATH.2, ... */
    unsigned count;   /* of rotated files that are kept, at least 1 */
};

/* ne_events_open() - Write to a file, too. A file that cannot be written is no failure: it is
 * complained of once in the log, and tried again with each event. Return: 0, or -1 with
 * NE_NO_MEMORY or NE_BAD_INPUT (the path is too long).
 */
int ne_events_open(const struct ne_events_settings *settings, struct ne_error *err);

/* ne_events_close() - Forget file, ring and counts. Followers must be closed before. */
void ne_events_close(void);

/* ne_events_kept() - Bytes of memory that the lines in the ring take, what goes with each included.
 * The ring fills with what happens, and then stays as it is. */
size_t ne_events_kept(void);

/* ne_events_on_news() - Call @tell after each event that followers could read; NULL: nobody. */
void ne_events_on_news(void (*tell)(void *context), void *context);

/* ne_events_lost() - Add to what @place could not take. ne_events_dropped() - What it has so far.
 * ne_event_place_name() - "kernel", "stderr", "file", "followers", "memory".
 */
void ne_events_lost(enum ne_event_place place, uint64_t count);
uint64_t ne_events_dropped(enum ne_event_place place);
const char *ne_event_place_name(enum ne_event_place place);

/* ne_events_on_emit() - Call @note with each event before it is written: whoever counts them. */
void ne_events_on_emit(void (*note)(void *context, const struct ne_event *event), void *context);

#endif
