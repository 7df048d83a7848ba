/* client.h - HTTP and JSON over a Unix socket, asked by the operator's command (libcurl). */
#ifndef NETENFORCE_CLI_CLIENT_H
#define NETENFORCE_CLI_CLIENT_H

#include <jansson.h>
#include <netenforce/error.h>
#include <stdbool.h>

/* client_get() - GET @path from the daemon at the Unix socket @socket.
 * Return: the answer, owned by the caller; or NULL with @err: no daemon there, no right to ask,
 * an answer that says an error or is no JSON.
 */
json_t *client_get(const char *socket, const char *path, struct ne_error *err);

/* client_patch() - PATCH @path with @body, which is released. Return: as client_get(). */
json_t *client_patch(const char *socket, const char *path, json_t *body, struct ne_error *err);

/* client_post/delete() - The same with POST and @body, which is released, and with DELETE. */
json_t *client_post(const char *socket, const char *path, json_t *body, struct ne_error *err);
json_t *client_delete(const char *socket, const char *path, struct ne_error *err);

/* client_refusal() - Return: 0 if @answer, which came with HTTP @status, is none; or -1 with @err.
 */
int client_refusal(const json_t *answer, long status, struct ne_error *err);

/* client_docker() - GET @path from the engine that DOCKER_HOST names, if that is a Unix socket, or
 * from the usual one. Return: the answer, an object; or NULL if there is none for any reason.
 */
json_t *client_docker(const char *path);

/* What to do with a line, its newline included. Return: whether to go on. */
typedef bool (*client_line)(void *context, const char *line, size_t size);

/* client_stream() - GET @path and call @take for each line as it comes, until the end.
 * Return: 0 if it came to its end, or @take ended it; with @err 1 if it broke off, -1 if it did not
 * begin.
 */
int client_stream(const char *socket, const char *path, client_line take, void *context,
                  struct ne_error *err);

#define CLIENT_PATH_SIZE 512

/* client_path() - @before, @name with what a URL cannot hold escaped, @after: in @out.
 * Return: 0, or -1 with NE_BAD_INPUT if it is too long.
 */
int client_path(char out[static CLIENT_PATH_SIZE], const char *before, const char *name,
                const char *after, struct ne_error *err);

#endif
