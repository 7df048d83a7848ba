/* plan.h - a fence in the words of xtables: tables, chains, rules. Pure.
 *
 * Theory of operation
 *
 * One judge, several gates. The judge is PREROUTING of table raw: it sees every packet first,
 * before connection tracking and DNAT, whether it will take INPUT or FORWARD. It dispatches by
 * the source address, checks bridge, address and MAC address of the sender, walks the
 * sender's policy and writes its verdict into three bits of the packet's mark:
 *
 *     PASS            the fence lets this packet through
 *     PASS, NOTE      passes only because the policy audits
 *     REFUSED         refused, and the (verified) sender is to be told
 *     REFUSED, NOTE   refused, and the (verified) sender is not to be told
 *     NOTE            handed: passes to the host, once its address translation has led it there
 *     PASS, REFUSED   refused, and told, unless it is a reply to a connection that the host opened,
 *                     or that a neighbour opened to its proxy
 *     all three       the same, and not told
 *     none            not judged, or forged: nobody is to be told
 *
 * NOTE opens nothing beside another bit: what passes is asked of the other two. A packet of no
 * known sender is dropped here; a refused one of a known sender goes on to where it is counted
 * (nftables/meter.h).
 *
 * A packet that comes out of a container has no mark: crossing from one network namespace to
 * another clears it (skb_scrub_packet(), net/core/skbuff.c).
 *
 * The gates stand in INPUT and FORWARD and demand the bit: filter accepts PASS, answers REFUSED
 * (REJECT works nowhere else) and drops the rest; security, which the kernel asks after
 * filter, drops whatever has no PASS. Both let nothing into a bridge but replies. So whichever
 * single table is emptied from outside, nothing more passes in either direction: without the
 * judge nobody gets the bit, and each gate stands without the other.
 *
 *     raw       PREROUTING   -i nv-+  -j NETENFORCE-PORT      frames handed to a port: dropped
 *                            -i ne-+  -j NETENFORCE           the root of the dispatch
 *     filter    INPUT        -i nv-+  -j NETENFORCE-PORT
 *                            -i ne-+  -j NETENFORCE           the gate (or NETENFORCE-HOST, below)
 *               FORWARD      -i nv-+  -j NETENFORCE-PORT
 *                            -o ne-+  -j NETENFORCE-INTO      replies and neighbours only, the
 *                                                             judged are answered
 *                            -i ne-+  -j NETENFORCE
 *     security  INPUT        -i ne-+  -j NETENFORCE           the second gate
 *               FORWARD      the same, and
 *                            -o ne-+  -j NETENFORCE-INTO      replies and neighbours only
 *     nat       PREROUTING   -i ne-+  -j NETENFORCE-HAND      only if a policy hands
 *               POSTROUTING  -j NETENFORCE                    only if proxies are beyond the host
 *
 * A bridge whose name does not begin with ne- has a jump of its own beside each of these.
 * The wildcard closes every other one, also of a network that nobody knows any more.
 *
 * What grows with the endpoints is in raw alone: a 16-way tree of chains over the bits of
 * the source address, so that a packet meets a few dozen rules among a thousand endpoints, and a
 * Join commits one table that holds nobody else's rules. Every chain of the tree ends with DROP and
 * is entered by goto: a packet that went through its policy goes back to PREROUTING, where the
 * host's own rules go on.
 *
 * A second tree, NETENFORCE-NEAR, goes by the destination: it holds the members with icc, and a
 * policy with icc jumps to it with what is for its own pool. What it passes is marked PASS, comes
 * back and returns; the rest goes on in the policy, which refuses all else in the pool. So in
 * FORWARD a packet with PASS that goes back into the bridge it came from (if members may reach each
 * other there) is from neighbour to neighbour. NOTE beside PASS says no such thing, so it must
 * not be set. Replies from beyond have no bit, and that is asked of them: a neighbour's packet with
 * PASS by an audit or a wide allowance may belong to a known connection, of before a change.
 *
 * Replies to what the host opened (inbound) are known by connection tracking, which comes after the
 * judge: so what might be one is marked PASS and REFUSED at once, which no gate takes for PASS, and
 * is tracked. In INPUT it meets NETENFORCE-HOST first, in filter and in security, which asks for
 *
 *   - a known connection, against the direction in which it was opened: so the container did not
 *     open it, and no helper expected it (that would be a connection of its own);
 *   - the NOTE bit in the connection's mark, which filter's OUTPUT (NETENFORCE-OUT) sets with the
 *     first packet of a connection to a bridge: of TCP with its SYN. Else a stream that was
 *     allowed and revoked could come back: once its entry is gone, tracking takes the next packet
 *     of the host's for the first of a new one (nf_conntrack_tcp_loose).
 *
 * What is no reply is refused before tracking keeps it, so it fills no table.
 *
 * A proxy that is a member itself (proxied) is reached as a neighbour is: its address and port are
 * marked PASS, and go back into the bridge. Its replies are marked PASS and REFUSED as those to the
 * host are. FORWARD asks the same of them before its gates, in both tables: a known connection,
 * against its direction, with the NOTE bit, which filter's FORWARD sets with the SYN of what is
 * marked PASS and goes back into the bridge. Who may be answered is asked of each packet, by a
 * third tree, NETENFORCE-BACK: by the destination, it leads to what the policy there says of
 * proxies (NETENFORCE-B and its id), which knows the proxy by its address and port. So a connection
 * ends in both directions when the policy that let it pass is changed.
 *
 * What is handed (mode=transparent) has NOTE alone, which FORWARD and every gate of an older policy
 * take for unjudged. NETENFORCE-HAND in nat's PREROUTING leads it to the port of the bridge's own
 * address that the policy says, so that the connection's entry keeps where it was for
 * (SO_ORIGINAL_DST). In INPUT such a packet goes through a chain of that name in filter and in
 * security, before all else: that asks that its connection was led elsewhere (the DNAT bit), and
 * that it is for that very address and port now. So nothing of it passes where the translation is
 * gone, or is somebody else's, and the judge, who keeps nothing, ends a connection with the policy
 * that handed it. All of a bridge is led to one port, but for the endpoints that have another one:
 * these have two rules each, and are all that grows here.
 *
 * Tables are committed one by one. The gates change before the judge, so that nothing gets a bit
 * that no gate asks for, and the judge goes before the gates when the last bridge does. One thing
 * no order can mend: if the bits are others than last time, the old judge's REFUSED may
 * be the new gates' PASS. Then the judge is disarmed first: xt_disarm(), apply.h.
 */
#ifndef NETENFORCE_IPTABLES_PLAN_H
#define NETENFORCE_IPTABLES_PLAN_H

#include <netenforce/fence.h>

#define CHAIN_PREFIX "NETENFORCE"
#define CHAIN_SIZE   29 /* 28 characters and NUL: what iptables takes (xtables.h) */
#define LEAF_MAX     16 /* members that one chain of the tree lists */

enum xt_action {
    DO_ACCEPT,
    DO_DROP,
    DO_RETURN,
    DO_JUMP,
    DO_GOTO,
    DO_SET_MARK,
    DO_SET_CONNMARK,
    DO_NOT_TRACK, /* no connection tracking, so no DNAT: the answer comes from where it was sent */
    DO_REJECT_RESET, /* TCP RST */
    DO_REJECT_PORT,  /* ICMP port unreachable */
    DO_MASQUERADE,
    DO_LEAD, /* to another destination: DNAT */
};

struct xt_rule {
    char in[NE_IFNAME_SIZE]; /* empty: any; a '+' at the end: any that begins so */
    char out[NE_IFNAME_SIZE];
    struct ne_prefix from; /* family NE_NONE: any */
    struct ne_prefix to;
    uint8_t proto; /* 0: any */
    bool ports;    /* with TCP and UDP: look at the destination port */
    uint16_t port_low;
    uint16_t port_high;
    uint16_t from_port; /* with TCP: the source port; 0: any */
    int16_t icmp_type;  /* with ICMP and ICMPv6, or NE_ICMP_TYPE_ANY */
    bool mac_given;
    struct ne_mac mac;
    uint32_t mark_mask; /* 0: do not look at the mark */
    uint32_t mark_value;
    bool mark_inverted;
    bool syn;               /* with TCP: of SYN, ACK, FIN and RST the first alone */
    bool replies;           /* of a connection that is known (RELATED, ESTABLISHED) */
    bool answers;           /* the same, against the direction in which it was opened */
    bool opens;             /* of one that has seen no reply yet (NEW) */
    bool led;               /* of one whose destination was translated (DNAT) */
    uint32_t connmark_mask; /* 0: do not look at the connection's mark */
    uint32_t connmark_value;
    enum xt_action action;
    char chain[CHAIN_SIZE]; /* of DO_JUMP and DO_GOTO */
    uint32_t set_mask;      /* of DO_SET_MARK and DO_SET_CONNMARK */
    uint32_t set_value;
    struct ne_addr lead_to; /* of DO_LEAD, with lead_port */
    uint16_t lead_port;
};

struct xt_chain {
    char name[CHAIN_SIZE];
    bool builtin; /* of the kernel: @rules are to be its first ones, the rest is others' */
    struct xt_rule *rules;
    size_t count;
};

struct xt_plan {
    struct xt_chain *chains;
    size_t count;
};

/* The three bits. */
struct xt_marks {
    uint32_t mask; /* of PASS and REFUSED: what the gates let pass has the first alone */
    uint32_t all;  /* NOTE as well */
    uint32_t pass;
    uint32_t refused;
    uint32_t note;
};

/* xt_marks_of() - From the bit that the settings name: it and the next two. */
struct xt_marks xt_marks_of(uint32_t bit);

/* XT_JUDGE is none of the kernel's: raw without its trees, for who dispatches otherwise
 * (nftables/fence.h). */
enum xt_table { XT_RAW, XT_FILTER, XT_SECURITY, XT_NAT, XT_JUDGE };

/* xt_table_name() - "raw", "filter", "security", "nat", "judge". */
const char *xt_table_name(enum xt_table table);

/* xt_compile() - What @table of @family should hold for @fence. A fence without bridges gives
 * built-in chains without rules of ours.
 * Return: 0, to be released with xt_plan_free(); or -1 with NE_NO_MEMORY, nothing to release.
 */
int xt_compile(const struct ne_fence *fence, enum ne_family family, enum xt_table table,
               struct xt_marks marks, struct xt_plan *plan, struct ne_error *err);

void xt_plan_free(struct xt_plan *plan);

/* xt_plan_chain() - The chain called @name, or NULL. */
const struct xt_chain *xt_plan_chain(const struct xt_plan *plan, const char *name);

/* The builder, shared by compile.c, back.c and tree.c. Chains are named by position: adding one
 * moves the array. */
int plan_add_chain(struct xt_plan *plan, const char *name, bool builtin, size_t *position,
                   struct ne_error *err);
int plan_add_rule(struct xt_plan *plan, size_t chain, const struct xt_rule *rule,
                  struct ne_error *err);
int plan_end_with(struct xt_plan *plan, size_t chain, enum xt_action action, struct ne_error *err);

/* A dispatch by address over members of one family, sorted. */
enum tree_kind {
    TREE_FROM, /* by the source: a member leads to its policy, who is none of them is dropped */
    TREE_NEAR, /* by the destination: a member leads to PASS, and what is for none of them back to
                * where the root was jumped to from */
    TREE_BACK, /* by the destination: a member leads to what its policy says of proxies */
};

struct tree {
    enum tree_kind kind;
    struct xt_plan *plan;
    const struct ne_member *members;
    const struct ne_policy *policies; /* but for TREE_NEAR */
    struct ne_error *err;
};

/* tree_build() - The tree over the members from @first to @end, from the chain @root on. */
int tree_build(const struct tree *tree, size_t root, size_t first, size_t end);

/* Where what comes from a bridge of ours is sent: the root of the tree by source, and in the other
 * tables the gate. */
#define ROOT_CHAIN CHAIN_PREFIX

/* The roots of the trees by destination. */
#define NEAR_CHAIN CHAIN_PREFIX "-NEAR"
#define BACK_CHAIN CHAIN_PREFIX "-BACK"

/* Where the judge writes its verdicts. */
#define PASS_CHAIN   CHAIN_PREFIX "-PASS"
#define REFUSE_CHAIN CHAIN_PREFIX "-REFUSE"
#define DROP_CHAIN   CHAIN_PREFIX "-DROP"
#define AUDIT_CHAIN  CHAIN_PREFIX "-AUDIT"
#define REPLY_CHAIN  CHAIN_PREFIX "-REPLY"
#define HUSH_CHAIN   CHAIN_PREFIX "-HUSH"
#define HANDED_CHAIN CHAIN_PREFIX "-HANDED"

/* All of them, for an array. */
#define VERDICT_CHAINS                                                                             \
    PASS_CHAIN, REFUSE_CHAIN, DROP_CHAIN, AUDIT_CHAIN, REPLY_CHAIN, HUSH_CHAIN, HANDED_CHAIN

#define POLICY_CHARACTERS 16 /* of its id, in the name of its chain */

/* policy_chain_name() - "NETENFORCE-P" and the first characters of the policy's id. */
void policy_chain_name(const struct ne_policy *policy, char name[static CHAIN_SIZE]);

/* back_chain_name() - The same, "NETENFORCE-B": which proxies may answer whoever is under it. */
void back_chain_name(const struct ne_policy *policy, char name[static CHAIN_SIZE]);

/* Proxies that are members (back.c).
 *
 * back_is_for() - Whether @member may reach any.
 * back_add_chains() - The chains "NETENFORCE-B..." of @family.
 * back_add_tree() - The tree over those of @fence's members from @first to @end who may reach one.
 * back_add_question() - In a @policy's @chain: ask whether what is for @pool may be a proxy's
 * reply, and end here if so. back_add_gate() - What goes from a bridge back into it is let pass
 * with @action if it is a reply. back_add_marks() - Connections that are opened to a proxy bear a
 * mark.
 */
bool back_is_for(const struct ne_fence *fence, const struct ne_member *member);
int back_add_chains(struct xt_plan *plan, const struct ne_fence *fence, enum ne_family family,
                    struct ne_error *err);
int back_add_tree(struct xt_plan *plan, const struct ne_fence *fence, size_t first, size_t end,
                  struct ne_error *err);
int back_add_question(struct xt_plan *plan, size_t chain, const struct ne_policy *policy,
                      const struct ne_prefix *pool, struct xt_marks marks, struct ne_error *err);
int back_add_gate(struct xt_plan *plan, size_t chain, const struct ne_fence *fence,
                  struct xt_marks marks, enum xt_action action, struct ne_error *err);
int back_add_marks(struct xt_plan *plan, size_t chain, const struct ne_fence *fence,
                   struct xt_marks marks, struct ne_error *err);

#endif
