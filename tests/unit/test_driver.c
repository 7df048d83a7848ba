/* test_driver.c - the driver's operations over edges that fail at the Nth step.
 *
 * After every failure kernel and disk must be as before the call, and the call must succeed when it
 * is repeated.
 */
#include "driver_edges.h"

#include <netenforce/log.h>
#include <stdlib.h>

static struct ne_repaired repaired;

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
    begin_empty();
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

static int set_policy(const char *endpoint, const char *key, const char *value) {
    struct ne_policy_change change;
    struct ne_options options = {0};
    assert_int_equal(ne_options_set(&options, NE_SCOPE_NETWORK, key, value, &err), 0);
    return ne_driver_set_policy(&driver, NET, endpoint, &options, &change, &err);
}

/* Of a network and of an endpoint: every call fails once, and the old policy holds. */
static void a_policy_changes_whole_or_not(void **state) {
    (void)state;
    static const char *const subjects[] = {NULL, EP};
    static const char rule[] = "10.88.0.1:9000/tcp";
    for (size_t i = 0; i < COUNT(subjects); i++) {
        begin(3);
        const struct held before = held;
        for (int n = 1; n <= 2; n++) {
            calls = 0;
            fail_at = n;
            assert_int_equal(set_policy(subjects[i], "allow", rule), -1);
            assert_non_null(strstr(err.text, "made to fail"));
            fail_at = 0;
            assert_memory_equal(&held, &before, sizeof(held));
            assert_false(driver.unsettled);
            assert_int_equal(ne_model_network(&driver.model, NET)->revision, 1);
        }
        /* The rules are refused, and so is the old record on the way back: a repair writes it. */
        calls = 0;
        fail_at = 2;
        fail_next = true;
        assert_int_equal(set_policy(subjects[i], "allow", rule), -1);
        assert_true(driver.unsettled);
        fail_at = 0;
        fail_next = false;
        const int before_repair = calls;
        assert_int_equal(ne_driver_repair(&driver, &repaired, &err), 0);
        assert_true(calls > before_repair && !driver.unsettled);
        assert_false(ne_model_network(&driver.model, NET)->unsaved);
        assert_false(ne_model_endpoint(&driver.model, EP)->unsaved);
        assert_memory_equal(&held, &before, sizeof(held));

        assert_int_equal(set_policy(subjects[i], "allow", rule), 0);
        assert_true(held.rules > before.rules);
        calls = 0;
        assert_int_equal(set_policy(subjects[i], "allow", rule), 0);
        assert_int_equal(calls, 0); /* nothing is done twice */
        assert_int_equal(ne_driver_set_policy(&driver, EP, NULL, &(struct ne_options){0},
                                              &(struct ne_policy_change){0}, &err),
                         -1);
        assert_int_equal(err.code, NE_NOT_FOUND);
        ne_driver_free(&driver);
    }
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

/* mend_to_nothing() - A repair that succeeds leaves nothing. */
static void mend_to_nothing(void) {
    assert_int_equal(ne_driver_repair(&driver, &repaired, &err), 0);
    assert_false(held.bridge || held.port[0]);
    assert_int_equal(held.bridges, 0);
    ne_driver_free(&driver);
}

/* What an earlier daemon left stays closed until it is known and gone, whatever fails. */
static void what_is_left_stays_closed(void **state) {
    (void)state;
    for (int n = 1;; n++) {
        begin_empty();
        held.bridge = held.port[0] = held.port_up[0] = true;
        held.bridges = 1;
        driver.surveyed = false;
        fail_at = n;
        const int result = ne_driver_repair(&driver, &repaired, &err);
        const bool failed = calls >= n;
        assert_false(open_without_rules);
        assert_true(!held.bridge || held.bridges == 1);
        fail_at = 0;
        assert_int_equal(result, failed ? -1 : 0);
        mend_to_nothing();
        if (!failed)
            break;
    }
}

/* A network with a container whose links cannot be removed is forgotten, and closed all the same.
 */
static void what_cannot_be_removed_is_closed(void **state) {
    (void)state;
    for (int n = 1;; n++) {
        begin(3);
        calls = 0;
        fail_at = n;
        fail_next = true; /* so that neither the port is set down nor deleted */
        (void)delete_network();
        const bool failed = calls >= n;
        fail_at = 0;
        fail_next = false;
        assert_false(open_without_rules);
        assert_int_equal(driver.unsettled, failed);
        assert_true(!(held.bridge || held.port_up[0]) || held.bridges > 0);
        mend_to_nothing();
        if (!failed)
            break;
    }
}

static unsigned followed;

static void on_followed(const char *network, unsigned long revision) {
    (void)network, (void)revision;
    followed++;
}

/* What is declared and failed is tried again; what has held once is an operator's to change. */
static void what_is_declared_is_followed_once(void **state) {
    static const char file[] =
        "{\"version\": 1, \"networks\": {\"10.88.0.0/24\": {\"refuse\": \"drop\"}}}";
    struct ne_declarations declarations = {0};
    unsigned count = 0;
    (void)state;
    begin_empty();
    assert_int_equal(create_network(), 0);
    assert_int_equal(ne_declarations_parse(&declarations, file, sizeof(file) - 1, &err), 0);
    assert_int_equal(ne_driver_declare(&driver, &declarations, &err), 0);
    calls = 0;
    fail_at = 1;
    assert_int_equal(ne_driver_follow_declared(&driver, on_followed, &count, &err), -1);
    fail_at = 0;
    assert_true(driver.declared_late && followed == 0);
    assert_int_equal(ne_driver_follow_declared(&driver, on_followed, &count, &err), 0);
    assert_true(!driver.declared_late && followed == 1);
    assert_int_equal(set_policy(NULL, "refuse", "reject"), 0);
    assert_int_equal(ne_driver_follow_declared(&driver, on_followed, &count, &err), 0);
    assert_int_equal(followed, 1);
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

static const struct ne_link_others *others_of(const char *id) {
    return ne_driver_others(&driver, ne_model_endpoint(&driver.model, id));
}

static void other_ways_out_are_kept(void **state) {
    (void)state;
    begin(3);
    assert_int_equal(create(EP2, "10.88.0.3"), 0);
    ways_out[0] = 1;
    ways_out[1] = NE_OTHERS_MAX + 2;
    assert_int_equal(ne_driver_look_around(&driver, &err), 0);
    assert_non_null(others_of(EP));
    assert_string_equal(others_of(EP)->listed[0].name, "e1");
    assert_null(others_of(EP2)); /* not joined */

    assert_int_equal(ne_driver_join(&driver, NET, EP2, "/run/docker/netns/y", &err), 0);
    assert_null(others_of(EP2)); /* not looked at since */
    assert_int_equal(ne_driver_look_around(&driver, &err), 0);
    assert_int_equal(others_of(EP2)->count, NE_OTHERS_MAX + 2);
    assert_string_equal(others_of(EP2)->owner, EP2);
    assert_string_equal(others_of(EP)->owner, EP);

    ways_out[0] = 0;
    fail_at = calls + 1; /* what was known stays */
    assert_int_equal(ne_driver_look_around(&driver, &err), -1);
    assert_non_null(others_of(EP));
    assert_int_equal(ne_driver_look_around(&driver, &err), 0);
    assert_null(others_of(EP));
    assert_non_null(others_of(EP2));
    assert_int_equal(ne_driver_leave(&driver, EP2, &err), 0);
    assert_null(others_of(EP2));
    ways_out[1] = 0;
    ne_driver_free(&driver);
}

static struct ne_link_changes changes;

/* mends() - Whether ne_driver_mend() is enough, if this was changed; @made is how many links it
 * looked after. */
static bool mends(const char *name, bool gone, bool retired, int *made) {
    changes =
        (struct ne_link_changes){.count = 1, .changed[0] = {.gone = gone, .retired = retired}};
    (void)strcpy(changes.changed[0].name, name);
    calls = 0;
    bool enough = ne_driver_mend(&driver, &changes, &repaired);
    *made = calls;
    return enough;
}

/* Only what was changed is looked after, and a change that it does not explain is left to a repair.
 */
static void changed_links_are_mended(void **state) {
    (void)state;
    int made;
    begin(3);
    assert_true(mends("nv-111111111111", false, false, &made) && made == 1);
    assert_true(mends("ne-aaaaaaaaaaaa", false, false, &made) && made == 1);
    assert_true(mends("nv-111111111111", false, true, &made) && made == 1); /* not by us */
    assert_false(mends("nv-111111111111", true, false, &made) || made != 0);
    assert_false(mends("ne-aaaaaaaaaaaa", true, false, &made) || made != 0);

    assert_false(mends("nv-333333333333", false, false, &made)); /* nobody's, and there */
    assert_true(mends("nv-333333333333", true, false, &made) && made == 0);
    assert_true(mends("nv-333333333333", false, true, &made) && made == 0);

    held.port[0] = held.port_up[0] = false; /* a port that is there is mended, not only counted */
    assert_true(mends("nv-111111111111", false, false, &made));
    assert_true(held.port_up[0]);

    fail_at = 1;
    assert_false(mends("nv-111111111111", false, false, &made));
    fail_at = 0;
    changes = (struct ne_link_changes){.all = true};
    assert_false(ne_driver_mend(&driver, &changes, &repaired));
    changes = (struct ne_link_changes){0};
    calls = 0;
    assert_true(ne_driver_mend(&driver, &changes, &repaired));
    assert_int_equal(calls, 0);

    assert_int_equal(leave(), 0); /* it waits for DeleteEndpoint, down */
    assert_true(mends("nv-111111111111", false, false, &made) && made == 0);
    assert_true(mends("nv-111111111111", true, false, &made) && made == 0);
    ne_driver_free(&driver);
}

static void links_are_looked_at_in_turn(void **state) {
    (void)state;
    begin(1);
    calls = 0;
    assert_true(ne_driver_check_links(&driver, 50));
    assert_int_equal(calls, 1);
    assert_true(ne_driver_check_links(&driver, 50)); /* round again */
    assert_int_equal(calls, 2);
    held.bridge = false;
    assert_false(ne_driver_check_links(&driver, 50));
    held.bridge = true;
    fail_at = calls + 1;
    assert_false(ne_driver_check_links(&driver, 50));
    ne_driver_free(&driver);
    begin(0);
    assert_true(ne_driver_check_links(&driver, 50));
    ne_driver_free(&driver);
}

static bool leaks;
static bool unreadable;
static unsigned looks;

static int look(const char *root, struct ne_resolver *found, struct ne_error *why) {
    assert_string_equal(root, "/host");
    looks++;
    if (unreadable)
        return ne_fail(why, NE_STATE, "cannot be read");
    *found = (struct ne_resolver){.path = "/etc/resolv.conf"};
    if (leaks)
        (void)strcpy(found->server, "127.255.255.255");
    return 0;
}

/* A network and a container are refused while names would leak; what runs is not touched. */
static void a_leaking_resolver_is_refused(void **state) {
    (void)state;
    static const struct held nothing;
    for (int way = 0; way < 2; way++) {
        begin(0);
        driver.look = look;
        driver.host_root = "/host";
        leaks = way == 0;
        unreadable = way == 1;
        assert_int_equal(create_network(), -1);
        assert_int_equal(err.code, way == 0 ? NE_UNSUPPORTED : NE_STATE);
        assert_memory_equal(&held, &nothing, sizeof(held));
        if (way == 0) { /* whole, though the address is the longest */
            assert_non_null(strstr(err.text, "127.255.255.255"));
            assert_non_null(strstr(err.text, "--resolver-leak allow"));
        }

        leaks = unreadable = false;
        assert_int_equal(create_network(), 0);
        assert_int_equal(create_endpoint(), 0);
        leaks = way == 0;
        unreadable = way == 1;
        assert_int_equal(join(), -1);
        assert_non_null(strstr(err.text, way == 0 ? "--resolver-leak allow" : "cannot be read"));
        assert_false(held.port[0]);
        assert_int_equal(held.members, 0);

        driver.leak_allowed = true;
        assert_int_equal(join(), 0);
        assert_int_equal(leave(), 0);
        driver.leak_allowed = false;
        assert_int_equal(delete_endpoint(), 0);
        assert_int_equal(delete_network(), 0);
        assert_memory_equal(&held, &nothing, sizeof(held));
        ne_driver_free(&driver);
    }
}

static void an_engine_that_keeps_names_is_not_asked(void **state) {
    (void)state;
    begin(1);
    ne_model_network(&driver.model, NET)->names_kept = true;
    driver.look = look;
    driver.host_root = "/host";
    leaks = true;
    looks = 0;
    assert_int_equal(create_endpoint(), 0);
    assert_int_equal(join(), 0);
    assert_int_equal(looks, 0);
    ne_driver_free(&driver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life_leaves_nothing),
        cmocka_unit_test(every_failure_is_undone),
        cmocka_unit_test(a_policy_changes_whole_or_not),
        cmocka_unit_test(everything_may_come_twice),
        cmocka_unit_test(refresh_joins_again),
        cmocka_unit_test(an_address_given_again_supersedes),
        cmocka_unit_test(repair_settles),
        cmocka_unit_test(what_is_left_stays_closed),
        cmocka_unit_test(what_cannot_be_removed_is_closed),
        cmocka_unit_test(what_is_declared_is_followed_once),
        cmocka_unit_test(other_ways_out_are_kept),
        cmocka_unit_test(changed_links_are_mended),
        cmocka_unit_test(links_are_looked_at_in_turn),
        cmocka_unit_test(a_leaking_resolver_is_refused),
        cmocka_unit_test(an_engine_that_keeps_names_is_not_asked),
    };
    ne_log_set_level(NE_LOG_ERROR);
    return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
