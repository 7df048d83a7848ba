/* probe.c - endpoints to try the enforcement from, made and ended: docs/openapi.yaml. */
#include "internal.h"
#include "view.h"

#include <string.h>

#define SECONDS_DEFAULT 30
#define SECONDS_MAX     120

/* read_seconds() - How long the probe may live: {"seconds": 30}, or no body. */
static int read_seconds(const struct ne_http_request *request, json_int_t *seconds,
                        struct ne_error *err) {
    *seconds = SECONDS_DEFAULT;
    if (request->size == 0)
        return 0;
    json_t *body = json_body_read(request, err);
    if (body == NULL)
        return -1;
    const json_t *given = json_object_get(body, "seconds");
    size_t known = given != NULL ? 1 : 0;
    *seconds = given == NULL ? SECONDS_DEFAULT : json_integer_value(given);
    bool good = json_object_size(body) == known && *seconds >= 1 && *seconds <= SECONDS_MAX;
    json_decref(body);
    return good ? 0
                : ne_fail(err, NE_BAD_INPUT, "accepted is {\"seconds\": N}, with N from 1 to %d",
                          SECONDS_MAX);
}

void post_probe(struct ne_control *control, const char *id, const struct ne_http_request *request,
                struct ne_http_response *response) {
    struct ne_driver *driver = control->driver;
    struct ne_error err = {0};
    struct timespec now = {0};
    json_int_t seconds;
    const struct ne_endpoint *made = NULL;
    char peer[NE_IFNAME_SIZE];
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const struct ne_network *network = find_network(&driver->model, id, &err);
    if (network == NULL || read_seconds(request, &seconds, &err) < 0 ||
        ne_driver_probe(driver, network->id, now.tv_sec + (time_t)seconds, &made, &err) < 0) {
        answer_failure(response, &err);
        return;
    }
    json_t *answer = endpoint_json(driver, made);
    if (answer != NULL &&
        (json_object_set_new(answer, "peer", json_string(ne_peer_name(made->id, peer))) < 0 ||
         json_object_set_new(answer, "seconds", json_integer(seconds)) < 0)) {
        json_decref(answer);
        answer = NULL;
    }
    json_body_write(response, 201, JSON_TYPE, answer);
}

void delete_probe(struct ne_control *control, const char *id, const struct ne_http_request *request,
                  struct ne_http_response *response) {
    struct ne_error err = {0};
    (void)request;
    if (ne_driver_end_probe(control->driver, id, &err) < 0)
        answer_failure(response, &err);
    else
        json_body_write(response, 200, JSON_TYPE, json_object());
}
