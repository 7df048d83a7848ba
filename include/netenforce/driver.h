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

#include <netenforce/declared.h>
#include <netenforce/error.h>
#include <netenforce/firewall.h>
#include <netenforce/link.h>
#include <netenforce/link_watch.h>
#include <netenforce/model.h>
#include <netenforce/resolver.h>
#include <netenforce/state.h>
#include <time.h>

#define NE_PROBES_MAX 8

/* An endpoint of ours, made by ne_driver_probe(). */
struct ne_probe {
    char id[NE_ID_SIZE];
    time_t ends; /* seconds of CLOCK_MONOTONIC */
};

struct ne_driver {
    struct ne_model model;
    struct ne_link *link;          /* borrowed */
    struct ne_firewall *firewall;  /* borrowed */
    struct ne_store *store;        /* borrowed */
    size_t retired;                /* ports that ne_driver_reap() deletes, as far as is known */
    bool unsettled;                /* something could not be undone or removed: repair later */
    char complaint[NE_ERROR_TEXT]; /* the first failure of the last repair; empty: it had none */
    bool surveyed;                 /* what an earlier daemon left is gone, or among the strays */
    /* Links of ours that belong to nobody and could not be removed. */
    char (*strays)[NE_IFNAME_SIZE];
    size_t stray_count;
    size_t next_link;        /* of ne_driver_check_links() */
    unsigned long repairs;   /* differences that ne_driver_repair() mended so far */
    ne_resolver_looker look; /* at the host's resolver; NULL: it is no matter */
    const char *host_root;   /* for @look; borrowed */
    const char *forwarder;   /* dnsmasq's path, for dns=log; NULL: there is none here; borrowed */
    bool leak_allowed;       /* a resolver that leaks is warned of, not refused */
    /* Who wants to know; NULL: nobody. on_fence is told of each fence that is put in force, and may
     * take it over (it is left empty then); on_parting of an endpoint whose port is down and whose
     * rules, with what they counted, go next. */
    void (*on_fence)(void *context, struct ne_fence *fence);
    void (*on_parting)(void *context, const char *endpoint);
    void *on_context;
    struct ne_link_others *others; /* endpoints with another way out, in the order of ids */
    size_t others_count;
    struct ne_probe probes[NE_PROBES_MAX];
    unsigned probe_count;
    struct ne_declarations declared; /* policies of networks, from the operator's file */
    bool declared_late;              /* one of them is not in force yet */
    const char *undeclared; /* why that file could not be read yet; NULL: it could. Borrowed */
};

/* ne_driver_init() - A driver with an empty model over three edges, which must outlive it.
 * It looks at no resolver until `look` is set.
 */
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

/* What a change of a policy came to. */
struct ne_policy_change {
    unsigned long revision;
    bool changed;      /* false: it was so already; nothing was touched */
    unsigned no_route; /* joined endpoints whose containers have no route to something that the new
                        * policy allows: the engine gives routes at Join alone */
};

/* ne_driver_set_policy() - Replace the options of the network @network, or of @endpoint if that is
 * not NULL (then @network is not looked at), by @options while containers run.
 *
 * Judged whole before anything changes, then recorded, then one commit of each table: before it
 * the old policy holds, after it the new one, for what is under way as well, since each
 * packet is judged by itself. What belongs to the links (MTU, the bridge's name) cannot change.
 *
 * Return: 0 and *@change filled; or -1 with NE_NOT_FOUND, NE_BAD_INPUT, NE_KERNEL or NE_STATE, and
 * the old policy is in force and on record.
 */
int ne_driver_set_policy(struct ne_driver *driver, const char *network, const char *endpoint,
                         const struct ne_options *options, struct ne_policy_change *change,
                         struct ne_error *err);

/* ne_driver_check_policy() - Only judge: what ne_driver_set_policy() would refuse is refused. */
int ne_driver_check_policy(struct ne_driver *driver, const char *network, const char *endpoint,
                           const struct ne_options *options, struct ne_error *err);

/* ne_driver_declare() - Take @declarations over: they replace the policies of the networks that
 * they name, of those that are there and of those that will be made. All of them are judged first.
 * What is there has them once ne_driver_follow_declared() has succeeded, until then `declared_late`
 * is set. Return: 0; or -1 with what was refused: nothing is changed, and @declarations stays the
 * caller's.
 */
int ne_driver_declare(struct ne_driver *driver, struct ne_declarations *declarations,
                      struct ne_error *err);

/* Told of each network whose policy ne_driver_follow_declared() changed. */
typedef void (*ne_policy_changed)(const char *network, unsigned long revision);

/* ne_driver_follow_declared() - Put what is declared in force where it is not yet. *@count is set
 * to how many networks' policies became others. Return: 0, and `declared_late` is false; or -1 with
 * the first policy that could not be put in force (those behind it are tried as well): to be called
 * again.
 */
int ne_driver_follow_declared(struct ne_driver *driver, ne_policy_changed changed, unsigned *count,
                              struct ne_error *err);

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

/* ne_driver_mend() - Bring the links that @changes names into line, as ne_driver_repair() does with
 * all of them, where the rules are known to be in place. @repaired is filled in any case.
 * Return: false: it takes ne_driver_repair() to tell what is to be done, or to do it.
 */
bool ne_driver_mend(struct ne_driver *driver, const struct ne_link_changes *changes,
                    struct ne_repaired *repaired);

/* What one endpoint has used since its Join. */
struct ne_use {
    struct ne_usage counted;
    uint64_t received_packets; /* into the container, by its port's own count: answers to what was
                                * refused, and ARP, are among them */
    uint64_t received_bytes;   /* without Ethernet's headers */
};

/* ne_driver_uses() - What all joined endpoints have used, those of them that are counted, in the
 * order of ids. *@uses is to be freed by the caller, also if it fails. Return: 0, or -1 with
 * NE_KERNEL or NE_NO_MEMORY.
 */
int ne_driver_uses(const struct ne_driver *driver, struct ne_use **uses, size_t *count,
                   struct ne_error *err);

/* ne_driver_note_use() - Learn which endpoints have used their quotas. Of each that has, and was
 * not told of since, a warning is logged and an event of type "blocked", reason "quota", is
 * emitted; its record says so. Return: 0, or -1 (what was known stays).
 */
int ne_driver_note_use(struct ne_driver *driver, struct ne_error *err);

/* ne_driver_check_links() - Whether bridges are as they should be: the kernel tells nobody of most
 * of their settings (net.ipv4.conf.*). Looks at @limit of them, the next time at the next ones.
 * Changes nothing. Return: false also where it cannot be known.
 */
bool ne_driver_check_links(struct ne_driver *driver, size_t limit);

/* ne_driver_reap() - Delete the ports of endpoints that are gone: DeleteEndpoint only takes them
 * out of use, since the kernel makes whoever deletes one wait for some 16 ms. Call it when no calls
 * come for a while. Return: 0 (also if there are none), or -1: they stay, down, until the next
 * time.
 */
int ne_driver_reap(struct ne_driver *driver, struct ne_error *err);

/* ne_driver_look_around() - Learn anew which endpoints' containers have another way out. A driver
 * can't forbid it (`docker network connect`), only tell: a warning is logged for each interface
 * once, when it is first seen, and a line when it is gone. Changes nothing else.
 * Return: 0, or -1 (what was known stays).
 */
int ne_driver_look_around(struct ne_driver *driver, struct ne_error *err);

/* ne_driver_others() - What ne_driver_look_around() found of a joined endpoint.
 * Return: owned by the driver, valid until it looks again; or NULL: no other way out.
 */
const struct ne_link_others *ne_driver_others(const struct ne_driver *driver,
                                              const struct ne_endpoint *endpoint);

/* ne_driver_set_forwarder() - Note whether the network @id's name forwarder listens, and open or
 * close its port accordingly. An unknown network is nothing to do.
 * Return: 0, or -1; then a repair follows, and what was to close is closed in the model already.
 */
int ne_driver_set_forwarder(struct ne_driver *driver, const char *id, bool up,
                            struct ne_error *err);

/* ne_driver_create_network() - Bridge and rules for @wanted.
 * From @wanted are taken: id, pools, gateways, internal, names_kept, options. A network
 * that exists already with the same of these is success. Refused, NE_UNSUPPORTED, where the engine
 * may hand containers' names to a server of the host's (resolver.h).
 */
int ne_driver_create_network(struct ne_driver *driver, const struct ne_network *wanted,
                             struct ne_error *err);

/* ne_driver_delete_network() - The network and all of its endpoints; unknown is success. */
int ne_driver_delete_network(struct ne_driver *driver, const char *id, struct ne_error *err);

/* ne_driver_create_endpoint() - Note an endpoint; nothing in the kernel yet.
 * From @wanted are taken: id, network, addresses, mac (zero: one is made), options (not NULL). An
 * endpoint that holds one of its addresses is stale, and is deleted. *@made is the model's record,
 * valid until the next operation.
 */
int ne_driver_create_endpoint(struct ne_driver *driver, const struct ne_endpoint *wanted,
                              const struct ne_endpoint **made, struct ne_error *err);

/* A Join or a Leave among several. */
struct ne_turn {
    bool leaves;              /* or else joins */
    char network[NE_ID_SIZE]; /* of a Join */
    char endpoint[NE_ID_SIZE];
    char sandbox[NE_SANDBOX_SIZE]; /* of a Join */
    int result;                    /* set: 0, or -1 and @err */
    struct ne_error err;
    bool waits, again; /* ne_driver_take_turns()'s own */
};

/* ne_driver_take_turns() - Each as ne_driver_join() or ne_driver_leave(), in their order, but with
 * one commit for all of them where it can be: it costs as much as for one. Where it fails each has
 * a commit of its own, so that one does not fail for another's sake.
 */
void ne_driver_take_turns(struct ne_driver *driver, struct ne_turn *turns, size_t count);

/* ne_driver_join() - Rules in force, then the pair made and up. Joining again mends and succeeds.
 * Refused as creating a network is, since the host's resolver may be another one by now.
 */
int ne_driver_join(struct ne_driver *driver, const char *network, const char *id,
                   const char *sandbox, struct ne_error *err);

/* ne_driver_leave() - Port down, rules gone. Unknown or not joined is success. */
int ne_driver_leave(struct ne_driver *driver, const char *id, struct ne_error *err);

/* ne_driver_delete_endpoint() - Leave, then the pair out of use for good and the record gone.
 * Unknown is success. */
int ne_driver_delete_endpoint(struct ne_driver *driver, const char *id, struct ne_error *err);

/* ne_driver_probe() - An endpoint of our own on the network @network, joined, under the network's
 * policy, with the last free addresses of its pools: for who tries the enforcement from within. It
 * has its peer (ne_peer_name()) in the host's namespace, for the caller to take.
 * It goes with ne_driver_end_probe(), and without it at @ends (seconds of CLOCK_MONOTONIC), when
 * its port is gone, with the daemon's next start, or when the engine gives its address away.
 * Return: 0 and *@made, the model's record; or -1, also with NE_CONFLICT: no room for a probe.
 */
int ne_driver_probe(struct ne_driver *driver, const char *network, time_t ends,
                    const struct ne_endpoint **made, struct ne_error *err);

/* ne_driver_end_probe() - One that is gone already is success; what is no probe, NE_NOT_FOUND. */
int ne_driver_end_probe(struct ne_driver *driver, const char *id, struct ne_error *err);

/* ne_driver_end_probes() - End those that are due at @now. Call it now and then. */
void ne_driver_end_probes(struct ne_driver *driver, time_t now);

/* ne_probe_id() - Whether an endpoint's id says that it is a probe: no engine makes such ids. */
bool ne_probe_id(const char *id);

#endif
