/* fuzz_nflog.c - messages of the packet log, whatever they hold: read within bounds, and what is
 * taken from them is sound. The seeds are a kernel's own; tests/fuzz/record_nflog makes them.
 */
#include <netenforce/netlink.h>
#include <netenforce/nflog.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound) {
    if (!sound)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *exact = malloc(size); /* its end is the end of what may be read */
    if (exact == NULL)
        return 0;
    memcpy(exact, data, size);
    const struct nlmsghdr *message;
    for (size_t at = 0; (message = ne_next_message(exact, size, &at)) != NULL;) {
        struct ne_logged logged;
        if (!ne_logged_parse(message, &logged))
            continue;
        check(memchr(logged.place, 0, sizeof(logged.place)) != NULL && logged.place[0] != '\0');
        check(logged.from.family == NE_V4 || logged.from.family == NE_V6);
        check(logged.to.family == logged.from.family);
        check(logged.has_ports || (logged.sport == 0 && logged.dport == 0));
    }
    free(exact);
    return 0;
}
