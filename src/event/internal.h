/* internal.h - the parts of the event hub: line, file, ring. */
#ifndef NETENFORCE_EVENT_INTERNAL_H
#define NETENFORCE_EVENT_INTERNAL_H

#include <netenforce/event.h>

/* event_line() - @event as a line with its newline.
 * Return: to be freed, and *@size is its length; or NULL without memory.
 */
char *event_line(const struct ne_event *event, size_t *size);

#define LINE_TIME_AT 9 /* {"time":" */

/* The file. A generation is one file's content, numbered in the order of their beginnings; the
 * current one has the highest number, whatever the names are by now. */
struct event_file {
    char *path; /* NULL: there is none */
    uint64_t size_max;
    unsigned count;
    uint64_t size; /* as it was last seen */
    uint64_t generation;
    bool complained;
};

/* event_file_write() - Append a line, whole or not at all. Return: whether it is there. */
bool event_file_write(struct event_file *file, const char *line, size_t size);

/* event_file_reader() - Open what the generation @generation holds, to be read.
 * Return: the caller's descriptor, or -1 if it is gone.
 */
int event_file_reader(const struct event_file *file, uint64_t generation);

/* event_file_look() - Learn its size. */
void event_file_look(struct event_file *file);

/* The ring. */
#define RING_LINES 4096
#define RING_BYTES (1u << 20)

struct ring_entry {
    char *line;
    size_t size;
    uint64_t generation; /* where the file stood when it was written */
    uint64_t offset;
};

struct ring {
    struct ring_entry *entries; /* RING_LINES; of the line number n at n % RING_LINES */
    uint64_t first;             /* the number of the oldest line that is there */
    uint64_t next;              /* the number of the line to come */
    size_t bytes;
};

/* ring_add() - Take over @entry->line; old lines go. Return: false without memory (it is freed). */
bool ring_add(struct ring *ring, const struct ring_entry *entry);

/* ring_get() - Line number @number. Return: owned by the ring, or NULL if it is gone or to come. */
const struct ring_entry *ring_get(const struct ring *ring, uint64_t number);

/* ring_memory() - Bytes that the lines take, the allocator's own beside each included. */
size_t ring_memory(const struct ring *ring);

void ring_free(struct ring *ring);

/* What followers read from. */
struct hub {
    struct event_file file;
    struct ring ring;
};

struct hub *event_hub(void);

#endif
