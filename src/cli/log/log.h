/* log.h - what the parts of `netenforce log` share. */
#ifndef NETENFORCE_CLI_LOG_H
#define NETENFORCE_CLI_LOG_H

#include "../command.h"

#include <jansson.h>
#include <stdio.h>

/* event_print() - One event as a line for people. @container: its name, or NULL. */
void event_print(FILE *out, const json_t *event, const char *container);

/* event_write() - One event as a line for programs: as it is, and "container" behind "endpoint". */
void event_write(FILE *out, json_t *event, const char *container);

/* containers_name() - The name of the container behind @endpoint of @network, asked of the engine
 * and kept in @known, an object. Return: valid until the next call; NULL if nobody knows it.
 */
const char *containers_name(json_t *known, const char *network, const char *endpoint);

/* metrics_as_json() - The daemon's metrics as one object: by name a list of samples, each with its
 * labels and its value. Return: the exit status.
 */
int metrics_as_json(const struct cli *cli);

#define SINCE_SIZE 32

/* since_parse() - "10m", "2h", "30s", "1d" ago, or a time in UTC as the API takes it.
 * Return: whether it is one, then @out is as the API takes it.
 */
int since_parse(const char *text, char out[static SINCE_SIZE]);

#endif
