/* policies.c - the policy file: see policies.h. */
#include "policies.h"

#include <limits.h>
#include <netenforce/event.h>
#include <netenforce/log.h>
#include <stdio.h>

static void tell(const char *network, unsigned long revision) {
    char reason[64];
    (void)snprintf(reason, sizeof(reason), "revision %lu, by the policy file", revision);
    const struct ne_event event = {
        .type = "policy", .network = network, .reason = reason, .revision = revision};
    ne_event_emit(&event);
}

static int read_and_declare(const char *path, struct ne_driver *driver, unsigned *changed,
                            struct ne_error *err) {
    struct ne_declarations declarations = {0};
    if (ne_declarations_load(&declarations, path, err) < 0)
        return -1;
    int result = ne_driver_declare(driver, &declarations, tell, changed, err);
    ne_declarations_free(&declarations); /* what the driver did not take over */
    return result < 0 ? ne_context(err, "policy file %s", path) : 0;
}

bool policies_read(const struct settings *settings, struct ne_driver *driver) {
    static bool good_once;
    char path[PATH_MAX];
    unsigned changed = 0;
    struct ne_error err;
    if (settings->policy_file == NULL)
        return false;
    (void)snprintf(path, sizeof(path), "%s%s", settings->host_root, settings->policy_file);
    if (read_and_declare(path, driver, &changed, &err) < 0) {
        if (!good_once)
            driver->undeclared = "the daemon's policy file is bad or cannot be read";
        ne_err("%s; what held before holds", err.text);
        const struct ne_event event = {.type = "warning", .reason = err.text};
        ne_event_emit(&event);
        return true;
    }
    good_once = true;
    driver->undeclared = NULL;
    ne_info("policy file %s: %zu networks, %u policies changed", path, driver->declared.count,
            changed);
    return true;
}
