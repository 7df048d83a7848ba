/* test_forwarder.c - dns=log without a process: orders, dnsmasq's arguments, its log, questions. */
#include "unit.h"

#include "../../src/forwarder/arguments.h"
#include "../../src/forwarder/order.h"
#include "../../src/forwarder/queries.h"
#include "../../src/forwarder/querylog.h"
#include "../../src/forwarder/wanted.h"

#include <fcntl.h>
#include <netenforce/event.h>
#include <netenforce/fence.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#define NET "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define EP  "1111111111111111111111111111111111111111111111111111111111111111"

static struct ne_error err;
static struct arguments arguments;

static struct ne_addr addr(const char *text) {
    struct ne_addr parsed;
    assert_true(ne_addr_parse(text, &parsed));
    return parsed;
}

static struct forwarder_config config_of(const char *allow, const char *deny) {
    struct forwarder_config config = {.has_allow = allow != NULL};
    config.listen[0] = addr("10.88.0.1");
    config.upstream[0] = addr("192.0.2.53");
    assert_int_equal(ne_domains_parse(&config.allow, "dns_allow", allow == NULL ? "" : allow, &err),
                     0);
    assert_int_equal(ne_domains_parse(&config.deny, "dns_deny", deny == NULL ? "" : deny, &err), 0);
    return config;
}

static struct launcher_order start_order(void) {
    struct launcher_order order;
    memset(&order, 0, sizeof(order));
    order.kind = ORDER_START;
    order.serial = 7;
    memcpy(order.network, NET, sizeof(order.network));
    order.config = config_of("example.com,*.example.org", "bad.example.org");
    return order;
}

static bool is_read(const struct launcher_order *order) {
    struct launcher_order read;
    return order_read(order, sizeof(*order), &read);
}

static void whole_orders_are_read(void **state) {
    (void)state;
    struct launcher_order order = start_order();
    struct launcher_order read;
    assert_true(order_read(&order, sizeof(order), &read));
    assert_true(config_equal(&order.config, &read.config));
    assert_false(order_read(&order, sizeof(order) - 1, &read));
    assert_false(order_read(&order, 0, &read));
    order.config.listen[1] = addr("fd00:88::1");
    order.config.upstream[1] = addr("127.0.0.1"); /* asked from the host, where it is one */
    assert_true(is_read(&order));
    order.kind = ORDER_STOP;
    memset(&order.config, 0xff, sizeof(order.config)); /* not looked at */
    assert_true(is_read(&order));
}

static void what_is_no_order(void **state) {
    (void)state;
    struct launcher_order order = start_order();
    order.kind = 3;
    assert_false(is_read(&order));

    order = start_order();
    memset(order.network, 'a', sizeof(order.network)); /* no end */
    assert_false(is_read(&order));
    order = start_order();
    (void)strcpy(order.network, "../../../../etc");
    assert_false(is_read(&order));

    order = start_order();
    memset(&order.config.listen[0], 0, sizeof(order.config.listen[0])); /* nowhere */
    assert_false(is_read(&order));
    static const char *const never[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"};
    for (size_t i = 0; i < COUNT(never); i++) {
        order = start_order();
        order.config.listen[0] = addr(never[i]);
        assert_false(is_read(&order));
    }
    order = start_order();
    memset(&order.config.listen[1], 0x55, sizeof(order.config.listen[1]));
    assert_false(is_read(&order));
    order = start_order();
    order.config.listen[0].bytes[9] = 1; /* behind the address */
    assert_false(is_read(&order));
    order = start_order();
    order.config.upstream[2] = addr("192.0.2.1"); /* behind the end */
    assert_false(is_read(&order));
    order = start_order();
    order.config.has_allow = 2;
    assert_false(is_read(&order));

    static const char *const lists[] = {
        "a,a", "A",   "a b",        "a,",   "/etc/passwd", "a/b", "a#53",   "a\n--conf",
        "..",  "*.*", "-a,--b=c/d", "a,,b", "a.com ",      "x=y", "a@eth0", "*a.com"};
    for (size_t i = 0; i < COUNT(lists); i++) {
        order = start_order();
        (void)snprintf(order.config.deny.text, sizeof(order.config.deny.text), "%s", lists[i]);
        assert_false(is_read(&order));
    }
    order = start_order();
    memset(order.config.allow.text, 'a', sizeof(order.config.allow.text)); /* no end */
    assert_false(is_read(&order));
}

/* lines() - The arguments from @first on that begin with one of dnsmasq's words for servers. */
static const char *lines(char *out, size_t size) {
    out[0] = '\0';
    for (size_t i = 0; i < arguments.count; i++) {
        const char *one = arguments.argv[i];
        if (strncmp(one, "--server", 8) != 0 && strncmp(one, "--local", 7) != 0)
            continue;
        size_t used = strlen(out);
        (void)snprintf(out + used, size - used, "%s%s", used == 0 ? "" : " ", one + 2);
    }
    return out;
}

static void lists_become_arguments(void **state) {
    (void)state;
    static const struct {
        const char *allow;
        const char *deny;
        const char *expected;
    } cases[] = {
        {NULL, NULL, "server=192.0.2.53"},
        {"", NULL, "local=/#/"},
        {"*", NULL, "server=192.0.2.53"},
        {"a.b", NULL, "local=/#/ server=/a.b/192.0.2.53 local=/*.a.b/"},
        {"*.a.b", NULL, "local=/#/ local=/a.b/ server=/*.a.b/192.0.2.53"},
        {NULL, "a.b", "server=192.0.2.53 local=/a.b/ server=/*.a.b/192.0.2.53"},
        {NULL, "*.a.b", "server=192.0.2.53 server=/a.b/192.0.2.53 local=/*.a.b/"},
        {"*.b", "a.b",
         "local=/#/ local=/b/ server=/*.b/192.0.2.53 local=/a.b/ server=/*.a.b/192.0.2.53"},
        {"a.b", "*", "local=/#/ local=/a.b/ local=/*.a.b/"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[1024];
        const struct forwarder_config config = config_of(cases[i].allow, cases[i].deny);
        assert_true(arguments_make(&arguments, "/x/dnsmasq", &config));
        assert_string_equal(lines(text, sizeof(text)), cases[i].expected);
        assert_string_equal(arguments.argv[0], "/x/dnsmasq");
        assert_null(arguments.argv[arguments.count]);
    }
}

static void the_longest_lists_fit(void **state) {
    (void)state;
    char list[NE_DOMAINS_TEXT] = "";
    char text[NE_ADDR_TEXT];
    size_t used = 0;
    for (unsigned i = 0; used + 4 < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%c%c", i == 0 ? "" : ",",
                                 'a' + (int)(i / 26), 'a' + (int)(i % 26));
    struct forwarder_config config = config_of(list, list);
    config.deny.text[0] = '\0';
    for (size_t i = 0; i < NE_RESOLVER_SERVERS; i++) {
        (void)snprintf(text, sizeof(text), "2001:db8:1111:2222:3333:4444:5555:%zx", 0x6661 + i);
        config.upstream[i] = addr(text);
    }
    assert_true(arguments_make(&arguments, "dnsmasq", &config));
    config = config_of(NULL, NULL);
    memset(config.allow.text, 'a', 250);
    config.allow.text[63] = config.allow.text[127] = config.allow.text[191] = '.';
    assert_true(arguments_make(&arguments, "dnsmasq", &config));
}

static struct querylog_line parsed(const char *line) {
    struct querylog_line out;
    querylog_parse(line, strlen(line), &out);
    return out;
}

static void lines_are_read(void **state) {
    (void)state;
    struct querylog_line line =
        parsed("dnsmasq[42]: 7 10.88.0.2/5353 query[AAAA] www.example.com from 10.88.0.2");
    assert_int_equal(line.kind, QUERYLOG_QUERY);
    assert_int_equal(line.pid, 42);
    assert_int_equal(line.serial, 7);
    assert_int_equal(line.port, 5353);
    const struct ne_addr client = addr("10.88.0.2");
    assert_true(ne_addr_equal(&line.client, &client));
    assert_string_equal(line.name, "www.example.com");
    assert_string_equal(line.type, "AAAA");

    line = parsed("dnsmasq[42]: 7 fd00:88::2/1 query[type=65] a from b from fd00:88::2");
    assert_string_equal(line.name, "a from b");
    assert_string_equal(line.type, "type=65");

    static const struct {
        const char *text;
        enum ne_query_result result;
        const char *answer;
    } answers[] = {
        {"reply www.example.com is 192.0.2.1", NE_QUERY_ANSWERED, "192.0.2.1"},
        {"reply x is y is 192.0.2.1", NE_QUERY_ANSWERED, "192.0.2.1"},
        {"reply www.example.com is <CNAME>", NE_QUERY_ANSWERED, "<CNAME>"},
        {"reply www.example.com is NXDOMAIN", NE_QUERY_NXDOMAIN, ""},
        {"reply www.example.com is NODATA-IPv6", NE_QUERY_NODATA, ""},
        {"reply error is REFUSED", NE_QUERY_FAILED, ""},
        {"config www.example.com is NXDOMAIN", NE_QUERY_DENIED, ""},
        {"config error is REFUSED (EDE: not ready)", NE_QUERY_FAILED, ""},
        {"config version.bind is not implemented (EDE: unknown)", NE_QUERY_FAILED, ""},
    };
    for (size_t i = 0; i < COUNT(answers); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "dnsmasq[1]: 2 10.88.0.2/3 %s", answers[i].text);
        line = parsed(text);
        assert_int_equal(line.kind, QUERYLOG_ANSWER);
        assert_int_equal(line.result, answers[i].result);
        assert_string_equal(line.answer, answers[i].answer);
    }
    assert_int_equal(parsed("dnsmasq[9]: started, version 2.90 cache disabled").kind,
                     QUERYLOG_READY);
    line = parsed("dnsmasq: failed to create listening socket for 10.0.0.1: Address in use");
    assert_int_equal(line.kind, QUERYLOG_WORDS);
    assert_string_equal(line.name,
                        "failed to create listening socket for 10.0.0.1: Address in use");
}

static void other_lines_are_nothing(void **state) {
    (void)state;
    static const char *const others[] = {
        "",
        "dnsmasq",
        "dnsmasq[1]",
        "dnsmasq[]: started, version 2.90",
        "dnsmasq[1]: compile time options: IPv6",
        "dnsmasq[1]: 2 10.88.0.2/3 forwarded a to 192.0.2.53",
        "dnsmasq[1]: 2 10.88.0.2/3 query[A] a",
        "dnsmasq[1]: 2 10.88.0.2/3 query[A a from b",
        "dnsmasq[1]: 2 10.88.0.2/3 reply a",
        "dnsmasq[1]: 2 10.88.0.2 query[A] a from b",
        "dnsmasq[1]: 2 somebody/3 query[A] a from b",
        "dnsmasq[1]: 10.88.0.2/3 query[A] a from b",
        "kernel: 2 10.88.0.2/3 query[A] a from 10.88.0.2",
    };
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(parsed(others[i]).kind, QUERYLOG_OTHER);
    /* What is not printable or too long is never passed on as it is. */
    char text[600] = "dnsmasq[1]: 2 10.88.0.2/3 query[A] \x1b[31m\xff";
    size_t used = strlen(text);
    memset(text + used, 'n', 400);
    (void)strcpy(text + used + 400, " from 10.88.0.2");
    const struct querylog_line line = parsed(text);
    assert_int_equal(line.kind, QUERYLOG_QUERY);
    assert_int_equal(strlen(line.name), QUERY_NAME - 1);
    assert_int_equal(strncmp(line.name, "?[31m?nnn", 9), 0);
}

/* What runs under a network with one endpoint, at 10.88.0.2. */
struct world {
    struct ne_model model;
    struct queries queries;
    int log;
    int kept;
    char path[32];
};

static struct ne_network network(const char *key, const char *value) {
    struct ne_network n = {.id = NET, .bridge = "ne-aaaaaaaaaaaa"};
    assert_true(ne_prefix_parse("10.88.0.0/24", &n.pool4));
    assert_true(ne_prefix_parse("10.88.0.1/24", &n.gateway4));
    if (key != NULL)
        assert_int_equal(ne_options_set(&n.options, NE_SCOPE_NETWORK, key, value, &err), 0);
    return n;
}

static void build(struct world *world) {
    const struct ne_network n = network("dns", "log");
    struct ne_endpoint e = {.id = EP, .network = NET, .joined = true, .addr4 = addr("10.88.0.2")};
    *world = (struct world){.path = "/tmp/netenforce-names-XXXXXX"};
    ne_model_init(&world->model);
    assert_non_null(ne_model_add_network(&world->model, &n, &err));
    assert_non_null(ne_model_add_endpoint(&world->model, &e, &err));
    world->log = mkstemp(world->path);
    assert_true(world->log >= 0);
}

static void drop(struct world *world) {
    queries_free(&world->queries);
    ne_model_free(&world->model);
    (void)close(world->log);
    (void)unlink(world->path);
}

/* to_file() - Events go to the world's file while it is true: they stand on standard error. */
static void to_file(struct world *world, bool on) {
    if (on) {
        world->kept = dup(STDERR_FILENO);
        (void)dup2(world->log, STDERR_FILENO);
    } else {
        (void)dup2(world->kept, STDERR_FILENO);
        (void)close(world->kept);
    }
}

static void take(struct world *world, const char *text, uint64_t now_ms) {
    const struct querylog_line line = parsed(text);
    to_file(world, true);
    queries_take(&world->queries, &world->model, ne_model_network_at(&world->model, 0), &line,
                 now_ms);
    to_file(world, false);
}

static void flush(struct world *world, uint64_t now_ms) {
    to_file(world, true);
    queries_flush(&world->queries, &world->model, ne_model_network_at(&world->model, 0), now_ms);
    to_file(world, false);
}

/* told() - How many events have @text. */
static unsigned told(const struct world *world, const char *text) {
    static char all[256 * 1024];
    ssize_t size = pread(world->log, all, sizeof(all) - 1, 0);
    assert_true(size >= 0);
    all[size] = '\0';
    unsigned count = 0;
    for (const char *at = all; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void lines_become_an_event(void **state) {
    (void)state;
    struct world world;
    build(&world);
    take(&world, "dnsmasq[1]: 1 10.88.0.2/9 query[A] www.example from 10.88.0.2", 1000);
    take(&world, "dnsmasq[1]: 1 10.88.0.2/9 forwarded www.example to 192.0.2.53", 1001);
    take(&world, "dnsmasq[1]: 1 10.88.0.2/9 reply www.example is <CNAME>", 1010);
    take(&world, "dnsmasq[1]: 1 10.88.0.2/9 reply web.example is 192.0.2.7", 1010);
    assert_int_equal(told(&world, "{"), 0);
    assert_int_equal(queries_timeout(&world.queries, 1010), 50);
    flush(&world, 1060);
    assert_int_equal(told(&world, "{"), 1);
    assert_int_equal(told(&world, "\"endpoint\":\"" EP "\""), 1);
    assert_int_equal(told(&world, "\"name\":\"www.example\""), 1);
    assert_int_equal(told(&world, "\"answer\":\"<CNAME>,192.0.2.7\""), 1);
    assert_int_equal(told(&world, "\"result\":\"answered\""), 1);
    assert_int_equal(world.queries.counts[NE_QUERY_ANSWERED], 1);
    assert_int_equal(queries_timeout(&world.queries, 1060), -1);

    /* The next line of the same process ends an answer; one of another does not. */
    take(&world, "dnsmasq[1]: 2 10.88.0.2/9 query[A] second from 10.88.0.2", 2000);
    take(&world, "dnsmasq[1]: 2 10.88.0.2/9 config second is NXDOMAIN", 2000);
    take(&world, "dnsmasq[5]: 3 10.88.0.2/9 query[A] third from 10.88.0.2", 2000);
    assert_int_equal(told(&world, "\"denied\""), 0);
    take(&world, "dnsmasq[1]: 4 10.88.0.2/9 query[A] fourth from 10.88.0.2", 2000);
    assert_int_equal(told(&world, "\"denied\""), 1);
    flush(&world, 12000);
    assert_int_equal(told(&world, "\"unanswered\""), 2);
    drop(&world);
}

static void a_flood_is_counted(void **state) {
    (void)state;
    struct world world;
    char text[128];
    build(&world);
    const unsigned count = 1000;
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(text, sizeof(text), "dnsmasq[1]: %u 10.88.0.2/9 query[A] n from x", i);
        take(&world, text, 5000);
        (void)snprintf(text, sizeof(text), "dnsmasq[1]: %u 10.88.0.2/9 config n is NXDOMAIN", i);
        take(&world, text, 5000);
    }
    take(&world, "dnsmasq[1]: 5000 10.88.0.3/9 query[A] quiet from 10.88.0.3", 5000);
    take(&world, "dnsmasq[1]: 5000 10.88.0.3/9 reply quiet is NXDOMAIN", 5000);
    flush(&world, 5050);
    assert_int_equal(told(&world, "\"name\":\"n\""), QUERIES_EVENTS_AT_ONCE);
    assert_int_equal(told(&world, "\"name\":\"quiet\""), 1);
    assert_int_equal(world.queries.counts[NE_QUERY_DENIED], count);
    flush(&world, 6100);
    (void)snprintf(text, sizeof(text), "\"suppressed\":%u", count - QUERIES_EVENTS_AT_ONCE);
    assert_int_equal(told(&world, text), 1);
    drop(&world);
}

static void more_than_are_kept(void **state) {
    (void)state;
    struct world world;
    char text[128];
    build(&world);
    for (unsigned i = 0; i < QUERIES_OPEN + 5; i++) {
        (void)snprintf(text, sizeof(text), "dnsmasq[1]: %u 10.88.0.2/9 query[A] n%u from x", i, i);
        take(&world, text, 1000 + i);
    }
    assert_int_equal(world.queries.open_count, QUERIES_OPEN);
    assert_int_equal(world.queries.counts[NE_QUERY_UNANSWERED], 5);
    drop(&world);
}

static void who_wants_one(void **state) {
    (void)state;
    struct ne_model model;
    const struct ne_servers servers = {.count = 2, .items = {addr("10.88.0.1"), addr("192.0.2.1")}};
    struct forwarder_config config;
    struct ne_network n = network(NULL, NULL);
    struct ne_endpoint e = {.id = EP, .network = NET, .addr4 = addr("10.88.0.2")};
    ne_model_init(&model);
    assert_non_null(ne_model_add_endpoint(&model, &e, &err));
    assert_false(forwarder_wanted(&model, &n, &servers, &config));
    assert_int_equal(ne_options_set(&n.options, NE_SCOPE_NETWORK, "dns_allow", "", &err), 0);
    assert_false(forwarder_wanted(&model, &n, &servers, &config));
    struct ne_options given = ne_options_nothing;
    assert_int_equal(ne_options_set(&given, NE_SCOPE_ENDPOINT, "dns", "log", &err), 0);
    e.options = &given;
    ne_model_drop_endpoint(&model, EP);
    assert_non_null(ne_model_add_endpoint(&model, &e, &err));
    assert_true(forwarder_wanted(&model, &n, &servers, &config));
    assert_int_equal(config.has_allow, 1);
    /* Its own address is not asked. */
    assert_true(ne_addr_equal(&config.upstream[0], &servers.items[1]));
    assert_int_equal(config.upstream[1].family, NE_NONE);
    ne_model_free(&model);
}

/* passes() - Whether an endpoint's packet passes, and by the option dns. */
static bool passes(const struct ne_network *n, const char *to, uint8_t proto, uint16_t port) {
    struct ne_model model;
    struct ne_fence fence;
    struct ne_endpoint e = {.id = EP, .network = NET, .joined = true, .addr4 = addr("10.88.0.2")};
    struct ne_packet packet = {
        .interface = "ne-aaaaaaaaaaaa", .proto = proto, .port = port, .from = e.addr4};
    packet.to = addr(to);
    ne_model_init(&model);
    assert_non_null(ne_model_add_network(&model, n, &err));
    assert_non_null(ne_model_add_endpoint(&model, &e, &err));
    assert_int_equal(ne_model_fence(&model, &fence, &err), 0);
    struct ne_judgement judgement = ne_fence_verdict(&fence, &packet);
    bool passed = judgement.verdict == NE_PASS && strcmp(judgement.rule->option, "dns") == 0;
    ne_fence_free(&fence);
    ne_model_free(&model);
    return passed;
}

static void the_port_follows_the_forwarder(void **state) {
    (void)state;
    struct ne_network n = network("dns", "log");
    assert_false(passes(&n, "10.88.0.1", IPPROTO_UDP, 53));
    n.forwarder_up = true;
    assert_true(passes(&n, "10.88.0.1", IPPROTO_UDP, 53));
    assert_true(passes(&n, "10.88.0.1", IPPROTO_TCP, 53));
    assert_false(passes(&n, "10.88.0.1", IPPROTO_UDP, 54));
    assert_false(passes(&n, "192.0.2.53", IPPROTO_UDP, 53));
    assert_int_equal(ne_options_set(&n.options, NE_SCOPE_NETWORK, "deny", "10.88.0.1:53/udp", &err),
                     0);
    assert_false(passes(&n, "10.88.0.1", IPPROTO_UDP, 53));
    assert_true(passes(&n, "10.88.0.1", IPPROTO_TCP, 53));
    n = network("dns", "off");
    n.forwarder_up = true;
    assert_false(passes(&n, "10.88.0.1", IPPROTO_UDP, 53));
}

static void servers_by_address(void **state) {
    (void)state;
    struct ne_prefix routes[NE_ROUTES_MAX];
    const struct ne_network n = network("dns", "192.0.2.53 10.88.0.1");
    assert_int_equal(ne_options_check(&n, &n.options, &err), 0);
    assert_true(passes(&n, "192.0.2.53", IPPROTO_UDP, 53));
    assert_true(passes(&n, "192.0.2.53", IPPROTO_TCP, 53));
    assert_true(passes(&n, "10.88.0.1", IPPROTO_UDP, 53));
    assert_false(passes(&n, "192.0.2.54", IPPROTO_UDP, 53));
    assert_false(passes(&n, "192.0.2.53", IPPROTO_TCP, 853));
    assert_int_equal(ne_routes(&n, NULL, routes), 1);
    assert_true(ne_addr_equal(&routes[0].addr, &n.options.dns.servers[0]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_orders_are_read),
        cmocka_unit_test(what_is_no_order),
        cmocka_unit_test(lists_become_arguments),
        cmocka_unit_test(the_longest_lists_fit),
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(other_lines_are_nothing),
        cmocka_unit_test(lines_become_an_event),
        cmocka_unit_test(a_flood_is_counted),
        cmocka_unit_test(more_than_are_kept),
        cmocka_unit_test(who_wants_one),
        cmocka_unit_test(the_port_follows_the_forwarder),
        cmocka_unit_test(servers_by_address),
    };
    return cmocka_run_group_tests_name("forwarder", tests, NULL, NULL);
}
