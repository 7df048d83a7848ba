/* link_watch.h - learn that someone has changed links, addresses or guards of ours.
 *
 * A hint to look, not an account of what happened: the answer to "changed" is to ensure everything
 * again, which sends nothing where nothing differs. What the daemon does itself is heard, too.
 * A container can cause such hints at will (by setting its own end up and down): whoever acts on
 * them must not do so more often than he can afford.
 */
#ifndef NETENFORCE_LINK_WATCH_H
#define NETENFORCE_LINK_WATCH_H

#include <netenforce/error.h>

#include <stdbool.h>

/* ne_link_watch_open() - A non-blocking descriptor that gets readable when links or addresses
 * change in this namespace; end it with close().
 * Not heard of: neighbour and forwarding entries. A container can make any number of such events
 * with ARP requests, and none of them can change an entry of ours.
 * Return: 0 and *@fd set, or -1.
 */
int ne_link_watch_open(int *fd, struct ne_error *err);

/* ne_link_watch_drain() - Read what has come.
 * Return: whether an interface of ours, by name or by alias, may have changed. True also if the
 * kernel had to leave events out, or if the descriptor fails.
 */
bool ne_link_watch_drain(int fd);

#endif
