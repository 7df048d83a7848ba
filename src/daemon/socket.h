/* socket.h - listening Unix sockets, for root alone. */
#ifndef NETENFORCE_DAEMON_SOCKET_H
#define NETENFORCE_DAEMON_SOCKET_H

#include <netenforce/error.h>

/* socket_listen() - A non-blocking listening socket at @path, mode 0600.
 * Its folder is made if missing (mode 0755 for the engine's, which others look into).
 * A socket file that is there is a dead daemon's: the state folder's lock says that no other
 * lives. Anything else of that name is left, and an error.
 * Return: the descriptor, or -1.
 */
int socket_listen(const char *path, struct ne_error *err);

#endif
