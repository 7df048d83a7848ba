/* stream.c - an answer read line by line, however long it takes: see client_stream(). */
#include "client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_SIZE (1u << 20)

struct reader {
    CURL *curl;
    client_line take;
    void *context;
    char *text; /* the beginning of a line, or an error's answer */
    size_t size;
    bool begun;   /* with status 200 */
    bool stopped; /* by @take */
};

/* hand_out() - The whole lines. */
static bool hand_out(struct reader *reader) {
    size_t used = 0;
    const char *end;
    while (!reader->stopped &&
           (end = memchr(reader->text + used, '\n', reader->size - used)) != NULL) {
        size_t length = (size_t)(end - (reader->text + used)) + 1;
        reader->stopped = !reader->take(reader->context, reader->text + used, length);
        used += length;
    }
    memmove(reader->text, reader->text + used, reader->size - used);
    reader->size -= used;
    return !reader->stopped;
}

static size_t on_piece(char *piece, size_t one, size_t count, void *context) {
    struct reader *reader = context;
    size_t size = one * count;
    long status = 0;
    if (size > LINE_MAX_SIZE - reader->size)
        return 0;
    char *room = realloc(reader->text, reader->size + size + 1);
    if (room == NULL)
        return 0;
    memcpy(room + reader->size, piece, size);
    reader->text = room;
    reader->size += size;
    (void)curl_easy_getinfo(reader->curl, CURLINFO_RESPONSE_CODE, &status);
    reader->begun = status == 200;
    return !reader->begun || hand_out(reader) ? size : 0;
}

static CURLcode perform(struct reader *reader, const char *socket, const char *path) {
    char url[CLIENT_PATH_SIZE + 32] = "http://netenforce";
    (void)strncat(url, path, sizeof(url) - strlen(url) - 1);
    CURLcode code = curl_easy_setopt(reader->curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    if (code == CURLE_OK)
        code = curl_easy_setopt(reader->curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(reader->curl, CURLOPT_PROXY, "");
    if (code == CURLE_OK) /* small pieces are handed over as they come */
        code = curl_easy_setopt(reader->curl, CURLOPT_WRITEFUNCTION, on_piece);
    if (code == CURLE_OK)
        code = curl_easy_setopt(reader->curl, CURLOPT_WRITEDATA, reader);
    return code == CURLE_OK ? curl_easy_perform(reader->curl) : code;
}

/* fail_with() - The message of an error's answer. */
static int fail_with(const struct reader *reader, long status, struct ne_error *err) {
    json_t *answer = reader->text == NULL ? NULL : json_loadb(reader->text, reader->size, 0, NULL);
    int result = client_refusal(answer, status, err);
    json_decref(answer);
    return result;
}

static int broke_off(const char *socket, CURLcode code, struct ne_error *err) {
    (void)ne_fail(err, NE_STATE, "the answer of netenforced at %s broke off (%s): this is not all",
                  socket, curl_easy_strerror(code));
    return 1;
}

int client_stream(const char *socket, const char *path, client_line take, void *context,
                  struct ne_error *err) {
    struct reader reader = {.curl = curl_easy_init(), .take = take, .context = context};
    if (reader.curl == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for the request");
    CURLcode code = perform(&reader, socket, path);
    long status = 0;
    (void)curl_easy_getinfo(reader.curl, CURLINFO_RESPONSE_CODE, &status);
    int result = 0;
    if (status == 0)
        result = ne_fail(err, NE_NOT_FOUND,
                         "no answer from netenforced at %s (%s): is the plugin enabled (docker "
                         "plugin ls) or the service running, and are you root?",
                         socket, curl_easy_strerror(code));
    else if (status != 200)
        result = fail_with(&reader, status, err);
    else if (code != CURLE_OK && !reader.stopped)
        result = broke_off(socket, code, err);
    free(reader.text);
    curl_easy_cleanup(reader.curl);
    return result;
}
