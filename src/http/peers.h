/* peers.h - the connections of a server, and justice for those that the server let wait.
 *
 * The library ends who was silent for too long, and only then reads what came meanwhile
 * (MHD_epoll(), libmicrohttpd's daemon.c). Where this thread did something else for that long, the
 * silence was its own: whoever has sent something by now gets all of its time again.
 */
#ifndef NETENFORCE_HTTP_PEERS_H
#define NETENFORCE_HTTP_PEERS_H

#include <microhttpd.h>

struct peer;

/* The connections of a server. */
struct peers {
    struct peer *first;
};

/* peers_note() - For MHD_OPTION_NOTIFY_CONNECTION, with a struct peers. A connection for which
 * there is no memory is served as any other, and not excused. */
void peers_note(void *peers, struct MHD_Connection *connection, void **context,
                enum MHD_ConnectionNotificationCode code);

/* peers_excuse() - The time of those begins anew from whom something waits to be read. Not for
 * use in a callback of the library's. */
void peers_excuse(const struct peers *peers);

#endif
