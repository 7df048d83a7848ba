/* decode.c - the engine's requests: see decode.h. */
#include "decode.h"

#include <string.h>
#include <strings.h>

#define DOCKER_PREFIX   "com.docker.network."
#define OPTION_GENERIC  "com.docker.network.generic"
#define OPTION_INTERNAL "com.docker.network.internal"
#define OPTION_IPV4     "com.docker.network.enable_ipv4" /* comes from Docker 28 and later */
#define OPTION_PORTMAP  "com.docker.network.portmap"
#define SHOWN           80

/* member_text() - The text of member @key; an absent or null member is "".
 * Return: borrowed from @object, or NULL with NE_BAD_INPUT.
 */
static const char *member_text(const json_t *object, const char *key, struct ne_error *err) {
    const json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value))
        return "";
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value)) {
        (void)ne_fail(err, NE_BAD_INPUT, "field %s: accepted is a text without NUL", key);
        return NULL;
    }
    return text;
}

/* member_object() - Member @key, which may be absent or null, as an object.
 * Return: 0 and *@object set (NULL if absent), or -1 with NE_BAD_INPUT.
 */
static int member_object(const json_t *parent, const char *key, json_t **object,
                         struct ne_error *err) {
    json_t *value = json_object_get(parent, key);
    *object = NULL;
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_object(value))
        return ne_fail(err, NE_BAD_INPUT, "field %s: accepted is an object", key);
    *object = value;
    return 0;
}

int decode_id(const json_t *body, const char *key, char id[static NE_ID_SIZE],
              struct ne_error *err) {
    const char *text = member_text(body, key, err);
    if (text == NULL)
        return -1;
    if (!ne_id_valid(text))
        return ne_fail(err, NE_BAD_INPUT,
                       "field %s: \"%.*s\" is no id; accepted are 12 to 64 letters and digits", key,
                       SHOWN, text);
    memcpy(id, text, strlen(text) + 1);
    return 0;
}

/* decode_prefix() - Member @key as a prefix of @family; absent or empty leaves @prefix absent. */
static int decode_prefix(const json_t *object, const char *key, enum ne_family family,
                         struct ne_prefix *prefix, struct ne_error *err) {
    const char *text = member_text(object, key, err);
    *prefix = (struct ne_prefix){0};
    if (text == NULL)
        return -1;
    if (*text == '\0')
        return 0;
    struct ne_prefix parsed;
    if (!ne_prefix_parse(text, &parsed) || parsed.addr.family != family)
        return ne_fail(err, NE_BAD_INPUT, "field %s: \"%.*s\" is no %s prefix", key, SHOWN, text,
                       family == NE_V4 ? "IPv4" : "IPv6");
    *prefix = parsed;
    return 0;
}

/* decode_pool() - IPv4Data or IPv6Data: a list of at most one pool with its gateway. */
static int decode_pool(const json_t *body, const char *key, enum ne_family family,
                       struct ne_prefix *pool, struct ne_prefix *gateway, struct ne_error *err) {
    const json_t *list = json_object_get(body, key);
    *pool = *gateway = (struct ne_prefix){0};
    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return ne_fail(err, NE_BAD_INPUT, "field %s: accepted is a list", key);
    if (json_array_size(list) == 0)
        return 0;
    if (json_array_size(list) > 1)
        return ne_fail(err, NE_BAD_INPUT,
                       "field %s: %zu pools came; accepted is one of each family (one --subnet)",
                       key, json_array_size(list));

    const json_t *data = json_array_get(list, 0);
    if (!json_is_object(data))
        return ne_fail(err, NE_BAD_INPUT, "field %s: accepted is a list of objects", key);
    if (decode_prefix(data, "Pool", family, pool, err) < 0 ||
        decode_prefix(data, "Gateway", family, gateway, err) < 0)
        return ne_context(err, "%s", key);
    *pool = ne_prefix_network(pool);
    if (gateway->addr.family != NE_NONE)
        gateway->len = pool->len; /* engines differ in whether they send it */
    return 0;
}

static int set_option(struct ne_options *options, enum ne_option_scope scope, const char *key,
                      const json_t *value, struct ne_error *err) {
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) != json_string_length(value))
        return ne_fail(err, NE_BAD_INPUT, "option %.*s: accepted is a text", SHOWN, key);
    return ne_options_set(options, scope, key, text, err);
}

static int decode_network_options(const json_t *body, struct ne_network *network,
                                  struct ne_error *err) {
    json_t *options;
    json_t *generic;
    if (member_object(body, "Options", &options, err) < 0)
        return -1;
    if (options == NULL)
        return 0;
    network->internal = json_is_true(json_object_get(options, OPTION_INTERNAL));
    network->names_kept = json_object_get(options, OPTION_IPV4) != NULL;
    if (member_object(options, OPTION_GENERIC, &generic, err) < 0)
        return -1;

    const char *key;
    json_t *value;
    json_object_foreach(generic, key, value) {
        if (set_option(&network->options, NE_SCOPE_NETWORK, key, value, err) < 0)
            return -1;
    }
    return 0;
}

int decode_network(const json_t *body, struct ne_network *network, struct ne_error *err) {
    struct ne_network n = {0};
    if (decode_id(body, "NetworkID", n.id, err) < 0 ||
        decode_pool(body, "IPv4Data", NE_V4, &n.pool4, &n.gateway4, err) < 0 ||
        decode_pool(body, "IPv6Data", NE_V6, &n.pool6, &n.gateway6, err) < 0 ||
        decode_network_options(body, &n, err) < 0)
        return -1;
    *network = n;
    return 0;
}

/* Per-endpoint options lie beside the engine's own, which all have its prefix. Some engines
 * put them under the generic key as well. */
static int decode_endpoint_options(const json_t *body, struct ne_options *options,
                                   struct ne_error *err) {
    json_t *given;
    if (member_object(body, "Options", &given, err) < 0)
        return -1;
    const char *key;
    json_t *value;
    json_object_foreach(given, key, value) {
        if (strncasecmp(key, DOCKER_PREFIX, strlen(DOCKER_PREFIX)) == 0)
            continue;
        if (set_option(options, NE_SCOPE_ENDPOINT, key, value, err) < 0)
            return -1;
    }
    return 0;
}

static int decode_interface(const json_t *body, struct ne_endpoint *endpoint,
                            struct ne_error *err) {
    json_t *interface;
    if (member_object(body, "Interface", &interface, err) < 0)
        return -1;
    if (interface == NULL)
        return ne_fail(err, NE_BAD_INPUT, "field Interface is missing; accepted is an object");

    struct ne_prefix addr4;
    struct ne_prefix addr6;
    const char *mac = member_text(interface, "MacAddress", err);
    if (mac == NULL || decode_prefix(interface, "Address", NE_V4, &addr4, err) < 0 ||
        decode_prefix(interface, "AddressIPv6", NE_V6, &addr6, err) < 0)
        return -1;
    if (*mac != '\0') {
        if (!ne_mac_parse(mac, &endpoint->mac))
            return ne_fail(err, NE_BAD_INPUT, "field MacAddress: \"%.*s\" is no MAC address", SHOWN,
                           mac);
        if (!ne_mac_is_host(&endpoint->mac))
            return ne_fail(err, NE_BAD_INPUT,
                           "field MacAddress: %s is a group's or zero; accepted is one station's",
                           mac);
    }
    endpoint->addr4 = addr4.addr;
    endpoint->addr6 = addr6.addr;
    return 0;
}

int decode_endpoint(const json_t *body, struct ne_endpoint *endpoint, struct ne_options *options,
                    struct ne_error *err) {
    struct ne_endpoint e = {.options = options};
    *options = ne_options_nothing;
    if (decode_id(body, "NetworkID", e.network, err) < 0 ||
        decode_id(body, "EndpointID", e.id, err) < 0 || decode_interface(body, &e, err) < 0 ||
        decode_endpoint_options(body, options, err) < 0)
        return -1;
    *endpoint = e;
    return 0;
}

int decode_sandbox(const json_t *body, char sandbox[static NE_SANDBOX_SIZE], struct ne_error *err) {
    const char *text = member_text(body, "SandboxKey", err);
    if (text == NULL)
        return -1;
    if (strlen(text) >= NE_SANDBOX_SIZE)
        return ne_fail(err, NE_BAD_INPUT, "field SandboxKey: accepted are up to %d characters",
                       NE_SANDBOX_SIZE - 1);
    memcpy(sandbox, text, strlen(text) + 1);
    return 0;
}

bool decode_wants_ports(const json_t *body) {
    const json_t *ports = json_object_get(json_object_get(body, "Options"), OPTION_PORTMAP);
    return json_array_size(ports) > 0;
}
