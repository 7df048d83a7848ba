/* test_units.c - quantities and domain names as people write them. */
#include "unit.h"

#include <stdio.h>

#include <netenforce/domains.h>
#include <netenforce/units.h>

struct quantity {
    const char *given;
    uint64_t value;
    const char *written;
};

/* A kind of them: how they are read and written, what is one and what is none. */
struct kind {
    bool (*parse)(const char *text, uint64_t *value);
    const char *(*format)(uint64_t value, char out[static NE_UNIT_TEXT]);
    const struct quantity *good;
    size_t good_count;
    const char *const *bad;
    size_t bad_count;
};

static void try_kind(const struct kind *kind) {
    char text[NE_UNIT_TEXT];
    for (size_t i = 0; i < kind->good_count; i++) {
        uint64_t value = 1;
        assert_true(kind->parse(kind->good[i].given, &value));
        assert_true(value == kind->good[i].value);
        assert_string_equal(kind->format(value, text), kind->good[i].written);
    }
    for (size_t i = 0; i < kind->bad_count; i++) {
        uint64_t value = 7;
        assert_false(kind->parse(kind->bad[i], &value));
        assert_true(value == 7);
    }
}

static void rates(void **state) {
    (void)state;
    static const struct quantity good[] = {
        {"10mbit", 10000000, "10mbit"},      {"10MBit", 10000000, "10mbit"},
        {"1500kbit", 1500000, "1500kbit"},   {"1000mbit", 1000000000, "1gbit"},
        {"8kbit", NE_RATE_MIN, "8kbit"},     {"none", 0, "none"},
        {"100gbit", NE_RATE_MAX, "100gbit"},
    };
    static const char *const bad[] = {
        "",
        "10",
        "mbit",
        "10 mbit",
        "-1mbit",
        "7kbit",
        "0mbit",
        "101gbit",
        "1.5mbit",
        "10mbits",
        "10MiB",
        "0x1mbit",
        "99999999999999999999mbit",
    };
    try_kind(&(struct kind){ne_rate_parse, ne_rate_format, good, COUNT(good), bad, COUNT(bad)});
}

static void bytes(void **state) {
    (void)state;
    static const struct quantity good[] = {
        {"1GiB", UINT64_C(1) << 30, "1GiB"},
        {"1gib", UINT64_C(1) << 30, "1GiB"},
        {"1GB", 1000000000, "1GB"},
        {"4096", 4096, "4KiB"},
        {"1b", 1, "1B"},
        {"none", 0, "none"},
        {"1048576TiB", NE_BYTES_MAX, "1048576TiB"},
    };
    static const char *const bad[] = {"", "0", "0B", "1048577TiB", "1G", "-1", "1 GiB", "GiB"};
    try_kind(&(struct kind){ne_bytes_parse, ne_bytes_format, good, COUNT(good), bad, COUNT(bad)});
}

static void paces(void **state) {
    (void)state;
    static const char *const good[] = {"20/s", "1/m", "1000000/h", "none"};
    static const char *const bad[] = {"", "20", "/s", "0/s", "20/d", "1000001/s", "20 /s"};
    char text[NE_UNIT_TEXT];
    for (size_t i = 0; i < COUNT(good); i++) {
        struct ne_pace pace;
        assert_true(ne_pace_parse(good[i], &pace));
        assert_string_equal(ne_pace_format(pace, text), good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_pace pace;
        assert_false(ne_pace_parse(bad[i], &pace));
    }
}

static void domains_are_read(void **state) {
    (void)state;
    static const struct {
        const char *given;
        const char *written;
    } good[] = {
        {"", ""},
        {"Example.COM.", "example.com"},
        {"example.com, *.example.com example.com", "example.com,*.example.com"},
        {"*", "*"},
        {"_dmarc.x-1.org", "_dmarc.x-1.org"},
    };
    static const char *const bad[] = {"a..b", ".a", "*a.com", "a.*.com",    "a/b",
                                      "**",   "*.", "a;b",    "\xc3\xa4.de"};
    for (size_t i = 0; i < COUNT(good); i++) {
        struct ne_domains list;
        assert_int_equal(ne_domains_parse(&list, "dns_allow", good[i].given, NULL), 0);
        assert_string_equal(list.text, good[i].written);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ne_domains list;
        struct ne_error err = {0};
        assert_int_equal(ne_domains_parse(&list, "dns_allow", bad[i], &err), -1);
        assert_non_null(strstr(err.text, "dns_allow"));
        assert_non_null(strstr(err.text, bad[i]));
    }
}

static void too_many_domains(void **state) {
    (void)state;
    char text[4 * NE_DOMAINS_TEXT] = "";
    for (int i = 0; i < 60; i++) {
        char one[64];
        (void)snprintf(one, sizeof(one), "%d.a-rather-long-name.example.com ", i);
        (void)strcat(text, one);
    }
    struct ne_domains list;
    struct ne_error err = {0};
    assert_int_equal(ne_domains_parse(&list, "dns_deny", text, &err), -1);
    assert_non_null(strstr(err.text, "longer"));
}

static void domains_match(void **state) {
    (void)state;
    assert_true(ne_domain_matches("example.com", "EXAMPLE.com."));
    assert_false(ne_domain_matches("example.com", "www.example.com"));
    assert_false(ne_domain_matches("example.com", "notexample.com"));
    assert_true(ne_domain_matches("*.example.com", "a.b.Example.com"));
    assert_false(ne_domain_matches("*.example.com", "example.com"));
    assert_false(ne_domain_matches("*.example.com", "notexample.com"));
    assert_true(ne_domain_matches("*", "x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),
        cmocka_unit_test(bytes),
        cmocka_unit_test(paces),
        cmocka_unit_test(domains_are_read),
        cmocka_unit_test(too_many_domains),
        cmocka_unit_test(domains_match),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
