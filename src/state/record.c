/* record.c - records as JSON: see record.h. */
#include "record.h"

#include <string.h>

/* set_text() - Add a string; on failure @object is released, so calls can be chained. */
static json_t *set_text(json_t *object, const char *key, const char *text) {
    if (object != NULL && json_object_set_new(object, key, json_string(text)) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *set_json(json_t *object, const char *key, json_t *value) {
    if (object == NULL) {
        json_decref(value);
        return NULL;
    }
    if (json_object_set_new(object, key, value) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *set_prefix(json_t *object, const char *key, const struct ne_prefix *prefix) {
    char text[NE_PREFIX_TEXT];
    return set_text(object, key, ne_prefix_format(prefix, text));
}

static json_t *set_addr(json_t *object, const char *key, const struct ne_addr *addr) {
    char text[NE_ADDR_TEXT];
    return set_text(object, key, ne_addr_format(addr, text));
}

static json_t *set_mac(json_t *object, const char *key, const struct ne_mac *mac) {
    char text[NE_MAC_TEXT];
    return set_text(object, key, ne_mac_format(mac, text));
}

json_t *ne_options_to_json(const struct ne_options *options) {
    json_t *object = json_object();
    char text[NE_OPTION_TEXT];
    const char *key;
    for (size_t i = 0; (key = ne_options_get(options, i, text)) != NULL; i++)
        object = set_text(object, key, text);
    return object;
}

static json_t *header(const char *kind, const char *id) {
    json_t *object = json_object();
    object = set_json(object, "version", json_integer(NE_RECORD_VERSION));
    object = set_text(object, "kind", kind);
    return set_text(object, "id", id);
}

json_t *ne_record_of_network(const struct ne_network *network) {
    json_t *object = header("network", network->id);
    object = set_text(object, "bridge", network->bridge);
    object = set_mac(object, "mac", &network->mac);
    object = set_prefix(object, "pool4", &network->pool4);
    object = set_prefix(object, "gateway4", &network->gateway4);
    object = set_prefix(object, "pool6", &network->pool6);
    object = set_prefix(object, "gateway6", &network->gateway6);
    object = set_json(object, "internal", json_boolean(network->internal));
    object = set_json(object, "revision", json_integer((json_int_t)network->revision));
    if (network->names_kept) /* later than version 1 of records: left out where it says nothing */
        object = set_json(object, "names_kept", json_true());
    if (!ne_options_equal(&network->asked, &network->options)) /* later, too */
        object = set_json(object, "asked", ne_options_to_json(&network->asked));
    return set_json(object, "options", ne_options_to_json(&network->options));
}

json_t *ne_record_of_endpoint(const struct ne_endpoint *endpoint, const char *boot) {
    json_t *object = header("endpoint", endpoint->id);
    object = set_text(object, "boot", boot);
    object = set_text(object, "network", endpoint->network);
    object = set_addr(object, "addr4", &endpoint->addr4);
    object = set_addr(object, "addr6", &endpoint->addr6);
    object = set_mac(object, "mac", &endpoint->mac);
    object = set_json(object, "mac_is_ours", json_boolean(endpoint->mac_is_ours));
    object = set_json(object, "joined", json_boolean(endpoint->joined));
    object = set_text(object, "sandbox", endpoint->sandbox);
    object = set_json(object, "lacks_route", json_boolean(endpoint->lacks_route));
    object = set_json(object, "quota_reached", json_boolean(endpoint->quota_reached));
    object = set_json(object, "revision", json_integer((json_int_t)endpoint->revision));
    return set_json(object, "options", ne_options_to_json(endpoint->options));
}

/* A reader remembers the first thing that was wrong; later reads change nothing. */
struct reader {
    const json_t *object;
    size_t used; /* fields taken so far */
    struct ne_error *err;
    bool failed;
};

static void wrong(struct reader *reader, const char *key, const char *accepted) {
    if (!reader->failed)
        (void)ne_fail(reader->err, NE_STATE, "field \"%s\" is missing or wrong; accepted is %s",
                      key, accepted);
    reader->failed = true;
}

static const json_t *take(struct reader *reader, const char *key) {
    const json_t *value = json_object_get(reader->object, key);
    if (value != NULL)
        reader->used++;
    return value;
}

static const char *take_text(struct reader *reader, const char *key, const char *accepted) {
    const json_t *value = take(reader, key);
    const char *text = json_string_value(value);
    if (text == NULL || json_string_length(value) != strlen(text)) {
        wrong(reader, key, accepted);
        return "";
    }
    return text;
}

static void take_copy(struct reader *reader, const char *key, char *out, size_t size) {
    const char *text = take_text(reader, key, "a text");
    size_t length = strlen(text);
    if (length >= size) {
        wrong(reader, key, "a shorter text");
        length = 0;
    }
    memcpy(out, text, length);
    out[length] = '\0';
}

static void take_id(struct reader *reader, const char *key, char out[static NE_ID_SIZE]) {
    take_copy(reader, key, out, NE_ID_SIZE);
    if (!ne_id_valid(out))
        wrong(reader, key, "an id of 12 to 64 letters and digits");
}

static void take_prefix(struct reader *reader, const char *key, enum ne_family family,
                        struct ne_prefix *out) {
    const char *text = take_text(reader, key, "a prefix or \"-\"");
    *out = (struct ne_prefix){0};
    if (strcmp(text, "-") == 0)
        return;
    if (!ne_prefix_parse(text, out) || out->addr.family != family)
        wrong(reader, key, family == NE_V4 ? "an IPv4 prefix or \"-\"" : "an IPv6 prefix or \"-\"");
}

static void take_addr(struct reader *reader, const char *key, enum ne_family family,
                      struct ne_addr *out) {
    struct ne_prefix prefix;
    take_prefix(reader, key, family, &prefix);
    if (prefix.addr.family != NE_NONE && prefix.len != ne_addr_bits(family))
        wrong(reader, key, "an address");
    *out = prefix.addr;
}

static void take_mac(struct reader *reader, const char *key, struct ne_mac *out) {
    if (!ne_mac_parse(take_text(reader, key, "a MAC address"), out))
        wrong(reader, key, "a MAC address");
}

/* Fields that records of earlier versions do not have. */
static bool take_later_bool(struct reader *reader, const char *key) {
    const json_t *value = take(reader, key);
    if (value != NULL && !json_is_boolean(value))
        wrong(reader, key, "true or false");
    return json_is_true(value);
}

static unsigned long take_revision(struct reader *reader) {
    const json_t *value = take(reader, "revision");
    if (value == NULL)
        return 1;
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        wrong(reader, "revision", "a number from 1");
    return (unsigned long)json_integer_value(value);
}

static bool take_bool(struct reader *reader, const char *key) {
    const json_t *value = take(reader, key);
    if (!json_is_boolean(value))
        wrong(reader, key, "true or false");
    return json_is_true(value);
}

static void take_options(struct reader *reader, const char *field, enum ne_option_scope scope,
                         struct ne_options *out) {
    const json_t *value = take(reader, field);
    *out = (struct ne_options){0};
    if (!json_is_object(value)) {
        wrong(reader, field, "an object");
        return;
    }
    const char *key;
    json_t *item;
    json_t *options = json_object_get(reader->object, field);
    json_object_foreach(options, key, item) {
        const char *text = json_string_value(item);
        struct ne_error inner;
        if (text == NULL) {
            wrong(reader, field, "texts");
        } else if (ne_options_set(out, scope, key, text, &inner) < 0 && !reader->failed) {
            (void)ne_fail(reader->err, NE_STATE, "%s", inner.text);
            reader->failed = true;
        }
    }
}

static void take_header(struct reader *reader, const char *kind, char id[static NE_ID_SIZE]) {
    const json_t *version = take(reader, "version");
    if (!json_is_integer(version)) {
        wrong(reader, "version", "a number");
    } else if (json_integer_value(version) != NE_RECORD_VERSION && !reader->failed) {
        (void)ne_fail(reader->err, NE_STATE,
                      "it is of version %lld, this netenforced reads version %d: use the "
                      "version that wrote it",
                      (long long)json_integer_value(version), NE_RECORD_VERSION);
        reader->failed = true;
    }
    if (strcmp(take_text(reader, "kind", kind), kind) != 0)
        wrong(reader, "kind", kind);
    take_id(reader, "id", id);
}

static int finish(struct reader *reader) {
    if (!reader->failed && json_object_size(reader->object) != reader->used) {
        (void)ne_fail(reader->err, NE_STATE, "it has a field of no known name");
        reader->failed = true;
    }
    return reader->failed ? -1 : 0;
}

int ne_record_to_network(const json_t *json, struct ne_network *network, struct ne_error *err) {
    struct reader reader = {.object = json, .err = err};
    struct ne_network n = {0};
    take_header(&reader, "network", n.id);
    take_copy(&reader, "bridge", n.bridge, sizeof(n.bridge));
    if (!ne_ifname_valid(n.bridge))
        wrong(&reader, "bridge", "an interface name");
    take_mac(&reader, "mac", &n.mac);
    take_prefix(&reader, "pool4", NE_V4, &n.pool4);
    take_prefix(&reader, "gateway4", NE_V4, &n.gateway4);
    take_prefix(&reader, "pool6", NE_V6, &n.pool6);
    take_prefix(&reader, "gateway6", NE_V6, &n.gateway6);
    n.internal = take_bool(&reader, "internal");
    n.revision = take_revision(&reader);
    if (json_object_get(json, "names_kept") != NULL)
        n.names_kept = take_bool(&reader, "names_kept");
    take_options(&reader, "options", NE_SCOPE_NETWORK, &n.options);
    n.asked = n.options;
    if (json_object_get(json, "asked") != NULL)
        take_options(&reader, "asked", NE_SCOPE_NETWORK, &n.asked);
    if (finish(&reader) < 0)
        return -1;
    *network = n;
    return 0;
}

int ne_record_to_endpoint(const json_t *json, struct ne_endpoint *endpoint,
                          struct ne_options *options, const char **boot, struct ne_error *err) {
    struct reader reader = {.object = json, .err = err};
    struct ne_endpoint e = {0};
    take_header(&reader, "endpoint", e.id);
    const char *booted = take_text(&reader, "boot", "a boot id");
    take_id(&reader, "network", e.network);
    take_addr(&reader, "addr4", NE_V4, &e.addr4);
    take_addr(&reader, "addr6", NE_V6, &e.addr6);
    take_mac(&reader, "mac", &e.mac);
    e.mac_is_ours = take_bool(&reader, "mac_is_ours");
    e.joined = take_bool(&reader, "joined");
    take_copy(&reader, "sandbox", e.sandbox, sizeof(e.sandbox));
    e.lacks_route = take_later_bool(&reader, "lacks_route");
    e.quota_reached = take_later_bool(&reader, "quota_reached");
    e.revision = take_revision(&reader);
    *options = ne_options_nothing;
    take_options(&reader, "options", NE_SCOPE_ENDPOINT, options);
    e.options = options;
    if (finish(&reader) < 0)
        return -1;
    *endpoint = e;
    *boot = booted;
    return 0;
}
