/* test_http.c - the server's patience: who is silent is ended, who was let wait is not.
 *
 * libmicrohttpd is linked statically, so that its clock is the test's, too (ld's --wrap).
 */
#include "unit.h"

#include <netenforce/http.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WHOLE  "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
#define LATER  "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
#define SHORT  "GET /short HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEADER "POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
#define ROUNDS 8 /* of the server, in which it has done all that it can */

static time_t ahead; /* seconds that have passed since the test began, as far as anybody can tell */

int __real_clock_gettime(clockid_t id, struct timespec *now); /* NOLINT: ld's name */
int __wrap_clock_gettime(clockid_t id, struct timespec *now); /* NOLINT: ld's name */

int __wrap_clock_gettime(clockid_t id, struct timespec *now) { /* NOLINT: ld's name */
    const int result = __real_clock_gettime(id, now);
    now->tv_sec += ahead;
    return result;
}

static struct ne_http_server *server;
static struct sockaddr_un address;
static socklen_t address_size;
static struct ne_http_call *put_off[4];
static unsigned put_off_count;

static struct ne_http_response fine(void) {
    return (struct ne_http_response){.status = 200, .body = strdup("{}\n"), .size = 3};
}

static void on_handle(void *context, const struct ne_http_request *request,
                      struct ne_http_response *response) {
    (void)context;
    if (strcmp(request->path, "/later") == 0 && request->call != NULL) {
        assert_true(put_off_count < COUNT(put_off));
        put_off[put_off_count++] = request->call;
        response->later = true;
        return;
    }
    if (strcmp(request->path, "/short") != 0) /* as if without memory */
        *response = fine();
}

static void on_settle(void *context) {
    (void)context;
    while (put_off_count > 0) {
        const struct ne_http_response response = fine();
        ne_http_answer(put_off[--put_off_count], &response);
    }
}

static void on_answered(void *context, const struct ne_http_request *request, double seconds) {
    (void)context;
    (void)request;
    (void)seconds;
}

static int begin(void **state) {
    (void)state;
    struct ne_error err;
    const struct ne_http_service service = {.handle = on_handle,
                                            .settle = on_settle,
                                            .answered = on_answered,
                                            .too_large = "\"too large\"",
                                            .no_memory = "\"no memory\""};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    address_size = sizeof(address);
    /* Without a name: the kernel gives an abstract one (unix(7), autobind). */
    if (listener < 0 ||
        bind(listener, (const struct sockaddr *)&address, sizeof(address.sun_family)) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &address_size) < 0 ||
        listen(listener, 8) < 0)
        return -1;
    ahead = 0;
    server = ne_http_open(listener, &service, &err);
    return server == NULL ? -1 : 0;
}

static int end(void **state) {
    (void)state;
    ne_http_close(server);
    return 0;
}

static void run(void) {
    for (unsigned i = 0; i < ROUNDS; i++)
        ne_http_run(server);
}

/* client_that() - A connection that the server has taken in, with @text on its way. */
static int client_that(const char *text) {
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, address_size), 0);
    run();
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    return client;
}

/* heard() - What the client has got by now: "200", "ended", or "nothing". */
static const char *heard(int client) {
    char answer[512] = "";
    ssize_t n = recv(client, answer, sizeof(answer) - 1, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN ? "nothing" : "reset";
    return n == 0 ? "ended" : strncmp(answer, "HTTP/1.1 200", 12) == 0 ? "200" : "other";
}

static void who_waited_is_read(void **state) {
    (void)state;
    int client = client_that(WHOLE);
    ahead += NE_HTTP_IDLE + 1; /* the daemon was elsewhere */
    run();
    assert_string_equal(heard(client), "200");
    (void)close(client);
}

static void who_waited_within_a_request_is_read(void **state) {
    (void)state;
    int client = client_that(HEADER);
    run();
    assert_string_equal(heard(client), "nothing");
    assert_int_equal(send(client, "{}", 2, MSG_NOSIGNAL), 2);
    ahead += NE_HTTP_IDLE + 1;
    run();
    assert_string_equal(heard(client), "200");
    (void)close(client);
}

static void who_is_silent_is_ended(void **state) {
    (void)state;
    int silent = client_that(""), halfway = client_that(HEADER), kept = client_that(WHOLE);
    run();
    assert_string_equal(heard(kept), "200");
    ahead += NE_HTTP_IDLE - 1;
    run();
    assert_string_equal(heard(silent), "nothing");
    assert_string_equal(heard(halfway), "nothing");
    ahead += 2;
    run();
    assert_string_equal(heard(silent), "ended");
    assert_string_equal(heard(halfway), "ended");
    assert_string_equal(heard(kept), "nothing");
    ahead += NE_HTTP_KEPT;
    run();
    assert_string_equal(heard(kept), "ended");
    (void)close(silent);
    (void)close(halfway);
    (void)close(kept);
}

static void what_is_put_off_is_answered(void **state) {
    (void)state;
    int one = client_that(LATER), other = client_that(LATER);
    run();
    assert_string_equal(heard(one), "200");
    assert_string_equal(heard(other), "200");
    (void)close(one);
    (void)close(other);
}

static void who_gets_no_memory_is_told(void **state) {
    char answer[512] = "";
    (void)state;
    int client = client_that(SHORT);
    run();
    assert_true(recv(client, answer, sizeof(answer) - 1, MSG_DONTWAIT) > 0);
    assert_non_null(strstr(answer, " 500 "));
    assert_non_null(strstr(answer, "\r\n\r\n\"no memory\""));
    (void)close(client);
}

/* The library ends the process if it is stopped while a connection is suspended. */
static void what_comes_at_the_end_is_answered(void **state) {
    int client = client_that(LATER);
    (void)end(state);
    assert_string_equal(heard(client), "200");
    (void)close(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_waited_is_read, begin, end),
        cmocka_unit_test_setup_teardown(who_waited_within_a_request_is_read, begin, end),
        cmocka_unit_test_setup_teardown(who_is_silent_is_ended, begin, end),
        cmocka_unit_test_setup_teardown(what_is_put_off_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(who_gets_no_memory_is_told, begin, end),
        cmocka_unit_test_setup(what_comes_at_the_end_is_answered, begin),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
