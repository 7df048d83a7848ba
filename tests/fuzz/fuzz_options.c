/* fuzz_options.c - lines of KEY=VALUE: what is accepted is written as it would be read again. */
#include <netenforce/options.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct ne_options *options) {
    char text[NE_PROXY_LIST_TEXT];
    struct ne_options again = {0};
    struct ne_error err;
    ne_options_format_proxy(options, text);
    if (ne_options_set(&again, NE_SCOPE_NETWORK, "proxy", text, &err) < 0 ||
        again.proxy_count != options->proxy_count ||
        memcmp(again.proxy, options->proxy, sizeof(again.proxy[0]) * again.proxy_count) != 0)
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
        if (options.has_proxy)
            check_round_trip(&options);
    }
    free(text);
    return 0;
}
