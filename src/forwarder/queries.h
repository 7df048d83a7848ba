/* queries.h - the questions of one network: lines put together, counted, told as events. */
#ifndef NETENFORCE_FORWARDER_QUERIES_H
#define NETENFORCE_FORWARDER_QUERIES_H

#include "querylog.h"

#include <netenforce/model.h>

#define QUERIES_OPEN    192 /* questions that wait for their answer; dnsmasq keeps 150 */
#define QUERIES_ANSWERS 256 /* bytes of an event's answers */

/* The most events a second that one address gets, and how many may come at once. What is beyond is
 * counted (`suppressed`), so that a flood of one container's hides none of another's. */
#define QUERIES_EVENTS_A_SECOND 50
#define QUERIES_EVENTS_AT_ONCE  100

struct query {
    bool open;
    bool answering; /* a part of its answer is there */
    uint64_t last_ms;
    struct querylog_line line;
    enum ne_query_result result;
    char answers[QUERIES_ANSWERS];
};

struct asker {
    struct ne_addr addr;
    uint64_t refilled_ms;
    uint64_t tokens; /* thousandths of an event */
    unsigned long suppressed;
};

struct queries {
    struct query open[QUERIES_OPEN];
    size_t open_count;
    struct asker *askers;
    size_t asker_count;
    size_t last_asker;
    unsigned long counts[NE_QUERY_RESULTS];
};

/* queries_take() - A line of the log, of @network. */
void queries_take(struct queries *queries, const struct ne_model *model,
                  const struct ne_network *network, const struct querylog_line *line,
                  uint64_t now_ms);

/* queries_flush() - Tell what is complete by now, and what was left out. */
void queries_flush(struct queries *queries, const struct ne_model *model,
                   const struct ne_network *network, uint64_t now_ms);

/* queries_timeout() - Milliseconds until there is something to flush; -1: nothing. */
int queries_timeout(const struct queries *queries, uint64_t now_ms);

/* queries_free() - Release what it holds. Questions that are open are not told. */
void queries_free(struct queries *queries);

#endif
