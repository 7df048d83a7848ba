/* ring.c - the last lines, in bounded memory: see internal.h. */
#include "internal.h"

#include <stdlib.h>

static struct ring_entry *slot(const struct ring *ring, uint64_t number) {
    return &ring->entries[number % RING_LINES];
}

static void drop_oldest(struct ring *ring) {
    struct ring_entry *oldest = slot(ring, ring->first);
    ring->bytes -= oldest->size;
    free(oldest->line);
    *oldest = (struct ring_entry){0};
    ring->first++;
}

bool ring_add(struct ring *ring, const struct ring_entry *entry) {
    if (ring->entries == NULL) {
        ring->entries = calloc(RING_LINES, sizeof(*ring->entries));
        if (ring->entries == NULL) {
            free(entry->line);
            return false;
        }
    }
    while (ring->first < ring->next &&
           (ring->next - ring->first == RING_LINES || ring->bytes + entry->size > RING_BYTES))
        drop_oldest(ring);
    *slot(ring, ring->next) = *entry;
    ring->bytes += entry->size;
    ring->next++;
    return true;
}

const struct ring_entry *ring_get(const struct ring *ring, uint64_t number) {
    return number >= ring->first && number < ring->next ? slot(ring, number) : NULL;
}

size_t ring_memory(const struct ring *ring) {
    const size_t beside = 2 * sizeof(size_t); /* malloc()'s head and rounding, on the average */
    return ring->bytes + (ring->next - ring->first) * (sizeof(struct ring_entry) + beside);
}

void ring_free(struct ring *ring) {
    while (ring->first < ring->next)
        drop_oldest(ring);
    free(ring->entries);
    *ring = (struct ring){0};
}
