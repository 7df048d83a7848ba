/* netlink.h - what the edges that speak netlink share: messages in turn, and watching.
 */
#ifndef NETENFORCE_NETLINK_H
#define NETENFORCE_NETLINK_H

#include <netenforce/error.h>

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>

/* ne_next_message() - The message at *@at of @size bytes; *@at moves behind it. mnl_nlmsg_ok()
 * would take a length of 2 GiB and more for a negative one, and so for a short one. Return: NULL at
 * the end, or where the rest is malformed.
 */
const struct nlmsghdr *ne_next_message(const char *bytes, size_t size, size_t *at);

/* ne_watch_open() - A non-blocking descriptor that hears the multicast @groups (a mask of
 * 1 << (group - 1)) of @protocol (NETLINK_*); @what names the watched in an error. End it with
 * close(). Return: 0 and *@fd set, or -1.
 */
int ne_watch_open(int protocol, unsigned groups, const char *what, int *fd, struct ne_error *err);

/* Takes in what a datagram of events tells. */
typedef void (*ne_watch_note)(void *context, const char *datagram, size_t size);

/* ne_watch_drain() - Read what has come, up to so many datagrams that a flood of events doesn't
 * hold the daemon's loop; what is left stays readable. Only the kernel is believed.
 * Return: false if the kernel had to leave events out, or if the descriptor fails: anything may
 * have happened.
 */
bool ne_watch_drain(int fd, ne_watch_note note, void *context);

#endif
