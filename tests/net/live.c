/* live.c - the traffic that tests/net/test_live.py changes policies under.
 *
 *   live probe ADDR RATE PORT...   so many datagrams a second to the ports in turn, whatever comes
 *                                  of them, until SIGTERM; each bears the time at which it was
 *                                  sent (8 bytes, nanoseconds, CLOCK_MONOTONIC, in host order)
 *   live stream ADDR PORT MBIT     a TCP stream of that pace, until SIGTERM or a reset; prints how
 *                                  many bytes were answered
 *   live echo ADDR PORT            answers a stream with what it sends, until SIGTERM; prints
 *                                  "RECEIVED NANOSECONDS": bytes, and when the last of them arrived
 *                                  (by the kernel's stamp, CLOCK_REALTIME)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX  16
#define CHUNK      65536
#define BILLION    INT64_C(1000000000)
#define TICK_NS    INT64_C(1000000)
#define POLL_WRITE 1 /* ms */

static volatile sig_atomic_t over;

static void end(int number) {
    (void)number;
    over = 1;
}

static int64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * BILLION + now.tv_nsec;
}

static void sleep_until(int64_t ns) {
    const struct timespec at = {.tv_sec = ns / BILLION, .tv_nsec = ns % BILLION};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static struct addrinfo *resolve(const char *addr, const char *port, int kind) {
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = kind};
    struct addrinfo *found = NULL;
    if (getaddrinfo(addr, port, &hints, &found) != 0)
        exit(2);
    return found;
}

static int probe(const char *addr, long rate, char **ports, int count) {
    struct addrinfo *to[PORTS_MAX];
    for (int i = 0; i < count; i++)
        to[i] = resolve(addr, ports[i], SOCK_DGRAM);
    int sock = socket(to[0]->ai_family, SOCK_DGRAM, 0);
    int64_t started = now_ns();
    for (long sent = 0; !over;) {
        long due = (long)((now_ns() - started) / 1000 * rate / 1000000);
        for (; sent < due; sent++) {
            const struct addrinfo *one = to[sent % count];
            int64_t at = now_ns();
            (void)sendto(sock, &at, sizeof(at), 0, one->ai_addr, one->ai_addrlen);
        }
        sleep_until(now_ns() + TICK_NS);
    }
    return 0;
}

/* take() - As recv(). What arrives is stamped by the kernel, so that it does not matter when it is
 * read: @last is raised to the stamp. */
static ssize_t take(int sock, char *chunk, size_t size, int64_t *last) {
    _Alignas(struct cmsghdr) char control[256];
    struct iovec part = {.iov_base = chunk, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(sock, &message, MSG_DONTWAIT);
    if (n <= 0)
        return n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        struct timespec at;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&at, CMSG_DATA(c), sizeof(at));
        *last = (int64_t)at.tv_sec * BILLION + at.tv_nsec;
    }
    return n;
}

static int stream(const char *addr, const char *port, int64_t mbit) {
    static char chunk[CHUNK];
    struct addrinfo *to = resolve(addr, port, SOCK_STREAM);
    int sock = socket(to->ai_family, SOCK_STREAM, 0);
    if (connect(sock, to->ai_addr, to->ai_addrlen) < 0)
        return 1;
    int64_t sent = 0;
    int64_t answered = 0;
    int64_t started = now_ns();
    while (!over) {
        struct pollfd wait = {.fd = sock, .events = POLLIN};
        if (sent * 8 < (now_ns() - started) / 1000 * mbit)
            wait.events |= POLLOUT;
        (void)poll(&wait, 1, POLL_WRITE);
        ssize_t n = recv(sock, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0)
            answered += n;
        if ((wait.revents & POLLOUT) != 0 &&
            (n = send(sock, chunk, sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
            sent += n;
    }
    (void)printf("%lld\n", (long long)answered);
    return 0;
}

static int echo(const char *addr, const char *port) {
    static char chunk[CHUNK];
    const int on = 1;
    struct addrinfo *here = resolve(addr, port, SOCK_STREAM);
    int listener = socket(here->ai_family, SOCK_STREAM, 0);
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(listener, here->ai_addr, here->ai_addrlen) < 0 || listen(listener, 16) < 0)
        return 1;
    int sock = accept(listener, NULL, NULL);
    if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
        return 1;
    int64_t received = 0;
    int64_t last = 0;
    while (!over) {
        struct pollfd wait = {.fd = sock, .events = POLLIN};
        (void)poll(&wait, 1, POLL_WRITE);
        ssize_t n = take(sock, chunk, sizeof(chunk), &last);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            break;
        if (n > 0)
            received += n;
        for (ssize_t done = 0; done < n && !over;) {
            ssize_t part =
                send(sock, chunk + done, (size_t)(n - done), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (part < 0 && errno == EAGAIN) {
                wait.events = POLLOUT;
                (void)poll(&wait, 1, POLL_WRITE);
            } else if (part <= 0) {
                break;
            } else {
                done += part;
            }
        }
    }
    /* What had come before, and was not read yet. */
    for (ssize_t n; (n = take(sock, chunk, sizeof(chunk), &last)) > 0;)
        received += n;
    (void)printf("%lld %lld\n", (long long)received, (long long)last);
    return 0;
}

int main(int argc, char **argv) {
    const struct sigaction action = {.sa_handler = end};
    (void)sigaction(SIGTERM, &action, NULL);
    if (argc > 4 && argc <= 4 + PORTS_MAX && strcmp(argv[1], "probe") == 0)
        return probe(argv[2], strtol(argv[3], NULL, 10), argv + 4, argc - 4);
    if (argc == 5 && strcmp(argv[1], "stream") == 0)
        return stream(argv[2], argv[3], strtol(argv[4], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "echo") == 0)
        return echo(argv[2], argv[3]);
    return 2;
}
