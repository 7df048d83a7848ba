/* test_fence.c - from the model to the fence, and the fence's own judgement. */
#include "fenced.h"

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
    assert_int_equal(ne_options_set(&given[0], NE_SCOPE_ENDPOINT, "proxy", "192.0.2.9:3128", &err),
                     0);
    assert_int_equal(ne_options_set(&given[0], NE_SCOPE_ENDPOINT, "refuse", "drop", &err), 0);
    struct ne_endpoint other = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
    build_two(&w, &n, &e, &other);

    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.9", IPPROTO_TCP, 3128)), NE_PASS);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080)), NE_DROP);
    struct ne_packet p = packet("10.88.0.3", "10.88.0.1", IPPROTO_TCP, 8080);
    p.mac.bytes[5] = 3;
    assert_int_equal(verdict(&w, p), NE_PASS);
    p.to = addr("192.0.2.9");
    p.port = 3128;
    assert_int_equal(verdict(&w, p), NE_REJECT);
    assert_true(w.fence.reaches_beyond);

    struct ne_prefix routes[NE_ROUTES_MAX];
    assert_int_equal(ne_routes(&n, &e, routes), 1);
    assert_int_equal(ne_routes(&n, &other, routes), 0);
    drop(&w);
}

static void deny_wins_over_allow_and_proxy(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("8080 9090");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    assert_int_equal(ne_options_set(&n.options, NE_SCOPE_NETWORK, "allow",
                                    "192.0.2.0/24:1-1023/tcp 0.0.0.0/0/icmp", &err),
                     0);
    assert_int_equal(ne_options_set(&n.options, NE_SCOPE_NETWORK, "deny",
                                    "192.0.2.9:80/tcp 10.88.0.1:9090/tcp", &err),
                     0);
    build(&w, &n, &e);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080)), NE_PASS);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 9090)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.8", IPPROTO_TCP, 80)), NE_PASS);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.9", IPPROTO_TCP, 80)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.9", IPPROTO_TCP, 81)), NE_PASS);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.8", IPPROTO_TCP, 1024)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "192.0.2.8", IPPROTO_UDP, 80)), NE_REJECT);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "203.0.113.1", IPPROTO_ICMP, 0)), NE_PASS);
    assert_true(w.fence.reaches_beyond);

    /* A route to the whole family is two halves: the engine keeps a default route to itself. */
    struct ne_prefix routes[NE_ROUTES_MAX];
    char text[NE_PREFIX_TEXT];
    assert_int_equal(ne_routes(&n, &e, routes), 3);
    assert_string_equal(ne_prefix_format(&routes[0], text), "192.0.2.0/24");
    assert_string_equal(ne_prefix_format(&routes[1], text), "0.0.0.0/1");
    assert_string_equal(ne_prefix_format(&routes[2], text), "128.0.0.0/1");
    drop(&w);
}

static void an_audit_lets_pass_and_says_so(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("8080");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    e.addr6 = addr("fd00:88::2");
    n.options.has_mode = true;
    n.options.mode = NE_MODE_AUDIT;
    assert_int_equal(ne_options_set(&n.options, NE_SCOPE_NETWORK, "deny", "192.0.2.9:80/tcp", &err),
                     0);
    build(&w, &n, &e);
    struct ne_packet p = packet("10.88.0.2", "192.0.2.9", IPPROTO_TCP, 80);
    struct ne_judgement judged = ne_fence_verdict(&w.fence, &p);
    assert_int_equal(judged.verdict, NE_PASS);
    assert_true(judged.audited);
    assert_string_equal(judged.reason, "policy");
    assert_string_equal(judged.rule->option, "deny");

    p.port = 81; /* no rule at all */
    judged = ne_fence_verdict(&w.fence, &p);
    assert_true(judged.audited && judged.verdict == NE_PASS && judged.rule == NULL);
    p = packet("10.88.0.2", "10.88.0.1", IPPROTO_TCP, 8080);
    judged = ne_fence_verdict(&w.fence, &p);
    assert_true(!judged.audited && judged.verdict == NE_PASS);
    p = packet("10.88.0.2", "10.88.0.3", IPPROTO_TCP, 80);
    judged = ne_fence_verdict(&w.fence, &p);
    assert_true(!judged.audited && judged.verdict == NE_REJECT);
    assert_string_equal(judged.reason, "into-network");
    p = packet("10.88.0.3", "192.0.2.9", IPPROTO_TCP, 80);
    assert_int_equal(verdict(&w, p), NE_DROP); /* a false source */
    assert_true(w.fence.reaches_beyond);

    struct ne_prefix routes[NE_ROUTES_MAX];
    char text[NE_PREFIX_TEXT];
    static const char *const halves[] = {"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"};
    assert_int_equal(ne_routes(&n, &e, routes), 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(ne_prefix_format(&routes[i], text), halves[i]);
    drop(&w);
}

static void an_endpoint_has_one_meter(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("8080");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    e.addr6 = addr("fd00:88::2");
    n.options.has_quota = given[0].has_rate = true;
    n.options.quota = 1000;
    given[0].rate = 8000;
    build(&w, &n, &e);
    assert_int_equal(w.fence.member_count, 2);
    assert_int_equal(w.fence.meter_count, 1);
    assert_int_equal(w.fence.members[0].meter, 0);
    assert_int_equal(w.fence.members[1].meter, 0);
    const struct ne_meter *meter = &w.fence.meters[0];
    assert_string_equal(meter->id, EP_1);
    assert_int_equal(meter->quota, 1000);
    assert_int_equal(meter->rate, 8000);
    assert_int_equal(meter->log.count, 5); /* the default */
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

/* hand_to() - Where the fence leads what is handed of @from; 0: nowhere. */
static uint16_t hand_to(const struct ne_fence *fence, const char *from, uint8_t proto,
                        uint16_t port) {
    const struct ne_addr sender = addr(from);
    for (size_t i = 0; i < fence->hand_count; i++) {
        const struct ne_hand *hand = &fence->hands[i];
        if (hand->to.family == sender.family && hand->proto == proto &&
            (hand->asked == 0 || hand->asked == port) &&
            (hand->from.family == NE_NONE || ne_addr_equal(&hand->from, &sender)))
            return hand->port;
    }
    return 0;
}

static void what_is_handed_is_led_to_the_proxy(void **state) {
    (void)state;
    struct world w;
    struct ne_network n = network("8080");
    struct ne_endpoint e = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
    e.addr6 = addr("fd00:88::2");
    give(&n.options, "mode", "transparent");
    give(&n.options, "deny", "192.0.2.9:80/tcp");
    give(&n.options, "allow", "192.0.2.8:443/tcp");
    n.forwarder_up = true;
    build(&w, &n, &e);
    static const struct {
        const char *to;
        uint8_t proto;
        uint16_t port;
        enum ne_verdict verdict;
        const char *reason;
        uint16_t handed_to;
    } packets[] = {
        {"203.0.113.1", IPPROTO_TCP, 80, NE_PASS, "handed", 8080},
        {"203.0.113.1", IPPROTO_TCP, 443, NE_PASS, "handed", 8080},
        {"2001:db8::1", IPPROTO_TCP, 443, NE_PASS, "handed", 8080},
        {"203.0.113.1", IPPROTO_UDP, 53, NE_PASS, "handed", 53},
        {"2001:db8::1", IPPROTO_TCP, 53, NE_PASS, "handed", 53},
        {"10.88.0.1", IPPROTO_UDP, 53, NE_PASS, "allowed", 0},
        {"203.0.113.1", IPPROTO_UDP, 443, NE_REJECT, "policy", 0},
        {"203.0.113.1", IPPROTO_TCP, 8080, NE_REJECT, "policy", 0},
        {"10.88.0.1", IPPROTO_TCP, 8080, NE_REJECT, "policy", 0},
        {"fd00:88::1", IPPROTO_TCP, 8080, NE_REJECT, "policy", 0},
        {"10.88.0.1", IPPROTO_TCP, 443, NE_REJECT, "policy", 0},
        {"10.88.0.3", IPPROTO_TCP, 443, NE_REJECT, "into-network", 0},
        {"127.0.0.1", IPPROTO_TCP, 80, NE_REJECT, "policy", 0},
        {"::1", IPPROTO_TCP, 80, NE_REJECT, "policy", 0},
        {"::ffff:127.0.0.1", IPPROTO_TCP, 80, NE_REJECT, "policy", 0},
        {"64:ff9b::c000:201", IPPROTO_TCP, 80, NE_PASS, "handed", 8080},
        {"192.0.2.9", IPPROTO_TCP, 80, NE_REJECT, "policy", 0}, /* deny wins */
        {"192.0.2.8", IPPROTO_TCP, 443, NE_PASS, "allowed", 0}, /* so does allow */
    };
    for (size_t i = 0; i < COUNT(packets); i++) {
        bool six = strchr(packets[i].to, ':') != NULL;
        struct ne_packet p = packet(six ? "fd00:88::2" : "10.88.0.2", packets[i].to,
                                    packets[i].proto, packets[i].port);
        struct ne_judgement judged = ne_fence_verdict(&w.fence, &p);
        assert_int_equal(judged.verdict, packets[i].verdict);
        assert_string_equal(judged.reason, packets[i].reason);
        assert_int_equal(judged.rule != NULL ? judged.rule->handed_to : 0, packets[i].handed_to);
        if (packets[i].handed_to != 0)
            assert_int_equal(hand_to(&w.fence, six ? "fd00:88::2" : "10.88.0.2", p.proto, p.port),
                             packets[i].handed_to);
    }
    assert_int_equal(w.fence.hand_count, 6); /* of each family, names by two protocols */
    struct ne_prefix routes[NE_ROUTES_MAX];
    assert_int_equal(ne_routes(&n, &e, routes), 5); /* halves of both, and what is allowed */
    drop(&w);

    /* Before the forwarder listens, and without it, port 53 is closed. */
    n.forwarder_up = false;
    build(&w, &n, &e);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "203.0.113.1", IPPROTO_UDP, 53)), NE_REJECT);
    assert_int_equal(w.fence.hand_count, 2);
    drop(&w);
    give(&n.options, "dns", "off");
    n.forwarder_up = true;
    build(&w, &n, &e);
    assert_int_equal(verdict(&w, packet("10.88.0.2", "203.0.113.1", IPPROTO_UDP, 53)), NE_REJECT);
    drop(&w);
}

/* Only who has another port than the rest of the network has an entry of its own. */
static void each_is_led_to_its_own_port(void **state) {
    (void)state;
    static const struct {
        const char *network, *one, *other; /* modes */
        const char *port;                  /* of the other */
        size_t hands;
        uint16_t led_one, led_other;
    } worlds[] = {
        {"transparent", NULL, NULL, NULL, 2, 8080, 8080},
        {"transparent", NULL, NULL, "8080", 2, 8080, 8080},
        {"transparent", NULL, NULL, "8081", 3, 8080, 8081},
        {"enforce", NULL, NULL, NULL, 0, 0, 0},
        {"enforce", NULL, "transparent", "8081", 1, 8081, 8081}, /* the one's are not handed */
        {"audit", "transparent", "transparent", "8081", 2, 8080, 8081},
    };
    for (size_t i = 0; i < COUNT(worlds); i++) {
        struct world w;
        struct ne_network n = network("8080");
        struct ne_endpoint one = endpoint(EP_1, "10.88.0.2", "02:00:00:00:00:02");
        struct ne_endpoint other = endpoint(EP_2, "10.88.0.3", "02:00:00:00:00:03");
        give(&n.options, "mode", worlds[i].network);
        if (worlds[i].one != NULL)
            give(&given[0], "mode", worlds[i].one);
        if (worlds[i].other != NULL)
            give(&given[1], "mode", worlds[i].other);
        if (worlds[i].port != NULL)
            give(&given[1], "proxy", worlds[i].port);
        build_two(&w, &n, &one, &other);
        assert_int_equal(w.fence.hand_count, worlds[i].hands);
        assert_int_equal(hand_to(&w.fence, "10.88.0.2", IPPROTO_TCP, 443), worlds[i].led_one);
        assert_int_equal(hand_to(&w.fence, "10.88.0.3", IPPROTO_TCP, 443), worlds[i].led_other);
        drop(&w);
    }
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
        cmocka_unit_test(deny_wins_over_allow_and_proxy),
        cmocka_unit_test(an_audit_lets_pass_and_says_so),
        cmocka_unit_test(an_endpoint_has_one_meter),
        cmocka_unit_test(an_empty_list_allows_nothing),
        cmocka_unit_test(ipv6_asks_for_the_bridge_alone),
        cmocka_unit_test(what_is_handed_is_led_to_the_proxy),
        cmocka_unit_test(each_is_led_to_its_own_port),
        cmocka_unit_test(what_clashes_is_refused),
    };
    return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}
