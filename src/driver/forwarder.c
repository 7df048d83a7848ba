/* forwarder.c - what the driver knows of the forwarders of names: see driver.h, forwarder.h. */
#include "internal.h"

#include <unistd.h>

int check_forwarder(const struct ne_driver *driver, const struct ne_options *options,
                    struct ne_error *err) {
    if (!ne_options_log_names(options))
        return 0;
    if (driver->forwarder == NULL)
        return ne_fail(
            err, NE_UNSUPPORTED,
            "option dns: \"log\" needs a process that starts dnsmasq, and the daemon could "
            "not make it: its log says why");
    if (access(driver->forwarder, X_OK) < 0)
        return ne_fail(
            err, NE_UNSUPPORTED,
            "option dns: \"log\" needs dnsmasq, and %s is not there: install it (apt-get "
            "install dnsmasq-base), or name it with netenforced --dnsmasq",
            driver->forwarder);
    return 0;
}

int ne_driver_set_forwarder(struct ne_driver *driver, const char *id, bool up,
                            struct ne_error *err) {
    struct ne_network *network = ne_model_network(&driver->model, id);
    if (network == NULL || network->forwarder_up == up)
        return 0;
    network->forwarder_up = up;
    if (enforce(driver, NULL, err) == 0)
        return 0;
    driver->unsettled = true;
    return ne_context(err, "network %.12s: port 53", id);
}
