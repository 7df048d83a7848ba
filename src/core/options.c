/* options.c - the driver's options by their keys: see options.h. */
#include "option_values.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct ne_options ne_options_nothing;

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct option {
    const char *key;
    size_t has;   /* offset of its presence bit in struct ne_options */
    size_t value; /* offset and size of its value */
    size_t size;
    unsigned givers;
    option_reader *read;
    option_writer *write;
};

/* Who may give an option. */
#define NETWORK  (1u << NE_SCOPE_NETWORK)
#define ENDPOINT (1u << NE_SCOPE_ENDPOINT)
#define BOTH     (NETWORK | ENDPOINT)

#define OPTION(key, field, givers, type)                                                           \
    {                                                                                              \
        key, offsetof(struct ne_options, has_##field), offsetof(struct ne_options, field),         \
            sizeof(((struct ne_options *)0)->field), givers, read_##type, write_##type             \
    }

/* In the order of docs/interface.md. */
static const struct option known_options[] = {
    OPTION("proxy", proxy, BOTH, proxies),
    OPTION("dns", dns, BOTH, dns),
    OPTION("allow", allow, BOTH, targets),
    OPTION("deny", deny, BOTH, targets),
    OPTION("icc", icc, BOTH, flag),
    OPTION("inbound", inbound, BOTH, flag),
    OPTION("mode", mode, BOTH, mode),
    OPTION("refuse", refuse, BOTH, refuse),
    OPTION("rate", rate, BOTH, rate),
    OPTION("conn_rate", conn_rate, BOTH, pace),
    OPTION("quota", quota, BOTH, bytes),
    OPTION("log", log, BOTH, log),
    OPTION("role", role, ENDPOINT, role),
    OPTION("dns_allow", dns_allow, NETWORK, domains),
    OPTION("dns_deny", dns_deny, NETWORK, domains),
    OPTION("com.docker.network.driver.mtu", mtu, NETWORK, mtu),
    OPTION("com.docker.network.bridge.name", bridge, NETWORK, bridge),
};

static bool *presence(struct ne_options *options, const struct option *option) {
    return (bool *)((char *)options + option->has);
}

static bool present(const struct ne_options *options, const struct option *option) {
    return *(const bool *)((const char *)options + option->has);
}

static void *value_of(struct ne_options *options, const struct option *option) {
    return (char *)options + option->value;
}

static void write_value(const struct ne_options *options, const struct option *option,
                        char text[static NE_OPTION_TEXT]) {
    option->write((const char *)options + option->value, text);
}

const char *ne_options_get(const struct ne_options *options, size_t position,
                           char text[static NE_OPTION_TEXT]) {
    for (size_t i = 0; i < COUNT(known_options); i++) {
        if (!present(options, &known_options[i]))
            continue;
        if (position-- > 0)
            continue;
        write_value(options, &known_options[i], text);
        return known_options[i].key;
    }
    return NULL;
}

void ne_options_complete(struct ne_options *options) {
    for (size_t i = 0; i < COUNT(known_options); i++) {
        if (known_options[i].givers == BOTH)
            *presence(options, &known_options[i]) = true;
    }
}

bool ne_options_own_policy(const struct ne_options *options) {
    if (options == &ne_options_nothing)
        return false;
    for (size_t i = 0; i < COUNT(known_options); i++) {
        if (known_options[i].givers == BOTH && present(options, &known_options[i]))
            return true;
    }
    return false;
}

bool ne_options_log_names(const struct ne_options *options) {
    if (options->has_dns)
        return options->dns.kind == NE_DNS_LOG;
    return options->has_mode && options->mode == NE_MODE_TRANSPARENT;
}

struct ne_options ne_options_default(void) {
    return (struct ne_options){
        .proxy = {.count = 1, .items = {{.port = NE_PROXY_PORT}}},
        .log = {.count = 5, .seconds = 1},
    };
}

void ne_options_override(struct ne_options *options, enum ne_option_scope scope,
                         const struct ne_options *by) {
    for (size_t i = 0; i < COUNT(known_options); i++) {
        const struct option *option = &known_options[i];
        if (present(by, option) && (option->givers & (1u << scope)) != 0)
            memcpy(value_of(options, option), (const char *)by + option->value, option->size);
    }
}

/* list_keys() - "proxy, dns, ... and log": what @scope takes. */
static const char *list_keys(enum ne_option_scope scope, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < COUNT(known_options) && used < size; i++) {
        if ((known_options[i].givers & (1u << scope)) != 0)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ",
                                     known_options[i].key);
    }
    return text;
}

/* find_option() - The option @key, or NULL with an error that says what is accepted. */
static const struct option *find_option(enum ne_option_scope scope, const char *key,
                                        const char *value, struct ne_error *err) {
    char keys[256];
    for (size_t i = 0; i < COUNT(known_options); i++) {
        const struct option *option = &known_options[i];
        if (strcasecmp(key, option->key) != 0)
            continue;
        if ((option->givers & (1u << scope)) == 0) {
            (void)ne_fail(err, NE_BAD_INPUT,
                          scope == NE_SCOPE_ENDPOINT
                              ? "option %s belongs to the network: give it to docker network create"
                              : "option %s belongs to one container: give it as docker run "
                                "--network name=NETWORK,driver-opt=role=proxy",
                          option->key);
            return NULL;
        }
        return option;
    }
    (void)ne_fail(err, NE_BAD_INPUT, "option \"%.*s\" (\"%.*s\") is unknown; accepted are %s",
                  OPTION_SHOWN, key, OPTION_SHOWN, value, list_keys(scope, keys, sizeof(keys)));
    return NULL;
}

int ne_options_set(struct ne_options *options, enum ne_option_scope scope, const char *key,
                   const char *value, struct ne_error *err) {
    const struct option *option = find_option(scope, key, value, err);
    if (option == NULL)
        return -1;
    bool *has = presence(options, option);
    if (*has)
        return ne_fail(err, NE_BAD_INPUT, "option %s is given twice; accepted is once",
                       option->key);
    if (option->read(value_of(options, option), option->key, value, err) < 0)
        return -1;
    *has = true;
    return 0;
}

int ne_options_clear(struct ne_options *options, enum ne_option_scope scope, const char *key,
                     struct ne_error *err) {
    const struct option *option = find_option(scope, key, "", err);
    if (option == NULL)
        return -1;
    *presence(options, option) = false;
    memset(value_of(options, option), 0, option->size);
    return 0;
}

/* The usual form is unique, so values that are written alike say the same. */
const char *ne_options_difference(const struct ne_options *a, const struct ne_options *b) {
    char text_a[NE_OPTION_TEXT];
    char text_b[NE_OPTION_TEXT];
    for (size_t i = 0; i < COUNT(known_options); i++) {
        const struct option *option = &known_options[i];
        if (present(a, option) != present(b, option))
            return option->key;
        if (!present(a, option))
            continue;
        write_value(a, option, text_a);
        write_value(b, option, text_b);
        if (strcmp(text_a, text_b) != 0)
            return option->key;
    }
    return NULL;
}

bool ne_options_equal(const struct ne_options *a, const struct ne_options *b) {
    return ne_options_difference(a, b) == NULL;
}
