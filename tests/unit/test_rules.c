/* test_rules.c - the grammar of allowances and denials. */
#include "unit.h"

#include <netenforce/rules.h>
#include <stdio.h>

static struct ne_error err;

static void rules_are_read_and_written(void **state) {
    (void)state;
    static const char *const same[] = {
        "10.0.0.5:5432/tcp",  "10.0.0.5:1-65535/udp",  "192.0.2.0/24/icmp",
        "0.0.0.0/0:443/tcp",  "[2001:db8::1]:443/tcp", "[2001:db8::]/32:1-1023/udp",
        "[2001:db8::1]/icmp", "[::]/0:443/tcp",
    };
    for (size_t i = 0; i < COUNT(same); i++) {
        struct ne_target target;
        char text[NE_TARGET_TEXT];
        assert_true(ne_target_parse(same[i], &target));
        assert_string_equal(ne_target_format(&target, text), same[i]);
    }
    static const char *const usual[][2] = {
        {"10.0.0.5/32:80-80/TCP", "10.0.0.5:80/tcp"},
        {"[2001:DB8:0::1]/128/ICMP", "[2001:db8::1]/icmp"},
    };
    for (size_t i = 0; i < COUNT(usual); i++) {
        struct ne_target target;
        char text[NE_TARGET_TEXT];
        assert_true(ne_target_parse(usual[i][0], &target));
        assert_string_equal(ne_target_format(&target, text), usual[i][1]);
    }
}

static void what_is_no_rule(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "10.0.0.5",
        "10.0.0.5:80",
        "10.0.0.5/tcp",
        "10.0.0.5:/tcp",
        "10.0.0.5:0/tcp",
        "10.0.0.5:65536/tcp",
        "10.0.0.5:000080/tcp",
        "10.0.0.5:90-80/tcp",
        "10.0.0.5:80-/tcp",
        "10.0.0.5:-80/tcp",
        "10.0.0.5:80/sctp",
        "10.0.0.5:80/tcp/",
        "10.0.0.5:80/tcp ",
        "10.0.0.5:80/icmp",
        "10.0.0.5/33:80/tcp",
        "10.0.0.5/:80/tcp",
        "10.0.0.5//tcp",
        "10.0.0:80/tcp",
        "[10.0.0.5]:80/tcp",
        "2001:db8::1:80/tcp",
        "[2001:db8::1:80/tcp",
        "[2001:db8::1/64]:80/tcp",
        "[2001:db8::]/129:80/tcp",
        "[fe80::1%eth0]:80/tcp",
        "[]:80/tcp",
        "[",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_target target = {.port_low = 7};
        if (ne_target_parse(bad[i], &target))
            fail_msg("\"%s\" was read", bad[i]);
        assert_int_equal(target.port_low, 7);
    }
}

static void lists(void **state) {
    (void)state;
    struct ne_targets list;
    char text[NE_TARGETS_TEXT];
    assert_int_equal(ne_targets_parse(&list, "allow",
                                      " 10.0.0.5:80/tcp,,10.0.0.5:80-80/tcp "
                                      "10.0.0.6:1/udp",
                                      &err),
                     0);
    assert_string_equal(ne_targets_format(&list, text), "10.0.0.5:80/tcp,10.0.0.6:1/udp");
    assert_int_equal(ne_targets_parse(&list, "allow", " , ", &err), 0);
    assert_string_equal(ne_targets_format(&list, text), "");

    static const char *const bad[][2] = {
        {"10.0.0.5:80/tcp,x", "\"x\""},        {"127.0.0.1:80/tcp", "loopback"},
        {"224.0.0.1:80/udp", "multicast"},     {"[fe80::1]:80/tcp", "link-local"},
        {"10.0.0.5/24:80/tcp", "10.0.0.0/24"}, {"[2001:db8::1]/64/icmp", "2001:db8::/64"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(ne_targets_parse(&list, "deny", bad[i][0], &err), -1);
        assert_int_equal(err.code, NE_BAD_INPUT);
        assert_non_null(strstr(err.text, "deny"));
        assert_non_null(strstr(err.text, bad[i][1]));
    }
}

/* The longest rules, as many as there may be, fit the texts that are made for them. */
static void the_longest_list(void **state) {
    (void)state;
    struct ne_targets list;
    char given[NE_TARGETS_TEXT * 2] = "";
    char text[NE_TARGETS_TEXT];
    for (unsigned i = 0; i <= NE_TARGETS_MAX; i++) {
        char one[128];
        (void)snprintf(one, sizeof(one),
                       "[2001:1db8:aaaa:bbbb:cccc:dddd:eeee:8000]/113:%u-65535/udp,", 10000 + i);
        if (i == NE_TARGETS_MAX)
            assert_int_equal(ne_targets_parse(&list, "allow", given, &err), 0);
        (void)strcat(given, one);
    }
    assert_int_equal(list.count, NE_TARGETS_MAX);
    struct ne_targets again;
    assert_int_equal(ne_targets_parse(&again, "allow", ne_targets_format(&list, text), &err), 0);
    assert_true(ne_targets_equal(&list, &again));
    assert_int_equal(ne_targets_parse(&list, "allow", given, &err), -1);
    assert_non_null(strstr(err.text, "more than 32"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read_and_written),
        cmocka_unit_test(what_is_no_rule),
        cmocka_unit_test(lists),
        cmocka_unit_test(the_longest_list),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
