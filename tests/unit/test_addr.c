/* test_addr.c - addresses, prefixes, MAC addresses, names, the error contract. */
#include "unit.h"

#include <errno.h>
#include <netenforce/addr.h>
#include <netenforce/error.h>
#include <netenforce/names.h>

static struct ne_prefix prefix(const char *text) {
    struct ne_prefix parsed;
    assert_true(ne_prefix_parse(text, &parsed));
    return parsed;
}

static struct ne_addr addr(const char *text) {
    struct ne_addr parsed;
    assert_true(ne_addr_parse(text, &parsed));
    return parsed;
}

static void prefixes_are_read_and_written(void **state) {
    (void)state;
    static const char *const good[] = {"10.88.0.1/24",  "0.0.0.0/0", "255.255.255.255/32",
                                       "fd00:88::1/64", "::/0",      "2001:db8::1/128"};
    for (size_t i = 0; i < COUNT(good); i++) {
        struct ne_prefix parsed = prefix(good[i]);
        char text[NE_PREFIX_TEXT];
        assert_string_equal(ne_prefix_format(&parsed, text), good[i]);
    }
    static const char *const bad[] = {"",           "10.88.0.1/33", "10.88.0/24",   "10.88.0.1/",
                                      "a/24",       "10.88.0.1/-1", "10.88.0.1/+8", "fd00::/129",
                                      "1.2.3.4/8x", "1.2.3.4/0008", " 1.2.3.4/8",   "1.2.3.4/8 "};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_prefix untouched = prefix("1.2.3.4/8");
        assert_false(ne_prefix_parse(bad[i], &untouched));
        assert_int_equal(untouched.len, 8);
    }
}

static void prefixes_contain_and_overlap(void **state) {
    (void)state;
    struct ne_prefix pool = prefix("10.88.4.0/22");
    struct ne_addr in = addr("10.88.7.255");
    struct ne_addr out = addr("10.88.8.0");
    struct ne_addr other = addr("fd00::1");
    assert_true(ne_prefix_contains(&pool, &in));
    assert_false(ne_prefix_contains(&pool, &out));
    assert_false(ne_prefix_contains(&pool, &other));

    struct ne_prefix wide = prefix("10.0.0.0/8");
    struct ne_prefix beside = prefix("10.88.8.0/22");
    struct ne_prefix none = {0};
    assert_true(ne_prefix_overlaps(&pool, &wide));
    assert_true(ne_prefix_overlaps(&wide, &pool));
    assert_false(ne_prefix_overlaps(&pool, &beside));
    assert_false(ne_prefix_overlaps(&pool, &none));
    assert_false(ne_prefix_overlaps(&none, &none));

    struct ne_prefix odd = prefix("10.88.7.255/22");
    struct ne_prefix network = ne_prefix_network(&odd);
    assert_true(ne_prefix_equal(&network, &pool));
}

static void only_hosts_are_hosts(void **state) {
    (void)state;
    static const char *const good[] = {"10.0.0.1", "169.254.169.254", "192.0.2.1", "2001:db8::1"};
    static const char *const bad[] = {
        "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",       "::",
        "::1",     "ff02::1",   "fe80::1",   "0.1.2.3",         "::ffff:192.0.2.1"};
    for (size_t i = 0; i < COUNT(good); i++) {
        struct ne_addr a = addr(good[i]);
        assert_true(ne_addr_is_host(&a));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_addr a = addr(bad[i]);
        assert_false(ne_addr_is_host(&a));
    }
}

static void solicited_node_is_rfc_4291s(void **state) {
    (void)state;
    struct ne_addr a = addr("4037::1:800:200e:8c6c");
    struct ne_addr group = ne_addr_solicited_node(&a);
    char text[NE_ADDR_TEXT];
    assert_string_equal(ne_addr_format(&group, text), "ff02::1:ff0e:8c6c");
}

static void macs_are_read(void **state) {
    (void)state;
    struct ne_mac mac;
    char text[NE_MAC_TEXT];
    assert_true(ne_mac_parse("02:42:0A:58:00:02", &mac));
    assert_string_equal(ne_mac_format(&mac, text), "02:42:0a:58:00:02");
    assert_true(ne_mac_is_host(&mac));
    static const char *const bad[] = {"", "02:42:0a:58:00", "02-42-0a-58-00-02",
                                      "02:42:0a:58:00:02:03", "02:42:0a:58:00:0g"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(ne_mac_parse(bad[i], &mac));
    assert_true(ne_mac_parse("01:00:5e:00:00:01", &mac));
    assert_false(ne_mac_is_host(&mac));
    assert_true(ne_mac_parse("00:00:00:00:00:00", &mac));
    assert_false(ne_mac_is_host(&mac));
}

static void names_are_checked(void **state) {
    (void)state;
    static const char *const bad_ids[] = {
        "",
        "short",
        "../../../etc/passwd",
        "0123456789ab/",
        "0123456789ab\n",
        "00000000000000000000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < COUNT(bad_ids); i++)
        assert_false(ne_id_valid(bad_ids[i]));
    assert_true(ne_id_valid("0123456789ab"));
    assert_true(ne_id_valid("oudp63gw2t8xdtq64n4iqdhcx"));

    static const char *const bad_names[] = {
        "", ".", "..", "a/b", "a:b", "a b", "eth+", "sixteencharacter", "\xc3\xa4"};
    for (size_t i = 0; i < COUNT(bad_names); i++)
        assert_false(ne_ifname_valid(bad_names[i]));
    assert_true(ne_ifname_valid("fifteencharact1"));

    char name[NE_IFNAME_SIZE];
    assert_string_equal(ne_bridge_name("0123456789abcdef", name), "ne-0123456789ab");
    assert_string_equal(ne_port_name("0123456789abcdef", name), "nv-0123456789ab");
}

static void errors_carry_context(void **state) {
    (void)state;
    struct ne_error err;
    assert_int_equal(ne_fail_errno(&err, NE_KERNEL, ENODEV, "cannot find %s", "ne-1"), -1);
    assert_int_equal(ne_context(&err, "network %s", "x"), -1);
    assert_string_equal(err.text, "network x: cannot find ne-1: No such device");
    assert_int_equal(err.sys_errno, ENODEV);
    for (int i = 0; i < 100; i++) /* never past its end */
        (void)ne_context(&err, "a rather long piece of context, number %d", i);
    assert_true(strlen(err.text) < sizeof(err.text));
    assert_int_equal(ne_fail(NULL, NE_STATE, "nobody asks"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_read_and_written),
        cmocka_unit_test(prefixes_contain_and_overlap),
        cmocka_unit_test(only_hosts_are_hosts),
        cmocka_unit_test(solicited_node_is_rfc_4291s),
        cmocka_unit_test(macs_are_read),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(errors_carry_context),
    };
    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
