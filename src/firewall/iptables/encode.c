/* encode.c - rules as kernel entries: see encode.h. */
#include "encode.h"

#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

/* take() - Reserve @size bytes at the entry's end; they are zero. */
static void *take(struct encoded *entry, size_t size) {
    void *place = entry->bytes + entry->size;
    entry->size += XT_ALIGN(size);
    return place;
}

/* add_match() - A match's header. Return: its data, of @size bytes. */
static void *add_match(struct encoded *entry, const char *name, uint8_t revision, size_t size) {
    struct xt_entry_match *match = take(entry, XT_ALIGN(sizeof(*match)) + XT_ALIGN(size));
    match->u.user.match_size = (uint16_t)(XT_ALIGN(sizeof(*match)) + XT_ALIGN(size));
    match->u.user.revision = revision;
    memcpy(match->u.user.name, name, strlen(name));
    return match->data;
}

static void *add_target(struct encoded *entry, const char *name, uint8_t revision, size_t size) {
    struct xt_entry_target *target = take(entry, XT_ALIGN(sizeof(*target)) + XT_ALIGN(size));
    target->u.user.target_size = (uint16_t)(XT_ALIGN(sizeof(*target)) + XT_ALIGN(size));
    target->u.user.revision = revision;
    memcpy(target->u.user.name, name, strlen(name));
    return target->data;
}

/* add_standard_target() - A verdict or a chain, by its name: libiptc makes the number of it.
 * The size must be exactly that of struct xt_standard_target. */
static void add_standard_target(struct encoded *entry, const char *name) {
    entry->standard = true;
    (void)add_target(entry, name, 0,
                     XT_ALIGN(sizeof(struct xt_standard_target)) -
                         XT_ALIGN(sizeof(struct xt_entry_target)));
}

/* set_device() - As iptables does: with a '+' at the end the mask ends before it, without one
 * it includes the NUL. A mask left zero would match every device. */
static void set_device(const char *wanted, char *device, unsigned char *mask) {
    size_t length = strnlen(wanted, NE_IFNAME_SIZE - 1);
    if (length == 0)
        return;
    memcpy(device, wanted, length); /* the entry is zeroed: NUL follows */
    memset(mask, 0xff, wanted[length - 1] == '+' ? length - 1 : length + 1);
}

static void put_mask(uint8_t *mask, unsigned len) {
    memset(mask, 0xff, len / 8);
    if (len % 8 != 0)
        mask[len / 8] = (uint8_t)(0xff00u >> len % 8);
}

static void put_prefix(const struct ne_prefix *prefix, void *addr, void *mask) {
    if (prefix->addr.family == NE_NONE)
        return;
    const struct ne_prefix network = ne_prefix_network(prefix);
    memcpy(addr, network.addr.bytes, ne_addr_bits(prefix->addr.family) / 8);
    put_mask(mask, prefix->len);
}

static void put_header4(const struct xt_rule *rule, struct encoded *entry) {
    struct ipt_entry *e = take(entry, sizeof(*e));
    put_prefix(&rule->from, &e->ip.src, &e->ip.smsk);
    put_prefix(&rule->to, &e->ip.dst, &e->ip.dmsk);
    set_device(rule->in, e->ip.iniface, e->ip.iniface_mask);
    set_device(rule->out, e->ip.outiface, e->ip.outiface_mask);
    e->ip.proto = rule->proto;
    if (rule->action == DO_GOTO)
        e->ip.flags |= IPT_F_GOTO;
}

static void put_header6(const struct xt_rule *rule, struct encoded *entry) {
    struct ip6t_entry *e = take(entry, sizeof(*e));
    put_prefix(&rule->from, &e->ipv6.src, &e->ipv6.smsk);
    put_prefix(&rule->to, &e->ipv6.dst, &e->ipv6.dmsk);
    set_device(rule->in, e->ipv6.iniface, e->ipv6.iniface_mask);
    set_device(rule->out, e->ipv6.outiface, e->ipv6.outiface_mask);
    e->ipv6.proto = rule->proto;
    /* Without this flag IPv6 does not look at the protocol at all (ip6_packet_match()). */
    if (rule->proto != 0)
        e->ipv6.flags |= IP6T_F_PROTO;
    if (rule->action == DO_GOTO)
        e->ipv6.flags |= IP6T_F_GOTO;
}

static void put_ports(const struct xt_rule *rule, struct encoded *entry) {
    if (rule->proto == IPPROTO_TCP) {
        struct xt_tcp *tcp = add_match(entry, "tcp", 0, sizeof(*tcp));
        tcp->spts[1] = UINT16_MAX;
        tcp->dpts[0] = rule->port_low;
        tcp->dpts[1] = rule->port_high;
    } else {
        struct xt_udp *udp = add_match(entry, "udp", 0, sizeof(*udp));
        udp->spts[1] = UINT16_MAX;
        udp->dpts[0] = rule->port_low;
        udp->dpts[1] = rule->port_high;
    }
}

static void put_syn(struct encoded *entry) {
    struct xt_tcp *tcp = add_match(entry, "tcp", 0, sizeof(*tcp));
    tcp->spts[1] = UINT16_MAX;
    tcp->dpts[1] = UINT16_MAX;
    tcp->flg_mask = TH_FIN | TH_SYN | TH_RST | TH_ACK;
    tcp->flg_cmp = TH_SYN;
}

static void put_from_port(const struct xt_rule *rule, struct encoded *entry) {
    struct xt_tcp *tcp = add_match(entry, "tcp", 0, sizeof(*tcp));
    tcp->spts[0] = rule->from_port;
    tcp->spts[1] = rule->from_port;
    tcp->dpts[1] = UINT16_MAX;
}

static void put_state(const struct xt_rule *rule, struct encoded *entry) {
    struct xt_conntrack_mtinfo3 *state = add_match(entry, "conntrack", 3, sizeof(*state));
    state->match_flags = XT_CONNTRACK_STATE;
    state->state_mask =
        XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) | XT_CONNTRACK_STATE_BIT(IP_CT_RELATED);
    if (rule->led)
        state->state_mask = XT_CONNTRACK_STATE_DNAT;
    if (rule->opens)
        state->state_mask = XT_CONNTRACK_STATE_BIT(IP_CT_NEW);
    if (rule->answers) { /* not the original direction: --ctdir REPLY */
        state->match_flags |= XT_CONNTRACK_DIRECTION;
        state->invert_flags |= XT_CONNTRACK_DIRECTION;
    }
}

static void put_icmp(const struct xt_rule *rule, struct encoded *entry) {
    if (rule->proto == IPPROTO_ICMP) {
        struct ipt_icmp *icmp = add_match(entry, "icmp", 0, sizeof(*icmp));
        icmp->type = (uint8_t)rule->icmp_type;
        icmp->code[1] = UINT8_MAX;
    } else {
        struct ip6t_icmp *icmp = add_match(entry, "icmp6", 0, sizeof(*icmp));
        icmp->type = (uint8_t)rule->icmp_type;
        icmp->code[1] = UINT8_MAX;
    }
}

static void put_matches(const struct xt_rule *rule, struct encoded *entry) {
    if (rule->ports)
        put_ports(rule, entry);
    if (rule->syn)
        put_syn(entry);
    if (rule->from_port != 0)
        put_from_port(rule, entry);
    if (rule->icmp_type != NE_ICMP_TYPE_ANY)
        put_icmp(rule, entry);
    if (rule->mac_given) {
        struct xt_mac_info *mac = add_match(entry, "mac", 0, sizeof(*mac));
        memcpy(mac->srcaddr, rule->mac.bytes, sizeof(rule->mac.bytes));
    }
    if (rule->mark_mask != 0) {
        struct xt_mark_mtinfo1 *mark = add_match(entry, "mark", 1, sizeof(*mark));
        mark->mark = rule->mark_value;
        mark->mask = rule->mark_mask;
        mark->invert = rule->mark_inverted;
    }
    if (rule->replies || rule->answers || rule->opens || rule->led)
        put_state(rule, entry);
    if (rule->connmark_mask != 0) {
        struct xt_connmark_mtinfo1 *mark = add_match(entry, "connmark", 1, sizeof(*mark));
        mark->mark = rule->connmark_value;
        mark->mask = rule->connmark_mask;
    }
}

static void put_reject(enum xt_action action, enum ne_family family, struct encoded *entry) {
    bool reset = action == DO_REJECT_RESET;
    if (family == NE_V4) {
        struct ipt_reject_info *info = add_target(entry, "REJECT", 0, sizeof(*info));
        info->with = reset ? IPT_TCP_RESET : IPT_ICMP_PORT_UNREACHABLE;
    } else {
        struct ip6t_reject_info *info = add_target(entry, "REJECT", 0, sizeof(*info));
        info->with = reset ? IP6T_TCP_RESET : IP6T_ICMP6_PORT_UNREACH;
    }
}

static void put_masquerade(enum ne_family family, struct encoded *entry) {
    if (family == NE_V4) {
        struct nf_nat_ipv4_multi_range_compat *range =
            add_target(entry, "MASQUERADE", 0, sizeof(*range));
        range->rangesize = 1;
    } else {
        (void)add_target(entry, "MASQUERADE", 0, sizeof(struct nf_nat_range));
    }
}

/* put_lead() - In the revision that iptables(8) writes and shows: of Linux 4.18. */
static void put_lead(const struct xt_rule *rule, struct encoded *entry) {
    struct nf_nat_range2 *range = add_target(entry, "DNAT", 2, sizeof(*range));
    range->flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
    memcpy(&range->min_addr, rule->lead_to.bytes, ne_addr_bits(rule->lead_to.family) / 8);
    range->max_addr = range->min_addr;
    range->min_proto.all = range->max_proto.all = htons(rule->lead_port);
}

static void put_target(const struct xt_rule *rule, enum ne_family family, struct encoded *entry) {
    struct xt_mark_tginfo2 *mark;
    struct xt_connmark_tginfo2 *connmark;
    struct xt_ct_target_info_v1 *tracking;
    switch (rule->action) {
    case DO_ACCEPT:
        add_standard_target(entry, "ACCEPT");
        break;
    case DO_DROP:
        add_standard_target(entry, "DROP");
        break;
    case DO_RETURN:
        add_standard_target(entry, "RETURN");
        break;
    case DO_JUMP:
    case DO_GOTO:
        add_standard_target(entry, rule->chain);
        break;
    case DO_SET_MARK:
        mark = add_target(entry, "MARK", 2, sizeof(*mark));
        mark->mark = rule->set_value;
        mark->mask = rule->set_mask;
        break;
    case DO_SET_CONNMARK:
        connmark = add_target(entry, "CONNMARK", 2, sizeof(*connmark));
        connmark->ctmark = rule->set_value;
        connmark->ctmask = rule->set_mask;
        connmark->mode = XT_CONNMARK_SET;
        break;
    case DO_NOT_TRACK:
        tracking = add_target(entry, "CT", 2, sizeof(*tracking));
        tracking->flags = XT_CT_NOTRACK;
        break;
    case DO_REJECT_RESET:
    case DO_REJECT_PORT:
        put_reject(rule->action, family, entry);
        break;
    case DO_MASQUERADE:
        put_masquerade(family, entry);
        break;
    case DO_LEAD:
        put_lead(rule, entry);
        break;
    }
}

void xt_encode(const struct xt_rule *rule, enum ne_family family, struct encoded *entry) {
    memset(entry, 0, sizeof(*entry));
    if (family == NE_V4)
        put_header4(rule, entry);
    else
        put_header6(rule, entry);
    put_matches(rule, entry);
    entry->target_offset = entry->size;
    put_target(rule, family, entry);

    if (family == NE_V4) {
        struct ipt_entry *e = (struct ipt_entry *)(void *)entry->bytes;
        e->target_offset = (uint16_t)entry->target_offset;
        e->next_offset = (uint16_t)entry->size;
    } else {
        struct ip6t_entry *e = (struct ip6t_entry *)(void *)entry->bytes;
        e->target_offset = (uint16_t)entry->target_offset;
        e->next_offset = (uint16_t)entry->size;
    }
}

/* The kernel's structures end in padding, which says nothing. */
#define HEADER4_BYTES (offsetof(struct ipt_ip, invflags) + sizeof(uint8_t))
#define HEADER6_BYTES (offsetof(struct ip6t_ip6, invflags) + sizeof(uint8_t))

static bool same_matches(const unsigned char *wanted, const unsigned char *found, size_t size) {
    const size_t head = XT_ALIGN(sizeof(struct xt_entry_match));
    for (size_t at = 0; at < size;) {
        const struct xt_entry_match *a = (const struct xt_entry_match *)(const void *)(wanted + at);
        const struct xt_entry_match *b = (const struct xt_entry_match *)(const void *)(found + at);
        if (a->u.user.match_size != b->u.user.match_size ||
            a->u.user.revision != b->u.user.revision ||
            strncmp(a->u.user.name, b->u.user.name, sizeof(a->u.user.name)) != 0 ||
            memcmp(wanted + at + head, found + at + head, a->u.user.match_size - head) != 0)
            return false;
        at += a->u.user.match_size;
    }
    return true;
}

bool xt_same(const struct encoded *wanted, enum ne_family family, const void *entry,
             const char *target) {
    const unsigned char *found = entry;
    size_t head;
    size_t found_offset;
    size_t found_size;
    if (family == NE_V4) {
        const struct ipt_entry *a = (const struct ipt_entry *)(const void *)wanted->bytes;
        const struct ipt_entry *b = entry;
        head = sizeof(*a);
        found_offset = b->target_offset;
        found_size = b->next_offset;
        if (memcmp(&a->ip, &b->ip, HEADER4_BYTES) != 0)
            return false;
    } else {
        const struct ip6t_entry *a = (const struct ip6t_entry *)(const void *)wanted->bytes;
        const struct ip6t_entry *b = entry;
        head = sizeof(*a);
        found_offset = b->target_offset;
        found_size = b->next_offset;
        if (memcmp(&a->ipv6, &b->ipv6, HEADER6_BYTES) != 0)
            return false;
    }
    if (found_offset != wanted->target_offset || found_size != wanted->size ||
        !same_matches(wanted->bytes + head, found + head, wanted->target_offset - head))
        return false;

    const struct xt_entry_target *a =
        (const struct xt_entry_target *)(const void *)(wanted->bytes + wanted->target_offset);
    const struct xt_entry_target *b =
        (const struct xt_entry_target *)(const void *)(found + found_offset);
    if (target == NULL || strcmp(a->u.user.name, target) != 0)
        return false;
    if (wanted->standard) /* what is behind the name is libiptc's own number */
        return true;
    const size_t target_head = XT_ALIGN(sizeof(*a));
    return a->u.user.target_size == b->u.user.target_size &&
           a->u.user.revision == b->u.user.revision &&
           memcmp(wanted->bytes + wanted->target_offset + target_head,
                  found + found_offset + target_head, a->u.user.target_size - target_head) == 0;
}
