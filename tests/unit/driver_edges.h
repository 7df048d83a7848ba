/* driver_edges.h - a driver over edges that fail at the Nth step, for the tests of its operations.
 *
 * The edges keep what the kernel and the disk would hold, as sets of names.
 */
#ifndef NETENFORCE_TESTS_DRIVER_EDGES_H
#define NETENFORCE_TESTS_DRIVER_EDGES_H

#include "unit.h"

#include <errno.h>
#include <netenforce/driver.h>

#define NET "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define EP  "1111111111111111111111111111111111111111111111111111111111111111"
#define EP2 "2222222222222222222222222222222222222222222222222222222222222222"

/* What is where, by owner's id. */
struct held {
    bool bridge;
    bool port_up[2]; /* of EP, EP2 */
    bool port[2];
    bool network_saved;
    bool endpoint_saved[2];
    size_t bridges; /* of the last fence that was applied */
    size_t members;
    size_t rules;
};

static struct held held;
static unsigned ways_out[2]; /* how many other interfaces the containers of EP, EP2 have */
static int fail_at;          /* this call of an edge fails, counted from 1; 0: none */
static int calls;
static int applied;             /* fences, whatever came of it */
static bool fail_next;          /* and the call after that one */
static bool open_without_rules; /* a port was up while no fence stood */
static struct ne_error err;

static size_t which(const char *id) {
    return strcmp(id, EP) == 0 ? 0 : 1;
}

static bool fails(struct ne_error *why) {
    ++calls;
    if (calls != fail_at && !(fail_next && fail_at != 0 && calls == fail_at + 1))
        return false;
    (void)ne_fail_errno(why, NE_KERNEL, ENOBUFS, "made to fail");
    return true;
}

/* A port without a member is closed by the fence's default; a port without any fence is open. */
static void watch(void) {
    if ((held.port_up[0] || held.port_up[1]) && held.bridges == 0)
        open_without_rules = true;
}

static int bridge_check(struct ne_link *link, const struct ne_bridge *bridge,
                        struct ne_error *why) {
    (void)link, (void)bridge;
    return fails(why) ? -1 : 0;
}

static int bridge_whole(struct ne_link *link, const struct ne_bridge *bridge, bool *whole,
                        struct ne_error *why) {
    (void)link, (void)bridge;
    *whole = held.bridge;
    return fails(why) ? -1 : 0;
}

static int bridge_ensure(struct ne_link *link, const struct ne_bridge *bridge,
                         struct ne_error *why) {
    (void)link, (void)bridge;
    if (fails(why))
        return -1;
    held.bridge = true;
    return 0;
}

static int port_ensure(struct ne_link *link, const struct ne_port *port, struct ne_error *why) {
    (void)link;
    if (fails(why))
        return -1;
    held.port[which(port->owner)] = held.port_up[which(port->owner)] = true;
    watch();
    return 0;
}

static int port_quench(struct ne_link *link, const struct ne_port *port, struct ne_error *why) {
    (void)link;
    if (fails(why))
        return -1;
    held.port_up[which(port->owner)] = false;
    return 0;
}

static int remove_link(struct ne_link *link, const char *name, const char *owner,
                       struct ne_error *why) {
    (void)link;
    if (fails(why))
        return -1;
    if (name[1] == 'e')
        held.bridge = false;
    else
        held.port[which(owner)] = held.port_up[which(owner)] = false;
    return 0;
}

static int retire_link(struct ne_link *link, const char *name, const char *owner, bool *retired,
                       struct ne_error *why) {
    *retired = false;
    return remove_link(link, name, owner, why);
}

static int reap(struct ne_link *link, struct ne_error *why) {
    (void)link;
    return fails(why) ? -1 : 0;
}

static int survey(struct ne_link *link, ne_link_visit visit, void *context, struct ne_error *why) {
    static const char *const owners[] = {EP, EP2};
    (void)link;
    if (fails(why))
        return -1;
    struct ne_link_found found = {.kind = NE_LINK_BRIDGE, .name = "ne-aaaaaaaaaaaa", .owner = NET};
    if (held.bridge && visit(context, &found, why) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        found.kind = NE_LINK_PORT;
        (void)ne_port_name(owners[i], found.name);
        (void)strcpy(found.owner, owners[i]);
        if (held.port[i] && visit(context, &found, why) < 0)
            return -1;
    }
    return 0;
}

/* The edge names every port of ours, EP2's first: in no order of ids. */
static int others(struct ne_link *link, ne_others_visit visit, void *context,
                  struct ne_error *why) {
    static const char *const owners[] = {EP, EP2};
    (void)link;
    if (fails(why))
        return -1;
    for (size_t i = 2; i-- > 0;) {
        struct ne_link_others found = {.count = ways_out[i]};
        (void)strcpy(found.owner, owners[i]);
        for (unsigned k = 0; k < ways_out[i] && k < NE_OTHERS_MAX; k++)
            found.listed[k] =
                (struct ne_link_other){.name = {'e', (char)('1' + k)}, .kind = "veth"};
        if (found.count > 0 && visit(context, &found, why) < 0)
            return -1;
    }
    return 0;
}

static int overlap(struct ne_link *link, const struct ne_prefix *pool, const char *except,
                   struct ne_prefix *found, char device[static NE_IFNAME_SIZE],
                   struct ne_error *why) {
    (void)link, (void)pool, (void)except;
    *found = (struct ne_prefix){0};
    device[0] = '\0';
    return fails(why) ? -1 : 0;
}

static int is_local(struct ne_link *link, const struct ne_addr *addr, bool *local,
                    struct ne_error *why) {
    (void)link, (void)addr;
    *local = false;
    return fails(why) ? -1 : 0;
}

static int forwards(struct ne_link *link, enum ne_family family, bool *yes, struct ne_error *why) {
    (void)link, (void)family;
    *yes = false;
    return fails(why) ? -1 : 0;
}

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *why) {
    (void)firewall;
    if (report != NULL)
        *report = (struct ne_firewall_report){0};
    applied++;
    if (fails(why))
        return -1;
    held.bridges = fence->bridge_count;
    held.members = fence->member_count;
    held.rules = 0;
    for (size_t i = 0; i < fence->policy_count; i++)
        held.rules += fence->policies[i].rule_count;
    watch();
    return 0;
}

static int save_network(struct ne_store *store, const struct ne_network *network,
                        struct ne_error *why) {
    (void)store, (void)network;
    if (fails(why))
        return -1;
    held.network_saved = true;
    return 0;
}

static int save_endpoint(struct ne_store *store, const struct ne_endpoint *endpoint,
                         struct ne_error *why) {
    (void)store;
    if (fails(why))
        return -1;
    held.endpoint_saved[which(endpoint->id)] = true;
    return 0;
}

static int forget_network(struct ne_store *store, const char *id, struct ne_error *why) {
    (void)store, (void)id;
    if (fails(why))
        return -1;
    held.network_saved = false;
    return 0;
}

static int forget_endpoint(struct ne_store *store, const char *id, struct ne_error *why) {
    (void)store;
    if (fails(why))
        return -1;
    held.endpoint_saved[which(id)] = false;
    return 0;
}

static int sweep(struct ne_store *store, struct ne_model *model, struct ne_error *why) {
    static const char *const ids[] = {EP, EP2};
    (void)store;
    if (fails(why))
        return -1;
    for (size_t i = 0; i < 2; i++) {
        if (ne_model_endpoint(model, ids[i]) == NULL)
            held.endpoint_saved[i] = false;
    }
    if (ne_model_network(model, NET) == NULL)
        held.network_saved = false;
    return 0;
}

static const struct ne_link_ops link_ops = {
    .bridge_check = bridge_check,
    .bridge_whole = bridge_whole,
    .bridge_ensure = bridge_ensure,
    .port_ensure = port_ensure,
    .port_quench = port_quench,
    .remove = remove_link,
    .retire = retire_link,
    .reap = reap,
    .survey = survey,
    .others = others,
    .overlap = overlap,
    .is_local = is_local,
    .forwards = forwards,
};
static int usage(struct ne_firewall *firewall, const char *only,
                 int (*visit)(void *context, const struct ne_usage *usage, struct ne_error *why),
                 void *context, struct ne_error *why) {
    (void)firewall, (void)only, (void)visit, (void)context, (void)why;
    return 0;
}

static const struct ne_firewall_ops firewall_ops = {.apply = apply, .check = apply, .usage = usage};
static const struct ne_store_ops store_ops = {
    .save_network = save_network,
    .save_endpoint = save_endpoint,
    .forget_network = forget_network,
    .forget_endpoint = forget_endpoint,
    .sweep = sweep,
};
static struct ne_link link_edge = {.ops = &link_ops};
static struct ne_firewall firewall_edge = {&firewall_ops};
static struct ne_store store_edge = {&store_ops};

static struct ne_driver driver;

static int create_network(void) {
    struct ne_network n = {.id = NET};
    assert_true(ne_prefix_parse("10.88.0.0/24", &n.pool4));
    assert_true(ne_prefix_parse("10.88.0.1/24", &n.gateway4));
    return ne_driver_create_network(&driver, &n, &err);
}

static int create(const char *id, const char *addr) {
    struct ne_endpoint e = {.network = NET, .options = &ne_options_nothing};
    const struct ne_endpoint *made;
    (void)strcpy(e.id, id);
    assert_true(ne_addr_parse(addr, &e.addr4));
    return ne_driver_create_endpoint(&driver, &e, &made, &err);
}

/* begin_empty() - A driver, and nothing in the kernel and on the disk. */
static void begin_empty(void) {
    held = (struct held){0};
    fail_at = calls = applied = 0;
    open_without_rules = false;
    ne_driver_init(&driver, &link_edge, &firewall_edge, &store_edge);
    driver.surveyed = true;
}

#endif
