/* option_values.c - how each option's value is read and written: see option_values.h. */
#include "option_values.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PROXY_FORM                                                                                 \
    "[ADDR:]PORT, several with commas or spaces: 8080, 192.0.2.1:3128, [2001:db8::1]:8080; or "    \
    "container:PORT, the containers with role=proxy"
#define DNS_FORM                                                                                   \
    "off, log, or the addresses of up to 4 name servers with commas or spaces: 192.0.2.53, "       \
    "2001:db8::53"

/* bad_value_since() - @why stands in brackets; empty where the form says enough. */
static int bad_value_since(struct ne_error *err, const char *key, const char *text, const char *why,
                           const char *accepted) {
    return ne_fail(err, NE_BAD_INPUT, "option %s: \"%.*s\" is not accepted%s; accepted is %s", key,
                   OPTION_SHOWN, text, why, accepted);
}

static int bad_value(struct ne_error *err, const char *key, const char *text,
                     const char *accepted) {
    return bad_value_since(err, key, text, "", accepted);
}

/* parse_number() - Decimal digits alone, from @low to @high. */
static bool parse_number(const char *text, unsigned low, unsigned high, unsigned *number) {
    size_t count = strlen(text);
    if (count < 1 || count > 7 || strspn(text, "0123456789") != count)
        return false;
    unsigned value = 0;
    for (const char *d = text; *d != '\0'; d++)
        value = value * 10 + (unsigned)(*d - '0');
    if (value < low || value > high)
        return false;
    *number = value;
    return true;
}

/* next_item() - The next of a list with commas or blanks between; *@rest moves behind it.
 * Return: 1 and *@item filled, 0 at the end, -1 if it does not fit.
 */
static int next_item(const char **rest, char *item, size_t size) {
    *rest += strspn(*rest, ", \t");
    size_t length = strcspn(*rest, ", \t");
    if (length == 0)
        return 0;
    if (length >= size)
        return -1;
    memcpy(item, *rest, length);
    item[length] = '\0';
    *rest += length;
    return 1;
}

/* parse_one_proxy() - PORT, A.B.C.D:PORT, [V6]:PORT or container:PORT. */
static bool parse_one_proxy(char *item, struct ne_proxy *proxy) {
    struct ne_proxy parsed = {0};
    char *port = item;

    if (item[0] == '[') {
        char *end = strchr(item, ']');
        if (end == NULL || end[1] != ':')
            return false;
        *end = '\0';
        if (!ne_addr_parse(item + 1, &parsed.addr) || parsed.addr.family != NE_V6)
            return false;
        port = end + 2;
    } else {
        char *colon = strchr(item, ':');
        if (colon != NULL) {
            *colon = '\0';
            parsed.by_role = strcasecmp(item, NE_PROXY_BY_ROLE) == 0;
            if (!parsed.by_role &&
                (!ne_addr_parse(item, &parsed.addr) || parsed.addr.family != NE_V4))
                return false;
            port = colon + 1;
        }
    }
    unsigned number = 0;
    if (!parse_number(port, 1, 65535, &number))
        return false;
    parsed.port = (uint16_t)number;
    *proxy = parsed;
    return true;
}

/* is_loopback() - 127.0.0.0/8 or ::1. */
static bool is_loopback(const struct ne_addr *addr) {
    static const struct ne_addr one = {.family = NE_V6, .bytes = {[15] = 1}};
    return addr->family == NE_V4 ? addr->bytes[0] == 127 : ne_addr_equal(addr, &one);
}

/* bad_address() - No packet of a container has @addr for a destination. */
static int bad_address(struct ne_error *err, const char *key, const char *text,
                       const struct ne_addr *addr, const char *instead, const char *accepted) {
    char why[160];
    (void)snprintf(why, sizeof(why), " (a container cannot reach %s; %s)",
                   is_loopback(addr) ? "the host's loopback"
                                     : "unspecified, multicast and link-local addresses",
                   instead);
    return bad_value_since(err, key, text, why, accepted);
}

static bool has_proxy(const struct ne_proxies *list, const struct ne_proxy *proxy) {
    for (unsigned i = 0; i < list->count; i++) {
        const struct ne_proxy *known = &list->items[i];
        if (known->port == proxy->port && known->by_role == proxy->by_role &&
            ne_addr_equal(&known->addr, &proxy->addr))
            return true;
    }
    return false;
}

int read_proxies(void *value, const char *key, const char *text, struct ne_error *err) {
    struct ne_proxies *list = value;
    char item[NE_PROXY_TEXT];
    const char *rest = text;
    int found;
    list->count = 0;
    while ((found = next_item(&rest, item, sizeof(item))) != 0) {
        struct ne_proxy proxy;
        if (found < 0 || !parse_one_proxy(item, &proxy))
            return bad_value(err, key, text, PROXY_FORM);
        if (proxy.addr.family != NE_NONE && !ne_addr_is_host(&proxy.addr)) {
            char instead[64];
            (void)snprintf(instead, sizeof(instead), "name a port of the bridge: %u", proxy.port);
            return bad_address(err, key, text, &proxy.addr, instead, PROXY_FORM);
        }
        if (has_proxy(list, &proxy))
            continue;
        if (list->count == NE_PROXY_MAX)
            return ne_fail(err, NE_BAD_INPUT, "option %s: more than %d proxies; accepted are %d",
                           key, NE_PROXY_MAX, NE_PROXY_MAX);
        list->items[list->count++] = proxy;
    }
    return 0;
}

const char *ne_proxy_format(const struct ne_proxy *proxy, char out[static NE_PROXY_TEXT]) {
    char addr[NE_ADDR_TEXT];
    ne_addr_format(&proxy->addr, addr);
    if (proxy->by_role)
        (void)snprintf(out, NE_PROXY_TEXT, NE_PROXY_BY_ROLE ":%u", proxy->port);
    else if (proxy->addr.family == NE_NONE)
        (void)snprintf(out, NE_PROXY_TEXT, "%u", proxy->port);
    else if (proxy->addr.family == NE_V4)
        (void)snprintf(out, NE_PROXY_TEXT, "%s:%u", addr, proxy->port);
    else
        (void)snprintf(out, NE_PROXY_TEXT, "[%s]:%u", addr, proxy->port);
    return out;
}

/* append() - @item to the list in @text, which has room for all that an option can hold. */
static void append(char text[static NE_OPTION_TEXT], const char *item) {
    size_t used = strlen(text);
    (void)snprintf(text + used, NE_OPTION_TEXT - used, "%s%s", used == 0 ? "" : ",", item);
}

void write_proxies(const void *value, char text[static NE_OPTION_TEXT]) {
    const struct ne_proxies *list = value;
    char one[NE_PROXY_TEXT];
    text[0] = '\0';
    for (unsigned i = 0; i < list->count; i++)
        append(text, ne_proxy_format(&list->items[i], one));
}

static bool has_server(const struct ne_dns *dns, const struct ne_addr *addr) {
    for (unsigned i = 0; i < dns->count; i++) {
        if (ne_addr_equal(&dns->servers[i], addr))
            return true;
    }
    return false;
}

int read_dns(void *value, const char *key, const char *text, struct ne_error *err) {
    struct ne_dns *dns = value;
    char item[NE_ADDR_TEXT];
    const char *rest = text;
    int found;
    *dns = (struct ne_dns){.kind = NE_DNS_OFF};
    if (strcasecmp(text, "off") == 0)
        return 0;
    if (strcasecmp(text, "log") == 0) {
        dns->kind = NE_DNS_LOG;
        return 0;
    }
    /* An empty list allows nothing, as "off" does. */
    while ((found = next_item(&rest, item, sizeof(item))) != 0) {
        struct ne_addr addr;
        if (found < 0 || !ne_addr_parse(item, &addr))
            return bad_value(err, key, text, DNS_FORM);
        if (!ne_addr_is_host(&addr))
            return bad_address(err, key, text, &addr, "dns=log asks the host's own servers",
                               DNS_FORM);
        if (has_server(dns, &addr))
            continue;
        if (dns->count == NE_DNS_MAX)
            return bad_value(err, key, text, DNS_FORM);
        dns->kind = NE_DNS_SERVERS;
        dns->servers[dns->count++] = addr;
    }
    return 0;
}

void write_dns(const void *value, char text[static NE_OPTION_TEXT]) {
    const struct ne_dns *dns = value;
    char one[NE_ADDR_TEXT];
    (void)snprintf(text, NE_OPTION_TEXT, "%s",
                   dns->kind == NE_DNS_LOG   ? "log"
                   : dns->kind == NE_DNS_OFF ? "off"
                                             : "");
    for (unsigned i = 0; i < dns->count; i++)
        append(text, ne_addr_format(&dns->servers[i], one));
}

int read_targets(void *value, const char *key, const char *text, struct ne_error *err) {
    return ne_targets_parse(value, key, text, err);
}

void write_targets(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)ne_targets_format(value, text);
}

int read_domains(void *value, const char *key, const char *text, struct ne_error *err) {
    return ne_domains_parse(value, key, text, err);
}

void write_domains(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)snprintf(text, NE_OPTION_TEXT, "%s", ((const struct ne_domains *)value)->text);
}

int read_flag(void *value, const char *key, const char *text, struct ne_error *err) {
    if (strcasecmp(text, "true") == 0)
        *(bool *)value = true;
    else if (strcasecmp(text, "false") == 0)
        *(bool *)value = false;
    else
        return bad_value(err, key, text, "true or false");
    return 0;
}

void write_flag(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)snprintf(text, NE_OPTION_TEXT, "%s", *(const bool *)value ? "true" : "false");
}

const char *ne_mode_name(enum ne_mode mode) {
    switch (mode) {
    case NE_MODE_AUDIT:
        return "audit";
    case NE_MODE_TRANSPARENT:
        return "transparent";
    case NE_MODE_ENFORCE:
        break;
    }
    return "enforce";
}

int read_mode(void *value, const char *key, const char *text, struct ne_error *err) {
    if (strcasecmp(text, "enforce") == 0)
        *(enum ne_mode *)value = NE_MODE_ENFORCE;
    else if (strcasecmp(text, "audit") == 0)
        *(enum ne_mode *)value = NE_MODE_AUDIT;
    else if (strcasecmp(text, "transparent") == 0)
        *(enum ne_mode *)value = NE_MODE_TRANSPARENT;
    else
        return bad_value(err, key, text, "enforce, audit or transparent");
    return 0;
}

void write_mode(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)snprintf(text, NE_OPTION_TEXT, "%s", ne_mode_name(*(const enum ne_mode *)value));
}

const char *ne_refuse_name(enum ne_refuse refuse) {
    return refuse == NE_REFUSE_DROP ? "drop" : "reject";
}

int read_refuse(void *value, const char *key, const char *text, struct ne_error *err) {
    if (strcasecmp(text, "reject") == 0)
        *(enum ne_refuse *)value = NE_REFUSE_REJECT;
    else if (strcasecmp(text, "drop") == 0)
        *(enum ne_refuse *)value = NE_REFUSE_DROP;
    else
        return bad_value(err, key, text, "reject or drop");
    return 0;
}

void write_refuse(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)snprintf(text, NE_OPTION_TEXT, "%s", ne_refuse_name(*(const enum ne_refuse *)value));
}

int read_role(void *value, const char *key, const char *text, struct ne_error *err) {
    *(bool *)value = strcasecmp(text, "proxy") == 0;
    return *(bool *)value ? 0 : bad_value(err, key, text, "proxy");
}

void write_role(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)snprintf(text, NE_OPTION_TEXT, "%s", *(const bool *)value ? "proxy" : "");
}

int read_rate(void *value, const char *key, const char *text, struct ne_error *err) {
    return ne_rate_parse(text, value) ? 0 : bad_value(err, key, text, NE_RATE_FORM);
}

void write_rate(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)ne_rate_format(*(const uint64_t *)value, text);
}

int read_pace(void *value, const char *key, const char *text, struct ne_error *err) {
    return ne_pace_parse(text, value) ? 0 : bad_value(err, key, text, NE_PACE_FORM);
}

void write_pace(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)ne_pace_format(*(const struct ne_pace *)value, text);
}

int read_bytes(void *value, const char *key, const char *text, struct ne_error *err) {
    return ne_bytes_parse(text, value) ? 0 : bad_value(err, key, text, NE_BYTES_FORM);
}

void write_bytes(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)ne_bytes_format(*(const uint64_t *)value, text);
}

int read_log(void *value, const char *key, const char *text, struct ne_error *err) {
    struct ne_pace *pace = value;
    *pace = (struct ne_pace){0};
    if (strcasecmp(text, "off") == 0)
        return 0;
    if (strcasecmp(text, "none") == 0 || !ne_pace_parse(text, pace))
        return bad_value(err, key, text,
                         "off, or the most events with /s, /m or /h: 5/s (1 to 1000000)");
    return 0;
}

void write_log(const void *value, char text[static NE_OPTION_TEXT]) {
    const struct ne_pace *pace = value;
    if (pace->count == 0)
        (void)snprintf(text, NE_OPTION_TEXT, "off");
    else
        (void)ne_pace_format(*pace, text);
}

int read_mtu(void *value, const char *key, const char *text, struct ne_error *err) {
    if (!parse_number(text, NE_MTU_MIN, NE_MTU_MAX, value))
        return bad_value(err, key, text, "a number of bytes from 68 to 65535");
    return 0;
}

void write_mtu(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)snprintf(text, NE_OPTION_TEXT, "%u", *(const unsigned *)value);
}

int read_bridge(void *value, const char *key, const char *text, struct ne_error *err) {
    static const char accepted[] =
        "an interface name of 1 to 15 printable characters without blanks, '/', ':' and '+', "
        "that does not begin with nv- or nc-";
    if (!ne_ifname_valid(text) || strncmp(text, NE_PORT_PREFIX, strlen(NE_PORT_PREFIX)) == 0 ||
        strncmp(text, NE_PEER_PREFIX, strlen(NE_PEER_PREFIX)) == 0)
        return bad_value(err, key, text, accepted);
    memcpy(value, text, strlen(text) + 1);
    return 0;
}

void write_bridge(const void *value, char text[static NE_OPTION_TEXT]) {
    (void)snprintf(text, NE_OPTION_TEXT, "%s", (const char *)value);
}
