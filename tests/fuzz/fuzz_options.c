/* fuzz_options.c - lines of KEY=VALUE: what is accepted is written as it would be read again. */
#include <netenforce/options.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct ne_options *options) {
    static char text[NE_OPTION_TEXT];
    struct ne_options again = {0};
    struct ne_error err;
    const char *key;
    for (size_t i = 0; (key = ne_options_get(options, i, text)) != NULL; i++) {
        if (ne_options_set(&again, NE_SCOPE_NETWORK, key, text, &err) < 0)
            abort();
    }
    if (!ne_options_equal(options, &again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';

    struct ne_options options = {0};
    struct ne_error err = {0};
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        if (ne_options_set(&options, NE_SCOPE_NETWORK, line, value, &err) < 0)
            break; /* a refused value may have left a part: callers throw all of it away */
        check_round_trip(&options);
    }
    free(text);
    return 0;
}
