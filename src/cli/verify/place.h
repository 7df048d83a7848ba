/* place.h - where `netenforce verify` sends from: an endpoint that the daemon makes, with its
 * interface in a namespace of ours.
 */
#ifndef NETENFORCE_CLI_PLACE_H
#define NETENFORCE_CLI_PLACE_H

#include "../command.h"
#include "../resolve.h"

#include <netenforce/addr.h>
#include <netenforce/error.h>
#include <netenforce/names.h>

/* The network that is tried, as the daemon tells of it. */
struct ground {
    char id[RESOLVED_ID_SIZE];
    char bridge[NE_IFNAME_SIZE];
    struct ne_mac mac; /* the bridge's */
    struct ne_prefix pool4;
    struct ne_prefix pool6;
    struct ne_prefix gateway4;
    struct ne_prefix gateway6;
};

struct place {
    char id[RESOLVED_ID_SIZE]; /* empty: there is none */
    char port[NE_IFNAME_SIZE]; /* the host's end */
    struct ne_mac mac;
    struct ne_addr addr4;
    struct ne_addr addr6;
    int netns;   /* the namespace, or -1 */
    int packets; /* AF_PACKET on the interface in there, non-blocking, or -1 */
};

/* ground_read() - From the answer about a network. Return: 0, or -1 if it says something else. */
int ground_read(const json_t *network, struct ground *ground, struct ne_error *err);

/* place_open() - Make a probe on @ground, move its interface into a new namespace, give it address
 * and default routes, and wait until the bridge forwards for it. @place is to be given to
 * place_close() also after a failure.
 */
int place_open(const struct cli *cli, const struct ground *ground, struct place *place,
               struct ne_error *err);

/* place_close() - The probe is ended; what is left of it when that fails, the daemon ends. */
void place_close(const struct cli *cli, struct place *place);

enum reach { REACH_OPEN, REACH_REFUSED, REACH_SILENT, REACH_FAILED };

/* place_connect() - Whether a TCP connection from @place is taken, within two seconds. */
enum reach place_connect(const struct place *place, const struct ne_addr *addr, uint16_t port);

/* place_socket() - A socket in the place's namespace. Return: the descriptor, or -1 with errno. */
int place_socket(const struct place *place, int family, int type, int protocol);

#endif
