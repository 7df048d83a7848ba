/* json_body.h - JSON in and out of HTTP bodies, for both protocols. */
#ifndef NETENFORCE_HTTP_JSON_BODY_H
#define NETENFORCE_HTTP_JSON_BODY_H

#include <jansson.h>
#include <netenforce/http.h>

/* json_body_read() - The request's body as a JSON object.
 * Duplicate keys are refused: which of two would count is not for us to guess.
 * Return: owned by the caller, or NULL with NE_BAD_INPUT.
 */
json_t *json_body_read(const struct ne_http_request *request, struct ne_error *err);

/* json_body_write() - Answer with @status and @json, which is released here. NULL (memory was
 * short) leaves the response as it was: 500.
 */
void json_body_write(struct ne_http_response *response, unsigned status, const char *type,
                     json_t *json);

#endif
