/* record.h - records as JSON, versioned: pure, fuzzed. */
#ifndef NETENFORCE_STATE_RECORD_H
#define NETENFORCE_STATE_RECORD_H

#include <jansson.h>
#include <netenforce/model.h>

#define NE_RECORD_VERSION 1

/* ne_record_of_network/endpoint() - A record as JSON, owned by the caller.
 * @boot is the kernel's boot id: an endpoint does not outlive it.
 * Return: NULL if memory is short.
 */
json_t *ne_record_of_network(const struct ne_network *network);
json_t *ne_record_of_endpoint(const struct ne_endpoint *endpoint, const char *boot);

/* ne_record_to_network/endpoint() - Read a record; strict: every field must be there
 * with its type, a field of no known name is refused.
 * *@boot is borrowed from @json.
 * Return: 0, or -1 with NE_STATE and what is wrong.
 */
int ne_record_to_network(const json_t *json, struct ne_network *network, struct ne_error *err);
int ne_record_to_endpoint(const json_t *json, struct ne_endpoint *endpoint,
                          struct ne_options *options, const char **boot, struct ne_error *err);

/* ne_options_to_json() - Options as KEY: VALUE strings, as ne_options_set() reads them.
 * Return: an object owned by the caller, or NULL if memory is short.
 */
json_t *ne_options_to_json(const struct ne_options *options);

#endif
