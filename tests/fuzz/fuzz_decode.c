/* fuzz_decode.c - the engine's bodies, whatever they hold: read or refused, never worse. */
#include "../../src/remote/decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *body = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        json_decref(body);
        return 0;
    }
    struct ne_error err = {0};
    struct ne_network network;
    struct ne_endpoint endpoint;
    struct ne_options options;
    char sandbox[NE_SANDBOX_SIZE];
    if (decode_network(body, &network, &err) == 0 && !ne_id_valid(network.id))
        abort();
    if (decode_endpoint(body, &endpoint, &options, &err) == 0 &&
        (!ne_id_valid(endpoint.id) || !ne_id_valid(endpoint.network)))
        abort();
    if (decode_sandbox(body, sandbox, &err) == 0 && strlen(sandbox) >= sizeof(sandbox))
        abort();
    (void)decode_wants_ports(body);
    json_decref(body);
    return 0;
}
