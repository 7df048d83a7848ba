/* test_neighbours.c - what the fence says of packets among the containers of a network. */
#include "fenced.h"

/* Of EP_1 (10.88.0.2) to a neighbour (EP_2, 10.88.0.3): what the fence says, and why. */
static struct ne_judgement to_neighbour(const struct ne_network *n, const struct ne_endpoint *one,
                                        const struct ne_endpoint *other, const char *to) {
    static struct world w;
    build_two(&w, n, one, other);
    struct ne_packet p = packet("10.88.0.2", to, IPPROTO_TCP, 80);
    struct ne_judgement judgement = ne_fence_verdict(&w.fence, &p);
    judgement.policy = NULL;
    judgement.rule = NULL;
    drop(&w);
    return judgement;
}

static void both_neighbours_need_icc(void **state) {
    (void)state;
    static const char *const kinds[] = {NULL, "true", "false"};
    for (size_t of_network = 0; of_network < 2; of_network++) {
        for (size_t i = 0; i < 9; i++) {
            struct ne_network n = network("8080");
            struct ne_endpoint one = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
            struct ne_endpoint other = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
            const char *own[] = {kinds[i % 3], kinds[i / 3]};
            bool has[] = {of_network == 1, of_network == 1};
            if (of_network == 1)
                give(&n.options, "icc", "true");
            for (size_t k = 0; k < 2; k++) {
                if (own[k] != NULL) {
                    give(&given[k], "icc", own[k]);
                    has[k] = strcmp(own[k], "true") == 0;
                }
            }
            enum ne_verdict wanted = has[0] && has[1] ? NE_PASS : NE_REJECT;
            assert_int_equal(to_neighbour(&n, &one, &other, "10.88.0.3").verdict, wanted);
            assert_int_equal(to_neighbour(&n, &one, &other, "10.88.0.4").verdict, NE_REJECT);

            /* However wide an allowance is, and without it being a neighbour's policy. */
            give(&given[0], "allow", "10.0.0.0/8:1-65535/tcp");
            struct ne_judgement j = to_neighbour(&n, &one, &other, "10.88.0.3");
            assert_int_equal(j.verdict, wanted);
            assert_string_equal(j.reason, wanted == NE_PASS ? "allowed" : "into-network");
            assert_int_equal(to_neighbour(&n, &one, &other, "10.88.0.1").verdict, NE_PASS);
            assert_int_equal(to_neighbour(&n, &one, &other, "10.99.0.1").verdict, NE_PASS);

            /* An audit opens no way to a neighbour, a denial closes one. */
            give(&given[0], "mode", "audit");
            assert_int_equal(to_neighbour(&n, &one, &other, "10.88.0.3").verdict, wanted);
            assert_true(to_neighbour(&n, &one, &other, "10.88.0.1").verdict == NE_PASS);
            give(&given[0], "deny", "10.88.0.2/31:80/tcp");
            j = to_neighbour(&n, &one, &other, "10.88.0.3");
            assert_int_equal(j.verdict, NE_REJECT);
            assert_string_equal(j.reason, "into-network");

            other.joined = false;
            given[0].has_deny = false;
            assert_int_equal(to_neighbour(&n, &one, &other, "10.88.0.3").verdict, NE_REJECT);
        }
    }
}

static struct ne_packet from_proxy(uint16_t from_port) {
    struct ne_packet p = packet("10.88.0.3", "10.88.0.2", IPPROTO_TCP, 40000);
    p.mac.bytes[5] = 3;
    p.from_port = from_port;
    return p;
}

static bool may_be_reply(const struct world *w, struct ne_packet p) {
    struct ne_judgement j = ne_fence_verdict(&w->fence, &p);
    assert_int_equal(j.verdict, NE_REJECT);
    assert_string_equal(j.reason, "into-network");
    return j.replies;
}

static void a_member_is_the_proxy(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("10.88.0.3:3128");
    struct ne_endpoint one = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    struct ne_endpoint proxy = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
    give(&given[1], "proxy", "");
    build_two(&w, &n, &one, &proxy);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 3128)), NE_PASS);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 3129)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_UDP, 3128)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.4", IPPROTO_TCP, 3128)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 3128)), NE_REJECT);
    assert_true(may_be_reply(&w, from_proxy(3128)));
    assert_true(may_be_reply(&w, from_proxy(0)));
    assert_false(may_be_reply(&w, from_proxy(3129)));
    struct ne_packet p = from_proxy(3128);
    p.proto = IPPROTO_UDP;
    assert_false(may_be_reply(&w, p));
    p = from_proxy(3128);
    p.to = addr("10.88.0.4"); /* nobody */
    assert_false(may_be_reply(&w, p));
    p = packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 40000); /* who is no proxy answers nobody */
    p.from_port = 3128;
    assert_false(may_be_reply(&w, p));
    assert_false(w.fence.reaches_beyond);
    assert_int_equal(w.fence.near_count, 1);
    assert_int_equal(w.fence.proxied_count, 1);
    assert_true(ne_fence_answers(&w.fence));
    assert_true(ne_model_is_proxy(&w.model, ne_model_endpoint(&w.model, EP_2)));
    assert_false(ne_model_is_proxy(&w.model, ne_model_endpoint(&w.model, EP_1)));
    struct ne_prefix routes[NE_ROUTES_MAX];
    assert_int_equal(ne_routes(&n, &one, routes), 0);
    drop(&w);

    /* A denial closes both ways, whose ever it is; so does another policy of the client. */
    static const struct {
        size_t whose;
        const char *key, *value;
        bool reaches;
    } closed[] = {
        {0, "deny", "10.88.0.3:3128/tcp", false},
        {0, "proxy", "10.88.0.3:3129", false},
        {1, "deny", "10.88.0.0/24:1-65535/tcp", true},
    };
    for (size_t i = 0; i < COUNT(closed); i++) {
        one = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
        proxy = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
        give(&given[closed[i].whose], closed[i].key, closed[i].value);
        build_two(&w, &n, &one, &proxy);
        assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 3128)),
                         closed[i].reaches ? NE_PASS : NE_REJECT);
        p = from_proxy(3128);
        assert_false(ne_fence_verdict(&w.fence, &p).replies);
        drop(&w);
    }

    /* While nobody has the address, nothing passes. */
    proxy = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
    proxy.joined = false;
    build_two(&w, &n, &one, &proxy);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 3128)), NE_REJECT);
    drop(&w);
}

/* Whoever is joined with role=proxy, and nobody else, whatever address it has. */
static void a_member_is_the_proxy_by_its_role(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("container:3128");
    static const struct {
        bool has_role, joined, reached;
    } ways[] = {{true, true, true}, {true, false, false}, {false, true, false}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct ne_endpoint one = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
        struct ne_endpoint proxy = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
        if (ways[i].has_role)
            give(&given[1], "role", "proxy");
        proxy.joined = ways[i].joined;
        build_two(&w, &n, &one, &proxy);
        const enum ne_verdict wanted = ways[i].reached ? NE_PASS : NE_REJECT;
        assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 3128)), wanted);
        assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 80)), NE_REJECT);
        assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 3128)),
                         NE_REJECT);
        struct ne_packet back = from_proxy(3128);
        if (ways[i].joined)
            assert_int_equal(ne_fence_verdict(&w.fence, &back).replies, ways[i].reached);
        assert_int_equal(ne_model_is_proxy(&w.model, ne_model_endpoint(&w.model, EP_2)),
                         ways[i].has_role);
        assert_int_equal(w.fence.proxied_count, 1);
        drop(&w);
    }

    /* Of another network it is nobody's proxy here. */
    struct ne_network other = n;
    struct ne_endpoint proxy = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
    give(&given[1], "role", "proxy");
    proxy.joined = true;
    (void)memset(other.id, 'b', 64);
    assert_true(ne_is_role_proxy(&n, &proxy));
    assert_false(ne_is_role_proxy(&other, &proxy));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_neighbours_need_icc),
        cmocka_unit_test(a_member_is_the_proxy),
        cmocka_unit_test(a_member_is_the_proxy_by_its_role),
    };
    return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
