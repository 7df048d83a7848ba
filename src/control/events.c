/* events.c - GET /v1/events: what happened, and what happens, as lines of JSON. */
#include "internal.h"

#include <ctype.h>
#include <netenforce/follow.h>
#include <stdio.h>
#include <string.h>

#define LINES_TYPE "application/x-ndjson"

static const char *const types[] = {"blocked",  "dns",    "policy", "network",
                                    "endpoint", "repair", "warning"};

static int bad(struct ne_error *err, const char *key, const char *given, const char *accepted) {
    return ne_fail(err, NE_BAD_INPUT, "%s: \"%.80s\" is not accepted; accepted is %s", key, given,
                   accepted);
}

/* read_since() - UTC in RFC 3339; digits alone are compared later, so that fractions of any length
 * will do. */
static int read_since(const char *given, char since[static NE_EVENT_TIME], struct ne_error *err) {
    static const char form[] = "0000-00-00T00:00:00";
    size_t length = strlen(given);
    bool good = length >= sizeof(form) - 1;
    for (size_t i = 0; good && form[i] != '\0'; i++)
        good = form[i] == '0' ? isdigit((unsigned char)given[i]) != 0 : given[i] == form[i];
    size_t used = sizeof(form) - 1;
    if (good && given[used] == '.') {
        size_t digits = strspn(given + used + 1, "0123456789");
        good = digits > 0;
        used += 1 + digits;
    }
    if (!good || strcmp(given + used, "Z") != 0)
        return bad(err, "since", given, "a time in UTC, as 2026-11-25T01:02:03Z");
    size_t kept = used < NE_EVENT_TIME - 2 ? used : NE_EVENT_TIME - 2; /* milliseconds */
    memcpy(since, given, kept);
    since[kept] = '\0';
    return 0;
}

static int read_id(const char *key, const char *given, char id[static NE_ID_SIZE],
                   struct ne_error *err) {
    size_t length = strlen(given);
    bool good = length > 0 && length < NE_ID_SIZE;
    for (size_t i = 0; good && i < length; i++)
        good = isalnum((unsigned char)given[i]) != 0;
    if (!good)
        return bad(err, key, given, "an id, or its beginning");
    memcpy(id, given, length + 1);
    return 0;
}

static int read_type(const char *given, char type[static NE_EVENT_TYPE_MAX], struct ne_error *err) {
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i], given) == 0) {
            memcpy(type, given, strlen(given) + 1);
            return 0;
        }
    }
    return bad(err, "type", given, "blocked, dns, policy, network, endpoint, repair or warning");
}

static int read_follow(const char *given, bool *follow, struct ne_error *err) {
    *follow = strcmp(given, "1") == 0 || strcmp(given, "true") == 0;
    if (*follow || strcmp(given, "0") == 0 || strcmp(given, "false") == 0)
        return 0;
    return bad(err, "follow", given, "1 or 0");
}

static int read_query(const struct ne_http_request *request, struct ne_event_filter *filter,
                      bool *follow, struct ne_error *err) {
    const char *since = ne_http_query(request, "since");
    const char *type = ne_http_query(request, "type");
    const char *network = ne_http_query(request, "network");
    const char *endpoint = ne_http_query(request, "endpoint");
    const char *asked = ne_http_query(request, "follow");
    *follow = false;
    if ((since != NULL && read_since(since, filter->since, err) < 0) ||
        (type != NULL && read_type(type, filter->type, err) < 0) ||
        (network != NULL && read_id("network", network, filter->network, err) < 0) ||
        (endpoint != NULL && read_id("endpoint", endpoint, filter->endpoint, err) < 0) ||
        (asked != NULL && read_follow(asked, follow, err) < 0))
        return -1;
    return 0;
}

static ssize_t on_read(void *context, char *bytes, size_t size, bool *idle) {
    return ne_follower_read(context, bytes, size, idle);
}

static void on_close(void *context) {
    ne_follower_close(context);
}

void get_events(struct ne_control *control, const struct ne_http_request *request,
                struct ne_http_response *response) {
    struct ne_event_filter filter = {.since = ""};
    struct ne_error err = {0};
    bool follow = false;
    (void)control;
    struct ne_follower *follower = NULL;
    if (read_query(request, &filter, &follow, &err) == 0)
        follower = ne_follower_open(&filter, !follow || filter.since[0] != '\0', follow, &err);
    if (follower == NULL) {
        answer_failure(response, &err);
        return;
    }
    response->status = 200;
    response->type = LINES_TYPE;
    response->stream =
        (struct ne_http_stream){.read = on_read, .close = on_close, .context = follower};
}
