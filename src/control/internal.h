/* internal.h - what the API's files share. */
#ifndef NETENFORCE_CONTROL_INTERNAL_H
#define NETENFORCE_CONTROL_INTERNAL_H

#include "../http/json_body.h"

#include <netenforce/control.h>

#define JSON_TYPE "application/json"

/* answer_error/answer_failure() - {"error": {"code", "message"}} with @status, or with the one that
 * fits @err. */
void answer_error(struct ne_http_response *response, unsigned status, const char *code,
                  const char *message);
void answer_failure(struct ne_http_response *response, const struct ne_error *err);

/* policy.c - PATCH of a policy: docs/openapi.yaml. */
void patch_network_policy(struct ne_control *control, const char *id,
                          const struct ne_http_request *request, struct ne_http_response *response);
void patch_endpoint_policy(struct ne_control *control, const char *id,
                           const struct ne_http_request *request,
                           struct ne_http_response *response);

/* explain.c - what would happen to a packet, by the model that makes the rules. */
void get_explanation(struct ne_control *control, const char *id,
                     const struct ne_http_request *request, struct ne_http_response *response);

/* probe.c - endpoints to try the enforcement from. */
void post_probe(struct ne_control *control, const char *id, const struct ne_http_request *request,
                struct ne_http_response *response);
void delete_probe(struct ne_control *control, const char *id, const struct ne_http_request *request,
                  struct ne_http_response *response);

/* events.c - what happened, and what happens, as lines of JSON. */
void get_events(struct ne_control *control, const struct ne_http_request *request,
                struct ne_http_response *response);

#endif
