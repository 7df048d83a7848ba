/* server.c - HTTP by libmicrohttpd: see http.h. */
#include "peers.h"
#include "stream.h"

#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECTION_MEMORY (16u * 1024u) /* for a request's line and headers */
#define RUNS              16 /* before others have their turn: pieces of a stream, rounds of calls */
#define AWAY              1  /* seconds: a good deal less than NE_HTTP_IDLE */

struct ne_http_server {
    struct MHD_Daemon *daemon;
    unsigned connections; /* when ne_http_run() was called */
    struct ne_http_service service;
    struct streams streams;
    struct peers peers;
    struct timespec ran; /* when the library had its last turn */
    unsigned waiting;    /* requests whose answer was put off */
    bool woken;          /* ne_http_run() is due: the library says nothing of resumed connections */
};

/* One request, from its headers to its answer. */
struct ne_http_call {
    struct ne_http_server *server;
    struct MHD_Connection *connection;
    char *body;
    size_t size;
    size_t room;
    unsigned refused; /* status that the end will be answered with, or 0 */
    struct timespec began;
    bool answered; /* later, by @response, which is to be sent yet */
    struct ne_http_response response;
};

static void append(struct ne_http_call *call, const char *piece, size_t size) {
    if (call->refused != 0)
        return;
    if (size > NE_HTTP_BODY_MAX - call->size) {
        call->refused = MHD_HTTP_CONTENT_TOO_LARGE;
        return;
    }
    if (call->size + size > call->room) {
        size_t room = call->room == 0 ? 1024 : call->room;
        while (room < call->size + size)
            room *= 2;
        char *body = realloc(call->body, room);
        if (body == NULL) {
            call->refused = MHD_HTTP_INTERNAL_SERVER_ERROR;
            return;
        }
        call->body = body;
        call->room = room;
    }
    memcpy(call->body + call->size, piece, size);
    call->size += size;
}

const char *ne_http_query(const struct ne_http_request *request, const char *key) {
    const char *value = NULL;
    if (request->connection == NULL ||
        MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, key, strlen(key),
                                      &value, NULL) != MHD_YES)
        return NULL;
    return value == NULL ? "" : value;
}

/* queue() - @reply is the library's from here on. */
static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status, const char *type,
                             struct MHD_Response *reply) {
    enum MHD_Result result = MHD_NO;
    if (MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
        result = MHD_queue_response(connection, status, reply);
    MHD_destroy_response(reply);
    return result;
}

/* refuse() - By the server itself: without memory, or for the size of the body. */
static enum MHD_Result refuse(const struct ne_http_server *server,
                              struct MHD_Connection *connection, unsigned status) {
    const char *text = status == MHD_HTTP_CONTENT_TOO_LARGE ? server->service.too_large
                                                            : server->service.no_memory;
    void *bytes; /* the library's parameter lacks a const: it writes nothing there */
    memcpy(&bytes, &text, sizeof(bytes));
    struct MHD_Response *reply =
        MHD_create_response_from_buffer(strlen(text), bytes, MHD_RESPMEM_PERSISTENT);
    return reply == NULL ? MHD_NO : queue(connection, status, "application/json", reply);
}

/* answer() - Hand @response over to the library, which frees its body. */
static enum MHD_Result answer(struct ne_http_server *server, struct MHD_Connection *connection,
                              struct ne_http_response *response) {
    struct MHD_Response *reply;
    if (response->stream.read != NULL) {
        reply = stream_response(&server->streams, connection, &response->stream);
        (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, NE_HTTP_KEPT);
    } else if (response->body != NULL) {
        reply =
            MHD_create_response_from_buffer(response->size, response->body, MHD_RESPMEM_MUST_FREE);
    } else {
        return refuse(server, connection, MHD_HTTP_INTERNAL_SERVER_ERROR);
    }
    if (reply == NULL) {
        free(response->body);
        return MHD_NO;
    }
    return queue(connection, response->status,
                 response->type != NULL ? response->type : "application/json", reply);
}

static double seconds_since(struct timespec began) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9;
}

/* settled() - The answer is known: hand it over. */
static enum MHD_Result settled(struct ne_http_call *call, const struct ne_http_request *request,
                               struct ne_http_response *response) {
    const struct ne_http_service *service = &call->server->service;
    service->answered(service->context, request, seconds_since(call->began));
    return answer(call->server, call->connection, response);
}

/* on_whole() - The request is whole, or its answer is there that was put off. */
static enum MHD_Result on_whole(struct ne_http_server *server, struct ne_http_call *call,
                                struct ne_http_request *request) {
    struct ne_http_response response = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    if (call->answered) {
        call->answered = false;
        return settled(call, request, &call->response);
    }

    /* dockerd keeps connections. It sees when one is ended, and opens another; but the longer they
     * last, the rarer it is that both happen at once, which costs it a second try. */
    (void)MHD_set_connection_option(call->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                    server->connections <= NE_HTTP_KEPT_MAX ? NE_HTTP_KEPT
                                                                            : NE_HTTP_IDLE);
    (void)clock_gettime(CLOCK_MONOTONIC, &call->began);
    if (call->refused != 0)
        return refuse(server, call->connection, call->refused);
    request->body = call->body;
    request->size = call->size;
    request->call = server->service.settle == NULL || server->streams.ending ? NULL : call;
    server->service.handle(server->service.context, request, &response);
    if (!response.later)
        return settled(call, request, &response);
    server->waiting++;
    MHD_suspend_connection(call->connection);
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *piece, size_t *size, void **request_state) {
    struct ne_http_server *server = context;
    struct ne_http_call *call = *request_state;
    (void)version;

    if (call == NULL) { /* headers are here, no body yet */
        streams_sweep(&server->streams);
        call = calloc(1, sizeof(*call));
        *request_state = call;
        (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, NE_HTTP_IDLE);
        if (call == NULL)
            return MHD_NO;
        call->server = server;
        call->connection = connection;
        return MHD_YES;
    }
    if (*size > 0) {
        append(call, piece, *size);
        *size = 0;
        return MHD_YES;
    }
    struct ne_http_request request = {.method = method, .path = path, .connection = connection};
    return on_whole(server, call, &request);
}

void ne_http_answer(struct ne_http_call *call, const struct ne_http_response *response) {
    call->response = *response;
    call->answered = true;
    call->server->waiting--;
    MHD_resume_connection(call->connection);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_state,
                         enum MHD_RequestTerminationCode code) {
    struct ne_http_call *call = *request_state;
    (void)context;
    (void)connection;
    (void)code;
    if (call != NULL) {
        if (call->answered) /* the client went away meanwhile */
            free(call->response.body);
        free(call->body);
        free(call);
    }
    *request_state = NULL;
}

static void on_log(void *context, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void on_log(void *context, const char *fmt, va_list ap) {
    char text[256];
    (void)context;
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    ne_debug("http: %s", text);
}

struct ne_http_server *ne_http_open(int listener, const struct ne_http_service *service,
                                    struct ne_error *err) {
    struct ne_http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        (void)close(listener);
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for an HTTP server");
        return NULL;
    }
    server->service = *service;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_CONNECTION_LIMIT, NE_HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        NE_HTTP_IDLE, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, peers_note,
        &server->peers, MHD_OPTION_END);
    if (server->daemon == NULL) {
        (void)close(listener);
        free(server);
        (void)ne_fail(err, NE_KERNEL, "libmicrohttpd cannot serve on the socket");
        return NULL;
    }
    return server;
}

int ne_http_fd(const struct ne_http_server *server) {
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int ne_http_timeout(struct ne_http_server *server) {
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    if (server->streams.again || server->woken)
        return 0;
    if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES)
        return -1;
    return timeout > 60000 ? 60000 : (int)timeout;
}

/* Not for use in a callback: the library frees the connections that have ended. */
static unsigned connections_of(const struct ne_http_server *server) {
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
        ->num_connections;
}

/* run() - The library's turn. */
static void run(struct ne_http_server *server) {
    if (seconds_since(server->ran) > AWAY)
        peers_excuse(&server->peers);
    (void)clock_gettime(CLOCK_MONOTONIC, &server->ran);
    (void)MHD_run(server->daemon);
}

static void settle(struct ne_http_server *server) {
    if (server->waiting > 0)
        server->service.settle(server->service.context);
}

/* Where there is no room, the library no longer waits on its listener, and takes that up again when
 * it runs the next time, not when a connection ends. Had all of them ended at once, by their time,
 * there would be nothing left to run for.
 */
void ne_http_run(struct ne_http_server *server) {
    streams_resume(&server->streams, false);
    server->woken = false;
    unsigned runs = 0;
    do {
        settle(server);
        server->connections = connections_of(server);
        server->streams.moved = false;
        run(server);
    } while (connections_of(server) < server->connections ||
             ((server->streams.moved || server->waiting > 0) && ++runs < RUNS));
    server->woken = server->woken || server->waiting > 0;
}

void ne_http_wake(struct ne_http_server *server) {
    streams_resume(&server->streams, true);
    server->woken = server->streams.first != NULL;
}

void ne_http_close(struct ne_http_server *server) {
    if (server == NULL)
        return;
    /* The library must not be stopped while a connection is suspended. What comes from now on is
     * not put off. */
    server->streams.ending = true;
    settle(server);
    streams_resume(&server->streams, true);
    run(server);
    MHD_stop_daemon(server->daemon);
    free(server);
}
