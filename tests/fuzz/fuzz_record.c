/* fuzz_record.c - state records: what is accepted is written as it was read. */
#include "../../src/state/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *record = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct ne_error err = {0};
    struct ne_network network;
    struct ne_network network2;
    struct ne_endpoint endpoint;
    struct ne_endpoint endpoint2;
    struct ne_options options;
    struct ne_options options2;
    const char *boot;

    if (record != NULL && ne_record_to_network(record, &network, &err) == 0) {
        json_t *again = ne_record_of_network(&network);
        if (again == NULL || ne_record_to_network(again, &network2, &err) < 0 ||
            !ne_options_equal(&network.options, &network2.options))
            abort();
        json_decref(again);
    }
    if (record != NULL && ne_record_to_endpoint(record, &endpoint, &options, &boot, &err) == 0) {
        json_t *again = ne_record_of_endpoint(&endpoint, boot);
        if (again == NULL || ne_record_to_endpoint(again, &endpoint2, &options2, &boot, &err) < 0 ||
            !ne_options_equal(&options, &options2))
            abort();
        json_decref(again);
    }
    json_decref(record);
    return 0;
}
