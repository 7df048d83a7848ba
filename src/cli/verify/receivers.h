/* receivers.h - what really arrived: listeners in the host's namespace and in a neighbour's. */
#ifndef NETENFORCE_CLI_RECEIVERS_H
#define NETENFORCE_CLI_RECEIVERS_H

#include "ways.h"

#define RECEIVERS_MAX 16

struct receivers {
    int count;
    int sockets[RECEIVERS_MAX]; /* the first: all links of the host; the second: the neighbour's */
    unsigned bridge;            /* indices of what a frame may be seen on: the network's bridge, */
    unsigned port;              /* the probe's port, */
    unsigned loopback;          /* and lo */
};

/* receivers_open() - In the host's namespace, beside @neighbour's own socket. To be given to
 * receivers_close() also after a failure.
 */
int receivers_open(struct receivers *receivers, const struct ground *ground,
                   const struct place *place, const struct place *neighbour, struct ne_error *err);
void receivers_close(struct receivers *receivers);

/* receivers_read() - Note what has come in @attempts, until nothing comes for @quiet_ms. */
int receivers_read(struct receivers *receivers, struct attempts *attempts, int quiet_ms,
                   struct ne_error *err);

/* receivers_lost() - Whether the kernel had to leave packets out: then nothing is sure. */
bool receivers_lost(const struct receivers *receivers);

#endif
