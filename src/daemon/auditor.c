/* auditor.c - the kernel's log of packets, read for the audit: see auditor.h. */
#include "auditor.h"

#include <net/if.h>
#include <netenforce/event.h>
#include <netenforce/grow.h>
#include <netenforce/log.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_TICKS  60 /* how often counters are read while no packet comes */
#define DRAINS_MAX  32 /* at a tick */
#define GUARD_TICKS 4  /* how often guards are looked at, at most */

struct guard {
    int index; /* of the port */
    uint32_t count;
    bool there;
};

static void on_fence(void *context, struct ne_fence *fence) {
    struct auditor *auditor = context;
    ne_audit_fence(auditor->audit, fence);
}

static void complain(struct auditor *auditor, const struct ne_error *err) {
    if (!auditor->complained)
        ne_warn("audit: %s; what is refused stays refused, but is not told; it is tried again",
                err->text);
    auditor->complained = true;
}

static void on_packet(void *context, const struct ne_logged *logged) {
    struct auditor *auditor = context;
    char interface[IF_NAMESIZE] = "";
    if (logged->device == 0 || if_indextoname(logged->device, interface) == NULL)
        interface[0] = '\0';
    ne_audit_packet(auditor->audit, logged, interface);
}

/* drain() - Return: whether all that came has been read. */
static bool drain(struct auditor *auditor) {
    uint64_t lost = 0;
    bool empty = ne_nflog_drain(auditor->nflog, on_packet, auditor, &lost);
    if (lost > 0)
        ne_events_lost(NE_PLACE_KERNEL, lost);
    return empty;
}

static void on_ready(void *context) {
    (void)drain(context);
}

static void on_parting(void *context, const char *endpoint) {
    struct auditor *auditor = context;
    struct ne_error err;
    if (ne_audit_read(auditor->audit, endpoint, &err) < 0)
        complain(auditor, &err);
}

int auditor_open(struct auditor *auditor, struct ne_driver *driver, struct loop *loop,
                 struct ne_error *err) {
    *auditor = (struct auditor){.driver = driver, .loop = loop};
    auditor->audit = ne_audit_new(&driver->model, driver->firewall, err);
    if (auditor->audit == NULL)
        return -1;
    driver->on_fence = on_fence;
    driver->on_parting = on_parting;
    driver->on_context = auditor;
    return 0;
}

static void listen_to_kernel(struct auditor *auditor) {
    struct ne_error err;
    auditor->nflog = ne_nflog_open(NE_LOG_GROUP, &err);
    if (auditor->nflog == NULL) {
        complain(auditor, &err);
        return;
    }
    const struct loop_source source = {
        .fd = ne_nflog_fd(auditor->nflog), .ready = on_ready, .context = auditor};
    if (loop_add(auditor->loop, source, &err) < 0) {
        complain(auditor, &err);
        ne_nflog_close(auditor->nflog);
        auditor->nflog = NULL;
        return;
    }
    auditor->complained = false;
}

/* owner_of() - The endpoint whose port has the index @index, or NULL. */
static const struct ne_endpoint *owner_of(const struct auditor *auditor, int index) {
    const struct ne_model *model = &auditor->driver->model;
    char found[IF_NAMESIZE];
    char port[NE_IFNAME_SIZE];
    if (if_indextoname((unsigned)index, found) == NULL)
        return NULL;
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        if (strcmp(ne_port_name(endpoint->id, port), found) == 0)
            return endpoint;
    }
    return NULL;
}

/* guard_of() - What is known of a guard. Dumps come in one order: it is most likely the next. */
static struct guard *guard_of(struct auditor *auditor, int index, struct ne_error *err) {
    for (size_t i = 0; i < auditor->guard_count; i++) {
        size_t at = (auditor->next_guard + i) % auditor->guard_count;
        if (auditor->guards[at].index == index) {
            auditor->next_guard = at + 1;
            return &auditor->guards[at];
        }
    }
    void *room = ne_grow(auditor->guards, auditor->guard_count, sizeof(*auditor->guards), err);
    if (room == NULL)
        return NULL;
    auditor->guards = room;
    struct guard *guard = &auditor->guards[auditor->guard_count++];
    *guard = (struct guard){.index = index};
    return guard;
}

static int on_guard(void *context, const struct ne_guard_drops *drops, struct ne_error *err) {
    struct auditor *auditor = context;
    struct guard *guard = guard_of(auditor, drops->index, err);
    if (guard == NULL)
        return -1;
    uint32_t more = drops->count - guard->count; /* a counter of 32 bits may begin anew */
    const struct ne_endpoint *endpoint =
        more > 0 && auditor->guards_known ? owner_of(auditor, drops->index) : NULL;
    if (endpoint != NULL)
        ne_audit_guarded(auditor->audit, endpoint->network, endpoint->id, more);
    guard->count = drops->count;
    guard->there = true;
    return 0;
}

/* look_at_guards() - Tell what they dropped since the look before. */
static void look_at_guards(struct auditor *auditor) {
    struct ne_link *link = auditor->driver->link;
    struct ne_error err;
    for (size_t i = 0; i < auditor->guard_count; i++)
        auditor->guards[i].there = false;
    if (link->ops->drops(link, on_guard, auditor, &err) < 0) {
        complain(auditor, &err);
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < auditor->guard_count; i++) {
        if (auditor->guards[i].there)
            auditor->guards[kept++] = auditor->guards[i];
    }
    auditor->guard_count =
        kept; /* ne_grow() may ask for less room than there is then, never more */
    auditor->guards_known = true;
}

/* look_at_guards_in_turn() - The kernel lists all queueing rules of the host, in a time that grows
 * with the square of their number: no more than a hundredth of it is spent so. */
static void look_at_guards_in_turn(struct auditor *auditor) {
    struct timespec began = {0};
    struct timespec end = {0};
    if (auditor->ticks < auditor->guards_due)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    look_at_guards(auditor);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    long ms = (end.tv_sec - began.tv_sec) * 1000 + (end.tv_nsec - began.tv_nsec) / 1000000;
    unsigned rest = (unsigned)ms * 100 / TICK_MS;
    auditor->guards_due = auditor->ticks + (rest > GUARD_TICKS ? rest : GUARD_TICKS);
}

void auditor_begin(struct auditor *auditor) {
    struct ne_error err;
    if (ne_audit_tick(auditor->audit, true, &err) < 0)
        complain(auditor, &err);
    look_at_guards(auditor);
    listen_to_kernel(auditor);
}

void auditor_tick(struct auditor *auditor) {
    struct ne_error err;
    bool look = ++auditor->ticks % LOOK_TICKS == 0;
    if (auditor->nflog == NULL)
        listen_to_kernel(auditor);
    bool empty = auditor->nflog == NULL;
    for (int i = 0; i < DRAINS_MAX && !empty; i++)
        empty = drain(auditor);
    /* Under a flood that leaves no end to be reached, the counts wait for a later tick. */
    if (!empty)
        return;
    if (ne_audit_tick(auditor->audit, look, &err) < 0)
        complain(auditor, &err);
    look_at_guards_in_turn(auditor);
}

void auditor_close(struct auditor *auditor) {
    ne_nflog_close(auditor->nflog);
    free(auditor->guards);
    ne_audit_free(auditor->audit);
    *auditor = (struct auditor){.audit = NULL};
}
