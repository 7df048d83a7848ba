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

#define NE_FIREWALL_TEXT 240

/* The group of netfilter's log (NFLOG) in which refused packets come. */
#define NE_LOG_GROUP 20037

/* What one endpoint has used since its Join, both families together. Bytes are those of IP packets.
 */
struct ne_usage {
    char id[NE_ID_SIZE];
    uint64_t passed_packets; /* from the container, through the fence */
    uint64_t passed_bytes;
    uint64_t refused_packets; /* all of them, also those that the log leaves out; with mode=audit
                               * those that would have been */
    uint64_t refused_bytes;
    uint64_t limited_packets; /* what went beyond rate or conn_rate */
    uint64_t quota_used;      /* bytes; 0 without a quota */
    uint64_t quota;           /* the quota itself; 0: none */
};

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

    /* usage - Call @visit for each joined endpoint whose use is counted here, in the order of ids,
     * or for the endpoint @only alone, which asks the kernel for no other's; its failure ends the
     * walk. NULL in what is a part of ne_firewall_pair(): nothing is counted.
     * Return: 0, or -1 with NE_KERNEL, NE_NO_MEMORY or what @visit failed with.
     */
    int (*usage)(struct ne_firewall *firewall, const char *only,
                 int (*visit)(void *context, const struct ne_usage *usage, struct ne_error *err),
                 void *context, struct ne_error *err);

    /* describe - Say in a few words what it consists of: "iptables". @size is at least
     * NE_FIREWALL_TEXT for the whole. */
    void (*describe)(const struct ne_firewall *firewall, char *text, size_t size);

    /* close - Release the backend's memory and descriptors; rules stay. */
    void (*close)(struct ne_firewall *firewall);
};

struct ne_firewall {
    const struct ne_firewall_ops *ops;
};

/* Who writes the main fence. */
enum ne_firewall_choice {
    NE_FIREWALL_AUTO, /* the legacy tables where the kernel has them, else nf_tables */
    NE_FIREWALL_IPTABLES,
    NE_FIREWALL_NFTABLES,
};

/* ne_firewall_choice_parse() - "auto", "iptables" or "nftables". Return: whether it is one. */
bool ne_firewall_choice_parse(const char *word, enum ne_firewall_choice *choice);

struct ne_firewall_settings {
    uint32_t mark;         /* the bits of the packet mark that say "passed", not 0 */
    const char *lock_path; /* iptables' lock file: the host's /run/xtables.lock    */
    enum ne_firewall_choice choice;
};

/* ne_main_fence_open() - The main fence, by the backend that @settings choose; with
 * NE_FIREWALL_AUTO the first fence that is not empty decides, and describe() says why. Where an
 * earlier daemon used the other one, what it left is removed once the chosen one's stands: no
 * instant is more open than both.
 * @settings is copied. Return: the backend, or NULL with NE_NO_MEMORY.
 */
struct ne_firewall *ne_main_fence_open(const struct ne_firewall_settings *settings,
                                       struct ne_error *err);

/* ne_iptables_open() - The backend that writes the legacy tables through libiptc.
 * Opens nothing yet: a kernel without these tables is found by apply() and check(), which
 * then fail with NE_UNSUPPORTED and what to do about it.
 * @settings is copied (the path too).
 * Return: the backend, to be ended with its ops->close(), or NULL with NE_NO_MEMORY.
 */
struct ne_firewall *ne_iptables_open(const struct ne_firewall_settings *settings,
                                     struct ne_error *err);

/* ne_nftables_open() - The same fence in nf_tables: apply() and check() fail with NE_UNSUPPORTED on
 * a kernel without them, or without something that the fence needs.
 * Return: the backend, or NULL with NE_NO_MEMORY.
 */
struct ne_firewall *ne_nftables_open(const struct ne_firewall_settings *settings,
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

/* ne_permit_open() - What lets the host forward what the fence passes, where its own firewall (in
 * nf_tables, as iptables writes them) refuses by default. It enforces nothing; the fence stands
 * beside it. Its failures are logged, and fail no call.
 * Return: the backend, or NULL with NE_NO_MEMORY.
 */
struct ne_firewall *ne_permit_open(const struct ne_firewall_settings *settings,
                                   struct ne_error *err);

/* ne_meter_open() - What is counted, limited and logged for each endpoint, in nf_tables: `usage`,
 * and the options rate, conn_rate, quota and log. It opens nothing. A kernel that cannot do it does
 * without counting and logging, which is logged once; a fence with limits is refused there, with
 * NE_UNSUPPORTED.
 * Return: the backend, or NULL with NE_NO_MEMORY.
 */
struct ne_firewall *ne_meter_open(const struct ne_firewall_settings *settings,
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
 * Return: what may have happened, of these bits; all of them if events were left out.
 */
enum {
    NE_RULES_CHANGED = 1, /* the backstop or the meter: look at them */
    NE_QUOTA_REACHED = 2, /* by some endpoint: ask for the usage */
};
unsigned ne_firewall_watch_drain(int fd);

#endif
