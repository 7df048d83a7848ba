/* server.c - HTTP by libmicrohttpd: see http.h. */
#include <netenforce/http.h>

#include <microhttpd.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY (16u * 1024u) /* for a request's line and headers */

struct ne_http_server {
    struct MHD_Daemon *daemon;
    unsigned connections; /* when ne_http_run() was called */
    ne_http_handler handler;
    void *context;
    const char *error_key;
};

/* One request on its way in. */
struct upload {
    char *body;
    size_t size;
    size_t room;
    unsigned refused; /* status that the end will be answered with, or 0 */
};

static void upload_append(struct upload *upload, const char *piece, size_t size) {
    if (upload->refused != 0)
        return;
    if (size > NE_HTTP_BODY_MAX - upload->size) {
        upload->refused = MHD_HTTP_CONTENT_TOO_LARGE;
        return;
    }
    if (upload->size + size > upload->room) {
        size_t room = upload->room == 0 ? 1024 : upload->room;
        while (room < upload->size + size)
            room *= 2;
        char *body = realloc(upload->body, room);
        if (body == NULL) {
            upload->refused = MHD_HTTP_INSUFFICIENT_STORAGE;
            return;
        }
        upload->body = body;
        upload->room = room;
    }
    memcpy(upload->body + upload->size, piece, size);
    upload->size += size;
}

static void refuse(const struct ne_http_server *server, unsigned status,
                   struct ne_http_response *response) {
    const char *why = status == MHD_HTTP_CONTENT_TOO_LARGE
                          ? "the request's body is larger than 4 MiB"
                          : "no memory for the request's body";
    char text[160];
    int n = snprintf(text, sizeof(text), "{\"%s\": \"%s\"}\n", server->error_key, why);
    response->status = status;
    response->type = "application/json";
    response->body = strdup(text);
    response->size = response->body == NULL ? 0 : (size_t)n;
}

/* answer() - Hand @response over to the library, which frees its body. */
static enum MHD_Result answer(struct MHD_Connection *connection,
                              struct ne_http_response *response) {
    static char nothing[] = "{}\n";
    struct MHD_Response *reply;
    if (response->body != NULL)
        reply =
            MHD_create_response_from_buffer(response->size, response->body, MHD_RESPMEM_MUST_FREE);
    else
        reply =
            MHD_create_response_from_buffer(sizeof(nothing) - 1, nothing, MHD_RESPMEM_PERSISTENT);
    if (reply == NULL) {
        free(response->body);
        return MHD_NO;
    }
    unsigned status = response->body == NULL ? MHD_HTTP_INTERNAL_SERVER_ERROR : response->status;
    enum MHD_Result result = MHD_NO;
    if (MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE,
                                response->type != NULL ? response->type : "application/json") ==
        MHD_YES)
        result = MHD_queue_response(connection, status, reply);
    MHD_destroy_response(reply);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *piece, size_t *size, void **request_state) {
    struct ne_http_server *server = context;
    struct upload *upload = *request_state;
    (void)version;

    if (upload == NULL) { /* headers are here, no body yet */
        upload = calloc(1, sizeof(*upload));
        *request_state = upload;
        (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, NE_HTTP_IDLE);
        return upload == NULL ? MHD_NO : MHD_YES;
    }
    if (*size > 0) {
        upload_append(upload, piece, *size);
        *size = 0;
        return MHD_YES;
    }

    /* dockerd keeps connections. It sees when one is ended, and opens another; but the longer they
     * last, the rarer it is that both happen at once, which costs it a second try. */
    (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                    server->connections <= NE_HTTP_KEPT_MAX ? NE_HTTP_KEPT
                                                                            : NE_HTTP_IDLE);

    struct ne_http_response response = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    if (upload->refused != 0) {
        refuse(server, upload->refused, &response);
    } else {
        const struct ne_http_request request = {
            .method = method, .path = path, .body = upload->body, .size = upload->size};
        server->handler(server->context, &request, &response);
    }
    return answer(connection, &response);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_state,
                         enum MHD_RequestTerminationCode code) {
    struct upload *upload = *request_state;
    (void)context;
    (void)connection;
    (void)code;
    if (upload != NULL) {
        free(upload->body);
        free(upload);
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

struct ne_http_server *ne_http_open(int listener, ne_http_handler handler, void *context,
                                    const char *error_key, struct ne_error *err) {
    struct ne_http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        (void)close(listener);
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for an HTTP server");
        return NULL;
    }
    server->handler = handler;
    server->context = context;
    server->error_key = error_key;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_CONNECTION_LIMIT, NE_HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        NE_HTTP_IDLE, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
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
    if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES)
        return -1;
    return timeout > 60000 ? 60000 : (int)timeout;
}

/* Not for use in a callback: the library frees the connections that have ended. */
static unsigned connections_of(const struct ne_http_server *server) {
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
        ->num_connections;
}

/* Where there is no room, the library no longer waits on its listener, and takes that up again when
 * it runs the next time, not when a connection ends. Had all of them ended at once, by their time,
 * there would be nothing left to run for.
 */
void ne_http_run(struct ne_http_server *server) {
    do {
        server->connections = connections_of(server);
        (void)MHD_run(server->daemon);
    } while (connections_of(server) < server->connections);
}

void ne_http_close(struct ne_http_server *server) {
    if (server == NULL)
        return;
    MHD_stop_daemon(server->daemon);
    free(server);
}
