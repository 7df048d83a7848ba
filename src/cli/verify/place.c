/* place.c - a probe and its namespace: see place.h. */
#include "place.h"

#include "../client.h"
#include "interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define PROBE_SECONDS 60
#define CONNECT_MS    2000
#define FORWARD_TRIES 1000 /* of 5 ms */
#define INTERFACE     "eth0"

static bool read_prefix(const json_t *object, const char *key, struct ne_prefix *prefix) {
    const char *text = json_string_value(json_object_get(object, key));
    *prefix = (struct ne_prefix){0};
    return text == NULL || ne_prefix_parse(text, prefix);
}

static bool read_addr(const json_t *object, const char *key, struct ne_addr *addr) {
    const char *text = json_string_value(json_object_get(object, key));
    *addr = (struct ne_addr){0};
    return text == NULL || ne_addr_parse(text, addr);
}

static bool read_text(const json_t *object, const char *key, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL || strlen(text) >= size)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

int ground_read(const json_t *network, struct ground *ground, struct ne_error *err) {
    if (read_text(network, "id", ground->id, sizeof(ground->id)) &&
        read_text(network, "bridge", ground->bridge, sizeof(ground->bridge)) &&
        ne_mac_parse(text_of(network, "mac"), &ground->mac) &&
        read_prefix(network, "pool4", &ground->pool4) &&
        read_prefix(network, "pool6", &ground->pool6) &&
        read_prefix(network, "gateway4", &ground->gateway4) &&
        read_prefix(network, "gateway6", &ground->gateway6))
        return 0;
    return ne_fail(err, NE_BAD_INPUT, "the daemon's answer about the network is of another form");
}

/* enter() - Into the namespace @netns; *@home is the way back, for go_home(). */
static int enter(int netns, int *home) {
    *home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (*home >= 0 && setns(netns, CLONE_NEWNET) == 0)
        return 0;
    if (*home >= 0)
        (void)close(*home);
    return -1;
}

/* go_home() - Nothing below works from another namespace than the host's: end rather. */
static void go_home(int home) {
    if (setns(home, CLONE_NEWNET) < 0) {
        (void)fail("cannot go back into the host's network namespace");
        abort();
    }
    (void)close(home);
}

static int make_namespace(struct ne_error *err) {
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0 || unshare(CLONE_NEWNET) < 0) {
        (void)ne_fail_errno(err, NE_KERNEL, errno,
                            "cannot make a network namespace (are you root?)");
        if (home >= 0)
            (void)close(home);
        return -1;
    }
    int made = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int cause = errno;
    go_home(home);
    return made >= 0 ? made
                     : ne_fail_errno(err, NE_KERNEL, cause, "cannot hold a network namespace");
}

int place_socket(const struct place *place, int family, int type, int protocol) {
    int home;
    if (enter(place->netns, &home) < 0)
        return -1;
    int made = socket(family, type, protocol);
    int cause = errno;
    go_home(home);
    errno = cause;
    return made;
}

/* settle_in() - Called in the new namespace: the interface as a container has it, and up. */
static int settle_in(const struct ground *ground, const struct place *place, struct ne_error *err) {
    const unsigned index = if_nametoindex(INTERFACE);
    if (interface_up(1, err) < 0 || interface_up(index, err) < 0)
        return -1;
    const struct ne_prefix own4 = {.addr = place->addr4, .len = ground->pool4.len};
    const struct ne_prefix own6 = {.addr = place->addr6, .len = ground->pool6.len};
    if (place->addr4.family != NE_NONE && (interface_address(index, &own4, err) < 0 ||
                                           interface_route(index, &ground->gateway4.addr, err) < 0))
        return -1;
    if (place->addr6.family != NE_NONE && (interface_address(index, &own6, err) < 0 ||
                                           interface_route(index, &ground->gateway6.addr, err) < 0))
        return -1;
    return 0;
}

static int open_packets(struct place *place, struct ne_error *err) {
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int home;
    place->packets =
        place_socket(place, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    if (place->packets < 0 || enter(place->netns, &home) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot open a packet socket");
    where.sll_ifindex = (int)if_nametoindex(INTERFACE);
    go_home(home);
    if (bind(place->packets, (const struct sockaddr *)&where, sizeof(where)) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot use the probe's interface");
    return 0;
}

/* await_forwarding() - The kernel tells the bridge of a port's carrier by a work queue: what is
 * sent before that is lost, and would pass for refused. */
static int await_forwarding(const struct place *place, struct ne_error *err) {
    for (int i = 0; i < FORWARD_TRIES; i++) {
        bool forwards = false;
        if (interface_forwards(place->port, &forwards, err) < 0)
            return -1;
        if (forwards)
            return 0;
        (void)poll(NULL, 0, 5);
    }
    return ne_fail(err, NE_KERNEL, "the bridge does not forward for the probe's port %s",
                   place->port);
}

static int move_in(const struct ground *ground, struct place *place, const char *peer,
                   struct ne_error *err) {
    int home;
    place->netns = make_namespace(err);
    if (place->netns < 0 || interface_move(peer, place->netns, INTERFACE, err) < 0)
        return -1;
    if (enter(place->netns, &home) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot enter the probe's namespace");
    int result = settle_in(ground, place, err);
    go_home(home);
    if (result < 0 || open_packets(place, err) < 0)
        return -1;
    return await_forwarding(place, err);
}

int place_open(const struct cli *cli, const struct ground *ground, struct place *place,
               struct ne_error *err) {
    char path[CLIENT_PATH_SIZE];
    char peer[NE_IFNAME_SIZE];
    *place = (struct place){.netns = -1, .packets = -1};
    if (client_path(path, "/v1/networks/", ground->id, "/probes", err) < 0)
        return -1;
    json_t *answer =
        client_post(cli->socket, path, json_pack("{s:i}", "seconds", PROBE_SECONDS), err);
    if (answer == NULL)
        return ne_context(err, "no probe");
    bool good = read_text(answer, "id", place->id, sizeof(place->id)) &&
                read_text(answer, "interface", place->port, sizeof(place->port)) &&
                read_text(answer, "peer", peer, sizeof(peer)) &&
                ne_mac_parse(text_of(answer, "mac"), &place->mac) &&
                read_addr(answer, "addr4", &place->addr4) &&
                read_addr(answer, "addr6", &place->addr6);
    json_decref(answer);
    if (!good)
        return ne_fail(err, NE_BAD_INPUT, "the daemon's answer about the probe is of another form");
    return move_in(ground, place, peer, err);
}

void place_close(const struct cli *cli, struct place *place) {
    char path[CLIENT_PATH_SIZE];
    struct ne_error err;
    if (place->packets >= 0)
        (void)close(place->packets);
    if (place->id[0] != '\0' && client_path(path, "/v1/probes/", place->id, "", &err) == 0)
        json_decref(client_delete(cli->socket, path, &err));
    if (place->netns >= 0)
        (void)close(place->netns);
    *place = (struct place){.netns = -1, .packets = -1};
}

static enum reach outcome(int sock) {
    struct pollfd waiting = {.fd = sock, .events = POLLOUT};
    int cause = 0;
    socklen_t size = sizeof(cause);
    if (errno != EINPROGRESS)
        return errno == ECONNREFUSED ? REACH_REFUSED : REACH_FAILED;
    int ready = poll(&waiting, 1, CONNECT_MS);
    if (ready == 0)
        return REACH_SILENT;
    if (ready < 0 || getsockopt(sock, SOL_SOCKET, SO_ERROR, &cause, &size) < 0)
        return REACH_FAILED;
    if (cause == 0)
        return REACH_OPEN;
    return cause == ECONNREFUSED ? REACH_REFUSED : cause == ETIMEDOUT ? REACH_SILENT : REACH_FAILED;
}

enum reach place_connect(const struct place *place, const struct ne_addr *addr, uint16_t port) {
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const bool v6 = addr->family == NE_V6;
    memcpy(&to4.sin_addr, addr->bytes, sizeof(to4.sin_addr));
    memcpy(&to6.sin6_addr, addr->bytes, sizeof(to6.sin6_addr));
    int sock =
        place_socket(place, v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return REACH_FAILED;
    errno = 0;
    int result = v6 ? connect(sock, (const struct sockaddr *)&to6, sizeof(to6))
                    : connect(sock, (const struct sockaddr *)&to4, sizeof(to4));
    enum reach reach = result == 0 ? REACH_OPEN : outcome(sock);
    (void)close(sock);
    return reach;
}
