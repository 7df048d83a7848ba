/* audit.h - refused packets as events: why, by which rule, and how many got no event.
 *
 * DOC: how it works
 *
 * The kernel's meter counts every refused packet of an endpoint, and logs those that the endpoint's
 * `log` lets it log (NFLOG). Each logged packet is judged here once more, by the fence that made
 * the rules, and becomes an event of type "blocked". So reason and rule are those that `explain`
 * gives.
 *
 * A packet may have been judged under a fence that has been replaced by now. The last ones
 * are kept for a moment, and only what all those agree on that would have done to the packet what
 * the kernel did is said of it: no rule at all rather than one that was not asked.
 *
 * At a tick the counters are read, and what has no event is told: as `suppressed` in the endpoint's
 * next event, or in one of its own (reason "unlogged") if none comes until the tick after. A
 * counter may have counted a packet whose log is still on its way; so a counter is compared
 * with the events that came until the tick after it was read. The sum over all events of 1 and
 * `suppressed` (of an "unlogged" one: of `suppressed` alone) is the counter, to the packet.
 * Nothing is read while nothing is refused.
 */
#ifndef NETENFORCE_AUDIT_H
#define NETENFORCE_AUDIT_H

#include <netenforce/firewall.h>
#include <netenforce/model.h>
#include <netenforce/nflog.h>

struct ne_audit;

/* ne_audit_new() - Over a model and a firewall, which must outlive it. What the counters hold by
 * now was before its time. Return: to be ended with ne_audit_free(), or NULL with NE_NO_MEMORY.
 */
struct ne_audit *ne_audit_new(const struct ne_model *model, struct ne_firewall *firewall,
                              struct ne_error *err);
void ne_audit_free(struct ne_audit *audit);

/* ne_audit_fence() - @fence is in force from now on; it is taken over. */
void ne_audit_fence(struct ne_audit *audit, struct ne_fence *fence);

/* ne_audit_packet() - Tell of a logged packet that came in by @interface (empty: not known). */
void ne_audit_packet(struct ne_audit *audit, const struct ne_logged *logged, const char *interface);

/* ne_audit_read() - Read the counter of @endpoint: before its rules go, which counted. Nothing is
 * done while nothing is refused. Return: 0, or -1 (nothing is lost but the number).
 */
int ne_audit_read(struct ne_audit *audit, const char *endpoint, struct ne_error *err);

/* ne_audit_tick() - Once all that was logged so far has been handed over: tell what got no event.
 * @look: read the counters also if no packet came. Return: 0, or -1.
 */
int ne_audit_tick(struct ne_audit *audit, bool look, struct ne_error *err);

/* ne_audit_guarded() - Ports have dropped @count frames with false sources. */
void ne_audit_guarded(struct ne_audit *audit, const char *network, const char *endpoint,
                      uint64_t count);

/* ne_audit_counts() - Call @visit for each sum of refused packets that is not 0, since the start,
 * network by network. Return: 0, or what @visit returned if that was not 0.
 */
int ne_audit_counts(const struct ne_audit *audit,
                    int (*visit)(void *context, const char *network, const char *reason,
                                 const char *proto, uint64_t count),
                    void *context);

#endif
