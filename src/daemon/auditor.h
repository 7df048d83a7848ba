/* auditor.h - the kernel's log of packets, read for the audit. */
#ifndef NETENFORCE_DAEMON_AUDITOR_H
#define NETENFORCE_DAEMON_AUDITOR_H

#include "loop.h"

#include <netenforce/audit.h>
#include <netenforce/driver.h>

struct guard;

struct auditor {
    struct ne_audit *audit;
    struct ne_nflog *nflog; /* NULL: it cannot be read; tried again at ticks */
    struct ne_driver *driver;
    struct loop *loop;
    struct guard *guards; /* what each had dropped when it was last looked at */
    size_t guard_count;
    size_t next_guard; /* where the one that is dumped next is, most likely */
    bool guards_known;
    unsigned ticks;
    unsigned guards_due; /* the tick */
    bool complained;     /* that it cannot be read, or that the counters cannot */
};

/* auditor_open() - Let @driver tell the audit of its fences. Before the first fence.
 * Return: 0, or -1 with NE_NO_MEMORY.
 */
int auditor_open(struct auditor *auditor, struct ne_driver *driver, struct loop *loop,
                 struct ne_error *err);

/* auditor_begin() - Listen, once all is in place: what was counted before is nobody's news. */
void auditor_begin(struct auditor *auditor);

/* Milliseconds from one tick of the daemon to the next: how long rules that somebody else removed
 * can stay so. A check reads, compares and changes nothing; docs/performance.md has its cost. */
#define TICK_MS 500

/* auditor_tick() - Every TICK_MS while there is a network. */
void auditor_tick(struct auditor *auditor);

void auditor_close(struct auditor *auditor);

#endif
