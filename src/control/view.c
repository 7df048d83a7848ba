/* view.c - networks and endpoints as the API shows them: see view.h. */
#include "view.h"

#include <netenforce/control.h>
#include <string.h>

/* prefix_json/addr_json() - Text, or null where absent. */
static json_t *prefix_json(const struct ne_prefix *prefix) {
    char text[NE_PREFIX_TEXT];
    return prefix->addr.family == NE_NONE ? json_null()
                                          : json_string(ne_prefix_format(prefix, text));
}

static json_t *addr_json(const struct ne_addr *addr) {
    char text[NE_ADDR_TEXT];
    return addr->family == NE_NONE ? json_null() : json_string(ne_addr_format(addr, text));
}

static void add_proxy(json_t *list, const struct ne_addr *addr, uint16_t port) {
    const struct ne_proxy proxy = {.addr = *addr, .port = port};
    char text[NE_PROXY_TEXT];
    if (addr->family != NE_NONE)
        (void)json_array_append_new(list, json_string(ne_proxy_format(&proxy, text)));
}

/* proxies_json() - Proxies with the addresses that are meant where none was written: the bridge's,
 * or those of the containers that are there for it now. */
static json_t *proxies_json(const struct ne_model *model, const struct ne_network *network,
                            const struct ne_options *options) {
    json_t *list = json_array();
    for (unsigned i = 0; i < options->proxy.count; i++) {
        const struct ne_proxy *one = &options->proxy.items[i];
        if (one->addr.family != NE_NONE) {
            add_proxy(list, &one->addr, one->port);
        } else if (!one->by_role) {
            add_proxy(list, &network->gateway4.addr, one->port);
            add_proxy(list, &network->gateway6.addr, one->port);
        }
        for (size_t k = 0; one->by_role && k < model->endpoints.count; k++) {
            const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, k);
            if (!ne_is_role_proxy(network, endpoint))
                continue;
            add_proxy(list, &endpoint->addr4, one->port);
            add_proxy(list, &endpoint->addr6, one->port);
        }
    }
    return list;
}

/* list_json() - A list as it is written, by its commas. */
static json_t *list_json(const char *text) {
    json_t *list = json_array();
    for (size_t length; *text != '\0'; text += length + (text[length] == ',' ? 1 : 0)) {
        length = strcspn(text, ",");
        (void)json_array_append_new(list, json_stringn(text, length));
    }
    return list;
}

static bool is_list(const char *key) {
    static const char *const lists[] = {"allow", "deny", "dns_allow", "dns_deny"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(key, lists[i]) == 0)
            return true;
    }
    return false;
}

/* policy_json() - What holds, option by option, be it given here, by the network or by default. */
static json_t *policy_json(const struct ne_model *model, const struct ne_network *network,
                           const struct ne_endpoint *endpoint) {
    struct ne_options options = ne_effective_options(network, endpoint);
    json_t *object = json_object();
    char text[NE_OPTION_TEXT];
    const char *key;
    ne_options_complete(&options);
    options.has_dns_allow = network->options.has_dns_allow;
    options.has_dns_deny = network->options.has_dns_deny;
    for (size_t i = 0; (key = ne_options_get(&options, i, text)) != NULL; i++)
        (void)json_object_set_new(object, key,
                                  strcmp(key, "proxy") == 0 ? proxies_json(model, network, &options)
                                  : is_list(key)            ? list_json(text)
                                                            : json_string(text));
    return object;
}

static size_t endpoints_of(const struct ne_model *model, const char *network) {
    size_t count = 0;
    for (size_t i = 0; i < model->endpoints.count; i++)
        count += strcmp(ne_model_endpoint_at(model, i)->network, network) == 0;
    return count;
}

json_t *network_json(const struct ne_model *model, const struct ne_network *network) {
    char mac[NE_MAC_TEXT];
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:I, s:I}", "id", network->id, "bridge",
        network->bridge, "mac", ne_mac_format(&network->mac, mac), "pool4",
        prefix_json(&network->pool4), "gateway4", prefix_json(&network->gateway4), "pool6",
        prefix_json(&network->pool6), "gateway6", prefix_json(&network->gateway6), "internal",
        network->internal, "policy", policy_json(model, network, NULL), "options",
        options_json(&network->options), "revision", (json_int_t)network->revision, "endpoints",
        (json_int_t)endpoints_of(model, network->id));
}

/* others_json() - The interfaces of @others (may be NULL) that are listed. */
static json_t *others_json(const struct ne_link_others *others) {
    json_t *list = json_array();
    for (size_t i = 0; others != NULL && i < others->count && i < NE_OTHERS_MAX; i++) {
        const struct ne_link_other *other = &others->listed[i];
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", other->name, "kind",
                                                    other->kind, "host_interface", other->host));
    }
    return list;
}

/* role_of() - What @endpoint is to others of its network. */
static const char *role_of(const struct ne_model *model, const struct ne_endpoint *endpoint) {
    return ne_model_is_proxy(model, endpoint) ? "proxy" : "client";
}

json_t *multi_homed_json(const struct ne_driver *driver) {
    json_t *list = json_array();
    for (size_t i = 0; i < driver->model.endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        const struct ne_link_others *others = ne_driver_others(driver, endpoint);
        if (others != NULL)
            (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:o}", "endpoint",
                                                        endpoint->id, "network", endpoint->network,
                                                        "role", role_of(&driver->model, endpoint),
                                                        "count", (json_int_t)others->count,
                                                        "interfaces", others_json(others)));
    }
    return list;
}

json_t *endpoint_json(const struct ne_driver *driver, const struct ne_endpoint *endpoint) {
    const struct ne_model *model = &driver->model;
    const struct ne_network *network = ne_model_network(model, endpoint->network);
    char mac[NE_MAC_TEXT];
    char port[NE_IFNAME_SIZE];
    json_t *policy = network == NULL ? NULL : policy_json(model, network, endpoint);
    bool own = ne_options_own_policy(endpoint->options);
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:b, s:s, s:b, s:b, s:o, s:I, s:o, s:o*}",
                     "id", endpoint->id, "role", role_of(model, endpoint), "network",
                     endpoint->network, "interface", ne_port_name(endpoint->id, port), "addr4",
                     addr_json(&endpoint->addr4), "addr6", addr_json(&endpoint->addr6), "mac",
                     ne_mac_format(&endpoint->mac, mac), "joined", endpoint->joined, "sandbox",
                     endpoint->sandbox, "own_policy", own, "lacks_route", endpoint->lacks_route,
                     "options", options_json(endpoint->options), "revision",
                     (json_int_t)endpoint->revision, "other_interfaces",
                     others_json(ne_driver_others(driver, endpoint)), "policy", policy);
}

json_t *options_json(const struct ne_options *options) {
    json_t *object = json_object();
    char text[NE_OPTION_TEXT];
    const char *key;
    for (size_t i = 0; (key = ne_options_get(options, i, text)) != NULL; i++)
        (void)json_object_set_new(object, key, json_string(text));
    return object;
}

/* find() - Both kinds of records begin with their id. */
static const void *find(const struct ne_index *index, const char *what, const char *id,
                        struct ne_error *err) {
    const char *found = NULL;
    for (size_t i = 0; i < index->count; i++) {
        const char *candidate = index->items[i];
        if (strncmp(candidate, id, strlen(id)) != 0)
            continue;
        if (found != NULL) {
            (void)ne_fail(err, NE_BAD_INPUT,
                          "several %ss have an id that begins with %.64s: give more of it", what,
                          id);
            return NULL;
        }
        found = candidate;
    }
    if (found == NULL)
        (void)ne_fail(err, NE_NOT_FOUND, "no %s has the id %.64s", what, id);
    return found;
}

const struct ne_network *find_network(const struct ne_model *model, const char *id,
                                      struct ne_error *err) {
    return find(&model->networks, "network", id, err);
}

const struct ne_endpoint *find_endpoint(const struct ne_model *model, const char *id,
                                        struct ne_error *err) {
    return find(&model->endpoints, "endpoint", id, err);
}
