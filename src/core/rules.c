/* rules.c - the grammar of allowances and denials: see rules.h. */
#include <netenforce/rules.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ITEM_SIZE 96 /* the longest rule has 64 characters */

/* number() - Decimal digits alone, up to @high. Return: where they end, or NULL. */
static const char *number(const char *text, unsigned high, unsigned *value) {
    size_t digits = strspn(text, "0123456789");
    *value = 0;
    if (digits == 0 || digits > 5)
        return NULL;
    for (size_t i = 0; i < digits; i++)
        *value = *value * 10 + (unsigned)(text[i] - '0');
    return *value > high ? NULL : text + digits;
}

/* address() - A.B.C.D or [V6]. Return: where it ends, or NULL. */
static const char *address(const char *text, struct ne_addr *addr) {
    char one[NE_ADDR_TEXT];
    bool brackets = text[0] == '[';
    const char *start = brackets ? text + 1 : text;
    size_t length = strcspn(start, brackets ? "]" : ":/");
    if (length >= sizeof(one) || (brackets && start[length] != ']'))
        return NULL;
    memcpy(one, start, length);
    one[length] = '\0';
    if (!ne_addr_parse(one, addr) || addr->family != (brackets ? NE_V6 : NE_V4))
        return NULL;
    return start + length + (brackets ? 1 : 0);
}

static bool protocol(const char *name, enum ne_family family, uint8_t *proto) {
    if (strcasecmp(name, "tcp") == 0)
        *proto = IPPROTO_TCP;
    else if (strcasecmp(name, "udp") == 0)
        *proto = IPPROTO_UDP;
    else if (strcasecmp(name, "icmp") == 0)
        *proto = family == NE_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    else
        return false;
    return true;
}

/* parse_ports() - ":PORT" or ":LOW-HIGH". Return: where it ends, or NULL. */
static const char *parse_ports(const char *text, struct ne_target *target) {
    unsigned low;
    unsigned high;
    const char *rest = number(text + 1, UINT16_MAX, &low);
    if (rest == NULL || low == 0)
        return NULL;
    high = low;
    if (*rest == '-')
        rest = number(rest + 1, UINT16_MAX, &high);
    if (rest == NULL || high < low)
        return NULL;
    target->port_low = (uint16_t)low;
    target->port_high = (uint16_t)high;
    return rest;
}

bool ne_target_parse(const char *text, struct ne_target *target) {
    struct ne_target t = {0};
    unsigned len;
    const char *rest = address(text, &t.to.addr);
    if (rest == NULL)
        return false;
    t.to.len = (uint8_t)ne_addr_bits(t.to.addr.family);
    if (*rest == '/' && rest[1] >= '0' && rest[1] <= '9') {
        rest = number(rest + 1, ne_addr_bits(t.to.addr.family), &len);
        if (rest == NULL)
            return false;
        t.to.len = (uint8_t)len;
    }
    bool ports = *rest == ':';
    if (ports)
        rest = parse_ports(rest, &t);
    if (rest == NULL || *rest != '/' || !protocol(rest + 1, t.to.addr.family, &t.proto))
        return false;
    if (ports != (t.proto == IPPROTO_TCP || t.proto == IPPROTO_UDP))
        return false;
    *target = t;
    return true;
}

const char *ne_target_format(const struct ne_target *target, char out[static NE_TARGET_TEXT]) {
    char addr[NE_ADDR_TEXT];
    char len[8] = "";
    char ports[16] = "";
    bool v6 = target->to.addr.family == NE_V6;
    const char *proto = target->proto == IPPROTO_TCP   ? "tcp"
                        : target->proto == IPPROTO_UDP ? "udp"
                                                       : "icmp";
    if (target->to.len != ne_addr_bits(target->to.addr.family))
        (void)snprintf(len, sizeof(len), "/%u", target->to.len);
    if (target->port_high != 0 && target->port_low == target->port_high)
        (void)snprintf(ports, sizeof(ports), ":%u", target->port_low);
    else if (target->port_high != 0)
        (void)snprintf(ports, sizeof(ports), ":%u-%u", target->port_low, target->port_high);
    (void)snprintf(out, NE_TARGET_TEXT, "%s%s%s%s%s/%s", v6 ? "[" : "",
                   ne_addr_format(&target->to.addr, addr), v6 ? "]" : "", len, ports, proto);
    return out;
}

bool ne_target_equal(const struct ne_target *a, const struct ne_target *b) {
    return ne_prefix_equal(&a->to, &b->to) && a->proto == b->proto && a->port_low == b->port_low &&
           a->port_high == b->port_high;
}

bool ne_targets_equal(const struct ne_targets *a, const struct ne_targets *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!ne_target_equal(&a->items[i], &b->items[i]))
            return false;
    }
    return true;
}

bool ne_targets_find(const struct ne_targets *list, const struct ne_target *target,
                     size_t *position) {
    for (size_t i = 0; i < list->count; i++) {
        if (ne_target_equal(&list->items[i], target)) {
            *position = i;
            return true;
        }
    }
    return false;
}

static int bad_rule(struct ne_error *err, const char *key, const char *item, const char *why) {
    return ne_fail(err, NE_BAD_INPUT,
                   "option %s: \"%.80s\" is not accepted%s; accepted is " NE_TARGET_FORM, key, item,
                   why);
}

/* check_target() - What no packet of a container could ever have for a destination. */
static int check_target(const char *key, const char *item, const struct ne_target *target,
                        struct ne_error *err) {
    const struct ne_prefix network = ne_prefix_network(&target->to);
    if (!ne_addr_equal(&network.addr, &target->to.addr)) {
        char text[NE_PREFIX_TEXT];
        return ne_fail(err, NE_BAD_INPUT,
                       "option %s: \"%.80s\" has bits set behind its length; accepted is %s, if "
                       "that was meant",
                       key, item, ne_prefix_format(&network, text));
    }
    if (target->to.len == ne_addr_bits(target->to.addr.family) &&
        !ne_addr_is_host(&target->to.addr))
        return bad_rule(err, key, item,
                        " (loopback, multicast and link-local addresses cannot be reached)");
    return 0;
}

int ne_targets_parse(struct ne_targets *list, const char *key, const char *text,
                     struct ne_error *err) {
    list->count = 0;
    for (const char *rest = text;;) {
        rest += strspn(rest, ", \t\n");
        size_t length = strcspn(rest, ", \t\n");
        if (length == 0)
            return 0;
        char item[ITEM_SIZE];
        struct ne_target target;
        size_t known;
        if (length >= sizeof(item))
            return bad_rule(err, key, rest, "");
        memcpy(item, rest, length);
        item[length] = '\0';
        rest += length;
        if (!ne_target_parse(item, &target))
            return bad_rule(err, key, item, "");
        if (check_target(key, item, &target, err) < 0)
            return -1;
        if (ne_targets_find(list, &target, &known))
            continue;
        if (list->count == NE_TARGETS_MAX)
            return ne_fail(err, NE_BAD_INPUT,
                           "option %s: more than %d rules; accepted are %d: join addresses in a "
                           "prefix, or ports in a range",
                           key, NE_TARGETS_MAX, NE_TARGETS_MAX);
        list->items[list->count++] = target;
    }
}

const char *ne_targets_format(const struct ne_targets *list, char out[static NE_TARGETS_TEXT]) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        char one[NE_TARGET_TEXT];
        int n = snprintf(out + used, NE_TARGETS_TEXT - used, "%s%s", i == 0 ? "" : ",",
                         ne_target_format(&list->items[i], one));
        used += (size_t)n;
    }
    return out;
}
