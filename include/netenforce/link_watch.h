/* link_watch.h - learn that someone has changed links, addresses or guards of ours, or that links
 * came or went.
 *
 * A hint to look, not an account of what happened: the answer to a change is to ensure again what
 * was changed, which sends nothing where nothing differs. What the daemon does itself is heard,
 * too. A container can cause hints of changes at will (by setting its own end up and down): whoever
 * acts on them must not do so more often than he can afford.
 */
#ifndef NETENFORCE_LINK_WATCH_H
#define NETENFORCE_LINK_WATCH_H

#include <netenforce/error.h>
#include <netenforce/names.h>
#include <stdbool.h>

/* So many interfaces are told by name: whoever changes more has everything looked at. */
#define NE_WATCH_NAMES 64

struct ne_link_change {
    char name[NE_IFNAME_SIZE];
    bool gone;    /* it was deleted, or left this namespace, at some time */
    bool retired; /* in the end, out of use: see NE_RETIRED_GROUP */
};

/* What may have happened since it was zeroed. */
struct ne_link_changes {
    /* Interfaces of ours, by name or by alias, each once. */
    struct ne_link_change changed[NE_WATCH_NAMES];
    unsigned count;
    bool all;   /* more than @changed tells */
    bool moved; /* any link came to this namespace or left it */
};

/* ne_link_watch_open() - A non-blocking descriptor that gets readable when links or addresses
 * change in this namespace; end it with close().
 * Not heard of: neighbour and forwarding entries. A container can make any number of such events
 * with ARP requests, and none of them can change an entry of ours.
 * Return: 0 and *@fd set, or -1.
 */
int ne_link_watch_open(int *fd, struct ne_error *err);

/* ne_link_watch_drain() - Read what has come, and add it to @changes: `all` and `moved`, if the
 * kernel had to leave events out or if the descriptor fails.
 */
void ne_link_watch_drain(int fd, struct ne_link_changes *changes);

#endif
