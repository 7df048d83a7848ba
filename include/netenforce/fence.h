/* fence.h - what the kernel should enforce, said without any firewall's words.
 *
 * The whole desired state is one value, made from the model by ne_model_fence(),
 * judged by ne_fence_verdict() and put in force by a firewall backend
 * (firewall.h). Nothing here knows of tables, chains or libiptc.
 *
 * The rules of the fence, for a packet that enters the host from a container's side:
 *
 *  1. On a bridge of ours only packets of a member may live: source address
 *     and source MAC address must be those of one member of that bridge.
 *     Everything else is dropped without a word (an answer would go to a forged source).
 *  2. The member's policy is asked with the packet's destination as the
 *     container wrote it (before any DNAT). The first rule that matches decides.
 *  3. If none matches, the policy's `otherwise` decides: refused with an answer
 *     or dropped.
 *  4. What comes in directly on a bridge port (link-local frames, which a
 *     bridge hands to its port) is dropped.
 *  5. Nothing is forwarded *into* a bridge of ours but replies to what passed, whatever a rule
 *     says: an allowance may be wider than its author thought of. One exception: what one member
 *     sends to another of the same bridge, if both have icc and no rule denies it; and what it
 *     sends to one that is its proxy, and that one's replies (rule 9).
 *  6. A policy that only audits lets pass what rules 2 and 3 would refuse, and that is noted. The
 *     rules 1, 4 and 5 hold for it as well.
 *  7. Under a policy with inbound, what no rule names passes to the host all the same if it is a
 *     reply to a connection that the host opened, or an error about one.
 *  8. What passes is counted, and limited, by the endpoint's meter.
 *  9. A proxy may be a member of the bridge itself. TCP to its port passes while a member has its
 *     address. What it sends back passes if it is a reply to a connection that was opened to that
 *     port, and only to a member that may still reach it.
 * 10. What a rule hands passes to the host alone, and there to one port of the bridge's own
 * address, whatever its destination says: the host's address translation leads it there. What was
 * not led there is refused.
 */
#ifndef NETENFORCE_FENCE_H
#define NETENFORCE_FENCE_H

#include <netenforce/addr.h>
#include <netenforce/error.h>
#include <netenforce/names.h>
#include <netenforce/units.h>

enum ne_verdict {
    NE_PASS,   /* let it through                                              */
    NE_REJECT, /* refuse and tell the sender (TCP RST, ICMP port unreachable) */
    NE_DROP,   /* refuse silently                                             */
};

#define NE_PROTO_ANY     0  /* IPPROTO_IP/HOPOPTS never needs a rule of its own */
#define NE_ICMP_TYPE_ANY -1 /* else 0..255, only with ICMP or ICMPv6            */

enum ne_rule_kind {
    NE_RULE_PLAIN,
    NE_RULE_NEIGHBOUR, /* passes to members of the sender's own bridge that have icc, no others */
    NE_RULE_INSIDE,    /* refuses what leads to other containers, also if the policy only audits */
    NE_RULE_PROXY,     /* passes to the member of the sender's own bridge that has this address; if
                        * nobody has it, says nothing */
    NE_RULE_BACK,      /* from such a proxy's port to a member of the same bridge that may reach it:
                        * passes if it is a reply; else NE_RULE_INSIDE, which follows, refuses it */
    NE_RULE_HANDED,    /* passes to @handed_to of the bridge's address, and nowhere else */
};

struct ne_rule {
    enum ne_rule_kind kind;
    struct ne_prefix to; /* destination; its family is the rule's family     */
    uint8_t proto;       /* IPPROTO_*, or NE_PROTO_ANY                       */
    uint16_t port_low;   /* with TCP and UDP: destination ports, inclusive   */
    uint16_t port_high;  /* (0..65535 is any)                                */
    int16_t icmp_type;   /* with ICMP and ICMPv6, else NE_ICMP_TYPE_ANY      */
    uint16_t handed_to;  /* a port, with NE_RULE_HANDED                      */
    enum ne_verdict verdict;
    const char *option; /* static: of which option it comes, for whoever asks why; NULL: it says
                         * what would hold without it */
};

/* What is counted and limited for one endpoint, for all of its addresses together. */
struct ne_meter {
    char id[NE_ID_SIZE];      /* the endpoint's */
    uint64_t rate;            /* bits a second, in each direction; 0: no limit */
    struct ne_pace conn_rate; /* new connections that pass; a count of 0: no limit */
    uint64_t quota;           /* bytes of both directions; 0: no limit */
    struct ne_pace log;       /* the most refusals that are logged; a count of 0: none is */
    bool silent; /* what goes beyond conn_rate or quota, or was to be handed and was led
                  * nowhere, is refused silently */
    bool hands;  /* its policy hands */
    bool spent;  /* the quota was reached: if the kernel lost count, it still is */
};

struct ne_policy {
    char id[NE_ID_SIZE]; /* of the network or endpoint that it belongs to: a stable, unique name */
    struct ne_rule *rules;
    size_t rule_count;
    enum ne_verdict otherwise; /* NE_REJECT or NE_DROP */
    bool audit;                /* what would be refused passes, and is noted */
    bool inbound;           /* replies to what the host opened pass, unless a rule refuses them */
    struct ne_meter limits; /* of each endpoint under it; the id is empty */
};

struct ne_member {
    char bridge[NE_IFNAME_SIZE];
    struct ne_mac mac;
    struct ne_addr addr; /* one member for each address of an endpoint */
    bool icc;            /* may be reached by neighbours that have it, too */
    size_t policy;       /* index in the fence's policies              */
    size_t meter;        /* index in the fence's meters                */
};

/* The addresses behind a bridge; its own is the host's, and so is judged as any other. */
struct ne_inside {
    struct ne_prefix pool;
    struct ne_addr bridge;
};

/* Where what a policy hands is led, of what comes in on @bridge. The first that fits holds: those
 * that ask for a port come first, then those for one sender. */
struct ne_hand {
    char bridge[NE_IFNAME_SIZE];
    struct ne_addr from; /* a member's; NE_NONE: whoever is left */
    struct ne_addr to;   /* the bridge's own, of one family */
    uint8_t proto;
    uint16_t asked; /* destination port as the container wrote it; 0: any */
    uint16_t port;  /* of @to */
};

struct ne_fence {
    char (*bridges)[NE_IFNAME_SIZE]; /* every bridge, also those with no member */
    size_t bridge_count;
    char (*near)[NE_IFNAME_SIZE]; /* those of them on which members may reach each other */
    size_t near_count;
    char (
        *proxied)[NE_IFNAME_SIZE]; /* those of the near ones with a policy that has NE_RULE_BACK */
    size_t proxied_count;
    struct ne_inside *insides; /* of every network and family */
    size_t inside_count;
    struct ne_policy *policies;
    size_t policy_count;
    struct ne_meter *meters; /* one for each endpoint, in the order of ids */
    size_t meter_count;
    struct ne_member *members; /* sorted by family, then address; addresses are unique */
    size_t member_count;
    struct ne_hand *hands; /* ne_fence_sort() brings them into their order */
    size_t hand_count;
    bool inbound;        /* some policy has it */
    bool reaches_beyond; /* a rule passes packets to an address that is no bridge's own:
                          * replies must be let back and the source hidden             */
};

struct ne_packet {
    const char *interface; /* where it came in */
    struct ne_mac mac;     /* its source MAC address */
    struct ne_addr from;
    struct ne_addr to;
    uint8_t proto;
    uint16_t port;      /* destination port of TCP and UDP */
    uint16_t from_port; /* their source port; 0: not known */
    uint8_t icmp_type;
};

struct ne_judgement {
    enum ne_verdict verdict;
    const char *reason;             /* static: "source", "policy", "allowed", "handed", "not-ours",
                                     * "port", "into-network" */
    const struct ne_policy *policy; /* NULL where none was asked  */
    const struct ne_rule *rule;     /* NULL where none matched    */
    bool replies; /* refused, unless it is a reply to a connection that the host opened, or, of a
                   * neighbour's proxy, the neighbour */
    bool audited; /* passes only because the policy audits: @reason and @rule say what else would
                   * have refused it */
};

/* ne_fence_init() - An empty fence. */
void ne_fence_init(struct ne_fence *fence);

/* ne_fence_free() - Release what the fence holds; it is empty afterwards. */
void ne_fence_free(struct ne_fence *fence);

/* ne_fence_add_bridge/near/proxied/inside/policy/meter/member/hand() - Grow a fence.
 * ne_fence_add_policy() returns the new policy through *@policy; it is valid until the
 * next policy is added. Return: 0, or -1 with NE_NO_MEMORY.
 */
int ne_fence_add_inside(struct ne_fence *fence, const struct ne_inside *inside,
                        struct ne_error *err);
int ne_fence_add_bridge(struct ne_fence *fence, const char *bridge, struct ne_error *err);
int ne_fence_add_near(struct ne_fence *fence, const char *bridge, struct ne_error *err);
int ne_fence_add_proxied(struct ne_fence *fence, const char *bridge, struct ne_error *err);
int ne_fence_add_policy(struct ne_fence *fence, const char *id, enum ne_verdict otherwise,
                        struct ne_policy **policy, struct ne_error *err);
int ne_fence_add_meter(struct ne_fence *fence, const struct ne_meter *meter, struct ne_error *err);
int ne_fence_add_member(struct ne_fence *fence, const struct ne_member *member,
                        struct ne_error *err);
int ne_fence_add_hand(struct ne_fence *fence, const struct ne_hand *hand, struct ne_error *err);

/* ne_policy_add_rule() - Append @rule. Return: 0, or -1 with NE_NO_MEMORY. */
int ne_policy_add_rule(struct ne_policy *policy, const struct ne_rule *rule, struct ne_error *err);

/* ne_fence_sort() - Bring members and hands into their order; call it once all are added. */
void ne_fence_sort(struct ne_fence *fence);

/* ne_fence_member() - Who has the address @addr. Return: owned by the fence, or NULL. */
const struct ne_member *ne_fence_member(const struct ne_fence *fence, const struct ne_addr *addr);

/* ne_fence_answers() - Whether connection tracking is asked what is a reply: by inbound, or by a
 * proxy that is a member. */
bool ne_fence_answers(const struct ne_fence *fence);

/* ne_fence_reaches() - Whether @rule of @policy lets something pass: it is NE_RULE_PROXY, a member
 * has the address, and no rule before it is about the same. */
bool ne_fence_reaches(const struct ne_fence *fence, const struct ne_policy *policy,
                      const struct ne_rule *rule);

/* ne_fence_verdict() - What the fence says of @packet. Pure; never fails. */
struct ne_judgement ne_fence_verdict(const struct ne_fence *fence, const struct ne_packet *packet);

/* ne_rule_matches() - Whether @rule is about @packet's destination. Whether that is a neighbour is
 * not looked at. */
bool ne_rule_matches(const struct ne_rule *rule, const struct ne_packet *packet);

#endif
