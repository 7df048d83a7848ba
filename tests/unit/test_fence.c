/* test_fence.c - from the model to the fence, and the fence's own judgement. */
#include "unit.h"

#include <netenforce/model.h>
#include <netinet/in.h>

#define NET_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define EP_1  "1111111111111111111111111111111111111111111111111111111111111111"
#define EP_2  "2222222222222222222222222222222222222222222222222222222222222222"

static struct ne_error err;

static struct ne_addr addr(const char *text) {
    struct ne_addr parsed;
    assert_true(ne_addr_parse(text, &parsed));
    return parsed;
}

static struct ne_network network(const char *proxy) {
    struct ne_network n = {.id = NET_A, .bridge = "ne-aaaaaaaaaaaa"};
    assert_true(ne_mac_parse("02:00:00:00:00:01", &n.mac));
    assert_true(ne_prefix_parse("10.88.0.0/24", &n.pool4));
    assert_true(ne_prefix_parse("10.88.0.1/24", &n.gateway4));
    assert_true(ne_prefix_parse("fd00:88::/64", &n.pool6));
    assert_true(ne_prefix_parse("fd00:88::1/64", &n.gateway6));
    if (proxy != NULL)
        assert_int_equal(ne_options_set(&n.options, NE_SCOPE_NETWORK, "proxy", proxy, &err), 0);
    return n;
}

static struct ne_endpoint endpoint(const char *id, const char *addr4, const char *mac) {
    struct ne_endpoint e = {.network = NET_A, .joined = true};
    (void)strncpy(e.id, id, sizeof(e.id) - 1);
    e.addr4 = addr(addr4);
    assert_true(ne_mac_parse(mac, &e.mac));
    return e;
}

struct world {
    struct ne_model model;
    struct ne_fence fence;
};

static void build(struct world *world, const struct ne_network *n, const struct ne_endpoint *e) {
    ne_model_init(&world->model);
    assert_non_null(ne_model_add_network(&world->model, n, &err));
    assert_non_null(ne_model_add_endpoint(&world->model, e, &err));
    assert_int_equal(ne_model_fence(&world->model, &world->fence, &err), 0);
}

static void drop(struct world *world) {
    ne_fence_free(&world->fence);
    ne_model_free(&world->model);
}

static struct ne_packet packet(const char *from, const char *to, uint8_t proto, uint16_t port) {
    struct ne_packet p = {.interface = "ne-aaaaaaaaaaaa", .proto = proto, .port = port};
    p.from = addr(from);
    p.to = addr(to);
    assert_true(ne_mac_parse("02:00:00:00:00:02", &p.mac));
    return p;
}

static enum ne_verdict verdict(const struct world *world, struct ne_packet p) {
    return ne_fence_verdict(&world->fence, &p).verdict;
}

static void only_the_proxy_passes(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network(NULL); /* the default: 8080 of the bridge */
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    build(&w, &n, &e);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080)), NE_PASS);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8081)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_UDP, 8080)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 8080)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.1", IPPROTO_TCP, 8080)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_ICMP, 0)), NE_REJECT);
    assert_false(w.fence.reaches_beyond);
    drop(&w);
}

static void who_is_not_a_member_is_dropped(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("8080");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    build(&w, &n, &e);
    struct ne_packet p = packet("10.88.0.3", "10.88.0.1", IPPROTO_TCP, 8080);
    assert_int_equal(verdict(&w, p), NE_DROP); /* another address */
    p = packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080);
    p.mac.bytes[5] = 9;
    assert_int_equal(verdict(&w, p), NE_DROP); /* another MAC */
    p = packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080);
    p.interface = "ne-bbbbbbbbbbbb";
    assert_int_equal(verdict(&w, p), NE_DROP); /* another bridge, even an unknown one */
    p.interface = "nv-111111111111";
    assert_int_equal(verdict(&w, p), NE_DROP); /* past the bridge */
    p.interface = "eth0";
    assert_int_equal(verdict(&w, p), NE_PASS); /* none of our business */
    drop(&w);

    e.joined = false;
    build(&w, &n, &e);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080)), NE_DROP);
    drop(&w);
}

static void an_endpoint_narrows_and_widens_itself(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("8080");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    assert_int_equal(ne_options_set(&e.options, NE_SCOPE_ENDPOINT, "proxy", "192.0.2.9:3128", &err),
                     0);
    assert_int_equal(ne_options_set(&e.options, NE_SCOPE_ENDPOINT, "refuse", "drop", &err), 0);
    build(&w, &n, &e);
    struct ne_endpoint other = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
    assert_non_null(ne_model_add_endpoint(&w.model, &other, &err));
    ne_fence_free(&w.fence);
    assert_int_equal(ne_model_fence(&w.model, &w.fence, &err), 0);

    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.9", IPPROTO_TCP, 3128)), NE_PASS);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080)), NE_DROP);
    struct ne_packet p = packet("10.88.0.3", "10.88.0.1", IPPROTO_TCP, 8080);
    p.mac.bytes[5] = 3;
    assert_int_equal(verdict(&w, p), NE_PASS);
    p.to = addr("192.0.2.9");
    p.port = 3128;
    assert_int_equal(verdict(&w, p), NE_REJECT);
    assert_true(w.fence.reaches_beyond);

    struct ne_addr routes[NE_PROXY_MAX];
    assert_int_equal(ne_routes(&n, &e, routes), 1);
    assert_int_equal(ne_routes(&n, &other, routes), 0);
    drop(&w);
}

static void an_empty_list_allows_nothing(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    build(&w, &n, &e);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080)), NE_REJECT);
    drop(&w);
}

static void ipv6_asks_for_the_bridge_alone(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("8080");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    e.addr6 = addr("fd00:88::2");
    build(&w, &n, &e);
    assert_int_equal(verdict(&w, packet("fd00:88::2", "fd00:88::1", IPPROTO_TCP, 8080)), NE_PASS);
    assert_int_equal(verdict(&w, packet("fd00:88::2", "fd00:88::1", IPPROTO_TCP, 80)), NE_REJECT);
    struct ne_packet p = packet("fd00:88::2", "ff02::1:ff00:1", IPPROTO_ICMPV6, 0);
    p.icmp_type = 135;
    assert_int_equal(verdict(&w, p), NE_PASS);
    p.icmp_type = 134; /* router advertisement */
    assert_int_equal(verdict(&w, p), NE_REJECT);
    p.icmp_type = 135;
    p.to = addr("ff02::1");
    assert_int_equal(verdict(&w, p), NE_REJECT);
    drop(&w);
}

static void what_clashes_is_refused(void **state) {
    (void)state;
    struct ne_model model;
    ne_model_init(&model);
    struct ne_network n = network("8080");
    assert_int_equal(ne_network_check(&model, &n, &err), 0);
    struct ne_network *held = ne_model_add_network(&model, &n, &err);
    assert_non_null(held);

    struct ne_network b = n;
    (void)memset(b.id, 'b', NE_ID_SIZE - 1);
    (void)strcpy(b.bridge, "ne-bbbbbbbbbbbb");
    assert_int_equal(ne_network_check(&model, &b, &err), -1);
    assert_non_null(strstr(err.text, "overlaps"));
    assert_true(ne_prefix_parse("10.89.0.0/24", &b.pool4));
    assert_int_equal(ne_network_check(&model, &b, &err), -1); /* the gateway is elsewhere */
    assert_true(ne_prefix_parse("10.89.0.1/24", &b.gateway4));
    b.pool6 = b.gateway6 = (struct ne_prefix){0};
    assert_int_equal(ne_network_check(&model, &b, &err), 0);
    (void)strcpy(b.bridge, n.bridge);
    assert_int_equal(ne_network_check(&model, &b, &err), -1);
    assert_non_null(strstr(err.text, "bridge"));

    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    assert_int_equal(ne_endpoint_check(&model, held, &e, &err), 0);
    assert_non_null(ne_model_add_endpoint(&model, &e, &err));
    struct ne_endpoint twin = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:02");
    assert_int_equal(ne_endpoint_check(&model, held, &twin, &err), -1);
    assert_non_null(strstr(err.text, "MAC"));
    twin = endpoint(EP_2, "10.88.0.2", "02:00:00:00:00:02"); /* supersedes */
    assert_int_equal(ne_endpoint_check(&model, held, &twin, &err), 0);
    twin = endpoint(EP_2, "10.88.0.1", "02:00:00:00:00:03");
    assert_int_equal(ne_endpoint_check(&model, held, &twin, &err), -1);
    twin = endpoint(EP_2, "10.99.0.1", "02:00:00:00:00:03");
    assert_int_equal(ne_endpoint_check(&model, held, &twin, &err), -1);
    ne_model_free(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_proxy_passes),
        cmocka_unit_test(who_is_not_a_member_is_dropped),
        cmocka_unit_test(an_endpoint_narrows_and_widens_itself),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(ipv6_asks_for_the_bridge_alone),
        cmocka_unit_test(what_clashes_is_refused),
    };
    return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}
