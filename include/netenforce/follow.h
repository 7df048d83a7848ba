/* follow.h - reading events: what there was, and what comes.
 *
 * A follower is a place in the file and in the ring, and no memory beyond one line and one piece of
 * the file: however slow it reads, it holds up nobody. What the ring let go of before it was read
 * is told to it, as a line of type "warning" with the number.
 */
#ifndef NETENFORCE_FOLLOW_H
#define NETENFORCE_FOLLOW_H

#include <netenforce/error.h>
#include <netenforce/names.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NE_FOLLOWERS      64 /* at once; more are refused */
#define NE_EVENT_TIME     25 /* "2026-11-25T01:02:03.004Z" and NUL */
#define NE_EVENT_TYPE_MAX 16

/* What is wanted; empty texts want everything. */
struct ne_event_filter {
    char since[NE_EVENT_TIME];
    char type[NE_EVENT_TYPE_MAX];
    char network[NE_ID_SIZE];  /* or the beginning of it */
    char endpoint[NE_ID_SIZE]; /* or the beginning of it */
};

struct ne_follower;

/* ne_follower_open() - @history: from the oldest event that the file or the ring holds on (of those
 * that the filter wants); else from now on. @follow: no end; else it ends where it is now.
 * Return: to be closed with ne_follower_close(); or NULL with NE_CONFLICT (there are too many) or
 * NE_NO_MEMORY.
 */
struct ne_follower *ne_follower_open(const struct ne_event_filter *filter, bool history,
                                     bool follow, struct ne_error *err);

/* ne_follower_read() - The next bytes of lines, up to @size.
 * Return: how many; 0 if there are none for now (then *@idle says whether news have to be awaited,
 * or more of the file is to be looked through at the next call); -1 at the end.
 */
ssize_t ne_follower_read(struct ne_follower *follower, char *bytes, size_t size, bool *idle);

void ne_follower_close(struct ne_follower *follower);

/* ne_event_matches() - Whether a line (with its newline) is one that @filter wants. Pure. */
bool ne_event_matches(const struct ne_event_filter *filter, const char *line, size_t size);

#endif
