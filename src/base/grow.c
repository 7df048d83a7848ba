/* grow.c - arrays that grow by one: see grow.h. */
#include <netenforce/grow.h>

#include <stdlib.h>

#define FIRST_ROOM 8 /* a power of two; most arrays hold a few elements */

void *ne_grow(void *array, size_t count, size_t size, struct ne_error *err) {
    if (count != 0 && (count < FIRST_ROOM || (count & (count - 1)) != 0))
        return array;
    size_t capacity = count == 0 ? FIRST_ROOM : count * 2;
    void *room = reallocarray(array, capacity, size);
    if (room == NULL)
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for %zu elements", capacity);
    return room;
}
