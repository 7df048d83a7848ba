/* http.h - HTTP over a Unix socket, for the daemon's own event loop (libmicrohttpd).
 *
 * A server has one epoll descriptor; when it is readable, or its timeout has
 * passed, call ne_http_run(). Bodies are gathered whole before the handler is asked. An answer is
 * whole as well, or a stream: bytes that come by and by, at the pace of whoever reads them.
 */
#ifndef NETENFORCE_HTTP_H
#define NETENFORCE_HTTP_H

#include <netenforce/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NE_HTTP_BODY_MAX    (4u << 20) /* bytes; `docker run -P` with 65535 ports needs about 4 MB */
#define NE_HTTP_CONNECTIONS 256u       /* of one server; more wait until one of these ends */

/* Seconds of silence after which a connection is ended. An engine that finds no room tries again
 * for half a minute: whoever is stuck has to make room before that. But the engine keeps its
 * connections between requests. So half of the room may be kept for long, never all of it.
 */
#define NE_HTTP_IDLE     5u
#define NE_HTTP_KEPT     600u
#define NE_HTTP_KEPT_MAX (NE_HTTP_CONNECTIONS / 2)

/* A request that waits for its answer; the server's. */
struct ne_http_call;

struct ne_http_request {
    const char *method;
    const char *path; /* decoded by the library, without the query */
    const char *body; /* not terminated; NULL if empty */
    size_t size;
    void *connection;          /* for ne_http_query(); NULL: without a query */
    struct ne_http_call *call; /* for ne_http_answer(); NULL: it cannot be put off */
};

/* ne_http_query() - The value of @key in the query, decoded; "" where it has none.
 * Return: valid as long as the request; NULL if @key is not there.
 */
const char *ne_http_query(const struct ne_http_request *request, const char *key);

/* What a streaming answer is made of. */
struct ne_http_stream {
    /* read - The next bytes, up to @size. Return: how many; -1 at the end; 0 if there are none for
     * now. It is asked again at once where *@idle is set to false then, or else after
     * ne_http_wake().
     */
    ssize_t (*read)(void *context, char *bytes, size_t size, bool *idle);
    void (*close)(void *context); /* called once, whoever ends it */
    void *context;
};

struct ne_http_response {
    unsigned status;
    const char *type; /* static text */
    char *body; /* malloc()ed; the server frees it. NULL: memory is short, `no_memory` is sent */
    size_t size;
    struct ne_http_stream stream; /* with a `read`: sent in the place of the body */
    bool later;                   /* nothing yet: ne_http_answer() comes, before settle() returns */
};

/* What a server serves. */
struct ne_http_service {
    /* handle - Fill @response; it starts as 500 without a body. What @request points to is gone
     * when it returns, but for its call.
     */
    void (*handle)(void *context, const struct ne_http_request *request,
                   struct ne_http_response *response);
    /* settle - Called once no more can be read without waiting: all that handle() put off is
     * answered now, so that requests that came together can be worked on together. NULL: it puts
     * nothing off.
     */
    void (*settle)(void *context);
    /* answered - The server has had the answer to @request (without its body) for so many seconds
     * since handle() was called. Never NULL.
     */
    void (*answered)(void *context, const struct ne_http_request *request, double seconds);
    void *context;
    /* What the server answers by itself, as JSON that outlives it. */
    const char *too_large; /* 413: a body beyond NE_HTTP_BODY_MAX */
    const char *no_memory; /* 500: neither for the request nor for its answer */
};

struct ne_http_server;

/* ne_http_open() - Serve on the listening socket @listener, which the server owns from now on.
 * @service is copied.
 * Return: the server, to be ended with ne_http_close(), or NULL (@listener is closed, too).
 */
struct ne_http_server *ne_http_open(int listener, const struct ne_http_service *service,
                                    struct ne_error *err);

/* ne_http_answer() - The answer to a request whose response was `later`, once; @response is taken
 * over as a handler's is. */
void ne_http_answer(struct ne_http_call *call, const struct ne_http_response *response);

/* ne_http_fd() - The descriptor to wait on; it stays the server's. */
int ne_http_fd(const struct ne_http_server *server);

/* ne_http_timeout() - Milliseconds until ne_http_run() is due, or -1. */
int ne_http_timeout(struct ne_http_server *server);

/* ne_http_run() - Do what can be done without waiting. */
void ne_http_run(struct ne_http_server *server);

/* ne_http_wake() - Streams that had nothing to read may have something now. To be called at any
 * time, also by a handler; they are asked when the server runs next, which its timeout says. */
void ne_http_wake(struct ne_http_server *server);

/* ne_http_close() - Close all connections and the listener. NULL is nothing to do. */
void ne_http_close(struct ne_http_server *server);

#endif
