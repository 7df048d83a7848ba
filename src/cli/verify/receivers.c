/* receivers.c - listeners: see receivers.h.
 *
 * A raw socket of an IP protocol gets a copy of each packet that the host's stack takes in, behind
 * all filters, whether somebody listens on its port or not (raw_local_deliver(),
 * net/ipv4/raw.c). A packet socket sees what comes in before any filter, and what leaves behind
 * all.
 */
#include "receivers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sock_diag.h>

#define BUFFER    (16 << 20) /* bytes */
#define LONGEST_S 10         /* a host that is busy without end ends the wait */
#define AT_ONCE   4096       /* of one socket, so that the others are read, too */
#define ALL_LINKS 0
#define NEIGHBOUR 1

static int add(struct receivers *receivers, int family, int protocol, struct ne_error *err) {
    const int size = BUFFER;
    int type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int sock = socket(family, type, protocol);
    if (sock < 0)
        return ne_fail_errno(err, NE_KERNEL, errno,
                             "cannot listen to what arrives (are you root?)");
    (void)setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    receivers->sockets[receivers->count++] = sock;
    return 0;
}

int receivers_open(struct receivers *receivers, const struct ground *ground,
                   const struct place *place, const struct place *neighbour, struct ne_error *err) {
    static const int v4[] = {IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_IPIP, IPPROTO_TCP,
                             IPPROTO_UDP,  IPPROTO_GRE,  IPPROTO_ESP,  IPPROTO_SCTP};
    static const int v6[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6, IPPROTO_SCTP};
    *receivers = (struct receivers){
        .bridge = if_nametoindex(ground->bridge),
        .port = if_nametoindex(place->port),
        .loopback = if_nametoindex("lo"),
    };
    if (add(receivers, AF_PACKET, htons(ETH_P_ALL), err) < 0)
        return -1;
    receivers->sockets[receivers->count++] = neighbour->packets;
    for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
        if (add(receivers, AF_INET, v4[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
        if (place->addr6.family == NE_NONE && v6[i] == IPPROTO_SCTP)
            continue;
        /* A host without IPv6 takes in none. */
        struct ne_error why;
        if (add(receivers, AF_INET6, v6[i], &why) < 0 && why.sys_errno != EAFNOSUPPORT) {
            *err = why;
            return -1;
        }
    }
    return 0;
}

void receivers_close(struct receivers *receivers) {
    for (int i = 0; i < receivers->count; i++) {
        if (i != NEIGHBOUR)
            (void)close(receivers->sockets[i]);
    }
    receivers->count = 0;
}

bool receivers_lost(const struct receivers *receivers) {
    for (int i = 0; i < receivers->count; i++) {
        uint32_t info[SK_MEMINFO_VARS] = {0};
        socklen_t size = sizeof(info);
        if (getsockopt(receivers->sockets[i], SOL_SOCKET, SO_MEMINFO, info, &size) == 0 &&
            info[SK_MEMINFO_DROPS] > 0)
            return true;
    }
    return false;
}

/* note_link() - A frame on a link of the host's: where it entered, or by what else it left. */
static void note_link(const struct receivers *receivers, const struct sockaddr_ll *where,
                      struct attempt *attempt) {
    const unsigned index = (unsigned)where->sll_ifindex;
    if (where->sll_pkttype != PACKET_OUTGOING) {
        attempt->entered = attempt->entered || index == receivers->port;
        return;
    }
    if (index == receivers->bridge || index == receivers->port || index == receivers->loopback ||
        attempt->left_by[0] != '\0')
        return;
    if (if_indextoname(index, attempt->left_by) == NULL)
        memcpy(attempt->left_by, "?", 2);
}

/* read_one() - Return: 1, or 0 if there is nothing, or -1. */
static int read_one(const struct receivers *receivers, int at, struct attempts *attempts,
                    bool *ours, struct ne_error *err) {
    uint8_t bytes[2048]; /* the cookie lies within the first 128 */
    union {
        struct sockaddr any;
        struct sockaddr_ll link;
        struct sockaddr_in6 v6;
    } from = {0};
    socklen_t from_size = sizeof(from);
    ssize_t size = recvfrom(receivers->sockets[at], bytes, sizeof(bytes), 0, &from.any, &from_size);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (size < 0 && errno == ENETDOWN) /* some link of the host went down */
        return 1;
    if (size < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot read what arrives");
    int number = frame_find(bytes, (size_t)size, attempts->run);
    if (number < 0 || (size_t)number >= attempts->count)
        return 1;
    struct attempt *attempt = &attempts->items[number];
    *ours = true;
    if (at == ALL_LINKS)
        note_link(receivers, &from.link, attempt);
    else if (at == NEIGHBOUR)
        attempt->at_neighbour = attempt->at_neighbour || from.link.sll_pkttype != PACKET_OUTGOING;
    else
        attempt->at_host = true;
    return 1;
}

/* Milliseconds. */
static long long now(void) {
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int receivers_read(struct receivers *receivers, struct attempts *attempts, int quiet_ms,
                   struct ne_error *err) {
    struct pollfd waiting[RECEIVERS_MAX];
    const long long end = now() + LONGEST_S * 1000LL;
    long long quiet_since = now();
    for (int i = 0; i < receivers->count; i++)
        waiting[i] = (struct pollfd){.fd = receivers->sockets[i], .events = POLLIN};
    for (;;) {
        const long long left = quiet_since + quiet_ms - now();
        int ready = poll(waiting, (nfds_t)receivers->count, left > 0 ? (int)left : 0);
        if (ready < 0 && errno != EINTR)
            return ne_fail_errno(err, NE_KERNEL, errno, "cannot wait for what arrives");
        for (int i = 0; ready > 0 && i < receivers->count; i++) {
            bool ours = false;
            int result = waiting[i].revents == 0 ? 0 : 1;
            for (int n = 0; result == 1 && n < AT_ONCE; n++)
                result = read_one(receivers, i, attempts, &ours, err);
            if (result < 0)
                return -1;
            if (ours)
                quiet_since = now();
        }
        if (now() >= quiet_since + quiet_ms || now() > end)
            return 0;
    }
}
