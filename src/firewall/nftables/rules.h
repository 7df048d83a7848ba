/* rules.h - the backstop's table, as messages of one transaction.
 *
 * DOC: what stands in it
 *
 *   table inet netenforce
 *     chain input    hook input, priority filter + 10
 *       from nv-*                                drop   (link-local frames: never a packet's way)
 *       from ne-*, or another bridge of ours:
 *         the judge's mark is PASS and REFUSED, and it is a reply to a connection that the host
 *         opened (only if a policy has inbound)  accept
 *         the judge's mark is NOTE alone, and the connection was led to a port of the bridge's
 *         address to which a policy hands  accept
 *         the judge's mark is not PASS           drop
 *     chain forward  hook forward, priority filter + 10
 *       the same two, and
 *       to ne-*, or another bridge of ours:
 *         the judge's mark is PASS, and it comes from the same bridge, on which neighbours may
 *         reach each other                       accept
 *         its mark is PASS and REFUSED, and it is a reply to a connection that a neighbour on that
 *         bridge opened to its proxy             accept
 *         a reply (only if a policy reaches beyond the host)  accept
 *         else                                   drop
 *
 * It lets nothing pass that the legacy tables would not: it only demands that their judge (raw,
 * PREROUTING) has been there. Refusals with an answer are the legacy filter table's, which is asked
 * before; what comes here without PASS came past it.
 */
#ifndef NETENFORCE_FIREWALL_NFTABLES_RULES_H
#define NETENFORCE_FIREWALL_NFTABLES_RULES_H

#include "nft.h"

#include <netenforce/fence.h>

#define BACKSTOP_TABLE "netenforce"

/* rules_size() - Room that the messages for @fence need at most. */
size_t rules_size(const struct ne_fence *fence);

/* rules_put() - Put what replaces the table by one that guards @fence, or, if that has no bridge,
 * what removes the table. @mark is the bit that says PASS; the next higher one belongs to it.
 * A failure is noted in the batch.
 */
void rules_put(struct nft *nft, struct nft_batch *batch, const struct ne_fence *fence,
               uint32_t mark);

/* rules_count() - How many rules rules_put() makes for @fence. */
size_t rules_count(const struct ne_fence *fence);

#endif
