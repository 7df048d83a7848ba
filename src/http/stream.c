/* stream.c - answers that come by and by: see stream.h. */
#include "stream.h"

#include <poll.h>
#include <stdlib.h>

#define BLOCK 8192 /* bytes that are asked for at once */

struct stream {
    struct ne_http_stream source;
    struct streams *streams;
    struct MHD_Connection *connection;
    struct stream *next;
    bool suspended;
    bool again; /* suspended only to let others have their turn */
    bool gone;  /* the client is */
};

static ssize_t on_read(void *context, uint64_t position, char *bytes, size_t size) {
    struct stream *stream = context;
    bool idle = true;
    (void)position;
    if (stream->gone || stream->streams->ending)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t n = stream->source.read(stream->source.context, bytes, size, &idle);
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n > 0)
        stream->streams->moved = true;
    if (n == 0) {
        stream->suspended = true;
        stream->again = !idle;
        stream->streams->again = stream->streams->again || !idle;
        MHD_suspend_connection(stream->connection);
    }
    return n;
}

static void on_free(void *context) {
    struct stream *stream = context;
    struct stream **link = &stream->streams->first;
    while (*link != NULL && *link != stream)
        link = &(*link)->next;
    if (*link != NULL)
        *link = stream->next;
    stream->source.close(stream->source.context);
    free(stream);
}

struct MHD_Response *stream_response(struct streams *streams, struct MHD_Connection *connection,
                                     const struct ne_http_stream *source) {
    struct stream *stream = calloc(1, sizeof(*stream));
    struct MHD_Response *response = NULL;
    if (stream != NULL)
        response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, stream, on_free);
    if (response == NULL) {
        free(stream);
        source->close(source->context);
        return NULL;
    }
    stream->source = *source;
    stream->streams = streams;
    stream->connection = connection;
    stream->next = streams->first;
    streams->first = stream;
    return response;
}

static void resume(struct stream *stream) {
    stream->suspended = stream->again = false;
    MHD_resume_connection(stream->connection);
}

void streams_resume(struct streams *streams, bool all) {
    if (!all && !streams->again)
        return;
    streams->again = false;
    for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
        if (stream->suspended && (all || stream->again))
            resume(stream);
    }
}

void streams_sweep(struct streams *streams) {
    for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (!stream->suspended || info == NULL)
            continue;
        struct pollfd client = {.fd = info->connect_fd};
        if (poll(&client, 1, 0) == 1 && (client.revents & (POLLHUP | POLLERR)) != 0) {
            stream->gone = true;
            resume(stream);
        }
    }
}
