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

static void complain(const struct ne_error *err, const char *until) {
    ne_err("%s; %s", err->text, until);
    const struct ne_event event = {.type = "warning", .reason = err->text};
    ne_event_emit(&event);
}

static int read_and_declare(const char *path, struct ne_driver *driver, struct ne_error *err) {
    struct ne_declarations declarations = {0};
    if (ne_declarations_load(&declarations, path, err) < 0)
        return -1;
    int result = ne_driver_declare(driver, &declarations, err);
    ne_declarations_free(&declarations); /* what the driver did not take over */
    return result < 0 ? ne_context(err, "policy file %s", path) : 0;
}

/* follow() - Complained of once, however often it fails. */
static void follow(const char *path, struct ne_driver *driver, bool complained) {
    unsigned changed = 0;
    struct ne_error err;
    if (ne_driver_follow_declared(driver, tell, &changed, &err) == 0) {
        ne_info("policy file %s: %zu networks, %u policies changed", path, driver->declared.count,
                changed);
        return;
    }
    (void)ne_context(&err, "policy file %s", path);
    if (!complained)
        complain(&err, "it is tried again until it holds");
}

static bool find(const struct settings *settings, char path[static PATH_MAX]) {
    if (settings->policy_file == NULL)
        return false;
    (void)snprintf(path, PATH_MAX, "%s%s", settings->host_root, settings->policy_file);
    return true;
}

bool policies_read(const struct settings *settings, struct ne_driver *driver) {
    static bool good_once;
    char path[PATH_MAX];
    struct ne_error err;
    if (!find(settings, path))
        return false;
    if (read_and_declare(path, driver, &err) < 0) {
        if (!good_once)
            driver->undeclared = "the daemon's policy file is bad or cannot be read";
        complain(&err, "what held before holds");
        return true;
    }
    good_once = true;
    driver->undeclared = NULL;
    follow(path, driver, false);
    return true;
}

void policies_follow(const struct settings *settings, struct ne_driver *driver) {
    char path[PATH_MAX];
    if (driver->declared_late && find(settings, path))
        follow(path, driver, true);
}
