/* driver.h - what a network driver does, without the words of any protocol.
 *
 * The model says what is wanted; each operation changes the model, then brings
 * state folder, packet filter and links into line, in an order in which
 * every prefix of the steps is closed: rules come before a link is up, a link is down before
 * its rules go. A step that fails takes back what the operation did before it.
 *
 * Every operation may come twice, late, or out of order. One thread.
 */
#ifndef NETENFORCE_DRIVER_H
#define NETENFORCE_DRIVER_H

#include <netenforce/error.h>
#include <netenforce/firewall.h>
#include <netenforce/link.h>
#include <netenforce/model.h>
#include <netenforce/state.h>

struct ne_driver {
    struct ne_model model;
    struct ne_link *link;         /* borrowed */
    struct ne_firewall *firewall; /* borrowed */
    struct ne_store *store;       /* borrowed */
    bool unsettled;               /* something could not be undone or removed: repair later */
    unsigned long repairs;        /* differences that ne_driver_repair() mended so far */
};

/* ne_driver_init() - A driver with an empty model over three edges, which must outlive it. */
void ne_driver_init(struct ne_driver *driver, struct ne_link *link, struct ne_firewall *firewall,
                    struct ne_store *store);

/* ne_driver_free() - Release the model. Kernel and state folder stay as they are. */
void ne_driver_free(struct ne_driver *driver);

/* ne_driver_load() - Read the state folder into the model; call it once, before the first repair.
 */
int ne_driver_load(struct ne_driver *driver, struct ne_error *err);

/* What a repair found and put right. */
struct ne_repaired {
    unsigned count;
    char first[NE_MENDED_TEXT]; /* "raw/NETENFORCE: the chain is missing"; empty if none */
};

/* ne_driver_repair() - Bring the kernel into line with the model: rules first, then
 * bridges and ports; what is ours and belongs to nobody is removed; an
 * endpoint whose port is gone is taken as left. One path for start, crash and
 * reboot. Goes on after a step that failed; sets `unsettled` then.
 * @repaired is filled in any case; what was put right before a failure counts.
 * Return: 0, or -1 with the first failure.
 */
int ne_driver_repair(struct ne_driver *driver, struct ne_repaired *repaired, struct ne_error *err);

/* ne_driver_check() - Whether the kernel holds the rules of the model. Changes nothing. */
int ne_driver_check(struct ne_driver *driver, struct ne_firewall_report *report,
                    struct ne_error *err);

/* ne_driver_create_network() - Bridge and rules for @wanted.
 * From @wanted are taken: id, pools, gateways, internal, options. A network
 * that exists already with the same of these is success.
 */
int ne_driver_create_network(struct ne_driver *driver, const struct ne_network *wanted,
                             struct ne_error *err);

/* ne_driver_delete_network() - The network and all of its endpoints; unknown is success. */
int ne_driver_delete_network(struct ne_driver *driver, const char *id, struct ne_error *err);

/* ne_driver_create_endpoint() - Note an endpoint; nothing in the kernel yet.
 * From @wanted are taken: id, network, addresses, mac (zero: one is made), options. An endpoint
 * that holds one of its addresses is stale, and is deleted. *@made is the
 * model's record, valid until the next operation.
 */
int ne_driver_create_endpoint(struct ne_driver *driver, const struct ne_endpoint *wanted,
                              const struct ne_endpoint **made, struct ne_error *err);

/* ne_driver_join() - Rules in force, then the pair made and up. Joining again mends and succeeds.
 */
int ne_driver_join(struct ne_driver *driver, const char *network, const char *id,
                   const char *sandbox, struct ne_error *err);

/* ne_driver_leave() - Port down, rules gone. Unknown or not joined is success. */
int ne_driver_leave(struct ne_driver *driver, const char *id, struct ne_error *err);

/* ne_driver_delete_endpoint() - Leave, then the pair and the record gone. Unknown is success. */
int ne_driver_delete_endpoint(struct ne_driver *driver, const char *id, struct ne_error *err);

#endif
