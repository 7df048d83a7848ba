/* test_audit.c - refused packets as events: reason and rule, and numbers that add up. */
#include "unit.h"

#include <fcntl.h>
#include <netenforce/audit.h>
#include <netenforce/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NET "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define EP  "1111111111111111111111111111111111111111111111111111111111111111"
#define EP2 "2222222222222222222222222222222222222222222222222222222222222222"

/* What the kernel would hold, and what was emitted. */
static uint64_t counter[2];
static bool counted[2];
static struct {
    unsigned packets;    /* events with a packet */
    unsigned summaries;  /* without one */
    uint64_t suppressed; /* in all */
    char reason[32], rule[80], verdict[16], option[32], endpoint[80], network[80];
} told;
static unsigned readings; /* of all counters */
static struct ne_model model;
static struct ne_audit *audit;
static struct ne_error err;
static int kept_stderr;

static int usage(struct ne_firewall *firewall, const char *only,
                 int (*visit)(void *context, const struct ne_usage *usage, struct ne_error *err),
                 void *context, struct ne_error *why) {
    static const char *const ids[] = {EP, EP2};
    (void)firewall;
    readings += only == NULL;
    for (size_t i = 0; i < 2; i++) {
        struct ne_usage one = {.refused_packets = counter[i]};
        (void)strcpy(one.id, ids[i]);
        bool asked = only == NULL || strcmp(only, ids[i]) == 0;
        if (counted[i] && asked && visit(context, &one, why) < 0)
            return -1;
    }
    return 0;
}

static const struct ne_firewall_ops ops = {.usage = usage};
static struct ne_firewall firewall = {.ops = &ops};

static void copy(char *out, size_t size, const char *text) {
    (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

static void on_emit(void *context, const struct ne_event *event) {
    (void)context;
    assert_string_equal(event->type, "blocked");
    if (event->src != NULL)
        told.packets++;
    else
        told.summaries++;
    told.suppressed += event->suppressed;
    copy(told.reason, sizeof(told.reason), event->reason);
    copy(told.rule, sizeof(told.rule), event->rule);
    copy(told.verdict, sizeof(told.verdict), event->verdict);
    copy(told.option, sizeof(told.option), event->option);
    copy(told.endpoint, sizeof(told.endpoint), event->endpoint);
    copy(told.network, sizeof(told.network), event->network);
}

static void set(struct ne_options *options, const char *key, const char *value) {
    (void)ne_options_clear(options, NE_SCOPE_NETWORK, key, &err);
    if (ne_options_set(options, NE_SCOPE_NETWORK, key, value, &err) < 0)
        fail_msg("%s", err.text);
}

/* enforce() - As the driver does. */
static void enforce(void) {
    struct ne_fence fence;
    assert_int_equal(ne_model_fence(&model, &fence, &err), 0);
    ne_audit_fence(audit, &fence);
}

static struct ne_network *network(void) {
    return ne_model_network(&model, NET);
}

static void add_endpoint(const char *id, const char *addr, const char *mac) {
    struct ne_endpoint endpoint = {.joined = true};
    (void)strcpy(endpoint.id, id);
    (void)strcpy(endpoint.network, NET);
    assert_true(ne_addr_parse(addr, &endpoint.addr4));
    assert_true(ne_mac_parse(mac, &endpoint.mac));
    assert_non_null(ne_model_add_endpoint(&model, &endpoint, &err));
}

static int begin(void **state) {
    struct ne_network record = {.revision = 1};
    (void)state;
    ne_model_init(&model);
    memset(&told, 0, sizeof(told));
    memset(counter, 0, sizeof(counter));
    counted[0] = counted[1] = true;
    (void)strcpy(record.id, NET);
    ne_bridge_name(NET, record.bridge);
    assert_true(ne_prefix_parse("10.88.0.0/24", &record.pool4));
    assert_true(ne_prefix_parse("10.88.0.1/24", &record.gateway4));
    assert_non_null(ne_model_add_network(&model, &record, &err));
    add_endpoint(EP, "10.88.0.2", "02:00:00:00:00:02");
    add_endpoint(EP2, "10.88.0.3", "02:00:00:00:00:03");
    audit = ne_audit_new(&model, &firewall, &err);
    assert_non_null(audit);
    set(&network()->options, "deny", "192.0.2.0/24:1-100/tcp");
    set(&network()->options, "allow", "192.0.2.0/24:1-200/tcp");
    enforce();
    ne_events_on_emit(on_emit, NULL);
    kept_stderr = dup(STDERR_FILENO);
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(nothing, STDERR_FILENO);
    (void)close(nothing);
    return 0;
}

static int finish(void **state) {
    (void)state;
    (void)dup2(kept_stderr, STDERR_FILENO);
    (void)close(kept_stderr);
    ne_audit_free(audit);
    ne_model_free(&model);
    ne_events_close();
    return 0;
}

static void packet(const char *place, unsigned from, const char *to, uint16_t port) {
    struct ne_logged logged = {.proto = IPPROTO_TCP, .has_ports = true, .dport = port};
    char text[32];
    copy(logged.place, sizeof(logged.place), place);
    (void)snprintf(text, sizeof(text), "10.88.0.%u", from);
    assert_true(ne_addr_parse(text, &logged.from));
    assert_true(ne_addr_parse(to, &logged.to));
    logged.has_mac = true;
    logged.mac = (struct ne_mac){{2, 0, 0, 0, 0, (uint8_t)from}};
    ne_audit_packet(audit, &logged, "");
}

static void tick(void) {
    assert_int_equal(ne_audit_tick(audit, false, &err), 0);
}

static void expect(const char *verdict, const char *reason, const char *option, const char *rule) {
    assert_string_equal(told.verdict, verdict);
    assert_string_equal(told.reason, reason);
    assert_string_equal(told.option, option);
    assert_string_equal(told.rule, rule);
}

static void test_reason_and_rule(void **state) {
    (void)state;
    packet("refused", 2, "192.0.2.9", 50);
    expect("reject", "policy", "deny", "192.0.2.0/24:1-100/tcp");
    assert_string_equal(told.endpoint, EP);
    assert_string_equal(told.network, NET);
    packet("refused", 3, "198.51.100.1", 50);
    expect("reject", "policy", "refuse", "");
    assert_string_equal(told.endpoint, EP2);
    packet("into", 2, "192.0.2.9", 150);
    expect("reject", "into-network", "allow", "192.0.2.0/24:1-200/tcp");
}

static void test_limits(void **state) {
    (void)state;
    network()->options.has_conn_rate = network()->options.has_quota = true;
    network()->options.conn_rate = (struct ne_pace){20, 60};
    network()->options.quota = UINT64_C(1) << 30;
    set(&network()->options, "refuse", "drop");
    enforce();
    tick();
    tick();
    packet("conn_rate", 2, "192.0.2.9", 150);
    expect("drop", "conn_rate", "conn_rate", "20/m");
    packet("quota", 2, "192.0.2.9", 150);
    expect("drop", "quota", "quota", "1GiB");
    packet("reply", 2, "192.0.2.9", 300);
    expect("drop", "inbound", "refuse", "");
}

static void test_audit_mode(void **state) {
    (void)state;
    set(&network()->options, "mode", "audit");
    enforce();
    packet("audit", 2, "192.0.2.9", 50);
    expect("pass", "policy", "deny", "192.0.2.0/24:1-100/tcp");
    packet("refused", 2, "192.0.2.9", 50); /* still under the fence before */
    expect("reject", "policy", "deny", "192.0.2.0/24:1-100/tcp");
    tick();
    tick();
    packet("refused", 2, "192.0.2.9", 50); /* under no fence that is known */
    expect("", "changed", "", "");
}

static void test_what_was_not_led(void **state) {
    (void)state;
    set(&network()->options, "mode", "transparent");
    enforce();
    packet("handed", 2, "198.51.100.1", 443);
    expect("reject", "unhanded", "mode", "0.0.0.0/0:443/tcp");
    packet("refused", 2, "198.51.100.1", 8443);
    expect("reject", "policy", "refuse", "");
}

static void test_a_policy_that_changed_meanwhile(void **state) {
    (void)state;
    set(&network()->options, "deny", "");
    enforce();
    packet("refused", 2, "192.0.2.9", 50); /* only the old one refuses that */
    expect("reject", "policy", "deny", "192.0.2.0/24:1-100/tcp");
    packet("refused", 2, "192.0.2.9", 300); /* both, for the same reason */
    expect("reject", "policy", "refuse", "");
    set(&network()->options, "deny", "192.0.2.9:1-50/tcp");
    enforce();
    packet("refused", 2, "192.0.2.9", 50); /* two of three, for different reasons */
    expect("", "changed", "", "");
    tick();
    tick();
    packet("refused", 2, "192.0.2.9", 50);
    expect("reject", "policy", "deny", "192.0.2.9:1-50/tcp");
}

static void test_an_endpoint_that_left(void **state) {
    (void)state;
    ne_model_endpoint(&model, EP)->joined = false;
    enforce();
    packet("refused", 2, "192.0.2.9", 50);
    expect("reject", "policy", "deny", "192.0.2.0/24:1-100/tcp");
    assert_string_equal(told.endpoint, EP);
    tick();
    tick();
    packet("refused", 2, "192.0.2.9", 50);
    expect("", "changed", "", "");
    assert_string_equal(told.endpoint, "");
}

/* settle() - Ticks until nothing more is told. */
static void settle(void) {
    for (int i = 0; i < 6; i++)
        tick();
}

static void test_what_was_left_out_is_told_to_the_packet(void **state) {
    (void)state;
    tick(); /* the first reading: what was before is no news */
    counter[0] = 100000;
    counter[1] = 10;
    for (int i = 0; i < 7; i++)
        packet("refused", 2, "192.0.2.9", 50);
    for (int i = 0; i < 10; i++)
        packet("refused", 3, "192.0.2.9", 50);
    settle();
    assert_int_equal(told.packets, 17);
    assert_int_equal(told.summaries, 1);
    assert_int_equal(told.suppressed, 100000 - 7);
    assert_string_equal(told.reason, "unlogged");
    assert_string_equal(told.endpoint, EP);
    assert_string_equal(told.network, NET);
    unsigned before = readings;
    settle();
    assert_int_equal(readings, before); /* nothing is read while nothing happens */
}

static void test_what_was_before_is_no_news(void **state) {
    (void)state;
    counter[0] = 500;
    tick();
    settle();
    assert_int_equal(told.suppressed, 0);
    counter[0] += 3;
    packet("refused", 2, "192.0.2.9", 50);
    settle();
    assert_int_equal(told.suppressed, 2);
}

static void test_a_log_that_is_on_its_way_is_not_told_twice(void **state) {
    (void)state;
    tick();
    counter[0] = 1;
    packet("refused", 2, "192.0.2.9", 50);
    counter[0] = 3; /* two more are counted; their logs come after the reading */
    tick();
    packet("refused", 2, "192.0.2.9", 50);
    packet("refused", 2, "192.0.2.9", 50);
    settle();
    assert_int_equal(told.packets, 3);
    assert_int_equal(told.suppressed, 0);
    assert_int_equal(told.summaries, 0);
}

static void test_the_next_event_tells_it(void **state) {
    (void)state;
    tick();
    counter[0] = 50;
    packet("refused", 2, "192.0.2.9", 50);
    tick();
    tick(); /* now it is known that 49 have none */
    counter[0] = 60;
    packet("refused", 2, "192.0.2.9", 50);
    assert_int_equal(told.suppressed, 49);
    assert_int_equal(told.summaries, 0);
    settle();
    assert_int_equal(told.suppressed, 58);
    assert_int_equal(told.packets, 2);
}

static void test_numbers_add_up(void **state) {
    (void)state;
    tick();
    srand(1);
    unsigned events = 0;
    for (int i = 0; i < 2000; i++) {
        unsigned packets = (unsigned)rand() % 20;
        counter[0] += packets;
        for (unsigned k = 0; k < packets && k < 3; k++, events++)
            packet("refused", 2, "192.0.2.9", 50);
        if (rand() % 3 == 0)
            tick();
    }
    settle();
    assert_int_equal(told.packets, events);
    assert_int_equal(told.packets + told.suppressed, counter[0]);
}

static void test_a_log_that_is_off_tells_nothing(void **state) {
    (void)state;
    network()->options.has_log = true;
    network()->options.log = (struct ne_pace){0, 0};
    enforce();
    tick();
    counter[0] = 50;
    packet("refused", 3, "192.0.2.9", 50); /* makes it look */
    settle();
    assert_int_equal(told.suppressed, 0);
    assert_int_equal(told.summaries, 0);
}

static void test_who_leaves_is_told_of(void **state) {
    (void)state;
    tick();
    counter[0] = 1000;
    packet("refused", 2, "192.0.2.9", 50);
    tick();
    counter[0] = 2000;
    unsigned before = readings;
    assert_int_equal(ne_audit_read(audit, EP, &err), 0);
    assert_int_equal(readings, before); /* no other's counter was asked for */
    counted[0] = false;
    counter[0] = 0;
    ne_model_drop_endpoint(&model, EP);
    enforce();
    tick(); /* at once: one log is still on its way */
    packet("refused", 2, "192.0.2.9", 50);
    settle();
    assert_int_equal(told.packets, 2);
    assert_int_equal(told.suppressed, 1998);
    assert_string_equal(told.network, NET);
}

static int sum_up(void *context, const char *where, const char *reason, const char *proto,
                  uint64_t count) {
    uint64_t *sum = context;
    assert_string_equal(where, NET);
    if (strcmp(reason, "unlogged") == 0)
        assert_string_equal(proto, "any");
    else
        assert_string_equal(proto, "tcp");
    *sum += count;
    return 0;
}

static void test_sums(void **state) {
    uint64_t sum = 0;
    (void)state;
    tick();
    counter[0] = 1234;
    counter[1] = 3;
    packet("refused", 2, "192.0.2.9", 50);
    packet("into", 3, "192.0.2.9", 50);
    settle();
    assert_int_equal(ne_audit_counts(audit, sum_up, &sum), 0);
    assert_int_equal(sum, 1237);
    ne_model_drop_endpoint(&model, EP);
    ne_model_drop_endpoint(&model, EP2);
    ne_model_drop_network(&model, NET);
    counted[0] = counted[1] = false;
    settle();
    sum = 0;
    assert_int_equal(ne_audit_counts(audit, sum_up, &sum), 0);
    assert_int_equal(sum, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reason_and_rule, begin, finish),
        cmocka_unit_test_setup_teardown(test_limits, begin, finish),
        cmocka_unit_test_setup_teardown(test_audit_mode, begin, finish),
        cmocka_unit_test_setup_teardown(test_what_was_not_led, begin, finish),
        cmocka_unit_test_setup_teardown(test_a_policy_that_changed_meanwhile, begin, finish),
        cmocka_unit_test_setup_teardown(test_an_endpoint_that_left, begin, finish),
        cmocka_unit_test_setup_teardown(test_what_was_left_out_is_told_to_the_packet, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(test_what_was_before_is_no_news, begin, finish),
        cmocka_unit_test_setup_teardown(test_a_log_that_is_on_its_way_is_not_told_twice, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(test_the_next_event_tells_it, begin, finish),
        cmocka_unit_test_setup_teardown(test_numbers_add_up, begin, finish),
        cmocka_unit_test_setup_teardown(test_a_log_that_is_off_tells_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(test_who_leaves_is_told_of, begin, finish),
        cmocka_unit_test_setup_teardown(test_sums, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
