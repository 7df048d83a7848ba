/* client.h - the control API, asked by the operator's command (libcurl). */
#ifndef NETENFORCE_CLI_CLIENT_H
#define NETENFORCE_CLI_CLIENT_H

#include <jansson.h>
#include <netenforce/error.h>

/* client_get() - GET @path from the daemon at the Unix socket @socket.
 * Return: the answer, owned by the caller; or NULL with @err: no daemon there, no right to ask,
 * an answer that says an error or is no JSON.
 */
json_t *client_get(const char *socket, const char *path, struct ne_error *err);

#endif
