/* stream.h - answers that come by and by, in a server of one thread.
 *
 * A stream that has nothing to read is suspended: the library forgets its connection until it is
 * resumed, and so does not see either that the client went away. streams_sweep() looks for those.
 */
#ifndef NETENFORCE_HTTP_STREAM_H
#define NETENFORCE_HTTP_STREAM_H

#include <netenforce/http.h>

#include <microhttpd.h>

struct stream;

/* The streams of a server. */
struct streams {
    struct stream *first;
    bool again; /* one that is suspended wants to be asked at once */
    bool moved; /* bytes were read; the server clears it */
    bool ending;
};

/* stream_response() - A response that @source feeds, for @connection. It takes @source over.
 * Return: as the library's functions; NULL without memory (@source is closed).
 */
struct MHD_Response *stream_response(struct streams *streams, struct MHD_Connection *connection,
                                     const struct ne_http_stream *source);

/* streams_resume() - Ask those that are suspended: all of them, or those that want it at once. */
void streams_resume(struct streams *streams, bool all);

/* streams_sweep() - Resume those whose clients are gone, so that their connections end. */
void streams_sweep(struct streams *streams);

#endif
