/* options.c - the grammar of the driver's options: see options.h. */
#include <netenforce/options.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHOWN 80 /* most characters of a value that an error repeats */

#define PROXY_FORM                                                                                 \
    "[ADDR:]PORT, several with commas or spaces: 8080, 192.0.2.1:3128, [2001:db8::1]:8080"

/* Keys of docs/interface.md that a later version brings. */
static const char *const not_yet[] = {"dns",  "allow", "deny",      "icc",   "inbound",
                                      "mode", "rate",  "conn_rate", "quota", "log"};

static int bad_value(struct ne_error *err, const char *key, const char *value,
                     const char *accepted) {
    return ne_fail(err, NE_BAD_INPUT, "option %s: \"%.*s\" is not accepted; accepted is %s", key,
                   SHOWN, value, accepted);
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

/* parse_one_proxy() - PORT, A.B.C.D:PORT or [V6]:PORT. */
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
            if (!ne_addr_parse(item, &parsed.addr) || parsed.addr.family != NE_V4)
                return false;
            port = colon + 1;
        }
    }
    if (parsed.addr.family != NE_NONE && !ne_addr_is_host(&parsed.addr))
        return false;

    unsigned number = 0;
    if (!parse_number(port, 1, 65535, &number))
        return false;
    parsed.port = (uint16_t)number;
    *proxy = parsed;
    return true;
}

static bool same_proxy(const struct ne_proxy *a, const struct ne_proxy *b) {
    return a->port == b->port && ne_addr_equal(&a->addr, &b->addr);
}

static int set_proxy(struct ne_options *options, const char *key, const char *value,
                     struct ne_error *err) {
    options->proxy_count = 0;
    const char *rest = value;
    for (;;) {
        rest += strspn(rest, ", \t");
        size_t length = strcspn(rest, ", \t");
        if (length == 0)
            return 0;

        char item[NE_ADDR_TEXT + 9];
        struct ne_proxy proxy;
        if (length >= sizeof(item))
            return bad_value(err, key, value, PROXY_FORM);
        memcpy(item, rest, length);
        item[length] = '\0';
        rest += length;
        if (!parse_one_proxy(item, &proxy))
            return bad_value(err, key, value, PROXY_FORM);

        bool known = false;
        for (unsigned i = 0; i < options->proxy_count; i++)
            known = known || same_proxy(&options->proxy[i], &proxy);
        if (known)
            continue;
        if (options->proxy_count == NE_PROXY_MAX)
            return ne_fail(err, NE_BAD_INPUT, "option %s: more than %d proxies; accepted are %d",
                           key, NE_PROXY_MAX, NE_PROXY_MAX);
        options->proxy[options->proxy_count++] = proxy;
    }
}

static int set_refuse(struct ne_options *options, const char *key, const char *value,
                      struct ne_error *err) {
    if (strcasecmp(value, "reject") == 0)
        options->refuse = NE_REFUSE_REJECT;
    else if (strcasecmp(value, "drop") == 0)
        options->refuse = NE_REFUSE_DROP;
    else
        return bad_value(err, key, value, "reject or drop");
    return 0;
}

static int set_mtu(struct ne_options *options, const char *key, const char *value,
                   struct ne_error *err) {
    if (!parse_number(value, NE_MTU_MIN, NE_MTU_MAX, &options->mtu))
        return bad_value(err, key, value, "a number of bytes from 68 to 65535");
    return 0;
}

static int set_bridge(struct ne_options *options, const char *key, const char *value,
                      struct ne_error *err) {
    static const char accepted[] =
        "an interface name of 1 to 15 printable characters without blanks, '/', ':' and '+', "
        "that does not begin with nv- or nc-";
    if (!ne_ifname_valid(value) || strncmp(value, NE_PORT_PREFIX, strlen(NE_PORT_PREFIX)) == 0 ||
        strncmp(value, NE_PEER_PREFIX, strlen(NE_PEER_PREFIX)) == 0)
        return bad_value(err, key, value, accepted);
    memcpy(options->bridge, value, strlen(value) + 1);
    return 0;
}

struct option {
    const char *key;
    size_t has; /* offset of its presence bit in struct ne_options */
    bool for_endpoints;
    int (*set)(struct ne_options *options, const char *key, const char *value,
               struct ne_error *err);
};

static const struct option known_options[] = {
    {"proxy", offsetof(struct ne_options, has_proxy), true, set_proxy},
    {"refuse", offsetof(struct ne_options, has_refuse), true, set_refuse},
    {"com.docker.network.driver.mtu", offsetof(struct ne_options, has_mtu), false, set_mtu},
    {"com.docker.network.bridge.name", offsetof(struct ne_options, has_bridge), false, set_bridge},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int ne_options_set(struct ne_options *options, enum ne_option_scope scope, const char *key,
                   const char *value, struct ne_error *err) {
    for (size_t i = 0; i < COUNT(known_options); i++) {
        const struct option *option = &known_options[i];
        if (strcasecmp(key, option->key) != 0)
            continue;
        if (scope == NE_SCOPE_ENDPOINT && !option->for_endpoints)
            return ne_fail(err, NE_BAD_INPUT,
                           "option %s belongs to the network: give it to docker network create",
                           option->key);
        bool *has = (bool *)((char *)options + option->has);
        if (*has)
            return ne_fail(err, NE_BAD_INPUT, "option %s is given twice; accepted is once",
                           option->key);
        if (option->set(options, option->key, value, err) < 0)
            return -1;
        *has = true;
        return 0;
    }
    for (size_t i = 0; i < COUNT(not_yet); i++) {
        if (strcasecmp(key, not_yet[i]) == 0)
            return ne_fail(err, NE_UNSUPPORTED,
                           "option %s (\"%.*s\") is not yet supported by this version; "
                           "remove it (supported are proxy and refuse)",
                           not_yet[i], SHOWN, value);
    }
    return ne_fail(err, NE_BAD_INPUT,
                   "option \"%.*s\" (\"%.*s\") is unknown; accepted are proxy, refuse%s", SHOWN,
                   key, SHOWN, value,
                   scope == NE_SCOPE_NETWORK
                       ? ", com.docker.network.driver.mtu and com.docker.network.bridge.name"
                       : "");
}

const char *ne_options_format_proxy(const struct ne_options *options,
                                    char out[static NE_PROXY_LIST_TEXT]) {
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < options->proxy_count; i++) {
        const struct ne_proxy *proxy = &options->proxy[i];
        const char *comma = i == 0 ? "" : ",";
        char addr[NE_ADDR_TEXT];
        ne_addr_format(&proxy->addr, addr);

        int n;
        if (proxy->addr.family == NE_NONE)
            n = snprintf(out + used, NE_PROXY_LIST_TEXT - used, "%s%u", comma, proxy->port);
        else if (proxy->addr.family == NE_V4)
            n = snprintf(out + used, NE_PROXY_LIST_TEXT - used, "%s%s:%u", comma, addr,
                         proxy->port);
        else
            n = snprintf(out + used, NE_PROXY_LIST_TEXT - used, "%s[%s]:%u", comma, addr,
                         proxy->port);
        used += (size_t)n;
    }
    return out;
}

static bool same_proxies(const struct ne_options *a, const struct ne_options *b) {
    if (a->has_proxy != b->has_proxy || a->proxy_count != b->proxy_count)
        return false;
    for (unsigned i = 0; i < a->proxy_count; i++) {
        if (!same_proxy(&a->proxy[i], &b->proxy[i]))
            return false;
    }
    return true;
}

bool ne_options_equal(const struct ne_options *a, const struct ne_options *b) {
    return same_proxies(a, b) && a->has_refuse == b->has_refuse && a->refuse == b->refuse &&
           a->has_mtu == b->has_mtu && a->mtu == b->mtu && a->has_bridge == b->has_bridge &&
           strcmp(a->bridge, b->bridge) == 0;
}

const char *ne_refuse_name(enum ne_refuse refuse) {
    return refuse == NE_REFUSE_DROP ? "drop" : "reject";
}
