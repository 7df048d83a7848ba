/* json_body.c - JSON in and out of HTTP bodies: see json_body.h. */
#include "json_body.h"

#include <stdlib.h>
#include <string.h>

json_t *json_body_read(const struct ne_http_request *request, struct ne_error *err) {
    if (request->size == 0) {
        (void)ne_fail(err, NE_BAD_INPUT, "the request has no body; accepted is a JSON object");
        return NULL;
    }
    json_error_t where;
    json_t *json = json_loadb(request->body, request->size, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL) {
        (void)ne_fail(err, NE_BAD_INPUT, "the request's body is no JSON: line %d, column %d: %s",
                      where.line, where.column, where.text);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        (void)ne_fail(err, NE_BAD_INPUT, "the request's body is JSON, but no object");
        return NULL;
    }
    return json;
}

void json_body_write(struct ne_http_response *response, unsigned status, const char *type,
                     json_t *json) {
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text == NULL)
        return;
    /* The engine ends its bodies with a newline; a person with curl likes it, too. */
    size_t size = strlen(text);
    char *line = realloc(text, size + 2);
    if (line == NULL) {
        free(text);
        return;
    }
    line[size] = '\n';
    line[size + 1] = '\0';
    response->status = status;
    response->type = type;
    response->body = line;
    response->size = size + 1;
}
