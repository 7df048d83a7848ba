/* client.c - the control API, asked with libcurl: see client.h. */
#include "client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (64u << 20) /* bytes: far above what a full daemon says */

struct answer {
    char *text;
    size_t size;
};

static size_t gather(char *piece, size_t one, size_t size, void *context) {
    struct answer *answer = context;
    size_t more = one * size;
    if (more > ANSWER_MAX - answer->size)
        return 0;
    char *room = realloc(answer->text, answer->size + more + 1);
    if (room == NULL)
        return 0;
    memcpy(room + answer->size, piece, more);
    answer->text = room;
    answer->size += more;
    return more;
}

static CURLcode fetch(const char *socket, const char *path, struct answer *answer) {
    char url[256] = "http://netenforce";
    (void)strncat(url, path, sizeof(url) - strlen(url) - 1);
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return CURLE_OUT_OF_MEMORY;

    CURLcode code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK) /* the environment's proxy is for others */
        code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, gather);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    return code;
}

json_t *client_get(const char *socket, const char *path, struct ne_error *err) {
    struct answer answer = {0};
    CURLcode code = fetch(socket, path, &answer);
    if (code != CURLE_OK) {
        free(answer.text);
        (void)ne_fail(err, NE_NOT_FOUND,
                      "no answer from netenforced at %s (%s): is the plugin enabled (docker plugin "
                      "ls) or the service running, and are you root?",
                      socket, curl_easy_strerror(code));
        return NULL;
    }
    json_t *json = json_loadb(answer.text != NULL ? answer.text : "", answer.size, 0, NULL);
    free(answer.text);
    if (!json_is_object(json)) {
        json_decref(json);
        (void)ne_fail(err, NE_BAD_INPUT, "what answers at %s is not netenforced", socket);
        return NULL;
    }
    const json_t *error = json_object_get(json, "error");
    if (error != NULL) {
        const char *message = json_string_value(json_object_get(error, "message"));
        (void)ne_fail(err, NE_BAD_INPUT, "%s", message != NULL ? message : "unknown error");
        json_decref(json);
        return NULL;
    }
    return json;
}
