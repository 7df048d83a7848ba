/* order.h - what daemon and launcher say to each other, over one SOCK_SEQPACKET pair.
 *
 *   daemon                          launcher
 *      <------------ READY ----------   it is there, with nothing running; again if it was killed
 *      ------------- START --------->   one dnsmasq for one network
 *      <--- STARTED (descriptor) ----   with the reading end of what it logs
 *      ------------- STOP ---------->
 *      <------------ EXITED ---------   after STOP, after START that failed, or by itself
 *
 * Each message is one struct of fixed size. The launcher believes nothing: an order that is not
 * whole and well-formed is not carried out, and what it runs is made of the values alone. Pure.
 */
#ifndef NETENFORCE_FORWARDER_ORDER_H
#define NETENFORCE_FORWARDER_ORDER_H

#include <netenforce/addr.h>
#include <netenforce/domains.h>
#include <netenforce/names.h>
#include <netenforce/resolver.h>

#define FORWARDERS_MAX 1024 /* of one launcher; a host's networks are fewer */

/* What makes one dnsmasq another one. */
struct forwarder_config {
    struct ne_addr listen[2]; /* the bridge's addresses; NE_NONE where it has none */
    struct ne_addr upstream[NE_RESOLVER_SERVERS]; /* NE_NONE behind the last */
    uint32_t has_allow;                           /* 0 or 1: only what @allow names is forwarded */
    struct ne_domains allow;
    struct ne_domains deny; /* wins */
};

enum { ORDER_START = 1, ORDER_STOP };

struct launcher_order {
    uint32_t kind;
    uint32_t serial; /* of the start that is meant, chosen by the daemon */
    char network[NE_ID_SIZE];
    struct forwarder_config config; /* with START */
};

enum { REPORT_READY = 1, REPORT_STARTED, REPORT_EXITED };

/* Why there is no dnsmasq, where its own status does not say it: beyond any status of wait(2). */
#define STATUS_PORT_TAKEN 0x10001 /* another server listens on port 53 of every address */
#define STATUS_NO_ROOM    0x10002 /* FORWARDERS_MAX run, or the launcher lacks memory or pids */
#define STATUS_BAD_ORDER  0x10003

struct launcher_report {
    uint32_t kind;
    uint32_t serial;
    int32_t status; /* with EXITED: as wait(2) gives it, or one of the above */
    char network[NE_ID_SIZE];
};

/* order_read() - Take @size bytes for an order. Return: whether they are one, then in *@order. */
bool order_read(const void *bytes, size_t size, struct launcher_order *order);

/* config_equal() - Whether two say the same. */
bool config_equal(const struct forwarder_config *a, const struct forwarder_config *b);

#endif
