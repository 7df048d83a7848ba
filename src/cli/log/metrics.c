/* metrics.c - netenforce metrics --json: Prometheus' text, made into JSON.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#include "../client.h"
#include "../command.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDS_NAME "{ \n"

struct reader {
    json_t *metrics; /* by name the samples */
    bool failed;     /* at a line that is none of that format */
};

/* read_text() - A label's value behind its opening quote, unescaped. Return: what is behind the
 * closing one, or NULL if there is none.
 */
static const char *read_text(const char *at, const char *end, json_t **value) {
    char *text = malloc((size_t)(end - at) + 1);
    size_t size = 0;
    if (text == NULL)
        return NULL;
    while (at < end && *at != '"') {
        bool escaped = *at == '\\' && at + 1 < end;
        at += escaped ? 1 : 0;
        text[size] = *at++;
        if (escaped && text[size] == 'n')
            text[size] = '\n';
        size++;
    }
    *value = at < end ? json_stringn(text, size) : NULL;
    free(text);
    return *value != NULL ? at + 1 : NULL;
}

/* read_labels() - `{key="value",...}`, if there are any. Return: what is behind them, or NULL. */
static const char *read_labels(const char *at, const char *end, json_t *labels) {
    if (*at != '{')
        return at;
    at++;
    while (at < end && *at != '}') {
        const char *equals = memchr(at, '=', (size_t)(end - at));
        json_t *value = NULL;
        char key[64];
        if (equals == NULL || equals + 1 >= end || equals[1] != '"' ||
            (size_t)(equals - at) >= sizeof(key))
            return NULL;
        (void)snprintf(key, sizeof(key), "%.*s", (int)(equals - at), at);
        at = read_text(equals + 2, end, &value);
        if (at == NULL || json_object_set_new(labels, key, value) < 0)
            return NULL;
        at += at < end && *at == ',' ? 1 : 0;
    }
    return at < end ? at + 1 : NULL;
}

/* read_number() - An integer where it is written as one, and fits. */
static json_t *read_number(const char *text) {
    char *end;
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\n')
        return json_integer(whole);
    double number = strtod(text, &end);
    return end != text && *end == '\n' ? json_real(number) : NULL;
}

/* read_sample() - `name{labels} number`. Return: its {"labels", "value"}, or NULL if it is none. */
static json_t *read_sample(const char *at, const char *end) {
    json_t *labels = json_object();
    json_t *value = NULL;
    at = read_labels(at, end, labels);
    if (at != NULL && *at == ' ')
        value = read_number(at + 1);
    if (value != NULL)
        return json_pack("{s:o, s:o}", "labels", labels, "value", value);
    json_decref(labels);
    return NULL;
}

/* take() - A sample goes to the others of its name. Return: whether the line was one. */
static bool take(json_t *metrics, const char *line, size_t size) {
    char text[1024];
    char name[128];
    if (size >= sizeof(text))
        return false;
    memcpy(text, line, size);
    text[size] = '\0';
    size_t length = strcspn(text, ENDS_NAME);
    if (length >= sizeof(name))
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    json_t *sample = read_sample(text + length, text + size);
    if (sample == NULL)
        return false;
    if (json_object_get(metrics, name) == NULL)
        (void)json_object_set_new(metrics, name, json_array());
    return json_array_append_new(json_object_get(metrics, name), sample) == 0;
}

static bool on_line(void *context, const char *line, size_t size) {
    struct reader *reader = context;
    reader->failed = line[0] != '#' && !take(reader->metrics, line, size);
    return !reader->failed;
}

int metrics_as_json(const struct cli *cli) {
    struct reader reader = {.metrics = json_object()};
    struct ne_error err = {0};
    int result = client_stream(cli->socket, "/metrics", on_line, &reader, &err);
    if (result == 0 && reader.failed)
        result = ne_fail(&err, NE_BAD_INPUT, "what answers at %s is not netenforced", cli->socket);
    int status = result == 0 ? print_json(reader.metrics) : fail(err.text);
    json_decref(reader.metrics);
    return status;
}
