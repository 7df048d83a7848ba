/* querylog.h - lines of dnsmasq's log, with --log-queries=extra. Pure.
 *
 *   dnsmasq[PID]: started, version 2.90 cache disabled
 *   dnsmasq: failed to create listening socket for 10.0.0.1: Address already in use
 *   dnsmasq[PID]: SERIAL ADDR/PORT query[TYPE] NAME from ADDR
 *   dnsmasq[PID]: SERIAL ADDR/PORT forwarded NAME to SERVER
 *   dnsmasq[PID]: SERIAL ADDR/PORT reply NAME is ANSWER
 *   dnsmasq[PID]: SERIAL ADDR/PORT reply error is REFUSED
 *   dnsmasq[PID]: SERIAL ADDR/PORT config NAME is NXDOMAIN
 *
 * Names and answers are what containers and strangers chose. dnsmasq shows a name that is not
 * printable as "<name unprintable>", so a line is a line; what stands in it is only ever copied.
 */
#ifndef NETENFORCE_FORWARDER_QUERYLOG_H
#define NETENFORCE_FORWARDER_QUERYLOG_H

#include <netenforce/addr.h>
#include <netenforce/forwarder.h>

#define QUERY_NAME   256 /* the longest name and NUL; longer text is cut */
#define QUERY_TYPE   24
#define QUERY_ANSWER 128

enum querylog_kind {
    QUERYLOG_OTHER,  /* nothing that matters */
    QUERYLOG_READY,  /* it listens */
    QUERYLOG_WORDS,  /* why it ends: in @name */
    QUERYLOG_QUERY,  /* a question: @name, @type */
    QUERYLOG_ANSWER, /* one line of its answer: @result, and @answer where there is one */
};

struct querylog_line {
    enum querylog_kind kind;
    unsigned pid; /* with @serial and @client: which question a line is about */
    unsigned serial;
    struct ne_addr client;
    unsigned port;
    enum ne_query_result result;
    char name[QUERY_NAME];
    char type[QUERY_TYPE];
    char answer[QUERY_ANSWER];
};

/* querylog_parse() - Read a line of @length bytes, without its newline. Any bytes are accepted. */
void querylog_parse(const char *line, size_t length, struct querylog_line *parsed);

#endif
