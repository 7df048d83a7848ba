/* strays.c - links of ours that belong to nobody: see internal.h. */
#include "internal.h"

#include <netenforce/grow.h>
#include <stdlib.h>
#include <string.h>

void forget_strays(struct ne_driver *driver) {
    free(driver->strays);
    driver->strays = NULL;
    driver->stray_count = 0;
}

void note_stray(struct ne_driver *driver, const char *link) {
    struct ne_error err;
    void *room = ne_grow(driver->strays, driver->stray_count, sizeof(*driver->strays), &err);
    if (room == NULL) {
        driver->surveyed = false;
        return;
    }
    driver->strays = room;
    char *slot = driver->strays[driver->stray_count++];
    memset(slot, 0, NE_IFNAME_SIZE);
    memcpy(slot, link, strnlen(link, NE_IFNAME_SIZE - 1));
}

int close_strays(const struct ne_driver *driver, struct ne_fence *fence, struct ne_error *err) {
    for (size_t i = 0; i < driver->stray_count; i++) {
        if (ne_fence_add_bridge(fence, driver->strays[i], err) < 0)
            return -1;
    }
    return 0;
}
