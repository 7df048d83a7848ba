/* grow.h - arrays that grow by one, without a capacity to keep. */
#ifndef NETENFORCE_GROW_H
#define NETENFORCE_GROW_H

#include <netenforce/error.h>
#include <stddef.h>

/* ne_grow() - Make room for one element of @size bytes behind the @count of @array, which only ever
 * grew by this function: room doubles at each power of two from eight on, so the count tells the
 * capacity.
 * Return: the array, moved or not; or NULL with NE_NO_MEMORY (the old one stays valid).
 */
void *ne_grow(void *array, size_t count, size_t size, struct ne_error *err);

#endif
