/* test_options.c - the grammar of the driver's options. */
#include "unit.h"

#include <netenforce/options.h>
#include <stdio.h>

static int set(struct ne_options *options, const char *key, const char *value,
               struct ne_error *err) {
    return ne_options_set(options, NE_SCOPE_NETWORK, key, value, err);
}

static void proxies_are_read(void **state) {
    (void)state;
    static const struct {
        const char *given;
        const char *written;
    } good[] = {
        {"8080", "8080"},
        {"", ""},
        {" , ,", ""},
        {"192.0.2.1:3128", "192.0.2.1:3128"},
        {"[2001:DB8::1]:8080", "[2001:db8::1]:8080"},
        {"8080,8080", "8080"},
        {"Container:8080,8080,container:8080,container:1", "container:8080,8080,container:1"},
        {"8080, 192.0.2.1:1 [2001:db8::1]:65535", "8080,192.0.2.1:1,[2001:db8::1]:65535"},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct ne_options options = {0};
        struct ne_error err;
        char text[NE_OPTION_TEXT];
        assert_int_equal(set(&options, "proxy", good[i].given, &err), 0);
        assert_true(options.has_proxy);
        assert_string_equal(ne_options_get(&options, 0, text), "proxy");
        assert_string_equal(text, good[i].written);
    }
}

static void bad_values_are_named(void **state) {
    (void)state;
    static const struct {
        const char *key;
        const char *value;
    } bad[] = {
        {"proxy", "0"},
        {"proxy", "65536"},
        {"proxy", "http"},
        {"proxy", "192.0.2.1"},
        {"proxy", "192.0.2.1:"},
        {"proxy", "192.0.2.256:80"},
        {"proxy", "2001:db8::1:8080"},
        {"proxy", "[2001:db8::1]8080"},
        {"proxy", "[192.0.2.1]:80"},
        {"proxy", "127.0.0.1:8080"},
        {"proxy", "0.0.0.0:8080"},
        {"proxy", "[::1]:8080"},
        {"proxy", "[fe80::1]:8080"},
        {"proxy", "8080;8081"},
        {"proxy", "container"},
        {"proxy", "container:"},
        {"proxy", "container:0"},
        {"proxy", "[container]:8080"},
        {"proxy", "containers:8080"},
        {"proxy", "-8080"},
        {"proxy",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1"},
        {"refuse", "no"},
        {"refuse", ""},
        {"mode", "proxy"},
        {"mode", "transparently"},
        {"com.docker.network.driver.mtu", "67"},
        {"com.docker.network.driver.mtu", "65536"},
        {"com.docker.network.driver.mtu", "1500x"},
        {"com.docker.network.bridge.name", "a/b"},
        {"com.docker.network.bridge.name", "nv-mine"},
        {"com.docker.network.bridge.name", "averyveryverylongname"},
        {"colour", "blue"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_options options = {0};
        struct ne_error err = {0};
        assert_int_equal(set(&options, bad[i].key, bad[i].value, &err), -1);
        assert_int_equal(err.code, NE_BAD_INPUT);
        assert_non_null(strstr(err.text, bad[i].key)); /* the field */
        assert_non_null(strstr(err.text, "accepted")); /* what would do */
        if (strlen(bad[i].value) < 80)
            assert_non_null(strstr(err.text, bad[i].value)); /* what came */
    }
}

/* What has the accepted form and is refused all the same: the error says why, or what the limits
 * are. */
static void what_is_out_of_reach_is_said(void **state) {
    (void)state;
    static const struct {
        const char *key;
        const char *value;
        const char *said;
    } bad[] = {
        {"proxy", "127.0.0.1:3128", "the host's loopback; name a port of the bridge: 3128"},
        {"proxy", "8080,[::1]:8081", "the host's loopback; name a port of the bridge: 8081"},
        {"proxy", "0.0.0.0:8080", "unspecified, multicast and link-local addresses; name a port"},
        {"proxy", "[fe80::1]:8080", "unspecified, multicast and link-local addresses; name a port"},
        {"dns", "127.0.0.53", "the host's loopback; dns=log asks the host's own servers"},
        {"dns", "192.0.2.1,::1", "the host's loopback; dns=log asks the host's own servers"},
        {"dns", "224.0.0.251", "unspecified, multicast and link-local addresses; dns=log asks"},
        {"rate", "1kbit", "8kbit to 100gbit"},
        {"conn_rate", "1000001/s", "1 to 1000000"},
        {"log", "0/s", "1 to 1000000"},
        {"quota", "1048577TiB", "1 to 1048576TiB"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_options options = {0};
        struct ne_error err = {0};
        assert_int_equal(set(&options, bad[i].key, bad[i].value, &err), -1);
        assert_non_null(strstr(err.text, bad[i].said));
        assert_non_null(strstr(err.text, bad[i].value));
        assert_non_null(strstr(err.text, "; accepted is "));
    }
    struct ne_options options = {0};
    struct ne_error err = {0};
    assert_int_equal(set(&options, "quota", "1048576TiB", &err), 0);
}

static void case_and_scope(void **state) {
    (void)state;
    struct ne_options options = {0};
    struct ne_error err = {0};
    assert_int_equal(ne_options_set(&options, NE_SCOPE_ENDPOINT, "REFUSE", "Drop", &err), 0);
    assert_int_equal(options.refuse, NE_REFUSE_DROP);
    assert_int_equal(ne_options_set(&options, NE_SCOPE_ENDPOINT, "refuse", "reject", &err), -1);
    assert_non_null(strstr(err.text, "twice"));
    assert_int_equal(
        ne_options_set(&options, NE_SCOPE_ENDPOINT, "com.docker.network.driver.mtu", "1400", &err),
        -1);
    assert_non_null(strstr(err.text, "network"));
    assert_int_equal(set(&options, "role", "proxy", &err), -1);
    assert_non_null(strstr(err.text, "belongs to one container"));
    assert_int_equal(ne_options_set(&options, NE_SCOPE_ENDPOINT, "role", "client", &err), -1);
    assert_non_null(strstr(err.text, "accepted is proxy"));
    options = (struct ne_options){0};
    assert_int_equal(ne_options_set(&options, NE_SCOPE_ENDPOINT, "role", "PROXY", &err), 0);
    assert_false(ne_options_own_policy(&options)); /* it is about others' */
    char text[NE_OPTION_TEXT];
    assert_string_equal(ne_options_get(&options, 0, text), "role");
    assert_string_equal(text, "proxy");
}

static void the_list_has_an_end(void **state) {
    (void)state;
    char list[512] = "";
    for (int i = 1; i <= NE_PROXY_MAX + 1; i++) {
        char one[16];
        (void)snprintf(one, sizeof(one), "%d,", i);
        (void)strcat(list, one);
    }
    struct ne_options options = {0};
    struct ne_error err = {0};
    assert_int_equal(set(&options, "proxy", list, &err), -1);
    assert_non_null(strstr(err.text, "more than 16"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxies_are_read),
        cmocka_unit_test(bad_values_are_named),
        cmocka_unit_test(what_is_out_of_reach_is_said),
        cmocka_unit_test(case_and_scope),
        cmocka_unit_test(the_list_has_an_end),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
