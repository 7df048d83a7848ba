/* follow.c - reading events from the file, then from the ring: see follow.h.
 *
 * The ring knows of each line where the file stood when it was written. So what is read of the file
 * ends exactly where the ring begins. Files are found by their generation, not by their
 * name, since they are renamed meanwhile; one that was removed meanwhile is passed over.
 */
#include "internal.h"

#include <errno.h>
#include <netenforce/follow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 16384u
#define LOOK_BYTES                                                                                 \
    (256u << 10) /* of the file, in one call: then the daemon has other things to do */

struct ne_follower {
    struct ne_event_filter filter;
    bool follow;
    uint64_t number; /* of the next line of the ring */
    uint64_t end;    /* without @follow: the line to end before */

    /* The file's part; @piece is NULL once it is over. */
    char *piece;
    size_t used;
    size_t looked; /* bytes of @piece that are read */
    int fd;
    uint64_t generation;
    uint64_t offset; /* of what follows @piece */
    uint64_t last_generation;
    uint64_t last_offset;

    char line[NE_EVENT_LINE]; /* what is being handed out */
    size_t size;
    size_t at;
};

static unsigned followers;

/* text_is() - Whether the line's member @key has a value that begins with @value (@whole: is it).
 * The comma and the quotes can't stand in a value: quotes in there are escaped. */
static bool text_is(const char *line, size_t size, const char *key, const char *value, bool whole) {
    char wanted[NE_ID_SIZE + 32];
    if (value[0] == '\0')
        return true;
    int n = snprintf(wanted, sizeof(wanted), ",\"%s\":\"%s%s", key, value, whole ? "\"" : "");
    return n > 0 && (size_t)n < sizeof(wanted) && memmem(line, size, wanted, (size_t)n) != NULL;
}

bool ne_event_matches(const struct ne_event_filter *filter, const char *line, size_t size) {
    size_t time_size = strlen(filter->since);
    if (size < LINE_TIME_AT + NE_EVENT_TIME || memcmp(line, "{\"time\":\"", LINE_TIME_AT) != 0)
        return false;
    return (time_size == 0 || memcmp(line + LINE_TIME_AT, filter->since, time_size) >= 0) &&
           text_is(line, size, "type", filter->type, true) &&
           text_is(line, size, "network", filter->network, false) &&
           text_is(line, size, "endpoint", filter->endpoint, false);
}

/* begins_before() - Whether the file of @generation has a first line that is not younger than
 * @since, so that no older file can hold what is wanted. */
static bool begins_before(const struct event_file *file, uint64_t generation, const char *since) {
    char begin[LINE_TIME_AT + NE_EVENT_TIME];
    int fd = event_file_reader(file, generation);
    if (fd < 0)
        return false;
    ssize_t n = pread(fd, begin, sizeof(begin), 0);
    (void)close(fd);
    return n == (ssize_t)sizeof(begin) &&
           memcmp(begin + LINE_TIME_AT, since, NE_EVENT_TIME - 1) < 0;
}

/* meet_ring() - Read the file up to where the ring begins by now. */
static void meet_ring(struct ne_follower *follower) {
    const struct hub *hub = event_hub();
    const struct ring_entry *oldest = ring_get(&hub->ring, hub->ring.first);
    follower->number = hub->ring.first;
    follower->last_generation = oldest != NULL ? oldest->generation : hub->file.generation;
    follower->last_offset = oldest != NULL ? oldest->offset : hub->file.size;
}

static void begin_history(struct ne_follower *follower) {
    struct hub *hub = event_hub();
    const struct ring_entry *oldest = ring_get(&hub->ring, hub->ring.first);
    const char *since = follower->filter.since;
    follower->number = hub->ring.first;
    if (oldest != NULL && since[0] != '\0' &&
        memcmp(oldest->line + LINE_TIME_AT, since, strlen(since)) < 0)
        return; /* the ring has it all */
    event_file_look(&hub->file);
    follower->generation = hub->file.generation - hub->file.count;
    if (hub->file.path == NULL || (oldest != NULL && oldest->generation < follower->generation))
        return; /* there is no file, or the ring reaches further back than the files that are kept
                 */
    follower->piece = malloc(PIECE);
    meet_ring(follower);
    for (uint64_t g = follower->last_generation; since[0] != '\0' && g > follower->generation;
         g--) {
        if (begins_before(&hub->file, g, since))
            follower->generation = g;
    }
}

struct ne_follower *ne_follower_open(const struct ne_event_filter *filter, bool history,
                                     bool follow, struct ne_error *err) {
    if (followers == NE_FOLLOWERS) {
        (void)ne_fail(err, NE_CONFLICT, "%d read the events already; accepted are %d at once",
                      NE_FOLLOWERS, NE_FOLLOWERS);
        return NULL;
    }
    struct ne_follower *follower = calloc(1, sizeof(*follower));
    if (follower == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for a follower");
        return NULL;
    }
    follower->filter = *filter;
    follower->follow = follow;
    follower->fd = -1;
    follower->number = follower->end = event_hub()->ring.next;
    if (history)
        begin_history(follower);
    followers++;
    return follower;
}

static void set_line(struct ne_follower *follower, const char *line, size_t size) {
    memcpy(follower->line, line, size);
    follower->size = size;
    follower->at = 0;
}

static void end_history(struct ne_follower *follower) {
    if (follower->fd >= 0)
        (void)close(follower->fd);
    follower->fd = -1;
    free(follower->piece);
    follower->piece = NULL;
}

/* next_file() - Go on with the next one that is there. */
static void next_file(struct ne_follower *follower) {
    if (follower->fd >= 0)
        (void)close(follower->fd);
    follower->fd = -1;
    follower->used = follower->looked = 0;
    follower->offset = 0;
    if (++follower->generation > follower->last_generation)
        end_history(follower);
}

/* moved_on() - Whether the ring let go of lines meanwhile, which the file then still has. */
static bool moved_on(struct ne_follower *follower) {
    if (event_hub()->ring.first == follower->number)
        return false;
    uint64_t generation = follower->last_generation;
    uint64_t offset = follower->last_offset;
    uint64_t number = follower->number;
    meet_ring(follower);
    if (follower->last_generation > generation || follower->last_offset > offset)
        return true;
    follower->number = number; /* the file was not written: what is lost is told */
    return false;
}

/* fill() - More of the file into the piece, behind the beginning of a line that is left in it.
 * Return: how many bytes; 0 if a file, or all, came to its end. */
static size_t fill(struct ne_follower *follower) {
    if (follower->fd < 0)
        follower->fd = event_file_reader(&event_hub()->file, follower->generation);
    size_t left = follower->used - follower->looked;
    memmove(follower->piece, follower->piece + follower->looked, left);
    follower->looked = 0;
    follower->used = left;
    size_t room = PIECE - left;
    if (follower->generation == follower->last_generation &&
        room > follower->last_offset - follower->offset)
        room = (size_t)(follower->last_offset - follower->offset);
    ssize_t n = -1;
    if (follower->fd >= 0 && room > 0)
        n = pread(follower->fd, follower->piece + left, room, (off_t)follower->offset);
    if (n <= 0) {
        if (follower->generation == follower->last_generation && moved_on(follower))
            return 0;
        next_file(follower);
        return 0;
    }
    follower->used += (size_t)n;
    follower->offset += (uint64_t)n;
    return (size_t)n;
}

/* from_file() - The next line of the file that is wanted. Return: whether there is one by now. */
static bool from_file(struct ne_follower *follower) {
    size_t budget = LOOK_BYTES;
    while (follower->piece != NULL) {
        const char *line = follower->piece + follower->looked;
        const char *end = memchr(line, '\n', follower->used - follower->looked);
        if (end == NULL) {
            size_t got = budget == 0 ? 0 : fill(follower);
            if (budget == 0)
                return false;
            budget -= got < budget ? got : budget;
            continue;
        }
        size_t size = (size_t)(end - line) + 1;
        follower->looked += size;
        if (size <= NE_EVENT_LINE && ne_event_matches(&follower->filter, line, size)) {
            set_line(follower, line, size);
            return true;
        }
    }
    return false;
}

/* tell_loss() - The ring let go of lines that were not read yet. */
static void tell_loss(struct ne_follower *follower, uint64_t lost) {
    const struct ne_event event = {.type = "warning",
                                   .reason = "events were left out here: this reader was too slow",
                                   .count = (unsigned long)lost};
    size_t size;
    char *line = event_line(&event, &size);
    ne_events_lost(NE_PLACE_FOLLOWERS, lost);
    if (line != NULL)
        set_line(follower, line, size);
    free(line);
}

static bool from_ring(struct ne_follower *follower) {
    const struct ring *ring = &event_hub()->ring;
    if (follower->number < ring->first) {
        tell_loss(follower, ring->first - follower->number);
        follower->number = ring->first;
        return true;
    }
    while (follower->follow || follower->number < follower->end) {
        const struct ring_entry *entry = ring_get(ring, follower->number);
        if (entry == NULL)
            return false;
        follower->number++;
        if (ne_event_matches(&follower->filter, entry->line, entry->size)) {
            set_line(follower, entry->line, entry->size);
            return true;
        }
    }
    return false;
}

ssize_t ne_follower_read(struct ne_follower *follower, char *bytes, size_t size, bool *idle) {
    size_t used = 0;
    while (used < size) {
        if (follower->at == follower->size) {
            bool found = from_file(follower);
            if (!found && follower->piece == NULL)
                found = from_ring(follower);
            if (!found)
                break;
        }
        size_t more = follower->size - follower->at;
        more = more < size - used ? more : size - used;
        memcpy(bytes + used, follower->line + follower->at, more);
        follower->at += more;
        used += more;
    }
    *idle = follower->piece == NULL;
    bool over = !follower->follow && follower->piece == NULL && follower->number >= follower->end;
    return used == 0 && over ? -1 : (ssize_t)used;
}

void ne_follower_close(struct ne_follower *follower) {
    if (follower == NULL)
        return;
    end_history(follower);
    free(follower);
    followers--;
}
