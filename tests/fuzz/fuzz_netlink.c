/* fuzz_netlink.c - what the kernel may send, whatever it holds: read within bounds, and what is
 * taken from it is sound. The seeds are a kernel's own; tests/fuzz/record_netlink makes them.
 */
#include "../../src/link/rtnl.h"

#include <netenforce/link_watch.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound) {
    if (!sound)
        abort();
}

static void check_link(const struct nlmsghdr *message) {
    struct ne_link_state state;
    char owner[NE_ID_SIZE];
    if (!ne_link_parse(message, &state))
        return;
    check(state.found && memchr(state.name, 0, sizeof(state.name)) != NULL);
    check(memchr(state.alias, 0, sizeof(state.alias)) != NULL);
    check(memchr(state.kind, 0, sizeof(state.kind)) != NULL);
    if (ne_link_owner(&state, owner) != NE_LINK_OTHER)
        check(ne_id_valid(owner));
}

static void check_others(const struct nlmsghdr *message) {
    static const enum ne_family families[] = {NE_V4, NE_V6};
    struct ne_address address;
    struct ne_route route;
    struct ne_mac mac;
    uint8_t type;
    for (size_t i = 0; i < NE_COUNT_OF(families); i++) {
        unsigned bits = ne_addr_bits(families[i]);
        if (ne_address_parse(message, families[i], &address))
            check(address.prefix.addr.family == families[i] && address.prefix.len <= bits);
        if (ne_route_parse(message, families[i], 2, &route))
            check(route.to.addr.family == families[i] && route.to.len <= bits &&
                  route.device >= 0 && route.device != 2);
    }
    (void)ne_route_type(message, &type);
    (void)ne_entry_parse(message, &mac);
    struct ne_guard_drops drops;
    (void)ne_drops_parse(message, &drops);
    struct ne_port_traffic traffic;
    if (ne_traffic_parse(message, &traffic))
        check(traffic.owner[0] != '\0');
}

static void check_changes(const char *bytes, size_t size) {
    struct ne_link_changes changes = {0};
    ne_link_note(&changes, bytes, size);
    check(changes.count <= NE_WATCH_NAMES);
    for (unsigned i = 0; i < changes.count; i++)
        check(memchr(changes.changed[i].name, 0, NE_IFNAME_SIZE) != NULL);
}

static void check_message(void *context, const struct nlmsghdr *message) {
    (void)context;
    check_link(message);
    check_others(message);
}

/* check_answer() - As the answer to three questions of one send, and as a part of a dump. */
static void check_answer(struct ne_rtnl *rtnl, size_t size) {
    struct ne_batch batch;
    bool interrupted = false;
    ne_batch_init(&batch, NULL);
    for (int i = 0; i < 3; i++)
        ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg), "")->answer = check_message;
    check(ne_batch_take(rtnl, &batch, 1, size) <= batch.count);
    for (size_t i = 0; i < batch.count; i++)
        check(memchr(batch.requests[i].says, 0, sizeof(batch.requests[i].says)) != NULL);
    (void)ne_dump_take(rtnl, &batch.requests[0], size, &interrupted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *exact = malloc(size); /* its end is the end of what may be read */
    if (exact == NULL)
        return 0;
    memcpy(exact, data, size);
    struct ne_rtnl rtnl = {.answer = exact, .sequence = 1};
    const struct nlmsghdr *message;
    for (size_t at = 0; (message = ne_next_message(exact, size, &at)) != NULL;)
        check_message(NULL, message);
    check_changes(exact, size);
    check_answer(&rtnl, size);
    free(exact);
    return 0;
}
