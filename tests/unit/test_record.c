/* test_record.c - state records and the engine's requests, read and refused. */
#include "unit.h"

#include "../../src/remote/decode.h"
#include "../../src/state/record.h"

static struct ne_error err;

static json_t *json(const char *text) {
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

/* As Docker 28.5 sends it. */
static const char create_network[] =
    "{\"NetworkID\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
    "\"Options\":{\"com.docker.network.enable_ipv4\":true,\"com.docker.network.enable_ipv6\":true,"
    "\"com.docker.network.internal\":true,\"com.docker.network.generic\":{\"proxy\":\"8080,8081\","
    "\"refuse\":\"drop\",\"com.docker.network.driver.mtu\":\"1400\"}},"
    "\"IPv4Data\":[{\"AddressSpace\":\"LocalDefault\",\"Gateway\":\"10.88.0.1/24\",\"Pool\":"
    "\"10.88.0.0/24\"}],\"IPv6Data\":[{\"AddressSpace\":\"LocalDefault\",\"Gateway\":"
    "\"fd00:88::1/64\",\"Pool\":\"fd00:88::/64\"}]}";

static const char create_endpoint[] =
    "{\"NetworkID\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
    "\"EndpointID\":\"1111111111111111111111111111111111111111111111111111111111111111\","
    "\"Interface\":{\"Address\":\"10.88.0.2/24\",\"AddressIPv6\":\"fd00:88::2/64\","
    "\"MacAddress\":\"\"},\"Options\":{\"com.docker.network.endpoint.exposedports\":[],"
    "\"com.docker.network.portmap\":[],\"proxy\":\"192.0.2.9:3128\",\"allow\":"
    "\"10.0.0.5:5432/tcp\"}}";

static void requests_are_read(void **state) {
    (void)state;
    struct ne_network n;
    json_t *body = json(create_network);
    assert_int_equal(decode_network(body, &n, &err), 0);
    json_decref(body);
    assert_true(n.internal);
    assert_true(n.names_kept); /* enable_ipv4 came: 28 or later */
    assert_int_equal(n.options.proxy.count, 2);
    assert_int_equal(n.options.mtu, 1400);
    assert_int_equal(n.gateway6.len, 64);

    struct ne_endpoint e;
    struct ne_options options;
    body = json(create_endpoint);
    assert_int_equal(decode_endpoint(body, &e, &options, &err), 0);
    assert_false(decode_wants_ports(body));
    json_decref(body);
    assert_int_equal(e.options->proxy.count, 1);
    assert_int_equal(e.addr6.family, NE_V6);
}

static void requests_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *names;
    } bad[] = {
        {"{}", "NetworkID"},
        {"{\"NetworkID\": 1}", "NetworkID"},
        {"{\"NetworkID\": \"../../../../etc\"}", "NetworkID"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"IPv4Data\": {}}", "IPv4Data"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"IPv4Data\": [1]}", "IPv4Data"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"IPv4Data\": [{}, {}]}", "IPv4Data"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"IPv4Data\": [{\"Pool\": 7}]}", "Pool"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"IPv4Data\": [{\"Pool\": \"fd00::/64\"}]}", "Pool"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"Options\": []}", "Options"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"Options\": {\"com.docker.network.generic\": 1}}",
         "com.docker.network.generic"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"Options\": {\"com.docker.network.generic\": "
         "{\"proxy\": 8080}}}",
         "proxy"},
        {"{\"NetworkID\": \"aaaaaaaaaaaa\", \"Options\": {\"com.docker.network.generic\": "
         "{\"proxy\": \"80\\u0000\"}}}",
         "proxy"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_network n;
        json_t *body = json_loads(bad[i].body, JSON_ALLOW_NUL, NULL);
        assert_non_null(body);
        assert_int_equal(decode_network(body, &n, &err), -1);
        assert_non_null(strstr(err.text, bad[i].names));
        json_decref(body);
    }
}

static void records_come_back(void **state) {
    (void)state;
    struct ne_network n;
    struct ne_network n2 = {0};
    json_t *body = json(create_network);
    assert_int_equal(decode_network(body, &n, &err), 0);
    json_decref(body);
    (void)ne_bridge_name(n.id, n.bridge);
    n.mac = (struct ne_mac){{2, 0, 0, 0, 0, 1}};
    n.revision = 3;
    n.asked = n.options;
    body = ne_record_of_network(&n);
    assert_null(json_object_get(body, "asked")); /* as earlier versions wrote it */
    assert_int_equal(ne_record_to_network(body, &n2, &err), 0);
    json_decref(body);
    assert_true(ne_options_equal(&n.options, &n2.options));
    assert_true(ne_options_equal(&n.options, &n2.asked));
    n.asked = (struct ne_options){0};
    body = ne_record_of_network(&n);
    assert_int_equal(ne_record_to_network(body, &n2, &err), 0);
    json_object_set_new(body, "asked", json_integer(1));
    assert_int_equal(ne_record_to_network(body, &n2, &err), -1);
    assert_non_null(strstr(err.text, "\"asked\""));
    json_decref(body);
    assert_true(ne_options_equal(&n.options, &n2.options));
    assert_true(ne_options_equal(&n.asked, &n2.asked));
    assert_true(ne_prefix_equal(&n.pool6, &n2.pool6));
    assert_string_equal(n.bridge, n2.bridge);
    assert_int_equal(n2.revision, 3);
    assert_true(n2.names_kept);

    struct ne_endpoint e;
    struct ne_options options;
    struct ne_endpoint e2 = {0};
    struct ne_options options2;
    const char *boot;
    body = json(create_endpoint);
    assert_int_equal(decode_endpoint(body, &e, &options, &err), 0);
    json_decref(body);
    e.mac = (struct ne_mac){{2, 0, 0, 0, 0, 2}};
    e.joined = e.mac_is_ours = e.lacks_route = true;
    e.revision = 2;
    (void)strcpy(e.sandbox, "/var/run/docker/netns/0123456789ab");
    body = ne_record_of_endpoint(&e, "boot-1");
    assert_int_equal(ne_record_to_endpoint(body, &e2, &options2, &boot, &err), 0);
    assert_string_equal(boot, "boot-1");
    json_decref(body);
    assert_true(ne_options_equal(e.options, e2.options));
    assert_true(ne_addr_equal(&e.addr6, &e2.addr6));
    assert_string_equal(e.sandbox, e2.sandbox);
    assert_true(e2.joined && e2.mac_is_ours && e2.lacks_route);
    assert_int_equal(e2.revision, 2);
}

/* Each field in turn is taken away, then made a number, then another is added. */
static void damaged_records_are_refused(void **state) {
    (void)state;
    struct ne_network n = {.id = "aaaaaaaaaaaa", .bridge = "ne-aaaaaaaaaaaa", .revision = 1};
    n.mac = (struct ne_mac){{2, 0, 0, 0, 0, 1}};
    assert_true(ne_prefix_parse("10.88.0.0/24", &n.pool4));
    json_t *good = ne_record_of_network(&n);
    const char *key;
    json_t *value;
    json_object_foreach(good, key, value) {
        struct ne_network out;
        json_t *bad = json_deep_copy(good);
        bool later = strcmp(key, "revision") == 0; /* records of 0.1.0 have none */
        assert_int_equal(json_object_del(bad, key), 0);
        assert_int_equal(ne_record_to_network(bad, &out, &err), later ? 0 : -1);
        assert_int_equal(json_object_set_new(bad, key, json_integer(later ? 0 : 7)), 0);
        assert_int_equal(ne_record_to_network(bad, &out, &err), -1);
        json_decref(bad);
    }
    struct ne_network out;
    assert_int_equal(json_object_set_new(good, "more", json_true()), 0);
    assert_int_equal(ne_record_to_network(good, &out, &err), -1);
    json_decref(good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(requests_are_refused),
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(damaged_records_are_refused),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
