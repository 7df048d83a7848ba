/* fuzz_declared.c - policy files: what is accepted names networks and holds options that read back.
 */
#include <netenforce/declared.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ne_declarations declarations;
    struct ne_error err = {0};
    if (ne_declarations_parse(&declarations, (const char *)data, size, &err) < 0) {
        if (err.code == NE_OK || err.text[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < declarations.count; i++) {
        struct ne_options again = {0};
        char text[NE_OPTION_TEXT];
        const char *key;
        for (size_t k = 0; (key = ne_options_get(&declarations.items[i].options, k, text)) != NULL;
             k++) {
            if (ne_options_set(&again, NE_SCOPE_NETWORK, key, text, &err) < 0)
                abort();
        }
        if (declarations.items[i].network[0] == '\0' ||
            !ne_options_equal(&declarations.items[i].options, &again))
            abort();
    }
    ne_declarations_free(&declarations);
    return 0;
}
