/* resolve.h - networks and endpoints by the names that the engine's users give them.
 *
 * The daemon knows ids alone. Names are asked of the engine; without an engine at hand ids, and
 * their beginnings, still do.
 */
#ifndef NETENFORCE_CLI_RESOLVE_H
#define NETENFORCE_CLI_RESOLVE_H

#include "command.h"

#include <netenforce/error.h>

#define RESOLVED_ID_SIZE 72

/* resolve_subject() - NET or NET/ENDPOINT. @endpoint is empty where none is named.
 * A container's name goes before the beginning of an id.
 * Return: 0, or -1 with what was not found, or could be several.
 */
int resolve_subject(const struct cli *cli, const char *text, char network[static RESOLVED_ID_SIZE],
                    char endpoint[static RESOLVED_ID_SIZE], struct ne_error *err);

/* resolve_endpoint() - An endpoint's id, a container's name or id, or NET/CONTAINER. */
int resolve_endpoint(const struct cli *cli, const char *text,
                     char endpoint[static RESOLVED_ID_SIZE], struct ne_error *err);

#define NETWORK_LABEL_SIZE 96

/* network_label() - How to call the network with the id @id when speaking to its user: by its name,
 * or without an engine at hand by the beginning of its id. Return: @out.
 */
const char *network_label(const char *id, char out[static NETWORK_LABEL_SIZE]);

#endif
