/* fuzz_dnslog.c - any bytes as dnsmasq's log: texts end, hold printable characters alone, and the
 * questions that are told and those that are open are as many as were asked. Each line of the input
 * is a line of the log; its length is the time that passed. */
#include "../../src/forwarder/queries.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t room) {
    size_t length = strnlen(text, room);
    if (length == room)
        abort();
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~')
            abort();
    }
}

static unsigned long sum(const struct queries *queries) {
    unsigned long count = queries->open_count;
    for (unsigned i = 0; i < NE_QUERY_RESULTS; i++)
        count += queries->counts[i];
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct ne_model model;
    static struct ne_network network = {.id = "aaaaaaaaaaaa", .bridge = "ne-aaaaaaaaaaaa"};
    static struct queries queries;
    uint64_t now = 1;
    unsigned long asked = 0;
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end == NULL ? size : (size_t)(end - data);
        struct querylog_line line;
        querylog_parse((const char *)data, length, &line);
        check(line.name, sizeof(line.name));
        check(line.type, sizeof(line.type));
        check(line.answer, sizeof(line.answer));
        now += length;
        if (line.kind == QUERYLOG_QUERY || line.kind == QUERYLOG_ANSWER)
            queries_take(&queries, &model, &network, &line, now);
        asked += line.kind == QUERYLOG_QUERY;
        queries_flush(&queries, &model, &network, now);
        if (sum(&queries) != asked)
            abort();
        size -= length + (end != NULL);
        data += length + (end != NULL);
    }
    queries_free(&queries);
    return 0;
}
