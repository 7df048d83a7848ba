/* traffic.c - what the benches of tests/bench time.
 *
 *     traffic serve PORT                 answer the three below, one process for all connections
 *     traffic trips ADDR PORT COUNT      open so many connections one after the other, each with a
 *                                        byte there and a byte back; print each one's microseconds
 *     traffic echoes ADDR PORT COUNT     the same on one connection that is open
 *     traffic stream ADDR PORT COUNT MS  send on so many connections at once for so long; print
 *                                        bytes and microseconds
 *     traffic udp ADDR PORT [COUNT]      flood with datagrams; with so many, and print the
 *                                        microseconds
 *     traffic ports ADDR PORT [COUNT]    the same, each from a port of its own
 *     traffic syn ADDR PORT [COUNT]      the same with half-open connections
 *     traffic spin                       a busy processor that sends nothing
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH       64
#define PIECE       65536
#define CONNECTIONS 1024
#define EVENTS      64

/* The first byte of a connection: what is to become of it and of all that follow. */
#define ECHO    'e'
#define SWALLOW 's'

union target {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static union target target(const char *addr, const char *port) {
    uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
    union target to = {.v4 = {.sin_family = AF_INET, .sin_port = number}};
    if (inet_pton(AF_INET, addr, &to.v4.sin_addr) == 1)
        return to;
    to = (union target){.v6 = {.sin6_family = AF_INET6, .sin6_port = number}};
    if (inet_pton(AF_INET6, addr, &to.v6.sin6_addr) != 1)
        exit(2);
    return to;
}

static socklen_t size_of(const union target *to) {
    return to->any.sa_family == AF_INET ? sizeof(to->v4) : sizeof(to->v6);
}

static double now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The floods: so many, or without an end if that is negative. Refused or not: that is the point. */
static void flood_udp(union target to, long count) {
    static char text[64];
    struct mmsghdr batch[BATCH];
    struct iovec part = {.iov_base = text, .iov_len = sizeof(text)};
    int sock = socket(to.any.sa_family, SOCK_DGRAM, 0);
    for (int i = 0; i < BATCH; i++)
        batch[i] = (struct mmsghdr){
            .msg_hdr = {
                .msg_name = &to, .msg_namelen = size_of(&to), .msg_iov = &part, .msg_iovlen = 1}};
    for (long sent = 0; count < 0 || sent < count; sent += BATCH)
        (void)sendmmsg(sock, batch, BATCH, 0);
    (void)close(sock);
}

static void flood_syn(union target to, long count) {
    for (long sent = 0; count < 0 || sent < count; sent++) {
        int sock = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(sock, &to.any, size_of(&to));
        (void)close(sock);
    }
}

static void flood_ports(union target to, long count) {
    for (long sent = 0; count < 0 || sent < count; sent++) {
        int sock = socket(to.any.sa_family, SOCK_DGRAM, 0);
        (void)sendto(sock, "x", 1, 0, &to.any, size_of(&to));
        (void)close(sock);
    }
}

static int flood(void (*kind)(union target to, long count), union target to, long count) {
    double started = now_us();
    kind(to, count);
    (void)printf("%.1f\n", now_us() - started);
    return 0;
}

static int listen_at(const char *port) {
    const int on = 1;
    union target here = target("::", port); /* and IPv4 */
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(listener, &here.any, size_of(&here)) < 0 || listen(listener, CONNECTIONS) < 0)
        fail("listen");
    return listener;
}

static void watch(int epoll, int sock) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sock};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &event) < 0)
        fail("epoll_ctl");
}

static void set_no_delay(int sock) {
    const int on = 1;
    if (setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        fail("TCP_NODELAY");
}

static int serve(const char *port) {
    static char piece[PIECE];
    static char kinds[CONNECTIONS];
    int listener = listen_at(port);
    int epoll = epoll_create1(0);
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int sock = events[i].data.fd;
            if (sock == listener) {
                sock = accept(listener, NULL, NULL);
                if (sock < 0 || sock >= CONNECTIONS)
                    fail("accept");
                set_no_delay(sock);
                kinds[sock] = 0;
                watch(epoll, sock);
                continue;
            }
            ssize_t got = read(sock, piece, sizeof(piece));
            if (got > 0 && kinds[sock] == 0)
                kinds[sock] = piece[0];
            if (got <= 0 || (kinds[sock] == ECHO && write(sock, piece, (size_t)got) != got))
                (void)close(sock);
        }
    }
}

static int connected(union target to, char kind) {
    int sock = socket(to.any.sa_family, SOCK_STREAM, 0);
    if (sock < 0 || connect(sock, &to.any, size_of(&to)) < 0)
        fail("connect");
    set_no_delay(sock);
    if (write(sock, &kind, 1) != 1)
        fail("write");
    return sock;
}

static void wait_for_byte(int sock) {
    char byte;
    if (read(sock, &byte, 1) != 1)
        fail("read");
}

static int trips(union target to, long count) {
    for (long i = 0; i < count; i++) {
        double started = now_us();
        int sock = connected(to, ECHO);
        wait_for_byte(sock);
        (void)printf("%.2f\n", now_us() - started);
        (void)close(sock);
    }
    return 0;
}

static int echoes(union target to, long count) {
    int sock = connected(to, ECHO);
    wait_for_byte(sock);
    for (long i = 0; i < count; i++) {
        double started = now_us();
        if (write(sock, "x", 1) != 1)
            fail("write");
        wait_for_byte(sock);
        (void)printf("%.2f\n", now_us() - started);
    }
    return 0;
}

/* Round and round: whatever has room is given a piece. */
static int stream(union target to, int count, double ms) {
    static char piece[PIECE];
    int epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        int sock = connected(to, SWALLOW);
        struct epoll_event event = {.events = EPOLLOUT, .data.fd = sock};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &event) < 0)
            fail("epoll_ctl");
    }
    double bytes = 0, started = now_us(), now = started;
    while (now - started < ms * 1e3) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            ssize_t sent = send(events[i].data.fd, piece, sizeof(piece), MSG_DONTWAIT);
            if (sent > 0)
                bytes += (double)sent;
        }
        now = now_us();
    }
    (void)printf("%.0f %.1f\n", bytes, now - started);
    return 0;
}

int main(int argc, char **argv) {
    const char *kind = argc < 2 ? "" : argv[1];
    if (argc == 3 && strcmp(kind, "serve") == 0)
        return serve(argv[2]);
    if (argc == 2 && strcmp(kind, "spin") == 0) {
        for (volatile unsigned long spin = 0;; spin++)
            ;
    }
    if (argc < 4)
        return 2;
    union target to = target(argv[2], argv[3]);
    long count = argc > 4 ? strtol(argv[4], NULL, 10) : -1;
    if (argc == 5 && strcmp(kind, "trips") == 0)
        return trips(to, count);
    if (argc == 5 && strcmp(kind, "echoes") == 0)
        return echoes(to, count);
    if (argc == 6 && strcmp(kind, "stream") == 0)
        return stream(to, (int)count, strtod(argv[5], NULL));
    if (argc < 6 && strcmp(kind, "udp") == 0)
        return flood(flood_udp, to, count);
    if (argc < 6 && strcmp(kind, "ports") == 0)
        return flood(flood_ports, to, count);
    if (argc < 6 && strcmp(kind, "syn") == 0)
        return flood(flood_syn, to, count);
    return 2;
}
