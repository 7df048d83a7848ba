/* test_driver.c - the driver's operations over edges that fail at the Nth step.
 *
 * The edges here keep what the kernel and the disk would hold, as sets of names. After every
 * failure the sets must be as before the call, and the call must succeed when it is repeated.
 */
#include "unit.h"

#include <errno.h>
#include <netenforce/driver.h>
#include <netenforce/log.h>
#include <stdlib.h>

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
};

static struct held held;
static int fail_at; /* this call of an edge fails, counted from 1; 0: none */
static int calls;
static bool open_without_rules; /* a port was up while no fence stood */
static struct ne_error err;
static struct ne_repaired repaired;

static size_t which(const char *id) {
    return strcmp(id, EP) == 0 ? 0 : 1;
}

static bool fails(struct ne_error *why) {
    if (++calls != fail_at)
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

static int apply(struct ne_firewall *firewall, const struct ne_fence *fence,
                 struct ne_firewall_report *report, struct ne_error *why) {
    (void)firewall;
    if (report != NULL)
        *report = (struct ne_firewall_report){0};
    if (fails(why))
        return -1;
    held.bridges = fence->bridge_count;
    held.members = fence->member_count;
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
    .bridge_ensure = bridge_ensure,
    .port_ensure = port_ensure,
    .port_quench = port_quench,
    .remove = remove_link,
    .survey = survey,
    .overlap = overlap,
    .is_local = is_local,
};
static const struct ne_firewall_ops firewall_ops = {.apply = apply, .check = apply};
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
    struct ne_endpoint e = {.network = NET};
    const struct ne_endpoint *made;
    (void)strcpy(e.id, id);
    assert_true(ne_addr_parse(addr, &e.addr4));
    return ne_driver_create_endpoint(&driver, &e, &made, &err);
}

static int create_endpoint(void) {
    return create(EP, "10.88.0.2");
}

static int join(void) {
    return ne_driver_join(&driver, NET, EP, "/run/docker/netns/x", &err);
}

static int leave(void) {
    return ne_driver_leave(&driver, EP, &err);
}

static int delete_endpoint(void) {
    return ne_driver_delete_endpoint(&driver, EP, &err);
}

static int delete_network(void) {
    return ne_driver_delete_network(&driver, NET, &err);
}

static int (*const life[])(void) = {create_network, create_endpoint, join,
                                    leave,          delete_endpoint, delete_network};
#define MAKING 3 /* the first ones make something, the others take it away */

static void begin(size_t steps) {
    held = (struct held){0};
    fail_at = calls = 0;
    open_without_rules = false;
    ne_driver_init(&driver, &link_edge, &firewall_edge, &store_edge);
    for (size_t i = 0; i < steps; i++)
        assert_int_equal(life[i](), 0);
}

static void life_leaves_nothing(void **state) {
    (void)state;
    static const struct held nothing;
    begin(3);
    assert_true(held.bridge && held.port_up[0] && held.network_saved && held.endpoint_saved[0]);
    assert_int_equal(held.members, 1);
    for (size_t i = 3; i < COUNT(life); i++)
        assert_int_equal(life[i](), 0);
    assert_memory_equal(&held, &nothing, sizeof(held));
    assert_int_equal(driver.model.networks.count + driver.model.endpoints.count, 0);
    ne_driver_free(&driver);
}

/* Every call of every edge fails once, in every operation. */
static void every_failure_is_undone(void **state) {
    (void)state;
    unsigned tried = 0;
    for (size_t step = 0; step < COUNT(life); step++) {
        for (int n = 1;; n++) {
            begin(step);
            struct held before = held;
            calls = 0;
            fail_at = n;
            int result = life[step]();
            int made = calls;
            fail_at = 0;
            if (made < n) { /* the whole operation takes fewer calls */
                assert_int_equal(result, 0);
                ne_driver_free(&driver);
                break;
            }
            tried++;
            assert_int_equal(result, -1);
            assert_non_null(strstr(err.text, "made to fail"));
            assert_false(open_without_rules);
            if (step < MAKING) {
                assert_memory_equal(&held, &before, sizeof(held));
                assert_int_equal(life[step](), 0); /* again */
            } else {
                /* The engine forgets; what could not be removed goes with the repair. */
                assert_true(driver.unsettled);
                assert_int_equal(ne_driver_repair(&driver, &repaired, &err), 0);
                assert_int_equal(life[step](), 0);
            }
            for (size_t i = step + 1; i < COUNT(life); i++)
                assert_int_equal(life[i](), 0);
            assert_false(held.bridge || held.port[0] || held.port_up[0]);
            assert_int_equal(held.bridges + held.members, 0);
            assert_false(held.network_saved || held.endpoint_saved[0]);
            ne_driver_free(&driver);
        }
    }
    print_message("%u failures tried\n", tried);
    assert_true(tried > 15);
}

static void everything_may_come_twice(void **state) {
    (void)state;
    begin(0);
    for (size_t i = 0; i < COUNT(life); i++) {
        assert_int_equal(life[i](), 0);
        assert_int_equal(life[i](), 0);
    }
    /* and too early, and too late */
    assert_int_equal(leave(), 0);
    assert_int_equal(delete_endpoint(), 0);
    assert_int_equal(delete_network(), 0);
    assert_int_equal(join(), -1);
    assert_int_equal(create_endpoint(), -1);
    ne_driver_free(&driver);
}

static void refresh_joins_again(void **state) {
    (void)state;
    begin(3);
    assert_int_equal(leave(), 0);
    assert_int_equal(held.members, 0);
    assert_int_equal(join(), 0);
    assert_int_equal(held.members, 1);
    assert_true(held.port_up[0]);
    ne_driver_free(&driver);
}

static void an_address_given_again_supersedes(void **state) {
    (void)state;
    begin(3);
    assert_int_equal(create(EP2, "10.88.0.2"), 0);
    assert_false(held.port[0] || held.endpoint_saved[0]);
    assert_int_equal(held.members, 0);
    assert_null(ne_model_endpoint(&driver.model, EP));
    ne_driver_free(&driver);
}

static void repair_settles(void **state) {
    (void)state;
    begin(3);
    held.bridge = false; /* somebody removed the bridge; a stranger's pair is there */
    held.port[1] = held.port_up[1] = true;
    held.members = 0;
    assert_int_equal(ne_driver_repair(&driver, &repaired, &err), 0);
    assert_true(held.bridge && held.port[0]);
    assert_false(held.port[1]);
    assert_int_equal(held.members, 1);

    held.port[0] = held.port_up[0] = false; /* the container is gone, no Leave came */
    assert_int_equal(ne_driver_repair(&driver, &repaired, &err), 0);
    assert_int_equal(held.members, 0);
    ne_driver_free(&driver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life_leaves_nothing),
        cmocka_unit_test(every_failure_is_undone),
        cmocka_unit_test(everything_may_come_twice),
        cmocka_unit_test(refresh_joins_again),
        cmocka_unit_test(an_address_given_again_supersedes),
        cmocka_unit_test(repair_settles),
    };
    ne_log_set_level(NE_LOG_ERROR);
    return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
