/* forwarder.h - dns=log: a name server on the bridge's addresses that says what it was asked.
 *
 * DOC: names that containers ask for
 *
 * For each network that has dns=log, or an endpoint with it, runs one dnsmasq. It listens on the
 * bridge's addresses, passes on to the host's servers what dns_allow and dns_deny let it, and logs
 * each question to a pipe, from which the daemon makes events of type "dns".
 *
 * The daemon may start no program. So at its very start, before it reads anything, it forks the
 * launcher (ne_launcher_start()), which runs as nobody else, holds CAP_NET_BIND_SERVICE alone, and
 * starts and ends dnsmasq on orders of a fixed form (src/forwarder/order.h).
 *
 * Port 53 of the bridge is open in the fence only while the network's dnsmasq listens, so a
 * question never reaches another server of the host's.
 */
#ifndef NETENFORCE_FORWARDER_H
#define NETENFORCE_FORWARDER_H

#include <netenforce/driver.h>
#include <netenforce/resolver.h>

#define NE_FORWARDER_PROGRAM "/usr/sbin/dnsmasq"

/* ne_launcher_start() - Fork the launcher; call it before anything else, with all privileges.
 * @program is dnsmasq's path and must live as long as the process. The launcher ends with the other
 * end of *@fd, which is the caller's, non-blocking.
 * Return: 0, or -1 with NE_KERNEL.
 */
int ne_launcher_start(const char *program, int *fd, struct ne_error *err);

/* What became of a question. */
enum ne_query_result {
    NE_QUERY_ANSWERED,
    NE_QUERY_NODATA,     /* the name is there, and nothing of that type */
    NE_QUERY_NXDOMAIN,   /* an upstream server says that there is no such name */
    NE_QUERY_DENIED,     /* by dns_allow or dns_deny: no server was asked */
    NE_QUERY_FAILED,     /* a server refused or failed, or there is none to ask */
    NE_QUERY_UNANSWERED, /* no server has answered for ten seconds */
    NE_QUERY_RESULTS,    /* how many there are */
};

/* ne_query_result_name() - "answered", "nodata", "nxdomain", "denied", "failed", "unanswered". */
const char *ne_query_result_name(enum ne_query_result result);

struct ne_forwarder_settings {
    int launcher;                /* as ne_launcher_start() gave it; taken over */
    const char *host_root;       /* where the host's /etc lies; borrowed */
    struct ne_servers upstreams; /* to ask instead of the host's own, unless it is empty */
};

struct ne_forwarders;

/* ne_forwarders_open() - None runs yet. Return: NULL with NE_NO_MEMORY or NE_KERNEL. */
struct ne_forwarders *ne_forwarders_open(struct ne_driver *driver,
                                         const struct ne_forwarder_settings *settings,
                                         struct ne_error *err);

/* ne_forwarders_close() - The launcher ends, and each dnsmasq with it. NULL is nothing to do. */
void ne_forwarders_close(struct ne_forwarders *forwarders);

/* ne_forwarders_fd/timeout/run() - A source of the daemon's loop: run it when its descriptor is
 * readable, and after so many milliseconds (-1: never).
 */
int ne_forwarders_fd(const struct ne_forwarders *forwarders);
int ne_forwarders_timeout(const struct ne_forwarders *forwarders);
void ne_forwarders_run(struct ne_forwarders *forwarders);

/* ne_forwarders_sync() - Bring what runs in line with the model and with the host's servers: call
 * it after whatever may have changed either. Where something differs the port is closed before this
 * returns, and opens again when the new dnsmasq listens. Asks nobody, waits for nothing.
 */
void ne_forwarders_sync(struct ne_forwarders *forwarders);

/* ne_forwarders_settle() - Wait until each dnsmasq has ended that ne_forwarders_sync() found to be
 * another one than wanted, @limit_ms at most: so that no question is answered under a policy of
 * which the user is told that it is gone.
 */
void ne_forwarders_settle(struct ne_forwarders *forwarders, int limit_ms);

/* ne_forwarders_count() - The questions so far: calls @visit for each network that has a forwarder
 * and each result that was seen. The count is exact, events left out or not.
 */
void ne_forwarders_count(const struct ne_forwarders *forwarders,
                         void (*visit)(void *context, const char *network,
                                       enum ne_query_result result, unsigned long count),
                         void *context);

#endif
