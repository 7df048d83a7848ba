/* permit.h - the permission to forward, where the host's own firewall refuses by default.
 *
 * DOC: why, where, what
 *
 * A host's iptables may be those of nf_tables (Debian's are), and dockerd sets the policy of
 * FORWARD to DROP there when it switches forwarding on. What the fence passes in the legacy tables
 * is then dropped all the same: any base chain may refuse, none can overrule another. So what is
 * passed needs a rule that accepts it in that very chain's table:
 *
 *   table ip filter, table ip6 filter, if FORWARD is a base chain of policy drop
 *     chain DOCKER-USER, if FORWARD leads to it, else FORWARD itself:
 *       -i ne-+ -m mark --mark PASS/PASS|REFUSED  -j ACCEPT   what the judge has passed
 *       -o ne-+ -m conntrack --ctstate RELATED,ESTABLISHED  -j ACCEPT   replies, if a policy
 *                                        reaches beyond the host or has a member as its proxy
 *     and the same for each bridge of another name.
 *
 * They stand behind the operator's own rules there (before the RETURN that dockerd ends DOCKER-USER
 * with), so who refuses something in these chains still does. The fence is asked as well, whatever
 * is accepted here. They bear the comment "netenforce", are put back when they are lost, and go
 * when the policy is ACCEPT again or nothing is to be forwarded. Nothing else in these tables is
 * touched.
 *
 * They are written as iptables-nft writes its own, since it refuses to show or change a table with
 * a rule that it cannot read (nft_is_table_compatible(), iptables/nft.c): matches of xtables,
 * interfaces by "meta" and "cmp".
 */
#ifndef NETENFORCE_FIREWALL_NFTABLES_PERMIT_H
#define NETENFORCE_FIREWALL_NFTABLES_PERMIT_H

#include "nft.h"

#include <netenforce/fence.h>

#define PERMIT_TABLE   "filter"
#define PERMIT_CHAIN   "FORWARD"
#define PERMIT_USER    "DOCKER-USER"
#define PERMIT_COMMENT "netenforce"

/* A rule of ours that was found. */
struct permit_rule {
    bool in_user; /* in DOCKER-USER, else in FORWARD */
    uint64_t handle;
};

/* One family's table as it is. */
struct permit_view {
    bool refuses;  /* FORWARD's policy is drop */
    bool has_user; /* FORWARD leads to DOCKER-USER */
    uint64_t end;  /* handle of an unconditional RETURN at DOCKER-USER's end; 0: none */
    struct permit_rule *ours;
    size_t count;
    bool failed; /* no memory */
};

/* permit_read() - What the table of @nft's family holds, in *@view, to be released with
 * permit_view_free() in any case.
 */
enum nft_outcome permit_read(struct nft *nft, struct permit_view *view, struct ne_error *err);
void permit_view_free(struct permit_view *view);

/* permit_replies() - Whether @fence lets replies in, which are not marked PASS. */
bool permit_replies(const struct ne_fence *fence);

/* permit_count() - How many rules @fence needs in a table that refuses. */
size_t permit_count(const struct ne_fence *fence);

/* permit_write() - Replace the rules of ours that @view names by those that @fence needs, or, if
 * @wanted is false, by none; all at once. @mark is the bit that says PASS.
 */
enum nft_outcome permit_write(struct nft *nft, const struct permit_view *view,
                              const struct ne_fence *fence, bool wanted, uint32_t mark,
                              struct ne_error *err);

#endif
