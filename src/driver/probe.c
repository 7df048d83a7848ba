/* probe.c - endpoints of netenforce's own, to try the enforcement from: see ne_driver_probe(). */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX      "probe"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)
#define ID_LENGTH   32

bool ne_probe_id(const char *id) {
    return strncmp(id, PREFIX, PREFIX_SIZE) == 0 && strlen(id) == ID_LENGTH;
}

static int make_id(char id[static NE_ID_SIZE], struct ne_error *err) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567"; /* RFC 4648's 32 */
    uint8_t random[ID_LENGTH - PREFIX_SIZE];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make a probe's id");
    memcpy(id, PREFIX, PREFIX_SIZE);
    for (size_t i = 0; i < sizeof(random); i++)
        id[PREFIX_SIZE + i] = letters[random[i] % 32];
    id[ID_LENGTH] = '\0';
    return 0;
}

/* step_down() - The address before. */
static void step_down(struct ne_addr *addr) {
    for (size_t i = ne_addr_bits(addr->family) / 8; i-- > 0;) {
        if (addr->bytes[i]-- != 0)
            return;
    }
}

static struct ne_addr last_of(const struct ne_prefix *pool) {
    struct ne_addr addr = pool->addr;
    for (unsigned bit = pool->len; bit < ne_addr_bits(addr.family); bit++)
        addr.bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
    return addr;
}

/* is_taken() - By another, or for the member that is to be the proxy. */
static bool is_taken(const struct ne_model *model, const char *network,
                     const struct ne_addr *addr) {
    const struct ne_network *owner = ne_model_network(model, network);
    for (unsigned i = 0; owner != NULL && i < owner->options.proxy.count; i++) {
        if (ne_addr_equal(&owner->options.proxy.items[i].addr, addr))
            return true;
    }
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *other = ne_model_endpoint_at(model, i);
        if (strcmp(other->network, network) == 0 &&
            (ne_addr_equal(&other->addr4, addr) || ne_addr_equal(&other->addr6, addr)))
            return true;
    }
    return false;
}

/* free_addr() - The last address of @pool that nobody has. The engine gives them from the first on;
 * should it give this one while the probe is there, the container supersedes the probe. */
static int free_addr(const struct ne_model *model, const char *network,
                     const struct ne_prefix *pool, const struct ne_addr *bridge,
                     struct ne_addr *found, struct ne_error *err) {
    const struct ne_prefix first = ne_prefix_network(pool);
    if (pool->addr.family == NE_NONE)
        return 0;
    *found = last_of(pool); /* IPv4's broadcast */
    for (size_t i = 0; i < model->endpoints.count + NE_PROXY_MAX + 2; i++) {
        step_down(found);
        if (!ne_prefix_contains(pool, found) || ne_addr_equal(found, &first.addr))
            break;
        if (!ne_addr_equal(found, bridge) && !is_taken(model, network, found))
            return 0;
    }
    return ne_fail(err, NE_CONFLICT,
                   "network %.12s has no address left for a probe: use a larger --subnet", network);
}

int ne_driver_probe(struct ne_driver *driver, const char *network_id, time_t ends,
                    const struct ne_endpoint **made, struct ne_error *err) {
    const struct ne_network *network = ne_model_network(&driver->model, network_id);
    struct ne_endpoint wanted = {.options = &ne_options_nothing};
    if (network == NULL)
        return ne_fail(err, NE_NOT_FOUND, "no network has the id %.64s", network_id);
    if (driver->probe_count == NE_PROBES_MAX)
        return ne_fail(err, NE_CONFLICT, "%d probes are there already; try again in a minute",
                       NE_PROBES_MAX);
    memcpy(wanted.network, network->id, sizeof(wanted.network));
    if (make_id(wanted.id, err) < 0 ||
        free_addr(&driver->model, network->id, &network->pool4, &network->gateway4.addr,
                  &wanted.addr4, err) < 0 ||
        free_addr(&driver->model, network->id, &network->pool6, &network->gateway6.addr,
                  &wanted.addr6, err) < 0)
        return -1;
    if (ne_driver_create_endpoint(driver, &wanted, made, err) < 0)
        return -1;
    struct ne_probe *probe = &driver->probes[driver->probe_count++];
    memcpy(probe->id, wanted.id, sizeof(probe->id));
    probe->ends = ends;
    if (ne_driver_join(driver, wanted.network, wanted.id, "", err) < 0) {
        struct ne_error late;
        if (ne_driver_end_probe(driver, wanted.id, &late) < 0)
            not_undone(driver, "probe", wanted.id, &late);
        return -1;
    }
    *made = ne_model_endpoint(&driver->model, wanted.id);
    return 0;
}

int ne_driver_end_probe(struct ne_driver *driver, const char *id, struct ne_error *err) {
    char gone[NE_ID_SIZE] = {0}; /* @id may be a record's own */
    if (!ne_probe_id(id))
        return ne_fail(err, NE_NOT_FOUND, "%.64s is no probe", id);
    (void)strncpy(gone, id, sizeof(gone) - 1);
    for (unsigned i = 0; i < driver->probe_count; i++) {
        if (strcmp(driver->probes[i].id, gone) == 0)
            driver->probes[i--] = driver->probes[--driver->probe_count];
    }
    return ne_driver_delete_endpoint(driver, gone, err);
}

/* is_due() - Whether the probe @endpoint has to go: its time is over, nobody remembers it since the
 * daemon was started anew, or its port is gone with the namespace of who asked for it. */
static bool is_due(const struct ne_driver *driver, const struct ne_endpoint *endpoint, time_t now) {
    for (unsigned i = 0; i < driver->probe_count; i++) {
        if (strcmp(driver->probes[i].id, endpoint->id) == 0)
            return !endpoint->joined || driver->probes[i].ends <= now;
    }
    return true;
}

void ne_driver_end_probes(struct ne_driver *driver, time_t now) {
    for (size_t i = driver->model.endpoints.count; i-- > 0;) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        struct ne_error err;
        if (!ne_probe_id(endpoint->id) || !is_due(driver, endpoint, now))
            continue;
        char id[NE_ID_SIZE];
        memcpy(id, endpoint->id, sizeof(id));
        if (ne_driver_end_probe(driver, id, &err) < 0)
            not_undone(driver, "probe", id, &err);
    }
    /* One that a container superseded has no record any more. */
    for (unsigned i = 0; i < driver->probe_count; i++) {
        if (ne_model_endpoint(&driver->model, driver->probes[i].id) == NULL)
            driver->probes[i--] = driver->probes[--driver->probe_count];
    }
}
