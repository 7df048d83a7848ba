/* declare.c - policies from a file, put in force: see ne_driver_declare(). */
#include "internal.h"

#include <netenforce/log.h>
#include <string.h>

/* check_once() - A network that two names mean would have two policies. */
static int check_once(const struct ne_declarations *declarations, const struct ne_network *network,
                      struct ne_error *err) {
    const struct ne_declared *first = ne_declaration_of(declarations, network);
    for (size_t i = 0; i < declarations->count; i++) {
        const struct ne_declared *other = &declarations->items[i];
        if (other != first && ne_declared_names(other, network))
            return ne_fail(err, NE_CONFLICT,
                           "networks: \"%s\" and \"%s\" are the same network: name it once",
                           first->network, other->network);
    }
    return 0;
}

static int judge_all(struct ne_driver *driver, const struct ne_declarations *declarations,
                     struct ne_error *err) {
    for (size_t i = 0; i < driver->model.networks.count; i++) {
        const struct ne_network *network = ne_model_network_at(&driver->model, i);
        const struct ne_declared *declared = ne_declaration_of(declarations, network);
        if (declared == NULL)
            continue;
        const struct ne_options options = ne_declared_options(declared, &network->options);
        if (check_once(declarations, network, err) < 0)
            return -1;
        if (ne_driver_check_policy(driver, network->id, NULL, &options, err) < 0)
            return ne_context(err, "networks: \"%s\"", declared->network);
    }
    return 0;
}

int ne_driver_declare(struct ne_driver *driver, struct ne_declarations *declarations,
                      struct ne_error *err) {
    if (judge_all(driver, declarations, err) < 0)
        return -1;
    ne_declarations_free(&driver->declared);
    driver->declared = *declarations;
    *declarations = (struct ne_declarations){0};
    driver->declared_late = true;
    for (size_t i = 0; i < driver->declared.count; i++)
        driver->declared.items[i].late = true;
    return 0;
}

static const struct ne_network *network_of(const struct ne_driver *driver,
                                           const struct ne_declared *declared) {
    for (size_t i = 0; i < driver->model.networks.count; i++) {
        const struct ne_network *network = ne_model_network_at(&driver->model, i);
        if (ne_declared_names(declared, network))
            return network;
    }
    return NULL;
}

/* What has held once is not put back: an operator may have changed it since. */
int ne_driver_follow_declared(struct ne_driver *driver, ne_policy_changed changed, unsigned *count,
                              struct ne_error *err) {
    int result = 0;
    *count = 0;
    for (size_t i = 0; i < driver->declared.count; i++) {
        struct ne_declared *declared = &driver->declared.items[i];
        const struct ne_network *network = declared->late ? network_of(driver, declared) : NULL;
        struct ne_policy_change change = {0};
        struct ne_error why;
        declared->late = false;
        if (network == NULL)
            continue;
        const struct ne_options options = ne_declared_options(declared, &network->options);
        if (ne_driver_set_policy(driver, network->id, NULL, &options, &change, &why) < 0) {
            declared->late = true;
            if (result == 0) {
                *err = why;
                (void)ne_context(err, "networks: \"%s\"", declared->network);
            }
            result = -1;
        } else if (change.changed) {
            (*count)++;
            changed(network->id, change.revision);
        }
    }
    driver->declared_late = result < 0;
    return result;
}
