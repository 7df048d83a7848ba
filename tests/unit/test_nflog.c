/* test_nflog.c - what the kernel's packet log says, read from recorded messages. */
#include "unit.h"

#include <netenforce/netlink.h>
#include <netenforce/nflog.h>
#include <netinet/in.h>
#include <stdio.h>

#define SEEDS "tests/fuzz/seeds/fuzz_nflog/"

static _Alignas(struct nlmsghdr) char bytes[4096];

/* read_seed() - The first packet of a recorded datagram. */
static bool read_seed(const char *name, struct ne_logged *logged) {
    char path[128];
    (void)snprintf(path, sizeof(path), SEEDS "%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    size_t at = 0;
    const struct nlmsghdr *message = ne_next_message(bytes, size, &at);
    assert_non_null(message);
    return ne_logged_parse(message, logged);
}

static const struct {
    const char *name;
    uint8_t proto;
    bool ports;
    uint16_t dport;
    int flags, icmp; /* -1: none */
} seeds[] = {
    {"tcp", IPPROTO_TCP, true, 443, 2, -1},
    {"udp", IPPROTO_UDP, true, 53, -1, -1},
    {"icmp", IPPROTO_ICMP, false, 0, -1, 0},
    {"tcp6", IPPROTO_TCP, true, 443, 2, -1},
    {"ping6", IPPROTO_ICMPV6, false, 0, -1, 128},
    {"extensions", IPPROTO_UDP, false, 0, -1, -1}, /* a later fragment */
    {"later-fragment", IPPROTO_UDP, false, 0, -1, -1},
    {"gre", 47, false, 0, -1, -1},
};

static void test_recorded(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(seeds); i++) {
        struct ne_logged logged;
        char text[NE_ADDR_TEXT];
        assert_true(read_seed(seeds[i].name, &logged));
        assert_string_equal(logged.place, "refused");
        assert_int_equal(logged.proto, seeds[i].proto);
        assert_int_equal(logged.has_ports, seeds[i].ports);
        assert_int_equal(logged.dport, seeds[i].dport);
        assert_int_equal(logged.has_tcp_flags ? logged.tcp_flags : -1, seeds[i].flags);
        assert_int_equal(logged.has_icmp_type ? logged.icmp_type : -1, seeds[i].icmp);
        assert_true(logged.has_mac && logged.has_sequence && logged.device != 0);
        assert_string_equal(ne_mac_format(&logged.mac, text), "02:00:00:00:00:0a");
        bool six = logged.from.family == NE_V6;
        assert_string_equal(ne_addr_format(&logged.from, text), six ? "2001:db8::1" : "10.0.0.1");
        assert_string_equal(ne_addr_format(&logged.to, text), six ? "2001:db8::2" : "10.0.0.2");
    }
}

/* A message that is cut anywhere is none, or is read within its bounds (the sanitizers look). */
static void test_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(seeds); i++) {
        struct ne_logged logged;
        (void)read_seed(seeds[i].name, &logged);
        struct nlmsghdr *message = (struct nlmsghdr *)(void *)bytes;
        for (uint32_t size = message->nlmsg_len; size >= sizeof(*message); size--) {
            message->nlmsg_len = size;
            (void)ne_logged_parse(message, &logged);
        }
        assert_false(ne_logged_parse(message, &logged));
    }
}

static void test_another_prefix_is_not_ours(void **state) {
    struct ne_logged logged;
    (void)state;
    assert_true(read_seed("tcp", &logged));
    char *prefix = memmem(bytes, sizeof(bytes), "ne:refused", 10);
    assert_non_null(prefix);
    const struct nlmsghdr *message = (struct nlmsghdr *)(void *)bytes;
    memcpy(prefix, "xe:", 3);
    assert_false(ne_logged_parse(message, &logged));
    memcpy(prefix, "ne:ref\"sed", 10);
    assert_false(ne_logged_parse(message, &logged));
    memcpy(prefix, "ne:\0", 4);
    assert_false(ne_logged_parse(message, &logged));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_another_prefix_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
