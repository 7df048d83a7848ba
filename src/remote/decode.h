/* decode.h - the engine's requests, read out of their JSON: pure, fuzzed.
 *
 * Not strict on the envelope (new engines bring new fields), strict on types of what is read
 * and on our own options. Shapes: docs of moby's daemon/libnetwork/drivers/remote/api.
 */
#ifndef NETENFORCE_REMOTE_DECODE_H
#define NETENFORCE_REMOTE_DECODE_H

#include <jansson.h>
#include <netenforce/model.h>

/* decode_id() - The id in member @key of @body.
 * Return: 0, or -1 with NE_BAD_INPUT.
 */
int decode_id(const json_t *body, const char *key, char id[static NE_ID_SIZE],
              struct ne_error *err);

/* decode_network() - CreateNetwork: id, pools, gateways, internal, options. */
int decode_network(const json_t *body, struct ne_network *network, struct ne_error *err);

/* decode_endpoint() - CreateEndpoint: id, network, addresses, MAC, and @options, to which @endpoint
 * points then. */
int decode_endpoint(const json_t *body, struct ne_endpoint *endpoint, struct ne_options *options,
                    struct ne_error *err);

/* decode_sandbox() - Join: the sandbox key; absent is empty. */
int decode_sandbox(const json_t *body, char sandbox[static NE_SANDBOX_SIZE], struct ne_error *err);

/* decode_wants_ports() - Whether Options ask for published ports (`docker run -p`). */
bool decode_wants_ports(const json_t *body);

#endif
