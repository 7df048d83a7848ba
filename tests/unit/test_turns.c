/* test_turns.c - Joins and Leaves that come together: one commit for all, and each its own failure.
 */
#include "driver_edges.h"

#include <netenforce/log.h>

static struct ne_turn joining(const char *id) {
    struct ne_turn turn = {.network = NET, .sandbox = "/run/docker/netns/x"};
    (void)strcpy(turn.endpoint, id);
    return turn;
}

static struct ne_turn leaving(const char *id) {
    struct ne_turn turn = {.leaves = true};
    (void)strcpy(turn.endpoint, id);
    return turn;
}

/* begin_with() - A network with both endpoints, of which the first @joined have joined. */
static void begin_with(size_t joined) {
    static const char *const ids[] = {EP, EP2};
    begin_empty();
    assert_int_equal(create_network(), 0);
    assert_int_equal(create(EP, "10.88.0.2"), 0);
    assert_int_equal(create(EP2, "10.88.0.3"), 0);
    for (size_t i = 0; i < joined; i++)
        assert_int_equal(ne_driver_join(&driver, NET, ids[i], "/run/docker/netns/x", &err), 0);
    calls = applied = 0;
}

static void one_commit_serves_all(void **state) {
    (void)state;
    begin_with(0);
    struct ne_turn turns[] = {joining(EP), joining(EP2)};
    ne_driver_take_turns(&driver, turns, 2);
    assert_int_equal(turns[0].result | turns[1].result, 0);
    assert_int_equal(applied, 1);
    assert_int_equal(held.members, 2);
    assert_true(held.port_up[0] && held.port_up[1]);

    struct ne_turn back[] = {leaving(EP), leaving(EP2)};
    ne_driver_take_turns(&driver, back, 2);
    assert_int_equal(back[0].result | back[1].result, 0);
    assert_int_equal(applied, 2);
    assert_int_equal(held.members, 0);
    assert_false(held.port_up[0] || held.port_up[1]);
    ne_driver_free(&driver);
}

static void one_comes_as_another_goes(void **state) {
    (void)state;
    begin_with(1);
    struct ne_turn turns[] = {leaving(EP), joining(EP2)};
    ne_driver_take_turns(&driver, turns, 2);
    assert_int_equal(turns[0].result | turns[1].result, 0);
    assert_int_equal(applied, 1);
    assert_int_equal(held.members, 1);
    assert_true(!held.port_up[0] && held.port_up[1]);
    ne_driver_free(&driver);
}

static void nothing_to_do_takes_no_commit(void **state) {
    (void)state;
    begin_with(0);
    struct ne_turn turns[] = {leaving(EP), joining("3333"), leaving("4444")};
    ne_driver_take_turns(&driver, turns, 3);
    assert_int_equal(turns[0].result, 0);
    assert_int_equal(turns[1].result, -1);
    assert_int_equal(turns[1].err.code, NE_NOT_FOUND);
    assert_int_equal(turns[2].result, 0);
    assert_int_equal(applied, 0);
    ne_driver_take_turns(&driver, NULL, 0);
    ne_driver_free(&driver);
}

static void one_endpoint_takes_its_turns_in_order(void **state) {
    (void)state;
    begin_with(0);
    struct ne_turn turns[] = {joining(EP), leaving(EP), joining(EP2), joining(EP), joining(EP)};
    ne_driver_take_turns(&driver, turns, COUNT(turns));
    for (size_t i = 0; i < COUNT(turns); i++)
        assert_int_equal(turns[i].result, 0);
    assert_int_equal(held.members, 2);
    assert_true(held.port_up[0] && held.port_up[1]);
    ne_driver_free(&driver);
}

/* Who joins, and a neighbour that was there: the failure of one takes nothing from the other. */
static void a_failure_is_one_turns_own(void **state) {
    (void)state;
    unsigned failures[3] = {0};
    for (int n = 1;; n++) {
        begin_with(0);
        struct ne_turn turns[] = {joining(EP), joining(EP2)};
        fail_at = n;
        ne_driver_take_turns(&driver, turns, 2);
        const bool reached = calls >= n;
        fail_at = 0;
        assert_false(open_without_rules);
        unsigned failed = 0;
        for (size_t i = 0; i < 2; i++) {
            failed += turns[i].result < 0;
            assert_int_equal(held.port_up[i], turns[i].result == 0);
            if (turns[i].result < 0)
                assert_non_null(strstr(turns[i].err.text, "made to fail"));
        }
        assert_true(failed <= 1); /* the shared commit's failure is nobody's */
        assert_int_equal(held.members, 2 - failed);
        failures[failed]++;
        struct ne_turn again[] = {joining(EP), joining(EP2)};
        ne_driver_take_turns(&driver, again, 2);
        assert_int_equal(again[0].result | again[1].result, 0);
        assert_int_equal(held.members, 2);
        ne_driver_free(&driver);
        if (!reached)
            break;
    }
    assert_true(failures[0] > 1 && failures[1] > 1);
}

/* The shared commit fails, and that of the first alone. */
static void two_failures(void **state) {
    (void)state;
    begin_with(0);
    struct ne_turn turns[] = {joining(EP), joining(EP2)};
    fail_at = 3; /* behind both records */
    fail_next = true;
    ne_driver_take_turns(&driver, turns, 2);
    fail_at = 0;
    fail_next = false;
    assert_int_equal(turns[0].result, -1);
    assert_int_equal(turns[1].result, 0);
    assert_true(!held.port_up[0] && held.port_up[1]);
    assert_int_equal(held.members, 1);
    ne_driver_free(&driver);
}

/* Whatever fails, who leaves has no port that is up. */
static void a_leave_that_fails_is_settled_later(void **state) {
    (void)state;
    for (int n = 1;; n++) {
        begin_with(2);
        struct ne_turn turns[] = {leaving(EP), leaving(EP2)};
        fail_at = n;
        ne_driver_take_turns(&driver, turns, 2);
        const bool reached = calls >= n;
        fail_at = 0;
        unsigned failed = (unsigned)(turns[0].result < 0) + (unsigned)(turns[1].result < 0);
        assert_true(failed <= 1);
        assert_int_equal(driver.unsettled, failed == 1);
        assert_int_equal(held.members, 0);
        ne_driver_free(&driver);
        if (!reached)
            break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_commit_serves_all),
        cmocka_unit_test(one_comes_as_another_goes),
        cmocka_unit_test(nothing_to_do_takes_no_commit),
        cmocka_unit_test(one_endpoint_takes_its_turns_in_order),
        cmocka_unit_test(a_failure_is_one_turns_own),
        cmocka_unit_test(two_failures),
        cmocka_unit_test(a_leave_that_fails_is_settled_later),
    };
    ne_log_set_level(NE_LOG_ERROR);
    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
