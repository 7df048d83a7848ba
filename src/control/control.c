/* control.c - the operator's API: see control.h. */
#include "../http/json_body.h"

#include <netenforce/control.h>
#include <netenforce/version.h>
#include <string.h>
#include <unistd.h>

#define JSON_TYPE "application/json"

static void answer_error(struct ne_http_response *response, unsigned status, const char *code,
                         const char *message) {
    json_body_write(response, status, JSON_TYPE,
                    json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
}

static unsigned status_of(enum ne_code code) {
    switch (code) {
    case NE_BAD_INPUT:
    case NE_UNSUPPORTED:
        return 400;
    case NE_NOT_FOUND:
        return 404;
    case NE_CONFLICT:
        return 409;
    case NE_OK:
    case NE_KERNEL:
    case NE_STATE:
    case NE_NO_MEMORY:
        break;
    }
    return 500;
}

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

/* proxies_json() - Proxies with the address that is meant where none was written. */
static json_t *proxies_json(const struct ne_network *network, const struct ne_options *options) {
    json_t *list = json_array();
    for (unsigned i = 0; i < options->proxy_count; i++) {
        struct ne_options one = {.proxy_count = 1, .proxy = {options->proxy[i]}};
        const struct ne_addr *bridge[] = {&network->gateway4.addr, &network->gateway6.addr};
        bool written = one.proxy[0].addr.family != NE_NONE;
        char text[NE_PROXY_LIST_TEXT];
        for (size_t k = 0; k < 2; k++) {
            if (!written && bridge[k]->family == NE_NONE)
                continue;
            if (!written)
                one.proxy[0].addr = *bridge[k];
            (void)json_array_append_new(list, json_string(ne_options_format_proxy(&one, text)));
            if (written)
                break;
        }
    }
    return list;
}

static json_t *policy_json(const struct ne_network *network, const struct ne_options *options) {
    return json_pack("{s:o, s:s}", "proxy", proxies_json(network, options), "refuse",
                     ne_refuse_name(options->refuse));
}

static size_t endpoints_of(const struct ne_model *model, const char *network) {
    size_t count = 0;
    for (size_t i = 0; i < model->endpoints.count; i++)
        count += strcmp(ne_model_endpoint_at(model, i)->network, network) == 0;
    return count;
}

static json_t *network_json(const struct ne_model *model, const struct ne_network *network) {
    const struct ne_options options = ne_effective_options(network, NULL);
    char mac[NE_MAC_TEXT];
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:I}", "id", network->id,
                     "bridge", network->bridge, "mac", ne_mac_format(&network->mac, mac), "pool4",
                     prefix_json(&network->pool4), "gateway4", prefix_json(&network->gateway4),
                     "pool6", prefix_json(&network->pool6), "gateway6",
                     prefix_json(&network->gateway6), "internal", network->internal, "policy",
                     policy_json(network, &options), "endpoints",
                     (json_int_t)endpoints_of(model, network->id));
}

static json_t *endpoint_json(const struct ne_model *model, const struct ne_endpoint *endpoint) {
    const struct ne_network *network = ne_model_network(model, endpoint->network);
    char mac[NE_MAC_TEXT];
    char port[NE_IFNAME_SIZE];
    json_t *policy = NULL;
    if (network != NULL) {
        struct ne_options options = ne_effective_options(network, endpoint);
        policy = policy_json(network, &options);
    }
    bool own = endpoint->options.has_proxy || endpoint->options.has_refuse;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:b, s:s, s:b, s:o*}", "id", endpoint->id,
                     "network", endpoint->network, "interface", ne_port_name(endpoint->id, port),
                     "addr4", addr_json(&endpoint->addr4), "addr6", addr_json(&endpoint->addr6),
                     "mac", ne_mac_format(&endpoint->mac, mac), "joined", endpoint->joined,
                     "sandbox", endpoint->sandbox, "own_policy", own, "policy", policy);
}

static void get_status(struct ne_control *control, struct ne_http_response *response) {
    struct ne_driver *driver = control->driver;
    struct ne_firewall_report report = {0};
    struct ne_error err = {0};
    struct timespec now = {0};
    char firewall[NE_FIREWALL_TEXT] = {0};
    driver->firewall->ops->describe(driver->firewall, firewall, sizeof(firewall));
    (void)clock_gettime(CLOCK_MONOTONIC, &now);

    int checked = ne_driver_check(driver, &report, &err);
    bool in_place = checked == 0 && report.differences == 0 && !driver->unsettled;
    const char *why = checked < 0          ? err.text
                      : driver->unsettled  ? "a repair has not succeeded yet: see the log"
                      : report.differences ? report.first
                                           : "";
    json_body_write(response, 200, JSON_TYPE,
                    json_pack("{s:s, s:I, s:I, s:s, s:I, s:s, s:I, s:I, s:I, s:{s:b, s:I, s:s}}",
                              "version", NE_VERSION, "pid", (json_int_t)getpid(), "uptime_seconds",
                              (json_int_t)(now.tv_sec - control->started.tv_sec), "firewall",
                              firewall, "mark", (json_int_t)control->mark, "state_directory",
                              control->state_dir, "networks",
                              (json_int_t)driver->model.networks.count, "endpoints",
                              (json_int_t)driver->model.endpoints.count, "repairs",
                              (json_int_t)driver->repairs, "enforcement", "in_place", in_place,
                              "differences", (json_int_t)report.differences, "why", why));
}

static void get_networks(struct ne_control *control, struct ne_http_response *response) {
    const struct ne_model *model = &control->driver->model;
    json_t *list = json_array();
    for (size_t i = 0; i < model->networks.count; i++)
        (void)json_array_append_new(list, network_json(model, ne_model_network_at(model, i)));
    json_body_write(response, 200, JSON_TYPE, json_pack("{s:o}", "networks", list));
}

static void get_endpoints(struct ne_control *control, struct ne_http_response *response) {
    const struct ne_model *model = &control->driver->model;
    json_t *list = json_array();
    for (size_t i = 0; i < model->endpoints.count; i++)
        (void)json_array_append_new(list, endpoint_json(model, ne_model_endpoint_at(model, i)));
    json_body_write(response, 200, JSON_TYPE, json_pack("{s:o}", "endpoints", list));
}

/* get_network() - By its id or the only network whose id begins so, as the engine's commands do. */
static void get_network(struct ne_control *control, const char *id,
                        struct ne_http_response *response) {
    const struct ne_model *model = &control->driver->model;
    const struct ne_network *found = NULL;
    for (size_t i = 0; i < model->networks.count && *id != '\0'; i++) {
        const struct ne_network *network = ne_model_network_at(model, i);
        if (strncmp(network->id, id, strlen(id)) != 0)
            continue;
        if (found != NULL) {
            answer_error(response, status_of(NE_BAD_INPUT), ne_code_name(NE_BAD_INPUT),
                         "several networks have an id that begins so: give more of it");
            return;
        }
        found = network;
    }
    if (found == NULL)
        answer_error(response, status_of(NE_NOT_FOUND), ne_code_name(NE_NOT_FOUND),
                     "no network has this id");
    else
        json_body_write(response, 200, JSON_TYPE, network_json(model, found));
}

static void get_health(struct ne_control *control, struct ne_http_response *response) {
    (void)control;
    json_body_write(response, 200, JSON_TYPE, json_pack("{s:s}", "status", "ok"));
}

static const struct {
    const char *path;
    void (*get)(struct ne_control *control, struct ne_http_response *response);
} resources[] = {
    {"/v1/status", get_status},
    {"/v1/networks", get_networks},
    {"/v1/endpoints", get_endpoints},
    {"/healthz", get_health},
};

void ne_control_handle(void *context, const struct ne_http_request *request,
                       struct ne_http_response *response) {
    static const char network_path[] = "/v1/networks/";
    struct ne_control *control = context;
    bool is_get = strcmp(request->method, "GET") == 0;

    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (strcmp(request->path, resources[i].path) != 0)
            continue;
        if (is_get)
            resources[i].get(control, response);
        else
            answer_error(response, 405, "method", "accepted is GET");
        return;
    }
    if (strncmp(request->path, network_path, sizeof(network_path) - 1) == 0) {
        if (is_get)
            get_network(control, request->path + sizeof(network_path) - 1, response);
        else
            answer_error(response, 405, "method", "accepted is GET");
        return;
    }
    answer_error(response, 404, ne_code_name(NE_NOT_FOUND), "unknown path");
}
