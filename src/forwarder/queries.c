/* queries.c - see queries.h. */
#include "queries.h"

#include <netenforce/event.h>
#include <netenforce/grow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An answer's lines come in one go, but the log is no record of where they end. */
#define QUIET_MS      50
#define UNANSWERED_MS 10000
#define FORGET_MS     60000            /* an asker that asks nothing for so long */
#define EVENT         ((uint64_t)1000) /* tokens */

const char *ne_query_result_name(enum ne_query_result result) {
    static const char *const names[] = {
        [NE_QUERY_ANSWERED] = "answered", [NE_QUERY_NODATA] = "nodata",
        [NE_QUERY_NXDOMAIN] = "nxdomain", [NE_QUERY_DENIED] = "denied",
        [NE_QUERY_FAILED] = "failed",     [NE_QUERY_UNANSWERED] = "unanswered",
    };
    return names[result];
}

static const struct ne_endpoint *endpoint_of(const struct ne_model *model,
                                             const struct ne_network *network,
                                             const struct ne_addr *addr) {
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        if (strcmp(endpoint->network, network->id) == 0 &&
            (ne_addr_equal(&endpoint->addr4, addr) || ne_addr_equal(&endpoint->addr6, addr)))
            return endpoint;
    }
    return NULL;
}

/* asker_of() - Return: NULL without memory. */
static struct asker *asker_of(struct queries *queries, const struct ne_addr *addr,
                              uint64_t now_ms) {
    struct asker *idle = NULL;
    if (queries->last_asker < queries->asker_count &&
        ne_addr_equal(&queries->askers[queries->last_asker].addr, addr))
        return &queries->askers[queries->last_asker];
    for (size_t i = 0; i < queries->asker_count; i++) {
        struct asker *asker = &queries->askers[i];
        if (ne_addr_equal(&asker->addr, addr)) {
            queries->last_asker = i;
            return asker;
        }
        if (asker->suppressed == 0 && now_ms - asker->refilled_ms > FORGET_MS)
            idle = asker;
    }
    if (idle == NULL) {
        struct ne_error err;
        struct asker *room =
            ne_grow(queries->askers, queries->asker_count, sizeof(*queries->askers), &err);
        if (room == NULL)
            return NULL;
        queries->askers = room;
        idle = &queries->askers[queries->asker_count++];
    }
    *idle = (struct asker){
        .addr = *addr, .refilled_ms = now_ms, .tokens = QUERIES_EVENTS_AT_ONCE * EVENT};
    return idle;
}

/* may_tell() - Whether @asker gets an event now; else it is counted as left out. */
static bool may_tell(struct asker *asker, uint64_t now_ms) {
    const uint64_t most = QUERIES_EVENTS_AT_ONCE * EVENT;
    uint64_t tokens =
        asker->tokens + (now_ms - asker->refilled_ms) * QUERIES_EVENTS_A_SECOND * EVENT / 1000;
    asker->refilled_ms = now_ms;
    asker->tokens = tokens < most ? tokens : most;
    if (asker->tokens < EVENT) {
        asker->suppressed++;
        return false;
    }
    asker->tokens -= EVENT;
    return true;
}

/* emit() - @query is NULL where only the count of what was left out is told. */
static void emit(const struct ne_model *model, const struct ne_network *network,
                 struct asker *asker, const struct query *query) {
    char src[NE_ADDR_TEXT];
    const struct ne_endpoint *endpoint = endpoint_of(model, network, &asker->addr);
    struct ne_event event = {
        .type = "dns",
        .network = network->id,
        .endpoint = endpoint == NULL ? NULL : endpoint->id,
        .interface = network->bridge,
        .src = ne_addr_format(&asker->addr, src),
        .suppressed = asker->suppressed,
    };
    if (query != NULL) {
        event.sport = query->line.port;
        event.name = query->line.name;
        event.query = query->line.type;
        event.answer = query->answers;
        event.result = ne_query_result_name(query->result);
    }
    ne_event_emit(&event);
    asker->suppressed = 0;
}

static void tell(struct queries *queries, const struct ne_model *model,
                 const struct ne_network *network, struct query *query, uint64_t now_ms) {
    struct asker *asker = asker_of(queries, &query->line.client, now_ms);
    query->open = false;
    queries->open_count--;
    queries->counts[query->result]++;
    if (asker != NULL && may_tell(asker, now_ms))
        emit(model, network, asker, query);
}

static bool is_about(const struct query *query, const struct querylog_line *line) {
    return query->open && query->line.pid == line->pid && query->line.serial == line->serial &&
           query->line.port == line->port && ne_addr_equal(&query->line.client, &line->client);
}

static void begin(struct queries *queries, const struct ne_model *model,
                  const struct ne_network *network, const struct querylog_line *line,
                  uint64_t now_ms) {
    struct query *query = &queries->open[0];
    for (size_t i = 0; i < QUERIES_OPEN && query->open; i++) {
        struct query *other = &queries->open[i];
        if (!other->open || other->last_ms < query->last_ms)
            query = other;
    }
    if (query->open)
        tell(queries, model, network, query, now_ms);
    queries->open_count++;
    *query = (struct query){
        .open = true, .last_ms = now_ms, .line = *line, .result = NE_QUERY_UNANSWERED};
}

/* add_answer() - An answer of several lines is what its best line is: a name that stands for
 * another one, of which there is nothing, has been answered. */
static void add_answer(struct query *query, const struct querylog_line *line, uint64_t now_ms) {
    size_t used = strlen(query->answers);
    if (!query->answering || line->result == NE_QUERY_ANSWERED)
        query->result = line->result;
    query->answering = true;
    query->last_ms = now_ms;
    if (line->answer[0] != '\0' && used + strlen(line->answer) + 2 <= sizeof(query->answers))
        (void)snprintf(query->answers + used, sizeof(query->answers) - used, "%s%s",
                       used == 0 ? "" : ",", line->answer);
}

void queries_take(struct queries *queries, const struct ne_model *model,
                  const struct ne_network *network, const struct querylog_line *line,
                  uint64_t now_ms) {
    for (size_t i = 0; i < QUERIES_OPEN && queries->open_count > 0; i++) {
        struct query *query = &queries->open[i];
        if (is_about(query, line)) {
            if (line->kind == QUERYLOG_ANSWER)
                add_answer(query, line, now_ms);
            if (line->kind != QUERYLOG_QUERY)
                return;
        }
        /* One process answers one question after the other: this line ends the last answer. */
        if (query->open && query->answering && query->line.pid == line->pid)
            tell(queries, model, network, query, now_ms);
    }
    if (line->kind == QUERYLOG_QUERY)
        begin(queries, model, network, line, now_ms);
}

/* due_in() - Milliseconds until @query is told whatever comes. */
static uint64_t due_in(const struct query *query, uint64_t now_ms) {
    uint64_t due = query->last_ms + (query->answering ? QUIET_MS : UNANSWERED_MS);
    return due > now_ms ? due - now_ms : 0;
}

void queries_flush(struct queries *queries, const struct ne_model *model,
                   const struct ne_network *network, uint64_t now_ms) {
    for (size_t i = 0; i < QUERIES_OPEN && queries->open_count > 0; i++) {
        struct query *query = &queries->open[i];
        if (query->open && due_in(query, now_ms) == 0)
            tell(queries, model, network, query, now_ms);
    }
    /* The count of what was left out, a second later, should no event have brought it. */
    for (size_t i = 0; i < queries->asker_count; i++) {
        struct asker *asker = &queries->askers[i];
        if (asker->suppressed > 0 && now_ms - asker->refilled_ms >= 1000)
            emit(model, network, asker, NULL);
    }
}

int queries_timeout(const struct queries *queries, uint64_t now_ms) {
    uint64_t soonest = UINT64_MAX;
    for (size_t i = 0; i < QUERIES_OPEN && queries->open_count > 0; i++) {
        const struct query *query = &queries->open[i];
        if (query->open && due_in(query, now_ms) < soonest)
            soonest = due_in(query, now_ms);
    }
    for (size_t i = 0; i < queries->asker_count && soonest > 1000; i++) {
        if (queries->askers[i].suppressed > 0)
            soonest = 1000;
    }
    return soonest == UINT64_MAX ? -1 : (int)soonest;
}

void queries_free(struct queries *queries) {
    free(queries->askers);
    *queries = (struct queries){0};
}
