/* log.h - what the parts of `netenforce log` share. */
#ifndef NETENFORCE_CLI_LOG_H
#define NETENFORCE_CLI_LOG_H

#include <jansson.h>
#include <stdio.h>

/* event_print() - One event as a line for people. @container: its name, or NULL. */
void event_print(FILE *out, const json_t *event, const char *container);

/* containers_name() - The name of the container behind @endpoint of @network, asked of the engine
 * and kept in @known, an object. Return: valid until the next call; NULL if nobody knows it.
 */
const char *containers_name(json_t *known, const char *network, const char *endpoint);

#define SINCE_SIZE 32

/* since_parse() - "10m", "2h", "30s", "1d" ago, or a time in UTC as the API takes it.
 * Return: whether it is one, then @out is as the API takes it.
 */
int since_parse(const char *text, char out[static SINCE_SIZE]);

#endif
