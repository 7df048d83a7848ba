/* fenced.h - a network with one or two containers, and what their fence says of a packet. */
#ifndef NETENFORCE_TESTS_FENCED_H
#define NETENFORCE_TESTS_FENCED_H

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

/* What EP_1 and EP_2 are given. */
static struct ne_options given[2];

static struct ne_endpoint endpoint(const char *id, const char *addr4, const char *mac) {
    struct ne_options *options = &given[strcmp(id, EP_2) == 0];
    struct ne_endpoint e = {.network = NET_A, .joined = true, .options = options};
    *options = ne_options_nothing;
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

/* A fence of two members. */
static void build_two(struct world *w, const struct ne_network *n, const struct ne_endpoint *one,
                      const struct ne_endpoint *other) {
    build(w, n, one);
    assert_non_null(ne_model_add_endpoint(&w->model, other, &err));
    ne_fence_free(&w->fence);
    assert_int_equal(ne_model_fence(&w->model, &w->fence, &err), 0);
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

static void give(struct ne_options *options, const char *key, const char *value) {
    assert_int_equal(ne_options_set(options, NE_SCOPE_ENDPOINT, key, value, &err), 0);
}

#endif
