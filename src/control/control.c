/* control.c - the operator's API: see control.h. */
#include "internal.h"
#include "view.h"

#include <netenforce/event.h>
#include <netenforce/version.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void answer_error(struct ne_http_response *response, unsigned status, const char *code,
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

void answer_failure(struct ne_http_response *response, const struct ne_error *err) {
    answer_error(response, status_of(err->code), ne_code_name(err->code), err->text);
}

static void get_status(struct ne_control *control, const struct ne_http_request *request,
                       struct ne_http_response *response) {
    (void)request;
    struct ne_driver *driver = control->driver;
    struct ne_firewall_report report = {0};
    struct ne_error err = {0};
    struct timespec now = {0};
    char firewall[NE_FIREWALL_TEXT] = {0};
    driver->firewall->ops->describe(driver->firewall, firewall, sizeof(firewall));
    (void)clock_gettime(CLOCK_MONOTONIC, &now);

    int checked = ne_driver_check(driver, &report, &err);
    bool in_place =
        checked == 0 && report.differences == 0 && !driver->unsettled && !driver->declared_late;
    const char *why = checked < 0 ? err.text
                      : driver->declared_late
                          ? "a policy of the policy file does not hold yet: see the log"
                      : driver->unsettled  ? "a repair has not succeeded yet: see the log"
                      : report.differences ? report.first
                                           : "";
    json_body_write(
        response, 200, JSON_TYPE,
        json_pack(
            "{s:s, s:I, s:I, s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:{s:b, s:I, s:s}, s:o}",
            "version", NE_VERSION, "pid", (json_int_t)getpid(), "uptime_seconds",
            (json_int_t)(now.tv_sec - control->started.tv_sec), "firewall", firewall, "mark",
            (json_int_t)control->mark, "state_directory", control->state_dir, "resolver_leak",
            driver->leak_allowed ? "allow" : "refuse", "networks",
            (json_int_t)driver->model.networks.count, "endpoints",
            (json_int_t)driver->model.endpoints.count, "repairs", (json_int_t)driver->repairs,
            "retired_ports", (json_int_t)driver->retired, "event_history_bytes",
            (json_int_t)ne_events_kept(), "enforcement", "in_place", in_place, "differences",
            (json_int_t)report.differences, "why", why, "multi_homed", multi_homed_json(driver)));
}

static void get_networks(struct ne_control *control, const struct ne_http_request *request,
                         struct ne_http_response *response) {
    (void)request;
    const struct ne_model *model = &control->driver->model;
    json_t *list = json_array();
    for (size_t i = 0; i < model->networks.count; i++)
        (void)json_array_append_new(list, network_json(model, ne_model_network_at(model, i)));
    json_body_write(response, 200, JSON_TYPE, json_pack("{s:o}", "networks", list));
}

static void get_endpoints(struct ne_control *control, const struct ne_http_request *request,
                          struct ne_http_response *response) {
    (void)request;
    const struct ne_model *model = &control->driver->model;
    json_t *list = json_array();
    json_t *uses = uses_json(control->driver);
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        json_t *object = endpoint_json(control->driver, endpoint);
        json_t *use = json_object_get(uses, endpoint->id);
        if (use != NULL)
            (void)json_object_set(object, "use", use);
        (void)json_array_append_new(list, object);
    }
    json_decref(uses);
    json_body_write(response, 200, JSON_TYPE, json_pack("{s:o}", "endpoints", list));
}

static void get_network(struct ne_control *control, const char *id,
                        const struct ne_http_request *request, struct ne_http_response *response) {
    const struct ne_model *model = &control->driver->model;
    struct ne_error err;
    (void)request;
    const struct ne_network *network = find_network(model, id, &err);
    if (network == NULL)
        answer_failure(response, &err);
    else
        json_body_write(response, 200, JSON_TYPE, network_json(model, network));
}

static void get_endpoint(struct ne_control *control, const char *id,
                         const struct ne_http_request *request, struct ne_http_response *response) {
    struct ne_error err;
    (void)request;
    const struct ne_endpoint *endpoint = find_endpoint(&control->driver->model, id, &err);
    if (endpoint == NULL)
        answer_failure(response, &err);
    else
        json_body_write(response, 200, JSON_TYPE, endpoint_json(control->driver, endpoint));
}

static void get_health(struct ne_control *control, const struct ne_http_request *request,
                       struct ne_http_response *response) {
    (void)request;
    (void)control;
    json_body_write(response, 200, JSON_TYPE, json_pack("{s:s}", "status", "ok"));
}

static void get_metrics(struct ne_control *control, const struct ne_http_request *request,
                        struct ne_http_response *response) {
    (void)request;
    response->body = ne_metrics_write(control->metrics, control->driver, control->audit,
                                      control->names, &response->size);
    response->status = 200;
    response->type = "text/plain; version=0.0.4; charset=utf-8";
}

static const struct {
    const char *path;
    void (*get)(struct ne_control *control, const struct ne_http_request *request,
                struct ne_http_response *response);
} resources[] = {
    {"/v1/status", get_status}, {"/v1/networks", get_networks}, {"/v1/endpoints", get_endpoints},
    {"/v1/events", get_events}, {"/metrics", get_metrics},      {"/healthz", get_health},
};

/* What lies below a network or an endpoint: PREFIX ID SUFFIX. A suffix that ends with '/' takes
 * what follows it as the last argument of the path. */
static const struct {
    const char *method;
    const char *prefix;
    const char *suffix;
    void (*handle)(struct ne_control *control, const char *id,
                   const struct ne_http_request *request, struct ne_http_response *response);
} items[] = {
    {"GET", "/v1/networks/", "", get_network},
    {"GET", "/v1/endpoints/", "", get_endpoint},
    {"PATCH", "/v1/networks/", "/policy", patch_network_policy},
    {"PATCH", "/v1/endpoints/", "/policy", patch_endpoint_policy},
    {"PATCH", "/v1/networks/", "/policy/check", patch_network_policy},
    {"PATCH", "/v1/endpoints/", "/policy/check", patch_endpoint_policy},
    {"GET", "/v1/endpoints/", "/explain/", get_explanation},
    {"POST", "/v1/networks/", "/probes", post_probe},
    {"DELETE", "/v1/probes/", "", delete_probe},
};

/* item_id() - The id between @prefix and @suffix. Return: whether @path is of that form. */
static bool item_id(const char *path, const char *prefix, const char *suffix,
                    char id[static NE_ID_SIZE]) {
    if (strncmp(path, prefix, strlen(prefix)) != 0)
        return false;
    path += strlen(prefix);
    size_t length = strcspn(path, "/");
    bool open_ended = strlen(suffix) > 0 && suffix[strlen(suffix) - 1] == '/';
    if (length == 0 || length >= NE_ID_SIZE ||
        (open_ended ? strncmp(path + length, suffix, strlen(suffix)) != 0
                    : strcmp(path + length, suffix) != 0))
        return false;
    memcpy(id, path, length);
    id[length] = '\0';
    return true;
}

static void refuse_method(struct ne_http_response *response, const char *accepted) {
    char text[64];
    (void)snprintf(text, sizeof(text), "accepted is %s", accepted);
    answer_error(response, 405, "method", text);
}

void ne_control_handle(void *context, const struct ne_http_request *request,
                       struct ne_http_response *response) {
    struct ne_control *control = context;
    const char *accepted = NULL;
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (strcmp(request->path, resources[i].path) != 0)
            continue;
        if (strcmp(request->method, "GET") == 0)
            resources[i].get(control, request, response);
        else
            refuse_method(response, "GET");
        return;
    }
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        char id[NE_ID_SIZE];
        if (!item_id(request->path, items[i].prefix, items[i].suffix, id))
            continue;
        accepted = items[i].method;
        if (strcmp(request->method, accepted) != 0)
            continue;
        items[i].handle(control, id, request, response);
        return;
    }
    if (accepted != NULL)
        refuse_method(response, accepted);
    else
        answer_error(response, 404, ne_code_name(NE_NOT_FOUND), "unknown path");
}
