/* firewall.h - the edge to the kernel's packet filter, as a table of functions.
 *
 * A backend puts a whole fence (fence.h) in force by comparing it with what the
 * kernel holds and applying the difference. One call serves Join, Leave, start
 * after a crash, repair and policy changes.
 */
#ifndef NETENFORCE_FIREWALL_H
#define NETENFORCE_FIREWALL_H

#include <netenforce/error.h>
#include <netenforce/fence.h>

struct ne_firewall;

struct ne_firewall_report {
    unsigned differences; /* rules, chains and jumps that were not as desired   */
    char first[160];      /* the first of them, for people: "raw/NETENFORCE: ..." */
};

struct ne_firewall_ops {
    const char *name; /* "iptables", "nftables" */

    /* apply - Make the kernel hold @fence, exactly. An empty fence (no bridge)
     * removes everything of ours. Order: what refuses is in place before what
     * lets pass, and is removed after it, so that no instant is more open
     * than the old or the new fence. Safe to repeat. @report may be NULL.
     * On failure the kernel holds the old fence, the new one, or something that
     * passes less than both.
     * Return: 0, or -1 with NE_KERNEL, NE_UNSUPPORTED or NE_NO_MEMORY.
     */
    int (*apply)(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err);

    /* check - Compare only; change nothing. @report says what apply would mend.
     * Return: 0 (also when there are differences), or -1 as apply.
     */
    int (*check)(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *err);

    /* close - Release the backend's memory and descriptors; rules stay. */
    void (*close)(struct ne_firewall *firewall);
};

struct ne_firewall {
    const struct ne_firewall_ops *ops;
};

struct ne_firewall_settings {
    uint32_t mark;         /* the bits of the packet mark that say "passed", not 0 */
    const char *lock_path; /* iptables' lock file: the host's /run/xtables.lock    */
};

/* ne_iptables_open() - The backend that writes the legacy tables through libiptc.
 * Opens nothing yet: a kernel without these tables is found by apply() and check(), which
 * then fail with NE_UNSUPPORTED and what to do about it.
 * @settings is copied (the path too).
 * Return: the backend, to be ended with its ops->close(), or NULL with NE_NO_MEMORY.
 */
struct ne_firewall *ne_iptables_open(const struct ne_firewall_settings *settings,
                                     struct ne_error *err);

#endif
