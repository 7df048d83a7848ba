/* fence.h - the main fence as a table of nf_tables, for kernels without the legacy tables.
 *
 * DOC: how it works
 *
 * It is the fence of ../iptables/plan.h: the same judge, gates, marks and policies, from the same
 * plans. They stand in one table, whose chains bear the names of the plans' (judge4-PASS for
 * NETENFORCE-PASS of IPv4's judge, filter6 for NETENFORCE of IPv6's filter):
 *
 *   table inet netenforce_fence
 *     prerouting   priority raw      the judge, before the meter, which sees its marks
 *     input, forward, output  priority filter  the gates; the second one is the backstop, behind
 *     leading      priority dstnat - 1  only if a policy hands
 *     postrouting  priority srcnat - 1  masquerading, only if proxies are beyond the host
 *
 * What grows with the endpoints are elements, so a packet costs the same however many there are:
 *
 *     members4  interface . source address . source MAC address : goto the policy's chain
 *     near4     interface . destination address, of members with icc
 *     back4     interface . destination address, of members who may reach a proxy that is a member:
 *               goto the chain of the proxies that their policy names
 *
 * and the same for IPv6. Who is no member is dropped.
 *
 * A Join is one element (and a chain, if the endpoint has a policy of its own). Every change is one
 * transaction: each packet meets the old fence or the new one. What stands is known as with the
 * meter: by what this process wrote, as long as nobody else changes nf_tables, or else by a print
 * of chains and rules (print.h) and a sum of hashes over the elements.
 *
 * The table belongs to the socket that made it (NFT_TABLE_F_OWNER): nobody else can change it, and
 * `nft flush ruleset` passes it by. It outlives the daemon (NFT_TABLE_F_PERSIST) as anybody's, and
 * the next daemon takes it over. A kernel before 6.9 cannot do both; there it is a table like
 * others, which is looked at as the others are.
 */
#ifndef NETENFORCE_FIREWALL_NFTABLES_FENCE_H
#define NETENFORCE_FIREWALL_NFTABLES_FENCE_H

#include "write.h"

#include "../iptables/plan.h"

#define FENCE_TABLE    "netenforce_fence"
#define FENCE_FAMILIES ((size_t)2) /* 0 is IPv4, 1 is IPv6 */
#define FENCE_NAME     48

/* A chain that the kernel calls. */
struct fence_base {
    const char *builtin; /* its name in the plans */
    const char *name;
    uint32_t hook;
    int32_t priority;
    bool nat;
};

enum fence_kind {
    FENCE_RULES,    /* rules of a plan */
    FENCE_DISPATCH, /* who is no member is dropped */
    FENCE_NEAR,     /* neighbours: passed */
    FENCE_BACK,     /* neighbours: asked which proxies may answer them */
};

struct fence_chain {
    char name[FENCE_NAME];
    enum fence_kind kind;
    const struct fence_base *base; /* NULL: rules lead to it */
    enum xt_table table;           /* of its rules, and of the chains that they lead to */
    size_t family;                 /* of a chain that is no base */
    struct {
        const struct xt_rule *rules; /* the plan's */
        size_t count;
    } part[FENCE_FAMILIES]; /* of a chain that is no base, one of them */
    size_t count;           /* of all its rules in the kernel */
    uint64_t digest;        /* of what it is to hold */
};

enum fence_set { FENCE_SET_MEMBERS, FENCE_SET_NEARS, FENCE_SET_BACKS, FENCE_SETS };

#define FENCE_KEY_MAX 40 /* interface, IPv6 address, MAC address, each filled up to four bytes */

struct fence_element {
    uint8_t set;    /* enum fence_set */
    uint8_t family; /* 0 or 1 */
    uint8_t key[FENCE_KEY_MAX];
    char policy[POLICY_CHARACTERS]; /* of what leads to one: filled up with zeros */
};

/* What the table is to hold. */
struct fence_table {
    struct xt_plan plans[3][FENCE_FAMILIES];
    struct fence_chain *chains; /* in the order of names */
    size_t chain_count;
    struct fence_element *elements; /* in the order of their bytes */
    size_t element_count;
    size_t rule_count;
    struct xt_marks marks;
};

/* fence_compile() - Make it of @fence. Pure.
 * Return: 0, to be released with fence_free(); or -1 with NE_NO_MEMORY, nothing to release. */
int fence_compile(const struct ne_fence *fence, struct xt_marks marks, struct fence_table *table,
                  struct ne_error *err);
void fence_free(struct fence_table *table);

/* fence_drop_plans() - Release the rules; names, digests and elements stay, to compare with. */
void fence_drop_plans(struct fence_table *table);

/* fence_compare() - The order of elements. */
int fence_compare(const void *left, const void *right);

/* fence_key_size() - The bytes of its key that count. */
size_t fence_key_size(enum fence_set set, size_t family);

/* fence_set_name() - "members4". fence_chain_name() - The table's name of a chain that a plan of
 * @table and family number @family calls @planned. Return: @out. */
const char *fence_set_name(enum fence_set set, size_t family, char out[static FENCE_NAME]);
const char *fence_chain_name(enum xt_table table, size_t family, const char *planned,
                             char out[static FENCE_NAME]);

/* fence_target() - Where an element of a map leads to; "" for what is in a set. */
const char *fence_target(const struct fence_element *element, char out[static FENCE_NAME]);

/* fence_digest_element() - What tells contents apart, in any order: a sum of these. @target is as
 * fence_target() says. */
uint64_t fence_digest_element(const char *set, const void *key, size_t size, const char *target);
uint64_t fence_digest(const struct fence_table *table);

/* fence_put_whole() - Replace the table by @wanted. fence_put_nothing() - Remove it.
 * fence_put_difference() - Lead from @standing to @wanted. Return: whether chains are among it.
 */
void fence_put_whole(struct writer *w, const struct fence_table *wanted);
void fence_put_nothing(struct writer *w);
bool fence_put_difference(struct writer *w, const struct fence_table *standing,
                          const struct fence_table *wanted);

/* fence_put_rules() - The rules of a chain, which has none. */
void fence_put_rules(struct writer *w, const struct fence_chain *chain);

/* fence_size() - Room for the whole of it, and for the removal of @standing (or NULL). */
size_t fence_size(const struct fence_table *wanted, const struct fence_table *standing);

/* fence_same() - Whether @standing is as @wanted. */
bool fence_same(const struct fence_table *standing, const struct fence_table *wanted);

/* fence_read_digest() - The digest of the elements that stand in the kernel. */
enum nft_outcome fence_read_digest(struct nft *nft, uint64_t *digest, struct ne_error *err);

/* fence_stands() - Whether there is such a table, whoever made it. */
enum nft_outcome fence_stands(struct nft *nft, bool *stands, struct ne_error *err);

#endif
