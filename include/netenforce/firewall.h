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

#define NE_FIREWALL_TEXT 160

struct ne_firewall_ops {
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

    /* describe - Say in a few words what it consists of: "iptables". @size is at least
     * NE_FIREWALL_TEXT for the whole. */
    void (*describe)(const struct ne_firewall *firewall, char *text, size_t size);

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

/* ne_backstop_open() - A second fence beside the legacy tables, in nf_tables: it drops whatever
 * goes from a bridge of ours to the host or through it without having been passed by the
 * main fence's judge. So one `iptables-restore` of an old file that empties all legacy tables,
 * or one `nft flush ruleset`, opens nothing: the other fence stands until both are mended.
 * It lets nothing pass by itself. A kernel without nf_tables does without it, which is logged once.
 * Return: the backend, or NULL with NE_NO_MEMORY.
 */
struct ne_firewall *ne_backstop_open(const struct ne_firewall_settings *settings,
                                     struct ne_error *err);

/* ne_firewall_pair() - Both as one. Takes both over, closes them with itself, and also when it
 * fails. Either may be NULL, as the opening functions return it: then NULL is returned, and @err is
 * left as they filled it.
 */
struct ne_firewall *ne_firewall_pair(struct ne_firewall *main, struct ne_firewall *backstop,
                                     struct ne_error *err);

/* ne_firewall_watch_open() - A non-blocking descriptor that gets readable when nf_tables change in
 * this namespace; end it with close(). The legacy tables tell nobody: they are looked at.
 * Return: 0 and *@fd set, or -1 (a kernel without nf_tables).
 */
int ne_firewall_watch_open(int *fd, struct ne_error *err);

/* ne_firewall_watch_drain() - Read what has come.
 * Return: whether the backstop may have changed; true also if events were left out.
 */
bool ne_firewall_watch_drain(int fd);

#endif
