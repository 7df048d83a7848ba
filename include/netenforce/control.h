/* control.h - the operator's API on the control socket (docs/openapi.yaml). */
#ifndef NETENFORCE_CONTROL_H
#define NETENFORCE_CONTROL_H

#include <netenforce/driver.h>
#include <netenforce/http.h>
#include <netenforce/metrics.h>
#include <time.h>

struct ne_control {
    struct ne_driver *driver;
    struct timespec started; /* CLOCK_MONOTONIC */
    const char *state_dir;
    unsigned mark;
    struct ne_metrics *metrics;
    const struct ne_audit *audit;
    const struct ne_forwarders *names;
};

/* ne_control_handle() - An ne_http_handler; @context is the struct ne_control. */
void ne_control_handle(void *context, const struct ne_http_request *request,
                       struct ne_http_response *response);

/* The errors that the HTTP server answers by itself: see struct ne_http_service. */
#define NE_CONTROL_TOO_LARGE                                                                       \
    "{\"error\":{\"code\":\"bad_input\","                                                          \
    "\"message\":\"the request's body is larger than 4 MiB\"}}\n"
#define NE_CONTROL_NO_MEMORY                                                                       \
    "{\"error\":{\"code\":\"no_memory\",\"message\":\"no memory for the request\"}}\n"

#endif
