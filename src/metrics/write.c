/* write.c - metrics as text, family by family (the format wants a family's samples in one piece).
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#include "internal.h"

#include <inttypes.h>
#include <netenforce/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    FILE *out;
    const struct ne_driver *driver;
    struct ne_metrics *metrics;
};

static void head(struct writer *w, const char *name, const char *type, const char *help) {
    (void)fprintf(w->out, "# HELP netenforce_%s %s\n# TYPE netenforce_%s %s\n", name, help, name,
                  type);
}

/* put_text() - A label's value, escaped. */
static void put_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            (void)fputs("\\n", out);
        else if (*text == '"' || *text == '\\')
            (void)fprintf(out, "\\%c", *text);
        else
            (void)fputc(*text, out);
    }
}

#define END ((const char *)NULL) /* of a list of labels */

/* begin() - A sample's name and labels: pairs of texts, then END. */
static void begin(struct writer *w, const char *name, ...) {
    const char *label;
    char before = '{';
    va_list ap;
    (void)fprintf(w->out, "netenforce_%s", name);
    va_start(ap, name);
    while ((label = va_arg(ap, const char *)) != NULL) {
        (void)fprintf(w->out, "%c%s=\"", before, label);
        put_text(w->out, va_arg(ap, const char *));
        (void)fputc('"', w->out);
        before = ',';
    }
    va_end(ap);
    (void)fputs(before == ',' ? "} " : " ", w->out);
}

static void put_number(struct writer *w, uint64_t value) {
    (void)fprintf(w->out, "%" PRIu64 "\n", value);
}

static int write_blocked(void *context, const char *network, const char *reason, const char *proto,
                         uint64_t count) {
    struct writer *w = context;
    begin(w, "blocked_packets_total", "network", network, "reason", reason, "proto", proto, END);
    put_number(w, count);
    return 0;
}

/* The numbers of struct ne_use. */
static const struct {
    const char *name, *type, *help;
    size_t at;
} numbers[] = {
    {"allowed_packets_total", "counter", "Packets of an endpoint that passed.",
     offsetof(struct ne_use, counted.passed_packets)},
    {"allowed_bytes_total", "counter", "Bytes of the packets of an endpoint that passed.",
     offsetof(struct ne_use, counted.passed_bytes)},
    {"received_packets_total", "counter",
     "Packets into the container, ARP and refusals among them.",
     offsetof(struct ne_use, received_packets)},
    {"received_bytes_total", "counter", "Bytes of these packets, without Ethernet's headers.",
     offsetof(struct ne_use, received_bytes)},
    {"refused_packets_total", "counter",
     "Refused packets of an endpoint, all of them; with mode=audit those that would have been.",
     offsetof(struct ne_use, counted.refused_packets)},
    {"refused_bytes_total", "counter", "Bytes of the refused packets of an endpoint.",
     offsetof(struct ne_use, counted.refused_bytes)},
    {"limited_packets_total", "counter", "Packets of an endpoint beyond its rate or conn_rate.",
     offsetof(struct ne_use, counted.limited_packets)},
    {"quota_used_bytes", "gauge", "What an endpoint has used of its quota.",
     offsetof(struct ne_use, counted.quota_used)},
};

static void write_uses(struct writer *w) {
    struct ne_use *uses = NULL;
    size_t count = 0;
    if (ne_driver_uses(w->driver, &uses, &count, NULL) < 0)
        count = 0;
    for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++) {
        head(w, numbers[n].name, numbers[n].type, numbers[n].help);
        for (size_t i = 0; i < count; i++) {
            const struct ne_use *use = &uses[i];
            const char *id = use->counted.id;
            const struct ne_endpoint *endpoint = ne_model_endpoint(&w->driver->model, id);
            uint64_t value;
            memcpy(&value, (const char *)use + numbers[n].at, sizeof(value));
            begin(w, numbers[n].name, "network", endpoint != NULL ? endpoint->network : "",
                  "endpoint", id, END);
            put_number(w, value);
        }
    }
    free(uses);
}

static void write_names(void *context, const char *network, enum ne_query_result result,
                        unsigned long count) {
    struct writer *w = context;
    begin(w, "dns_queries_total", "network", network, "result", ne_query_result_name(result), END);
    put_number(w, count);
}

static void write_model(struct writer *w) {
    const struct ne_model *model = &w->driver->model;
    size_t joined = 0;
    for (size_t i = 0; i < model->endpoints.count; i++)
        joined += ne_model_endpoint_at(model, i)->joined;
    head(w, "networks", "gauge", "Networks.");
    begin(w, "networks", END);
    put_number(w, model->networks.count);
    head(w, "endpoints", "gauge", "Endpoints that are joined.");
    begin(w, "endpoints", END);
    put_number(w, joined);
    head(w, "rule_repairs_total", "counter", "Rules and links that were put right.");
    begin(w, "rule_repairs_total", END);
    put_number(w, w->driver->repairs);
    head(w, "policy_revision", "gauge",
         "1, and one more with each change; of an endpoint where it has a policy of its own.");
    for (size_t i = 0; i < model->networks.count; i++) {
        const struct ne_network *network = ne_model_network_at(model, i);
        begin(w, "policy_revision", "network", network->id, "endpoint", "", END);
        put_number(w, network->revision);
    }
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        if (!ne_options_own_policy(endpoint->options))
            continue;
        begin(w, "policy_revision", "network", endpoint->network, "endpoint", endpoint->id, END);
        put_number(w, endpoint->revision);
    }
}

static void write_durations(struct writer *w) {
    static const char name[] = "request_duration_seconds";
    head(w, name, "histogram", "How long requests took, by method.");
    for (size_t m = 0; m < NE_METRICS_METHODS; m++) {
        const struct ne_durations *durations = &w->metrics->durations[m];
        const char *method = metrics_method(m);
        uint64_t sum = 0;
        if (durations->count == 0)
            continue;
        for (size_t i = 0; i < NE_METRICS_BUCKETS; i++) {
            char bound[32];
            (void)snprintf(bound, sizeof(bound), "%g", metrics_bounds[i]);
            sum += durations->buckets[i];
            begin(w, "request_duration_seconds_bucket", "method", method, "le", bound, END);
            put_number(w, sum);
        }
        begin(w, "request_duration_seconds_bucket", "method", method, "le", "+Inf", END);
        put_number(w, durations->count);
        begin(w, "request_duration_seconds_sum", "method", method, END);
        (void)fprintf(w->out, "%.6f\n", durations->sum);
        begin(w, "request_duration_seconds_count", "method", method, END);
        put_number(w, durations->count);
    }
}

static void write_rest(struct writer *w) {
    head(w, "events_dropped_total", "counter", "Events that a place could not take.");
    for (int i = 0; i < NE_PLACES; i++) {
        begin(w, "events_dropped_total", "place", ne_event_place_name((enum ne_event_place)i), END);
        put_number(w, ne_events_dropped((enum ne_event_place)i));
    }
    head(w, "build_info", "gauge", "Always 1.");
    begin(w, "build_info", "version", NE_VERSION, END);
    put_number(w, 1);
}

char *ne_metrics_write(struct ne_metrics *metrics, const struct ne_driver *driver,
                       const struct ne_audit *audit, const struct ne_forwarders *names,
                       size_t *size) {
    char *text = NULL;
    struct writer w = {.driver = driver, .metrics = metrics};
    w.out = open_memstream(&text, size);
    if (w.out == NULL)
        return NULL;
    head(&w, "blocked_packets_total", "counter",
         "Refused packets; reason unlogged: those that the log left out.");
    if (audit != NULL)
        (void)ne_audit_counts(audit, write_blocked, &w);
    write_uses(&w);
    head(&w, "dns_queries_total", "counter", "Names that were asked for (dns=log).");
    if (names != NULL)
        ne_forwarders_count(names, write_names, &w);
    write_model(&w);
    write_durations(&w);
    write_rest(&w);
    bool whole = ferror(w.out) == 0;
    if (fclose(w.out) == 0 && whole)
        return text;
    free(text);
    return NULL;
}
