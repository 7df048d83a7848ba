/* write.c - tables, chains and rules as messages: see write.h. */
#include "write.h"

#include <arpa/inet.h>

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netenforce/names.h>
#include <string.h>

/* ct state bits: NF_CT_STATE_BIT(ctinfo) is 1 << (ctinfo % IP_CT_IS_REPLY + 1),
 * include/uapi/linux/netfilter/nf_conntrack_common.h: ESTABLISHED is 0, RELATED 1, NEW 2. */
#define CT_STATE_REPLIES ((1u << 1) | (1u << 2))
#define CT_STATE_NEW     (1u << 3)

#define DESTINATION_V4 16
#define DESTINATION_V6 24

void write_table(struct writer *w, uint16_t type, uint16_t flags) {
    struct nftnl_table *table = nftnl_table_alloc();
    if (table == NULL || nftnl_table_set_str(table, NFTNL_TABLE_NAME, w->table) < 0)
        w->batch->failed = true;
    if (table != NULL)
        nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS,
                            w->flags); /* awake, if somebody sent it to sleep */
    if (!w->batch->failed)
        nftnl_table_nlmsg_build_payload(nft_batch_header(w->nft, w->batch, type, flags), table);
    if (!w->batch->failed)
        nft_batch_next(w->batch);
    if (table != NULL)
        nftnl_table_free(table);
}

/* begin_chain() - A chain of the table; NULL, and noted, where there is no memory. */
static struct nftnl_chain *begin_chain(struct writer *w, const char *name) {
    struct nftnl_chain *chain = nftnl_chain_alloc();
    if (chain != NULL && nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, w->table) == 0 &&
        nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name) == 0)
        return chain;
    w->batch->failed = true;
    if (chain != NULL)
        nftnl_chain_free(chain);
    return NULL;
}

static void end_chain(struct writer *w, struct nftnl_chain *chain, uint16_t type) {
    nftnl_chain_nlmsg_build_payload(
        nft_batch_header(w->nft, w->batch, type, type == NFT_MSG_NEWCHAIN ? NLM_F_CREATE : 0),
        chain);
    nft_batch_next(w->batch);
    nftnl_chain_free(chain);
}

static void write_hooked(struct writer *w, const char *name, const char *type, uint32_t hook,
                         int32_t priority) {
    struct nftnl_chain *chain = begin_chain(w, name);
    if (chain == NULL)
        return;
    if (nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type) < 0)
        w->batch->failed = true;
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
    nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    end_chain(w, chain, NFT_MSG_NEWCHAIN);
}

void write_base_chain(struct writer *w, const char *name, uint32_t hook, int32_t priority) {
    write_hooked(w, name, "filter", hook, priority);
}

void write_nat_chain(struct writer *w, const char *name, uint32_t hook, int32_t priority) {
    write_hooked(w, name, "nat", hook, priority);
}

void write_chain(struct writer *w, const char *name) {
    struct nftnl_chain *chain = begin_chain(w, name);
    if (chain != NULL)
        end_chain(w, chain, NFT_MSG_NEWCHAIN);
}

void write_no_chain(struct writer *w, const char *name) {
    struct nftnl_chain *chain = begin_chain(w, name);
    if (chain != NULL)
        end_chain(w, chain, NFT_MSG_DELCHAIN);
}

/* put_rule() - A message of @type about @rule, which is freed. */
static void put_rule(struct writer *w, struct nftnl_rule *rule, uint16_t type, uint16_t flags) {
    if (!w->batch->failed) {
        nftnl_rule_nlmsg_build_payload(nft_batch_header(w->nft, w->batch, type, flags), rule);
        nft_batch_next(w->batch);
    }
    if (rule != NULL)
        nftnl_rule_free(rule);
}

void write_no_rules(struct writer *w, const char *chain) {
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (rule == NULL || nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, w->table) < 0 ||
        (chain != NULL && nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain) < 0))
        w->batch->failed = true;
    put_rule(w, rule, NFT_MSG_DELRULE, 0);
}

struct nftnl_rule *rule_begin(struct writer *w, const char *chain) {
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (rule == NULL || nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, w->table) < 0 ||
        nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain) < 0)
        w->batch->failed = true;
    return rule;
}

/* expression() - One more of @rule; NULL, and noted, where there is no memory. */
static struct nftnl_expr *expression(struct writer *w, struct nftnl_rule *rule, const char *name) {
    struct nftnl_expr *expr = rule == NULL ? NULL : nftnl_expr_alloc(name);
    if (expr == NULL)
        w->batch->failed = true;
    else
        nftnl_rule_add_expr(rule, expr);
    return expr;
}

static void set_data(struct writer *w, struct nftnl_expr *expr, uint16_t attr, const void *data,
                     uint32_t size) {
    if (nftnl_expr_set(expr, attr, data, size) < 0)
        w->batch->failed = true;
}

static void set_text(struct writer *w, struct nftnl_expr *expr, uint16_t attr, const char *text) {
    if (nftnl_expr_set_str(expr, attr, text) < 0)
        w->batch->failed = true;
}

/* An expression that moves a value of the packet's or connection's to a register, or back. */
struct mover {
    const char *name;
    uint16_t key; /* its attributes: which value, and the register on either way */
    uint16_t source;
    uint16_t destination;
};

static const struct mover meta = {"meta", NFTNL_EXPR_META_KEY, NFTNL_EXPR_META_SREG,
                                  NFTNL_EXPR_META_DREG};
static const struct mover ct = {"ct", NFTNL_EXPR_CT_KEY, NFTNL_EXPR_CT_SREG, NFTNL_EXPR_CT_DREG};

/* move() - One more of @rule: the value @key and the register @place, which is its @end. */
static void move(struct writer *w, struct nftnl_rule *rule, const struct mover *mover, uint32_t key,
                 uint16_t end, uint32_t place) {
    struct nftnl_expr *expr = expression(w, rule, mover->name);
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, mover->key, key);
    nftnl_expr_set_u32(expr, end, place);
}

void rule_load_meta(struct writer *w, struct nftnl_rule *rule, uint32_t key) {
    move(w, rule, &meta, key, meta.destination, NFT_REG_1);
}

void rule_key_meta(struct writer *w, struct nftnl_rule *rule, uint32_t at, uint32_t key) {
    move(w, rule, &meta, key, meta.destination, NFT_REG32_00 + at / NFT_REG32_SIZE);
}

static void load_ct(struct writer *w, struct nftnl_rule *rule, uint32_t key) {
    move(w, rule, &ct, key, ct.destination, NFT_REG_1);
}

static void load_bytes(struct writer *w, struct nftnl_rule *rule, uint32_t place, uint32_t base,
                       uint32_t offset, uint32_t size) {
    struct nftnl_expr *expr = expression(w, rule, "payload");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, place);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
}

void rule_load_bytes(struct writer *w, struct nftnl_rule *rule, uint32_t base, uint32_t offset,
                     uint32_t size) {
    load_bytes(w, rule, NFT_REG_1, base, offset, size);
}

void rule_key_bytes(struct writer *w, struct nftnl_rule *rule, uint32_t at, uint32_t base,
                    uint32_t offset, uint32_t size) {
    load_bytes(w, rule, NFT_REG32_00 + at / NFT_REG32_SIZE, base, offset, size);
}

void rule_compare(struct writer *w, struct nftnl_rule *rule, uint32_t op, const void *data,
                  uint32_t size) {
    struct nftnl_expr *expr = expression(w, rule, "cmp");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
    set_data(w, expr, NFTNL_EXPR_CMP_DATA, data, size);
}

/* bitwise() - The register is to be (register & mask) ^ xor. */
static void bitwise(struct writer *w, struct nftnl_rule *rule, const void *mask, const void * xor,
                    uint32_t size) {
    struct nftnl_expr *expr = expression(w, rule, "bitwise");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
    set_data(w, expr, NFTNL_EXPR_BITWISE_MASK, mask, size);
    set_data(w, expr, NFTNL_EXPR_BITWISE_XOR, xor, size);
}

void rule_mask(struct writer *w, struct nftnl_rule *rule, uint32_t mask) {
    const uint32_t nothing = 0;
    bitwise(w, rule, &mask, &nothing, sizeof(mask));
}

/* Of a wildcard the bytes before it are compared alone. */
void rule_match_interface(struct writer *w, struct nftnl_rule *rule, uint32_t key,
                          const char *name) {
    char whole[NE_IFNAME_SIZE] = {0};
    size_t length = strnlen(name, NE_IFNAME_SIZE - 1);
    bool wildcard = length > 0 && name[length - 1] == '*';
    memcpy(whole, name, wildcard ? length - 1 : length);
    rule_load_meta(w, rule, key);
    rule_compare(w, rule, NFT_CMP_EQ, whole, wildcard ? (uint32_t)(length - 1) : sizeof(whole));
}

void rule_match_mark(struct writer *w, struct nftnl_rule *rule, uint32_t mask, uint32_t op,
                     uint32_t value) {
    rule_load_meta(w, rule, NFT_META_MARK);
    rule_mask(w, rule, mask);
    rule_compare(w, rule, op, &value, sizeof(value));
}

void rule_match_byte(struct writer *w, struct nftnl_rule *rule, uint32_t base, uint32_t offset,
                     uint8_t mask, uint32_t op, uint8_t value) {
    const uint8_t nothing = 0;
    rule_load_bytes(w, rule, base, offset, sizeof(value));
    if (mask != UINT8_MAX)
        bitwise(w, rule, &mask, &nothing, sizeof(mask));
    rule_compare(w, rule, op, &value, sizeof(value));
}

void rule_match_meta_byte(struct writer *w, struct nftnl_rule *rule, uint32_t key, uint8_t value) {
    rule_load_meta(w, rule, key);
    rule_compare(w, rule, NFT_CMP_EQ, &value, sizeof(value));
}

void rule_match_prefix(struct writer *w, struct nftnl_rule *rule, uint32_t offset,
                       const struct ne_prefix *prefix) {
    const struct ne_prefix network = ne_prefix_network(prefix);
    uint32_t size = ne_addr_bits(prefix->addr.family) / 8;
    uint8_t mask[sizeof(network.addr.bytes)] = {0};
    const uint8_t nothing[sizeof(network.addr.bytes)] = {0};
    for (unsigned bit = 0; bit < prefix->len; bit++)
        mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    rule_load_bytes(w, rule, NFT_PAYLOAD_NETWORK_HEADER, offset, size);
    if (prefix->len < size * 8)
        bitwise(w, rule, mask, nothing, size);
    rule_compare(w, rule, NFT_CMP_EQ, network.addr.bytes, size);
}

static void match_state(struct writer *w, struct nftnl_rule *rule, uint32_t states, uint32_t op) {
    const uint32_t nothing = 0;
    load_ct(w, rule, NFT_CT_STATE);
    rule_mask(w, rule, states);
    rule_compare(w, rule, op, &nothing, sizeof(nothing));
}

void rule_match_new(struct writer *w, struct nftnl_rule *rule) {
    match_state(w, rule, CT_STATE_NEW, NFT_CMP_NEQ);
}

void rule_match_reply(struct writer *w, struct nftnl_rule *rule, bool is_reply) {
    match_state(w, rule, CT_STATE_REPLIES, is_reply ? NFT_CMP_NEQ : NFT_CMP_EQ);
}

void rule_match_answer(struct writer *w, struct nftnl_rule *rule, uint32_t bit) {
    const uint32_t nothing = 0;
    const uint8_t reply = IP_CT_DIR_REPLY;
    rule_match_reply(w, rule, true);
    load_ct(w, rule, NFT_CT_DIRECTION);
    rule_compare(w, rule, NFT_CMP_EQ, &reply, sizeof(reply));
    load_ct(w, rule, NFT_CT_MARK);
    rule_mask(w, rule, bit);
    rule_compare(w, rule, NFT_CMP_NEQ, &nothing, sizeof(nothing));
}

void rule_match_first(struct writer *w, struct nftnl_rule *rule) {
    const uint32_t nothing = 0;
    rule_match_new(w, rule);
    load_ct(w, rule, NFT_CT_STATUS);
    rule_mask(w, rule, IPS_CONFIRMED);
    rule_compare(w, rule, NFT_CMP_EQ, &nothing, sizeof(nothing));
}

void rule_match_led(struct writer *w, struct nftnl_rule *rule, bool is_led) {
    const uint32_t nothing = 0;
    load_ct(w, rule, NFT_CT_STATUS);
    rule_mask(w, rule, IPS_DST_NAT);
    rule_compare(w, rule, is_led ? NFT_CMP_NEQ : NFT_CMP_EQ, &nothing, sizeof(nothing));
}

void rule_match_port(struct writer *w, struct nftnl_rule *rule, uint16_t port) {
    const uint16_t wanted = htons(port);
    rule_load_bytes(w, rule, NFT_PAYLOAD_TRANSPORT_HEADER, WRITE_DPORT, sizeof(wanted));
    rule_compare(w, rule, NFT_CMP_EQ, &wanted, sizeof(wanted));
}

void rule_match_hand(struct writer *w, struct nftnl_rule *rule, const struct ne_hand *hand,
                     uint32_t mask, uint32_t note) {
    const struct ne_prefix to = ne_prefix_host(&hand->to);
    const bool v6 = hand->to.family == NE_V6;
    rule_match_mark(w, rule, mask, NFT_CMP_EQ, note);
    rule_match_interface(w, rule, NFT_META_IIFNAME, hand->bridge);
    rule_match_meta_byte(w, rule, NFT_META_NFPROTO, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    rule_match_prefix(w, rule, v6 ? DESTINATION_V6 : DESTINATION_V4, &to);
    rule_match_meta_byte(w, rule, NFT_META_L4PROTO, hand->proto);
    rule_match_port(w, rule, hand->port);
    rule_match_led(w, rule, true);
}

static struct nftnl_expr *lookup(struct writer *w, struct nftnl_rule *rule, const char *set) {
    struct nftnl_expr *expr = expression(w, rule, "lookup");
    if (expr == NULL)
        return NULL;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
    set_text(w, expr, NFTNL_EXPR_LOOKUP_SET, set);
    return expr;
}

void rule_in_set(struct writer *w, struct nftnl_rule *rule, const char *set) {
    (void)lookup(w, rule, set);
}

void rule_by_verdict(struct writer *w, struct nftnl_rule *rule, const char *set) {
    struct nftnl_expr *expr = lookup(w, rule, set);
    if (expr != NULL)
        nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
}

void rule_by_object(struct writer *w, struct nftnl_rule *rule, const char *set) {
    struct nftnl_expr *expr = expression(w, rule, "objref");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_SET_SREG, NFT_REG_1);
    set_text(w, expr, NFTNL_EXPR_OBJREF_SET_NAME, set);
}

void rule_log(struct writer *w, struct nftnl_rule *rule, uint16_t group, const char *prefix) {
    struct nftnl_expr *expr = expression(w, rule, "log");
    if (expr == NULL)
        return;
    nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_GROUP, group);
    set_text(w, expr, NFTNL_EXPR_LOG_PREFIX, prefix);
}

static void set_bits(struct writer *w, struct nftnl_rule *rule, const struct mover *mover,
                     uint32_t key, uint32_t mask, uint32_t value) {
    const uint32_t others = ~mask;
    move(w, rule, mover, key, mover->destination, NFT_REG_1);
    bitwise(w, rule, &others, &value, sizeof(value));
    move(w, rule, mover, key, mover->source, NFT_REG_1);
}

void rule_set_mark(struct writer *w, struct nftnl_rule *rule, uint32_t mask, uint32_t value) {
    set_bits(w, rule, &meta, NFT_META_MARK, mask, value);
}

void rule_set_connmark(struct writer *w, struct nftnl_rule *rule, uint32_t mask, uint32_t value) {
    set_bits(w, rule, &ct, NFT_CT_MARK, mask, value);
}

void rule_not_tracked(struct writer *w, struct nftnl_rule *rule) {
    (void)expression(w, rule, "notrack");
}

void rule_masquerade(struct writer *w, struct nftnl_rule *rule) {
    (void)expression(w, rule, "masq");
}

static void immediate(struct writer *w, struct nftnl_rule *rule, uint32_t place, const void *data,
                      uint32_t size) {
    struct nftnl_expr *expr = expression(w, rule, "immediate");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, place);
    set_data(w, expr, NFTNL_EXPR_IMM_DATA, data, size);
}

void rule_lead(struct writer *w, struct nftnl_rule *rule, const struct ne_addr *to, uint16_t port) {
    const bool v6 = to->family == NE_V6;
    const uint16_t wanted = htons(port);
    immediate(w, rule, NFT_REG_1, to->bytes, ne_addr_bits(to->family) / 8);
    immediate(w, rule, NFT_REG_2, &wanted, sizeof(wanted));
    struct nftnl_expr *expr = expression(w, rule, "nat");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
}

void rule_reject(struct writer *w, struct nftnl_rule *rule, bool reset) {
    struct nftnl_expr *expr = expression(w, rule, "reject");
    if (expr == NULL)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE,
                       reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
    nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, reset ? 0 : NFT_REJECT_ICMPX_PORT_UNREACH);
}

void rule_end(struct writer *w, struct nftnl_rule *rule) {
    w->rules++;
    put_rule(w, rule, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
}

static struct nftnl_expr *verdict_of(struct writer *w, struct nftnl_rule *rule, uint32_t verdict) {
    struct nftnl_expr *expr = expression(w, rule, "immediate");
    if (expr == NULL)
        return NULL;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, verdict);
    return expr;
}

void rule_end_with(struct writer *w, struct nftnl_rule *rule, uint32_t verdict) {
    (void)verdict_of(w, rule, verdict);
    rule_end(w, rule);
}

static void end_elsewhere(struct writer *w, struct nftnl_rule *rule, uint32_t verdict,
                          const char *chain) {
    struct nftnl_expr *expr = verdict_of(w, rule, verdict);
    if (expr != NULL)
        set_text(w, expr, NFTNL_EXPR_IMM_CHAIN, chain);
    rule_end(w, rule);
}

void rule_end_goto(struct writer *w, struct nftnl_rule *rule, const char *chain) {
    end_elsewhere(w, rule, (uint32_t)NFT_GOTO, chain);
}

void rule_end_jump(struct writer *w, struct nftnl_rule *rule, const char *chain) {
    end_elsewhere(w, rule, (uint32_t)NFT_JUMP, chain);
}
