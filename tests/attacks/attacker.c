/* attacker.c - does what it is told from inside a container, as fast as it can: `attacker FILE`.
 *
 * The file (or standard input, "-") has a line for each attempt:
 *
 *   F HEX              write this frame to eth0 (AF_PACKET)
 *   P ADDR HEX         send this IP packet, header and all, by way of the routes to ADDR
 *   T ADDR PORT        open a TCP connection; consecutive ones are opened at once
 *   U ADDR PORT TEXT   send a datagram
 *   X COMMAND          run a client of the image's
 *
 * It prints how many attempts it made, and how many of them somebody answered: a TCP connection
 * that was opened, a datagram that got a reply, a client that ended well. What it thinks is told
 * for people only: receivers judge.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#define LINE_SIZE  65536
#define FRAME_SIZE 16384
#define AT_ONCE    256
#define PATIENCE   400 /* ms */

static unsigned long attempts, answered;
static struct pollfd waiting[AT_ONCE];
static unsigned waiting_count;

static size_t unhex(const char *text, uint8_t *out) {
    size_t count = 0;
    unsigned byte;
    for (; isxdigit((unsigned char)text[0]) && count < FRAME_SIZE; text += 2) {
        if (sscanf(text, "%2x", &byte) != 1)
            break;
        out[count++] = (uint8_t)byte;
    }
    return count;
}

static socklen_t address(const char *text, unsigned port, struct sockaddr_storage *out) {
    struct sockaddr_in *v4 = (void *)out;
    struct sockaddr_in6 *v6 = (void *)out;
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) {
        (void)fprintf(stderr, "attacker: no address: %s\n", text);
        exit(2);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    v6->sin6_scope_id = if_nametoindex("eth0");
    return sizeof(*v6);
}

/* collect() - Wait for what was begun, and count who was let in. */
static void collect(void) {
    struct timespec begin;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    unsigned open = waiting_count;
    while (open > 0) {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        long passed = (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000;
        if (passed >= PATIENCE || poll(waiting, waiting_count, (int)(PATIENCE - passed)) <= 0)
            break;
        for (unsigned i = 0; i < waiting_count; i++) {
            if (waiting[i].revents == 0)
                continue;
            int error = 0;
            socklen_t size = sizeof(error);
            (void)getsockopt(waiting[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
            answered += error == 0 && (waiting[i].revents & (POLLOUT | POLLIN)) != 0;
            (void)close(waiting[i].fd);
            waiting[i].fd = -1;
            open--;
        }
    }
    for (unsigned i = 0; i < waiting_count; i++) {
        if (waiting[i].fd >= 0)
            (void)close(waiting[i].fd);
    }
    waiting_count = 0;
}

static void wait_for(int fd, short events) {
    if (waiting_count == AT_ONCE)
        collect();
    waiting[waiting_count++] = (struct pollfd){.fd = fd, .events = events};
}

static void frame(int packets, const char *hex) {
    uint8_t bytes[FRAME_SIZE];
    size_t size = unhex(hex, bytes);
    /* ENOBUFS: the queue is full; what was meant to be sent is sent. */
    while (send(packets, bytes, size, 0) < 0 && errno == ENOBUFS)
        (void)poll(NULL, 0, 1);
}

static void packet(const char *to, const char *hex) {
    uint8_t bytes[FRAME_SIZE];
    size_t size = unhex(hex, bytes);
    struct sockaddr_storage where;
    socklen_t length = address(to, 0, &where);
    int fd = socket(where.ss_family, SOCK_RAW, IPPROTO_RAW);
    if (fd < 0)
        return;
    if (sendto(fd, bytes, size, 0, (struct sockaddr *)&where, length) < 0)
        (void)errno; /* no route, refused: an end like any other */
    (void)close(fd);
}

static void stream(const char *to, unsigned port) {
    struct sockaddr_storage where;
    socklen_t length = address(to, port, &where);
    int fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&where, length) < 0 && errno != EINPROGRESS)
        (void)close(fd);
    else
        wait_for(fd, POLLOUT);
}

static void datagram(const char *to, unsigned port, const char *text) {
    struct sockaddr_storage where;
    socklen_t length = address(to, port, &where);
    int yes = 1;
    int fd = socket(where.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
    if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&where, length) < 0)
        (void)close(fd);
    else
        wait_for(fd, POLLIN);
}

/* client() - One that is missing, or that crashed, has tried nothing: that is no green row. */
static void client(const char *command) {
    int status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) >= 126) {
        (void)fprintf(stderr, "attacker: status %#x of: %s\n", (unsigned)status, command);
        exit(3);
    }
    answered += WEXITSTATUS(status) == 0;
}

static void attempt(int packets, char *line) {
    char to[64];
    char text[512];
    unsigned port;
    char *rest = strchr(line, ' ');
    if (rest == NULL)
        return;
    *rest++ = '\0';
    attempts++;
    switch (line[0]) {
    case 'F':
        frame(packets, rest);
        break;
    case 'P':
        if (sscanf(rest, "%63s", to) == 1)
            packet(to, strchr(rest, ' ') + 1);
        break;
    case 'T':
        if (sscanf(rest, "%63s %u", to, &port) == 2)
            stream(to, port);
        break;
    case 'U':
        if (sscanf(rest, "%63s %u %511s", to, &port, text) == 3)
            datagram(to, port, text);
        break;
    case 'X':
        collect();
        client(rest);
        break;
    default:
        (void)fprintf(stderr, "attacker: no such attempt: %s\n", line);
        exit(2);
    }
}

int main(int argc, char **argv) {
    static char line[LINE_SIZE];
    if (argc != 2) {
        (void)fprintf(stderr, "usage: attacker FILE\n");
        return 2;
    }
    FILE *plan = strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "r");
    int packets = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll eth0 = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("eth0")};
    if (plan == NULL || packets < 0 || bind(packets, (struct sockaddr *)&eth0, sizeof(eth0)) < 0) {
        perror("attacker");
        return 1;
    }
    while (fgets(line, sizeof(line), plan) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0')
            attempt(packets, line);
    }
    collect();
    (void)printf("%lu %lu\n", attempts, answered);
    return 0;
}
