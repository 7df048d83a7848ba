/* print.c - events for people, and the names in them. */
#include "../client.h"
#include "../command.h"
#include "log.h"

#include <string.h>
#include <time.h>

#define ID_SHOWN  12
#define ASK_AGAIN 2 /* seconds after which an unknown container is asked for again */

static bool is(const json_t *event, const char *key, const char *value) {
    return strcmp(text_of(event, key), value) == 0;
}

static bool has(const json_t *event, const char *key) {
    return json_object_get(event, key) != NULL;
}

/* print_end() - "10.88.0.1:443", "[2001:db8::1]:443", "10.88.0.1". */
static void print_end(FILE *out, const json_t *event, const char *address, const char *port) {
    const char *text = text_of(event, address);
    bool six = strchr(text, ':') != NULL;
    if (!has(event, port))
        (void)fputs(text, out);
    else
        (void)fprintf(out, "%s%s%s:%lld", six ? "[" : "", text, six ? "]" : "",
                      number_of(event, port));
}

static void print_packet(FILE *out, const json_t *event) {
    if (!has(event, "dst"))
        return;
    print_end(out, event, "src", "sport");
    (void)fputs(" > ", out);
    print_end(out, event, "dst", "dport");
    (void)fprintf(out, "/%s", text_of(event, "proto"));
    if (has(event, "icmp_type"))
        (void)fprintf(out, " type %lld", number_of(event, "icmp_type"));
    if (has(event, "tcp_flags"))
        (void)fprintf(out, " %s", text_of(event, "tcp_flags"));
    (void)fputs("  ", out);
}

/* print_why() - "reject: deny 10.0.0.0/8:1-65535/tcp", "reject: no rule allows it". */
static void print_why(FILE *out, const json_t *event) {
    if (has(event, "verdict"))
        (void)fprintf(out, "%s%s", text_of(event, "verdict"),
                      is(event, "verdict", "pass") ? " (audit)" : "");
    if (has(event, "verdict"))
        (void)fputs(": ", out);
    if (is(event, "reason", "unlogged"))
        (void)fputs("more were refused than its log option lets be told", out);
    else if (is(event, "reason", "source"))
        (void)fputs("frames in another's name, dropped at its port", out);
    else if (is(event, "reason", "changed"))
        (void)fputs("by a policy that has changed meanwhile", out);
    else if (is(event, "reason", "unhanded"))
        (void)fputs("its connection was not led to the proxy, to which mode=transparent hands",
                    out);
    else if (is(event, "reason", "policy") && !has(event, "rule"))
        (void)fputs("no rule allows it", out);
    else if (is(event, "reason", "policy"))
        (void)fprintf(out, "%s %s", text_of(event, "option"), text_of(event, "rule"));
    else
        (void)fprintf(out, "%s%s%s", text_of(event, "reason"), has(event, "rule") ? " " : "",
                      has(event, "rule") ? text_of(event, "rule") : "");
}

static void print_dns(FILE *out, const json_t *event) {
    (void)fprintf(out, "%s %s  %s", text_of(event, "name"), text_of(event, "query"),
                  text_of(event, "result"));
    if (has(event, "answer"))
        (void)fprintf(out, ": %s", text_of(event, "answer"));
    if (has(event, "rule"))
        (void)fprintf(out, " (%s)", text_of(event, "rule"));
}

void event_print(FILE *out, const json_t *event, const char *container) {
    const char *time = text_of(event, "time");
    const char *day_end = strchr(time, 'T');
    (void)fprintf(out, "%.*s %s  %-8s ", day_end == NULL ? 0 : (int)(day_end - time), time,
                  day_end == NULL ? time : day_end + 1, text_of(event, "type"));
    if (container != NULL)
        (void)fprintf(out, "%s  ", container);
    else if (has(event, "endpoint"))
        (void)fprintf(out, "%.*s  ", ID_SHOWN, text_of(event, "endpoint"));
    else if (has(event, "network"))
        (void)fprintf(out, "network %.*s  ", ID_SHOWN, text_of(event, "network"));
    if (is(event, "type", "blocked")) {
        print_packet(out, event);
        print_why(out, event);
    } else if (is(event, "type", "dns")) {
        print_dns(out, event);
    } else {
        (void)fputs(text_of(event, "reason"), out);
    }
    if (number_of(event, "count") > 0)
        (void)fprintf(out, " (%lld)", number_of(event, "count"));
    if (number_of(event, "suppressed") > 0)
        (void)fprintf(out, "  +%lld not shown", number_of(event, "suppressed"));
    (void)fputc('\n', out);
}

/* learn() - All containers of @network into @known: by endpoint the name. */
static void learn(json_t *known, const char *network) {
    char path[CLIENT_PATH_SIZE];
    struct ne_error err;
    if (client_path(path, "/networks/", network, "", &err) < 0)
        return;
    json_t *found = client_docker(path);
    const char *id;
    json_t *container;
    json_object_foreach(json_object_get(found, "Containers"), id, container) {
        const char *name = json_string_value(json_object_get(container, "Name"));
        const char *endpoint = json_string_value(json_object_get(container, "EndpointID"));
        if (name != NULL && endpoint != NULL)
            (void)json_object_set_new(known, endpoint, json_string(name));
    }
    json_decref(found);
}

const char *containers_name(json_t *known, const char *network, const char *endpoint) {
    json_int_t now = (json_int_t)time(NULL);
    const json_t *found = json_object_get(known, endpoint);
    bool asked = json_is_integer(found) && now - json_integer_value(found) < ASK_AGAIN;
    if (!json_is_string(found) && !asked) {
        (void)json_object_set_new(known, endpoint, json_integer(now)); /* when it was asked for */
        learn(known, network);
    }
    return json_string_value(json_object_get(known, endpoint));
}

int since_parse(const char *text, char out[static SINCE_SIZE]) {
    static const struct {
        char unit;
        long seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t digits = strspn(text, "0123456789");
    struct tm parts = {0};
    if (digits == 0 || digits > 6 || strlen(text) != digits + 1) {
        size_t length = strlen(text);
        if (length < 20 || length >= SINCE_SIZE || text[length - 1] != 'Z')
            return 0;
        memcpy(out, text, length + 1);
        return 1;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit != text[digits])
            continue;
        long number = 0;
        for (size_t k = 0; k < digits; k++)
            number = number * 10 + (text[k] - '0');
        const time_t then = time(NULL) - number * units[i].seconds;
        return gmtime_r(&then, &parts) != NULL &&
               strftime(out, SINCE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0;
    }
    return 0;
}
