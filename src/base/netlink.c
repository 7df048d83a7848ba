/* netlink.c - messages in turn, and watching: see netlink.h. */
#include <netenforce/netlink.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRAIN_MAX     1024
#define BUFFER_SIZE   (4 << 20) /* bytes: some hundred containers that start or end at once */
#define DATAGRAM_SIZE 32768     /* NLMSG_GOODSIZE, the kernel's limit, and more */

const struct nlmsghdr *ne_next_message(const char *bytes, size_t size, size_t *at) {
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)(bytes + *at);
    if (*at >= size || size - *at < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
        message->nlmsg_len > size - *at)
        return NULL;
    const size_t align = NLMSG_ALIGNTO;
    *at += (message->nlmsg_len + align - 1) / align * align;
    return message;
}

int ne_watch_open(int protocol, unsigned groups, const char *what, int *fd, struct ne_error *err) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fresh = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fresh < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot open a socket to watch %s", what);
    if (bind(fresh, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        (void)ne_fail_errno(err, NE_KERNEL, errno, "cannot watch %s", what);
        (void)close(fresh);
        return -1;
    }
    /* Where it is not permitted events are lost sooner, and that is said. */
    const int size = BUFFER_SIZE;
    (void)setsockopt(fresh, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    *fd = fresh;
    return 0;
}

bool ne_watch_drain(int fd, ne_watch_note note, void *context) {
    _Alignas(struct nlmsghdr) char datagram[DATAGRAM_SIZE];
    bool whole = true;
    for (int i = 0; i < DRAIN_MAX; i++) {
        struct sockaddr_nl from = {0};
        socklen_t from_size = sizeof(from);
        ssize_t size = recvfrom(fd, datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC,
                                (struct sockaddr *)&from, &from_size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return whole;
        if (size < 0 && errno != ENOBUFS)
            return false;
        if (size < 0 || (size_t)size > sizeof(datagram))
            whole = false; /* events were left out, or one was cut */
        else if (from.nl_pid == 0)
            note(context, datagram, (size_t)size);
    }
    return whole;
}
