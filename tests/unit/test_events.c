/* test_events.c - the event hub: lines, the file and its rotation, the ring, followers. */
#include "unit.h"

#include <fcntl.h>
#include <netenforce/event.h>
#include <netenforce/follow.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/netenforce-events-XXXXXX";
static char path[64];
static int null_fd;
static struct ne_error err;

/* tell() - Emit without a word on the test's own standard error. */
static void tell(const struct ne_event *event) {
    int kept = dup(STDERR_FILENO);
    (void)dup2(null_fd, STDERR_FILENO);
    ne_event_emit(event);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
}

static void tell_number(const char *type, unsigned long number) {
    const struct ne_event event = {
        .type = type, .network = "aaaabbbbcccc", .endpoint = "eeeeffff0000", .count = number};
    tell(&event);
}

static int begin(void **state) {
    (void)state;
    (void)strcpy(folder, "/tmp/netenforce-events-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/events.jsonl", folder);
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return null_fd < 0 ? -1 : 0;
}

static int finish(void **state) {
    char name[96];
    (void)state;
    ne_events_close();
    (void)unlink(path);
    for (unsigned i = 1; i < 10; i++) {
        (void)snprintf(name, sizeof(name), "%s.%u", path, i);
        (void)unlink(name);
    }
    (void)close(null_fd);
    return rmdir(folder);
}

static void open_hub(uint64_t size, unsigned count) {
    const struct ne_events_settings settings = {.file = path, .size = size, .count = count};
    assert_int_equal(ne_events_open(&settings, &err), 0);
}

/* read_all() - Everything that is there now, by pieces of @piece bytes. Return: to be freed. */
static char *read_all(struct ne_follower *follower, size_t piece) {
    char *text = calloc(1, 64u << 20);
    size_t used = 0;
    bool idle = false;
    assert_non_null(text);
    for (;;) {
        ssize_t n = ne_follower_read(follower, text + used, piece, &idle);
        if (n < 0 || (n == 0 && idle))
            return text;
        used += (size_t)n;
    }
}

static struct ne_follower *follow(const struct ne_event_filter *filter, bool history, bool go_on) {
    static const struct ne_event_filter all;
    struct ne_follower *follower =
        ne_follower_open(filter == NULL ? &all : filter, history, go_on, &err);
    assert_non_null(follower);
    return follower;
}

/* expect_numbers() - @text has exactly the counts from @first to @last, in order. */
static void expect_numbers(const char *text, unsigned long first, unsigned long last) {
    for (unsigned long n = first; n <= last; n++) {
        const char *found = strstr(text, "\"count\":");
        assert_non_null(found);
        assert_int_equal(strtoul(found + 8, NULL, 10), n);
        text = found + 8;
    }
    assert_null(strstr(text, "\"count\":"));
}

static void history_of(unsigned long first, unsigned long last) {
    struct ne_follower *follower = follow(NULL, true, false);
    char *text = read_all(follower, 1000);
    expect_numbers(text, first, last);
    free(text);
    ne_follower_close(follower);
}

static void test_lines(void **state) {
    const struct ne_event event = {
        .type = "blocked",
        .src = "10.0.0.2",
        .dst = "192.0.2.1",
        .proto = "tcp",
        .sport = 1234,
        .dport = 443,
        .tcp_flags = "SYN",
        .reason = "policy \"x\"\n",
        .suppressed = 7,
    };
    (void)state;
    struct ne_follower *follower = follow(NULL, false, true);
    tell(&event);
    char *text = read_all(follower, 4096);
    assert_int_equal(strncmp(text, "{\"time\":\"20", 11), 0);
    assert_string_equal(text + strlen("{\"time\":\"2026-11-25T01:02:03.004Z"),
                        "\",\"type\":\"blocked\",\"src\":\"10.0.0.2\",\"sport\":1234,"
                        "\"dst\":\"192.0.2.1\",\"dport\":443,\"proto\":\"tcp\",\"tcp_flags\":"
                        "\"SYN\",\"reason\":\"policy \\\"x\\\"\\n\",\"suppressed\":7}\n");
    free(text);
    ne_follower_close(follower);
}

static void test_a_line_that_is_too_long(void **state) {
    char *reason = calloc(1, NE_EVENT_LINE + 1);
    (void)state;
    assert_non_null(reason);
    memset(reason, 'x', NE_EVENT_LINE);
    const struct ne_event event = {.type = "warning", .reason = reason};
    tell(&event);
    assert_int_equal(ne_events_dropped(NE_PLACE_MEMORY), 1);
    free(reason);
}

static void test_followers(void **state) {
    (void)state;
    tell_number("repair", 1);
    struct ne_follower *one = follow(NULL, false, true);
    tell_number("repair", 2);
    struct ne_follower *other = follow(NULL, true, true); /* without a file: the ring's */
    tell_number("repair", 3);
    char *text = read_all(one, 7);
    expect_numbers(text, 2, 3);
    free(text);
    text = read_all(other, 10000);
    expect_numbers(text, 1, 3);
    free(text);
    tell_number("repair", 4);
    text = read_all(one, 1);
    expect_numbers(text, 4, 4);
    free(text);
    ne_follower_close(one);
    ne_follower_close(other);
    history_of(1, 4);
}

static void test_too_many_followers(void **state) {
    struct ne_follower *all[NE_FOLLOWERS];
    const struct ne_event_filter filter = {.since = ""};
    (void)state;
    for (size_t i = 0; i < NE_FOLLOWERS; i++)
        all[i] = follow(NULL, false, true);
    assert_null(ne_follower_open(&filter, false, true, &err));
    assert_int_equal(err.code, NE_CONFLICT);
    ne_follower_close(all[0]);
    all[0] = follow(NULL, false, true);
    for (size_t i = 0; i < NE_FOLLOWERS; i++)
        ne_follower_close(all[i]);
}

static void test_a_slow_follower_is_told(void **state) {
    (void)state;
    struct ne_follower *slow = follow(NULL, false, true);
    for (unsigned long n = 1; n <= 20000; n++)
        tell_number("repair", n);
    char *text = read_all(slow, 4096);
    const char *loss = strstr(text, "too slow\",\"count\":");
    assert_non_null(loss);
    unsigned long lost = strtoul(loss + strlen("too slow\",\"count\":"), NULL, 10);
    assert_true(lost > 10000 && lost < 20000);
    expect_numbers(strchr(text, '\n'), lost + 1, 20000);
    assert_int_equal(ne_events_dropped(NE_PLACE_FOLLOWERS), lost);
    free(text);
    ne_follower_close(slow);
}

static void test_filters(void **state) {
    static const char line[] =
        "{\"time\":\"2026-11-25T01:02:03.004Z\",\"type\":\"blocked\",\"network\":\"aaaabbbb\","
        "\"endpoint\":\"cccc\",\"reason\":\"x,\\\"network\\\":\\\"dddd\\\"\"}\n";
    static const struct {
        struct ne_event_filter filter;
        bool wanted;
    } cases[] = {
        {{.since = ""}, true},
        {{.since = "2026-11-25T01:02:03.004Z"}, true},
        {{.since = "2026-11-25T01:02:03.005Z"}, false},
        {{.since = "2027"}, false},
        {{.type = "blocked"}, true},
        {{.type = "block"}, false},
        {{.network = "aaaabbbb"}, true},
        {{.network = "aaaa"}, true},
        {{.network = "bbbb"}, false},
        {{.network = "dddd"}, false},
        {{.endpoint = "cccc", .network = "aaaa", .type = "blocked"}, true},
        {{.endpoint = "cccc", .network = "aaaa", .type = "dns"}, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(ne_event_matches(&cases[i].filter, line, sizeof(line) - 1),
                         cases[i].wanted);
    assert_false(ne_event_matches(&cases[0].filter, line, 20));
    assert_false(ne_event_matches(&cases[0].filter, "x", 1));
}

static void test_the_file_and_the_ring_meet(void **state) {
    (void)state;
    open_hub(1u << 30, 3);
    for (unsigned long n = 1; n <= 9000; n++) /* the ring holds less */
        tell_number("repair", n);
    history_of(1, 9000);
    struct ne_follower *going_on = follow(NULL, true, true);
    tell_number("repair", 9001);
    char *text = read_all(going_on, 4096);
    expect_numbers(text, 1, 9001);
    free(text);
    ne_follower_close(going_on);
}

static void test_an_earlier_daemon(void **state) {
    (void)state;
    open_hub(1u << 20, 3);
    tell_number("repair", 1);
    ne_events_close();
    open_hub(1u << 20, 3);
    history_of(1, 1);
    tell_number("repair", 2);
    history_of(1, 2);
}

static void test_rotation(void **state) {
    char name[96];
    struct stat st;
    (void)state;
    open_hub(4096, 2);
    for (unsigned long n = 1; n <= 300; n++)
        tell_number("repair", n);
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), i == 0 ? "%s" : "%s.%u", path, i);
        assert_int_equal(stat(name, &st), 0);
        assert_true(st.st_size > 0 && st.st_size <= 4096);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    (void)snprintf(name, sizeof(name), "%s.3", path);
    assert_int_equal(access(name, F_OK), -1);
    history_of(1, 300); /* by the ring */
    ne_events_close();
    open_hub(4096, 2);
    struct ne_follower *follower = follow(NULL, true, false);
    char *text = read_all(follower, 1000);
    const char *first = strstr(text, "\"count\":");
    assert_non_null(first);
    expect_numbers(text, strtoul(first + 8, NULL, 10), 300); /* what is kept, without a gap */
    free(text);
    ne_follower_close(follower);
}

static void test_rotation_while_somebody_reads(void **state) {
    char bytes[200];
    bool idle;
    (void)state;
    open_hub(4096, 3);
    for (unsigned long n = 1; n <= 60; n++)
        tell_number("repair", n);
    ne_events_close();
    open_hub(4096, 3);
    struct ne_follower *reader = follow(NULL, true, true);
    ssize_t n = ne_follower_read(reader, bytes, sizeof(bytes), &idle);
    assert_int_equal(n, sizeof(bytes));
    for (unsigned long k = 61; k <= 120; k++)
        tell_number("repair", k);
    char *rest = read_all(reader, 1000);
    char *all = calloc(1, strlen(rest) + sizeof(bytes) + 1);
    assert_non_null(all);
    memcpy(all, bytes, sizeof(bytes));
    (void)strcat(all, rest);
    expect_numbers(all, 1, 120);
    free(all);
    free(rest);
    ne_follower_close(reader);
}

/* A limit on the file's size does what a full disk does: a write is cut short. */
static void test_a_full_disk(void **state) {
    struct rlimit before;
    struct stat st;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    open_hub(1u << 20, 2);
    tell_number("repair", 1);
    assert_int_equal(stat(path, &st), 0);
    const struct rlimit tight = {.rlim_cur = (rlim_t)st.st_size + 20, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    tell_number("repair", 2);
    tell_number("repair", 3);
    assert_int_equal(ne_events_dropped(NE_PLACE_FILE), 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    history_of(1, 3); /* the ring has them */
    tell_number("repair", 4);
    assert_int_equal(ne_events_dropped(NE_PLACE_FILE), 2);
    struct stat now;
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(now.st_size, 2 * st.st_size); /* 1 and 4, whole */
}

static void test_no_file_to_be_had(void **state) {
    const struct ne_events_settings settings = {
        .file = "/dev/null/events.jsonl", .size = 4096, .count = 1};
    int kept = dup(STDERR_FILENO);
    (void)state;
    (void)dup2(null_fd, STDERR_FILENO);
    int opened = ne_events_open(&settings, &err);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    assert_int_equal(opened, 0);
    tell_number("repair", 1);
    assert_int_equal(ne_events_dropped(NE_PLACE_FILE), 1);
    history_of(1, 1);
}

static void test_a_removed_file_is_made_anew(void **state) {
    (void)state;
    open_hub(1u << 20, 2);
    tell_number("repair", 1);
    assert_int_equal(unlink(path), 0);
    tell_number("repair", 2);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_nobody_reads_standard_error(void **state) {
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    const struct ne_event event = {.type = "repair", .count = 1};
    for (unsigned n = 0; n < 3000; n++) /* more than a pipe takes */
        ne_event_emit(&event);
    (void)dup2(kept, STDERR_FILENO);
    assert_true(ne_events_dropped(NE_PLACE_STDERR) > 0);
    (void)close(kept);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, begin, finish),
        cmocka_unit_test_setup_teardown(test_a_line_that_is_too_long, begin, finish),
        cmocka_unit_test_setup_teardown(test_followers, begin, finish),
        cmocka_unit_test_setup_teardown(test_too_many_followers, begin, finish),
        cmocka_unit_test_setup_teardown(test_a_slow_follower_is_told, begin, finish),
        cmocka_unit_test_setup_teardown(test_filters, begin, finish),
        cmocka_unit_test_setup_teardown(test_the_file_and_the_ring_meet, begin, finish),
        cmocka_unit_test_setup_teardown(test_an_earlier_daemon, begin, finish),
        cmocka_unit_test_setup_teardown(test_rotation, begin, finish),
        cmocka_unit_test_setup_teardown(test_rotation_while_somebody_reads, begin, finish),
        cmocka_unit_test_setup_teardown(test_a_full_disk, begin, finish),
        cmocka_unit_test_setup_teardown(test_no_file_to_be_had, begin, finish),
        cmocka_unit_test_setup_teardown(test_a_removed_file_is_made_anew, begin, finish),
        cmocka_unit_test_setup_teardown(test_nobody_reads_standard_error, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
