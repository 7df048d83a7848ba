/* nflog.c - the group's socket: see nflog.h.
 *
 * libnetfilter_log lays out and checks the messages. Its older half (nflog_open() and what follows)
 * has a socket of its own that blocks, and hands packets over without their sizes; so the socket is
 * libmnl's, as everywhere here, and the newer half is used, which works on messages alone.
 *
 * The kernel gathers packets until there are QUEUE of them, or for one hundredth of a second after
 * the first (nfulnl_log_packet(), net/netfilter/nfnetlink_log.c): one packet is seen at once, and a
 * flood costs a wake-up for every QUEUE.
 */
#include <netenforce/netlink.h>
#include <netenforce/nflog.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RANGE        160u         /* bytes of a packet: the headers, with options and extensions */
#define QUEUE        64u          /* packets */
#define GATHER       1u           /* hundredths of a second */
#define KERNEL_SIZE  65536u       /* bytes that it gathers at most */
#define RECEIVE_SIZE (8 << 20)    /* bytes that wait for us at most */
#define DATAGRAM     (128u << 10) /* more than KERNEL_SIZE and its headers */
#define DRAIN_MAX    2            /* datagrams of one call */
#define REQUEST_SIZE 256

struct ne_nflog {
    struct mnl_socket *socket;
    char *datagram;
    bool counted; /* @next is known */
    uint32_t next;
};

/* ask() - Send one configuration message and read its answer. */
static int ask(struct ne_nflog *nflog, struct nlmsghdr *message) {
    static uint32_t sequence;
    struct nlmsgerr error;
    message->nlmsg_flags = (uint16_t)(message->nlmsg_flags | NLM_F_REQUEST | NLM_F_ACK);
    message->nlmsg_seq = ++sequence;
    if (mnl_socket_sendto(nflog->socket, message, message->nlmsg_len) < 0)
        return -1;
    /* The kernel answers before sendto() returns. Packets of the group may stand before it. */
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(nflog->socket, nflog->datagram, DATAGRAM);
        const struct nlmsghdr *answer;
        if (n < 0 && errno != ENOBUFS)
            return -1;
        for (size_t at = 0;
             n > 0 && (answer = ne_next_message(nflog->datagram, (size_t)n, &at)) != NULL;) {
            if (answer->nlmsg_type != NLMSG_ERROR || answer->nlmsg_seq != sequence ||
                answer->nlmsg_len < sizeof(struct nlmsghdr) + sizeof(error))
                continue;
            error = *(const struct nlmsgerr *)mnl_nlmsg_get_payload(answer);
            errno = -error.error;
            return error.error == 0 ? 0 : -1;
        }
    }
}

static struct nlmsghdr *begin(char *bytes, uint16_t group) {
    return nflog_nlmsg_put_header(bytes, NFULNL_MSG_CONFIG, AF_UNSPEC, group);
}

static int configure(struct ne_nflog *nflog, uint16_t group) {
    _Alignas(struct nlmsghdr) char bytes[REQUEST_SIZE] = {0};
    struct nlmsghdr *message = begin(bytes, group);
    if (nflog_attr_put_cfg_cmd(message, NFULNL_CFG_CMD_BIND) < 0 || ask(nflog, message) < 0)
        return -1;
    message = begin(bytes, group);
    if (nflog_attr_put_cfg_mode(message, NFULNL_COPY_PACKET, RANGE) < 0)
        return -1;
    mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(QUEUE));
    mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(GATHER));
    mnl_attr_put_u32(message, NFULA_CFG_NLBUFSIZ, htonl(KERNEL_SIZE));
    mnl_attr_put_u16(message, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
    return ask(nflog, message);
}

/* open_socket() - With a large buffer, for which CAP_NET_ADMIN is enough. */
static int open_socket(struct ne_nflog *nflog) {
    const int size = RECEIVE_SIZE;
    nflog->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (nflog->socket == NULL || mnl_socket_bind(nflog->socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return -1;
    (void)setsockopt(mnl_socket_get_fd(nflog->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
                     sizeof(size));
    return 0;
}

struct ne_nflog *ne_nflog_open(uint16_t group, struct ne_error *err) {
    struct ne_nflog *nflog = calloc(1, sizeof(*nflog));
    if (nflog != NULL)
        nflog->datagram = malloc(DATAGRAM);
    if (nflog == NULL || nflog->datagram == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the log of packets");
        ne_nflog_close(nflog);
        return NULL;
    }
    if (open_socket(nflog) < 0 || configure(nflog, group) < 0) {
        int cause = errno;
        (void)ne_fail_errno(err, NE_KERNEL, cause,
                            "cannot read the kernel's log of packets, group %u%s", group,
                            cause == EBUSY    ? " (another process reads it)"
                            : cause == ENOENT ? " (modprobe nfnetlink_log)"
                                              : "");
        ne_nflog_close(nflog);
        return NULL;
    }
    return nflog;
}

int ne_nflog_fd(const struct ne_nflog *nflog) {
    return mnl_socket_get_fd(nflog->socket);
}

/* count() - The kernel numbers what it means to send: a gap is what it could not. */
static uint64_t count(struct ne_nflog *nflog, const struct ne_logged *logged) {
    if (!logged->has_sequence)
        return 0;
    uint32_t gap = nflog->counted ? logged->sequence - nflog->next : 0;
    nflog->counted = true;
    nflog->next = logged->sequence + 1;
    return gap < UINT32_MAX / 2 ? gap : 0;
}

static void take(struct ne_nflog *nflog, size_t size, ne_nflog_visit visit, void *context,
                 uint64_t *lost) {
    const struct nlmsghdr *message;
    struct ne_logged logged;
    for (size_t at = 0; (message = ne_next_message(nflog->datagram, size, &at)) != NULL;) {
        if (!ne_logged_parse(message, &logged))
            continue;
        *lost += count(nflog, &logged);
        visit(context, &logged);
    }
}

bool ne_nflog_drain(struct ne_nflog *nflog, ne_nflog_visit visit, void *context, uint64_t *lost) {
    for (int i = 0; i < DRAIN_MAX; i++) {
        ssize_t n = mnl_socket_recvfrom(nflog->socket, nflog->datagram, DATAGRAM);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n > 0)
            take(nflog, (size_t)n, visit, context, lost);
        /* ENOBUFS: the gap tells how many. */
    }
    return false;
}

void ne_nflog_close(struct ne_nflog *nflog) {
    if (nflog == NULL)
        return;
    if (nflog->socket != NULL)
        (void)mnl_socket_close(nflog->socket);
    free(nflog->datagram);
    free(nflog);
}
