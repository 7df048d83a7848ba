/* client.c - HTTP over Unix sockets with libcurl: see client.h. */
#include "client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (64u << 20) /* bytes: far above what a full daemon says */

struct answer {
    char *text;
    size_t size;
    long status; /* of HTTP */
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

/* request() - @body may be NULL. Return: what libcurl says. */
static CURLcode request(const char *socket, const char *method, const char *path, const char *body,
                        struct answer *answer) {
    char url[CLIENT_PATH_SIZE + 32] = "http://netenforce";
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
        code = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (code == CURLE_OK && body != NULL)
        code = curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, gather);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_cleanup(curl);
    return code;
}

int client_refusal(const json_t *answer, long status, struct ne_error *err) {
    const json_t *error = json_object_get(answer, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (message != NULL)
        return ne_fail(err, NE_BAD_INPUT, "%s", message);
    if (error != NULL || status / 100 != 2)
        return ne_fail(err, NE_BAD_INPUT,
                       "netenforced answered with status %ld and did not say why", status);
    return 0;
}

static json_t *ask(const char *socket, const char *method, const char *path, const char *body,
                   struct ne_error *err) {
    struct answer answer = {0};
    CURLcode code = request(socket, method, path, body, &answer);
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
    if (client_refusal(json, answer.status, err) == 0)
        return json;
    json_decref(json);
    return NULL;
}

json_t *client_get(const char *socket, const char *path, struct ne_error *err) {
    return ask(socket, "GET", path, NULL, err);
}

json_t *client_delete(const char *socket, const char *path, struct ne_error *err) {
    return ask(socket, "DELETE", path, NULL, err);
}

/* ask_with() - @body is released. */
static json_t *ask_with(const char *socket, const char *method, const char *path, json_t *body,
                        struct ne_error *err) {
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_t *answer = NULL;
    json_decref(body);
    if (text == NULL)
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the request");
    else
        answer = ask(socket, method, path, text, err);
    free(text);
    return answer;
}

json_t *client_patch(const char *socket, const char *path, json_t *body, struct ne_error *err) {
    return ask_with(socket, "PATCH", path, body, err);
}

json_t *client_post(const char *socket, const char *path, json_t *body, struct ne_error *err) {
    return ask_with(socket, "POST", path, body, err);
}

json_t *client_docker(const char *path) {
    static const char scheme[] = "unix://";
    const char *host = getenv("DOCKER_HOST");
    const char *socket = "/var/run/docker.sock";
    struct answer answer = {0};
    if (host != NULL && *host != '\0') {
        if (strncmp(host, scheme, sizeof(scheme) - 1) != 0)
            return NULL; /* an engine elsewhere has other networks than this host's daemon */
        socket = host + sizeof(scheme) - 1;
    }
    CURLcode code = request(socket, "GET", path, NULL, &answer);
    json_t *json = code != CURLE_OK || answer.text == NULL
                       ? NULL
                       : json_loadb(answer.text, answer.size, 0, NULL);
    free(answer.text);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

int client_path(char out[static CLIENT_PATH_SIZE], const char *before, const char *name,
                const char *after, struct ne_error *err) {
    char *escaped = curl_easy_escape(NULL, name, 0);
    int n = escaped == NULL ? CLIENT_PATH_SIZE
                            : snprintf(out, CLIENT_PATH_SIZE, "%s%s%s", before, escaped, after);
    curl_free(escaped);
    if (n >= CLIENT_PATH_SIZE)
        return ne_fail(err, NE_BAD_INPUT, "\"%.40s...\" is too long for a name", name);
    return 0;
}
