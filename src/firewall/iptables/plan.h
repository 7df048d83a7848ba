/* plan.h - a fence in the words of xtables: tables, chains, rules. Pure.
 *
 * Theory of operation
 *
 * One judge, several gates. The judge is PREROUTING of table raw: it sees every packet first,
 * before connection tracking and DNAT, whether it will take INPUT or FORWARD. It dispatches by
 * the source address, checks bridge, address and MAC address of the sender, walks the
 * sender's policy and writes its verdict into two bits of the packet's mark:
 *
 *     PASS      the fence lets this packet through
 *     REFUSED   refused, and the (verified) sender is to be told
 *     neither   not judged, or forged: nobody is to be told
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
 *                            -i ne-+  -j NETENFORCE           the gate
 *               FORWARD      the same two, and
 *                            -o ne-+  -j NETENFORCE-INTO      replies only
 *     security  INPUT        -i ne-+  -j NETENFORCE           the second gate
 *               FORWARD      the same, and
 *                            -o ne-+  -j NETENFORCE-INTO      replies, and what has PASS
 *     nat       POSTROUTING  -j NETENFORCE                    only if proxies are beyond the host
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
 * Tables are committed one by one. The gates change before the judge, so that nothing gets a bit
 * that no gate asks for, and the judge goes before the gates when the last bridge does. One thing
 * no order can mend: if the two bits are others than last time, the old judge's REFUSED may
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
    DO_NOT_TRACK, /* no connection tracking, so no DNAT: the answer comes from where it was sent */
    DO_REJECT_RESET, /* TCP RST */
    DO_REJECT_PORT,  /* ICMP port unreachable */
    DO_MASQUERADE,
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
    int16_t icmp_type; /* with ICMP and ICMPv6, or NE_ICMP_TYPE_ANY */
    bool mac_given;
    struct ne_mac mac;
    uint32_t mark_mask; /* 0: do not look at the mark */
    uint32_t mark_value;
    bool mark_inverted;
    bool replies; /* of a connection that is known (RELATED, ESTABLISHED) */
    enum xt_action action;
    char chain[CHAIN_SIZE]; /* of DO_JUMP and DO_GOTO */
    uint32_t set_mask;      /* of DO_SET_MARK */
    uint32_t set_value;
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

/* The two bits. */
struct xt_marks {
    uint32_t mask;
    uint32_t pass;
    uint32_t refused;
};

/* xt_marks_of() - From the bit that the settings name: it and the next one. */
struct xt_marks xt_marks_of(uint32_t bit);

enum xt_table { XT_RAW, XT_FILTER, XT_SECURITY, XT_NAT };

/* xt_table_name() - "raw", "filter", "security", "nat". */
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

/* The builder, shared by compile.c and tree.c. Chains are named by position: adding one moves the
 * array. */
int plan_add_chain(struct xt_plan *plan, const char *name, bool builtin, size_t *position,
                   struct ne_error *err);
int plan_add_rule(struct xt_plan *plan, size_t chain, const struct xt_rule *rule,
                  struct ne_error *err);
int plan_end_with(struct xt_plan *plan, size_t chain, enum xt_action action, struct ne_error *err);

/* tree_build() - The dispatch by source address, from the chain @root on, over the members of
 * @fence from @first to @end (of one family, sorted).
 */
int tree_build(struct xt_plan *plan, const struct ne_fence *fence, size_t root, size_t first,
               size_t end, struct ne_error *err);

/* Where the judge writes its verdicts. */
#define PASS_CHAIN   CHAIN_PREFIX "-PASS"
#define REFUSE_CHAIN CHAIN_PREFIX "-REFUSE"

/* policy_chain_name() - "NETENFORCE-P" and 16 characters of the policy's id. */
void policy_chain_name(const struct ne_policy *policy, char name[static CHAIN_SIZE]);

#endif
