/* http.h - HTTP over a Unix socket, for the daemon's own event loop (libmicrohttpd).
 *
 * A server has one epoll descriptor; when it is readable, or its timeout has
 * passed, call ne_http_run(). Bodies are gathered whole before the handler is asked.
 */
#ifndef NETENFORCE_HTTP_H
#define NETENFORCE_HTTP_H

#include <netenforce/error.h>
#include <stddef.h>

#define NE_HTTP_BODY_MAX    (4u << 20) /* bytes; `docker run -P` with 65535 ports needs about 4 MB */
#define NE_HTTP_CONNECTIONS 256u       /* of one server; more wait until one of these ends */

/* Seconds of silence after which a connection is ended. An engine that finds no room tries again
 * for half a minute: whoever is stuck has to make room before that. But the engine keeps its
 * connections between requests. So half of the room may be kept for long, never all of it.
 */
#define NE_HTTP_IDLE     5u
#define NE_HTTP_KEPT     600u
#define NE_HTTP_KEPT_MAX (NE_HTTP_CONNECTIONS / 2)

struct ne_http_request {
    const char *method;
    const char *path; /* decoded by the library, without the query */
    const char *body; /* not terminated; NULL if empty */
    size_t size;
};

struct ne_http_response {
    unsigned status;
    const char *type; /* static text */
    char *body;       /* malloc()ed; the server frees it. NULL: memory is short, answer 500 */
    size_t size;
};

/* A handler fills @response; it starts as 500 without a body. */
typedef void (*ne_http_handler)(void *context, const struct ne_http_request *request,
                                struct ne_http_response *response);

struct ne_http_server;

/* ne_http_open() - Serve on the listening socket @listener, which the server owns from now on.
 * @error_key is the member of a JSON object that carries an error which the server itself
 * answers (a body that is too large).
 * Return: the server, to be ended with ne_http_close(), or NULL (@listener is closed, too).
 */
struct ne_http_server *ne_http_open(int listener, ne_http_handler handler, void *context,
                                    const char *error_key, struct ne_error *err);

/* ne_http_fd() - The descriptor to wait on; it stays the server's. */
int ne_http_fd(const struct ne_http_server *server);

/* ne_http_timeout() - Milliseconds until ne_http_run() is due, or -1. */
int ne_http_timeout(struct ne_http_server *server);

/* ne_http_run() - Do what can be done without waiting. */
void ne_http_run(struct ne_http_server *server);

/* ne_http_close() - Close all connections and the listener. NULL is nothing to do. */
void ne_http_close(struct ne_http_server *server);

#endif
