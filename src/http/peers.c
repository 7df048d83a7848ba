/* peers.c - the connections of a server: see peers.h. */
#include "peers.h"

#include <netenforce/http.h>

#include <poll.h>
#include <stdlib.h>

struct peer {
    struct MHD_Connection *connection;
    struct peer *next;
    struct peer **link; /* what points to this one */
};

static struct peer *add(struct peers *peers, struct MHD_Connection *connection) {
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    *peer = (struct peer){.connection = connection, .next = peers->first, .link = &peers->first};
    if (peer->next != NULL)
        peer->next->link = &peer->next;
    peers->first = peer;
    return peer;
}

void peers_note(void *peers, struct MHD_Connection *connection, void **context,
                enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = add(peers, connection);
        return;
    }
    struct peer *peer = *context;
    if (peer == NULL)
        return;
    *peer->link = peer->next;
    if (peer->next != NULL)
        peer->next->link = peer->link;
    free(peer);
}

/* begin_anew() - The library sets the clock of a connection back where a limit follows none
 * (MHD_set_connection_option(), connection.c). */
static void begin_anew(struct MHD_Connection *connection, unsigned seconds) {
    (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

void peers_excuse(const struct peers *peers) {
    struct pollfd waiting[NE_HTTP_CONNECTIONS];
    nfds_t count = 0;
    for (const struct peer *peer = peers->first; peer != NULL && count < NE_HTTP_CONNECTIONS;
         peer = peer->next) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(peer->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        waiting[count++] =
            (struct pollfd){.fd = info == NULL ? -1 : info->connect_fd, .events = POLLIN};
    }
    if (poll(waiting, count, 0) <= 0)
        return;
    const struct peer *peer = peers->first;
    for (nfds_t i = 0; i < count; i++, peer = peer->next) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(peer->connection, MHD_CONNECTION_INFO_CONNECTION_TIMEOUT);
        if ((waiting[i].revents & POLLIN) != 0 && info != NULL && info->connection_timeout != 0)
            begin_anew(peer->connection, info->connection_timeout);
    }
}
