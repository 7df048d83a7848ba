/* write.h - tables, chains and rules as messages of one transaction: what the tables of this folder
 * are written with.
 *
 * A rule is begun, gets its expressions in the order in which the kernel is to meet them, and is
 * ended, which frees it. What is loaded goes through one register. A failure is noted in the batch,
 * which is then not sent; nothing here has to be checked by its caller.
 */
#ifndef NETENFORCE_FIREWALL_NFTABLES_WRITE_H
#define NETENFORCE_FIREWALL_NFTABLES_WRITE_H

#include "nft.h"

#include <netenforce/fence.h>

#include <libnftnl/rule.h>

struct writer {
    struct nft *nft;
    struct nft_batch *batch;
    const char *table;
    uint32_t flags; /* of the table: NFT_TABLE_F_* */
    size_t rules;   /* written so far */
};

#define WRITE_DPORT     2    /* offset in the headers of TCP and UDP */
#define WRITE_RULE_SIZE 1024 /* room for a rule's message: the longest takes less than half */

/* write_table() - A message of @type (NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE) about the table. */
void write_table(struct writer *w, uint16_t type, uint16_t flags);

/* write_base_chain() - One that @hook (NF_INET_*) calls at @priority; write_nat_chain() - the same,
 * for the first packet of each connection. write_chain() - One that rules go to. Either is left as
 * it is where it is already there. write_no_chain() - Remove one that nothing leads to.
 */
void write_base_chain(struct writer *w, const char *name, uint32_t hook, int32_t priority);
void write_nat_chain(struct writer *w, const char *name, uint32_t hook, int32_t priority);
void write_chain(struct writer *w, const char *name);
void write_no_chain(struct writer *w, const char *name);

/* write_no_rules() - Take all rules of the table away, or those of @chain if it is not NULL. */
void write_no_rules(struct writer *w, const char *chain);

struct nftnl_rule *rule_begin(struct writer *w, const char *chain);

/* What is loaded, and compared: @op is NFT_CMP_*. */
void rule_load_meta(struct writer *w, struct nftnl_rule *rule, uint32_t key); /* NFT_META_* */
void rule_load_bytes(struct writer *w, struct nftnl_rule *rule, uint32_t base, uint32_t offset,
                     uint32_t size); /* of the packet; @base is NFT_PAYLOAD_* */
void rule_mask(struct writer *w, struct nftnl_rule *rule, uint32_t mask);
void rule_compare(struct writer *w, struct nftnl_rule *rule, uint32_t op, const void *data,
                  uint32_t size);

/* The parts of a key, side by side: rule_key_meta/bytes() load one at byte @at of it, a multiple of
 * four. The first of them is where all else is loaded. */
void rule_key_meta(struct writer *w, struct nftnl_rule *rule, uint32_t at, uint32_t key);
void rule_key_bytes(struct writer *w, struct nftnl_rule *rule, uint32_t at, uint32_t base,
                    uint32_t offset, uint32_t size);

/* rule_match_interface() - By NFT_META_IIFNAME or _OIFNAME; a name that ends in '*' stands for all
 * that begin so. rule_match_mark() - The bits of @mask against @value.
 * rule_match_byte() - One byte of the packet under @mask.
 */
void rule_match_interface(struct writer *w, struct nftnl_rule *rule, uint32_t key,
                          const char *name);
void rule_match_mark(struct writer *w, struct nftnl_rule *rule, uint32_t mask, uint32_t op,
                     uint32_t value);
void rule_match_byte(struct writer *w, struct nftnl_rule *rule, uint32_t base, uint32_t offset,
                     uint8_t mask, uint32_t op, uint8_t value);
void rule_match_meta_byte(struct writer *w, struct nftnl_rule *rule, uint32_t key, uint8_t value);

/* rule_match_prefix() - The packet's address at @offset of its network header against @prefix. */
void rule_match_prefix(struct writer *w, struct nftnl_rule *rule, uint32_t offset,
                       const struct ne_prefix *prefix);

/* rule_match_port() - The destination port of TCP and UDP, which the rule has asked for. */
void rule_match_port(struct writer *w, struct nftnl_rule *rule, uint16_t port);

/* rule_match_new() - Of a connection that has seen no reply yet.
 * rule_match_reply() - Of a connection that is known, if @is_reply, else of none.
 * rule_match_answer() - Of a connection that the host opened, against that direction, with @bit in
 * the connection's mark (plan.h of the legacy tables says what for).
 * rule_match_first() - The first packet of a connection: new, and not on record yet.
 * rule_match_led() - Of a connection whose destination was translated, if @is_led, else of none. */
void rule_match_new(struct writer *w, struct nftnl_rule *rule);
void rule_match_reply(struct writer *w, struct nftnl_rule *rule, bool is_reply);
void rule_match_answer(struct writer *w, struct nftnl_rule *rule, uint32_t bit);
void rule_match_first(struct writer *w, struct nftnl_rule *rule);
void rule_match_led(struct writer *w, struct nftnl_rule *rule, bool is_led);

/* rule_match_hand() - What was handed, and was led to where @hand says; but for the sender. Also
 * asks for the interface and the family; @mask and @note are bits of the mark. */
void rule_match_hand(struct writer *w, struct nftnl_rule *rule, const struct ne_hand *hand,
                     uint32_t mask, uint32_t note);

/* rule_in_set() - Go on if the set @set has what was loaded. rule_by_object() - Ask the object that
 * the map @set has for what was loaded: a counter counts; a limit or a quota says whether to go on.
 */
void rule_in_set(struct writer *w, struct nftnl_rule *rule, const char *set);

/* rule_by_verdict() - Go where the map @set leads what was loaded; go on if it does not know it. */
void rule_by_verdict(struct writer *w, struct nftnl_rule *rule, const char *set);
void rule_by_object(struct writer *w, struct nftnl_rule *rule, const char *set);

/* What is done with the packet on the way. */
void rule_log(struct writer *w, struct nftnl_rule *rule, uint16_t group, const char *prefix);
void rule_set_mark(struct writer *w, struct nftnl_rule *rule, uint32_t mask, uint32_t value);
void rule_set_connmark(struct writer *w, struct nftnl_rule *rule, uint32_t mask, uint32_t value);
void rule_not_tracked(struct writer *w, struct nftnl_rule *rule);
void rule_masquerade(struct writer *w, struct nftnl_rule *rule);

/* rule_lead() - The connection is for @port of @to: in a chain of write_nat_chain(). */
void rule_lead(struct writer *w, struct nftnl_rule *rule, const struct ne_addr *to, uint16_t port);

/* rule_reject() - Refuse, and tell the sender: by a reset, or that the port is unreachable. */
void rule_reject(struct writer *w, struct nftnl_rule *rule, bool reset);

/* rule_end() - The rule as it is; rule_end_with() - with @verdict (NF_*, NFT_RETURN) at its end;
 * rule_end_goto() - that goes to @chain and does not come back; rule_end_jump() - that does. */
void rule_end(struct writer *w, struct nftnl_rule *rule);
void rule_end_with(struct writer *w, struct nftnl_rule *rule, uint32_t verdict);
void rule_end_goto(struct writer *w, struct nftnl_rule *rule, const char *chain);
void rule_end_jump(struct writer *w, struct nftnl_rule *rule, const char *chain);

#endif
