/* resolver.c - names that would leave by the host's own resolver: see driver.h, resolver.h. */
#include "internal.h"

#include <netenforce/event.h>
#include <netenforce/log.h>

int check_resolver(const struct ne_driver *driver, const struct ne_network *network,
                   const char *endpoint, struct ne_error *err) {
    struct ne_resolver found;
    struct ne_error why = {0};
    if (driver->look == NULL || network->names_kept)
        return 0;
    int result = driver->look(driver->host_root, &found, &why);
    if (result == 0 && found.server[0] == '\0')
        return 0;
    if (result == 0)
        (void)ne_fail(
            &why, NE_UNSUPPORTED,
            "%s on the host names %s, and Docker before 25.0.5 asks that server for containers "
            "from the host's side, past every rule: name a server there that is not at "
            "127.0.0.0/8, or use Docker 28. With Docker from 25.0.5 on, or dockerd --dns ADDRESS, "
            "allow it: docker plugin disable -f netenforce/driver, docker plugin set "
            "netenforce/driver RESOLVER_LEAK=allow, docker plugin enable netenforce/driver; or "
            "netenforced --resolver-leak allow",
            found.path, found.server);
    if (!driver->leak_allowed) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    ne_warn("network %.12s: allowed in spite of this: %s", network->id, why.text);
    const struct ne_event event = {
        .type = "warning", .network = network->id, .endpoint = endpoint, .reason = why.text};
    ne_event_emit(&event);
    return 0;
}
