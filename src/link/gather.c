/* gather.c - what a dump lists, gathered: see rtnl.h. */
#include "rtnl.h"

#include <netenforce/grow.h>
#include <stdlib.h>
#include <string.h>

static void take(void *context, const struct nlmsghdr *message) {
    struct ne_gathered *list = context;
    if (message == NULL) { /* the dump begins anew */
        free(list->items);
        list->items = NULL;
        list->count = 0;
        list->no_memory = false;
        return;
    }
    if (list->no_memory || !list->parse(message, list->item))
        return;
    void *room = ne_grow(list->items, list->count, list->size, NULL);
    list->no_memory = room == NULL;
    if (room == NULL)
        return;
    list->items = room;
    memcpy((char *)room + list->count++ * list->size, list->item, list->size);
}

int ne_gather(struct ne_rtnl *rtnl, struct ne_batch *batch, struct ne_gathered *list,
              const char *what, struct ne_error *err) {
    batch->requests[0].answer = take;
    batch->requests[0].context = list;
    int status = ne_rtnl_dump(rtnl, batch, err);
    if (status == 0 && list->no_memory)
        status = ne_fail(err, NE_NO_MEMORY, "no memory for %s", what);
    return status;
}
