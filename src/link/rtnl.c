/* rtnl.c - the rtnetlink socket: batches of requests, dumps, what the kernel says of them. */
#include "rtnl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel queues each answer before sendmsg() returns, so this is never waited for; it keeps a
 * lost acknowledgement (no memory for it) from hanging the engine, which has no time limit.
 */
#define ANSWER_SECONDS 5

static struct nlmsghdr *header_of(struct ne_request *request) {
    return (struct nlmsghdr *)(void *)request->buffer;
}

int ne_rtnl_connect(struct ne_rtnl *rtnl, struct ne_error *err) {
    struct mnl_socket *fresh = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (fresh == NULL)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot open a rtnetlink socket");
    if (mnl_socket_bind(fresh, 0, MNL_SOCKET_AUTOPID) < 0) {
        (void)ne_fail_errno(err, NE_KERNEL, errno, "cannot bind a rtnetlink socket");
        (void)mnl_socket_close(fresh);
        return -1;
    }
    /* Each is a help that older kernels do without: the kernel's own words in errors (4.12),
     * acknowledgements without the request (4.3), dumps that the kernel narrows (4.20).
     */
    int on = 1;
    (void)mnl_socket_setsockopt(fresh, NETLINK_EXT_ACK, &on, sizeof(on));
    (void)mnl_socket_setsockopt(fresh, NETLINK_CAP_ACK, &on, sizeof(on));
    (void)mnl_socket_setsockopt(fresh, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    (void)setsockopt(mnl_socket_get_fd(fresh), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));

    if (rtnl->socket != NULL)
        (void)mnl_socket_close(rtnl->socket);
    rtnl->socket = fresh;
    rtnl->portid = mnl_socket_get_portid(fresh);
    return 0;
}

void ne_batch_init(struct ne_batch *batch, const char *device) {
    batch->device = device;
    batch->count = 0;
    batch->overflow = false;
}

struct ne_request *ne_batch_add(struct ne_batch *batch, uint16_t type, uint16_t flags,
                                size_t header_size, const char *doing) {
    if (batch->count == NE_BATCH_MAX) {
        batch->overflow = true;
        batch->count--;
    }
    struct ne_request *request = &batch->requests[batch->count++];
    memset(request, 0, sizeof(*request));
    request->doing = doing;
    struct nlmsghdr *header = mnl_nlmsg_put_header(request->buffer);
    header->nlmsg_type = type;
    header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    (void)mnl_nlmsg_put_extra_header(header, header_size);
    return request;
}

/* Fill @err with "interface X: cannot DOING (DETAIL): ERRNO". Return: -1. */
static int failed(const struct ne_batch *batch, struct ne_error *err, enum ne_code code,
                  int sys_errno, const char *doing, const char *detail) {
    bool details = detail[0] != '\0';
    (void)ne_fail_errno(err, code, sys_errno, "cannot %s%s%s%s", doing, details ? " (" : "", detail,
                        details ? ")" : "");
    if (batch->device != NULL)
        (void)ne_context(err, "interface %s", batch->device);
    return -1;
}

static int send_all(struct ne_rtnl *rtnl, struct ne_batch *batch, struct ne_error *err) {
    struct iovec parts[NE_BATCH_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        struct nlmsghdr *header = header_of(&batch->requests[i]);
        header->nlmsg_seq = ++rtnl->sequence;
        parts[i] = (struct iovec){.iov_base = header, .iov_len = header->nlmsg_len};
        if (batch->requests[i].overflow || batch->overflow)
            return failed(batch, err, NE_BAD_INPUT, 0, batch->requests[i].doing,
                          "the request is too long");
    }
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr message = {.msg_name = &kernel,
                             .msg_namelen = sizeof(kernel),
                             .msg_iov = parts,
                             .msg_iovlen = batch->count};
    ssize_t sent;
    do {
        sent = sendmsg(mnl_socket_get_fd(rtnl->socket), &message, 0);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return failed(batch, err, NE_KERNEL, errno, batch->requests[0].doing, "sending");
    return 0;
}

/* One datagram from the kernel into rtnl->answer.
 * Return: its size, or -1 with errno; EMSGSIZE if it was cut.
 */
static ssize_t receive(struct ne_rtnl *rtnl) {
    for (;;) {
        struct sockaddr_nl from = {0};
        struct iovec room = {.iov_base = rtnl->answer, .iov_len = NE_ANSWER_SIZE};
        struct msghdr message = {
            .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &room, .msg_iovlen = 1};
        ssize_t size = recvmsg(mnl_socket_get_fd(rtnl->socket), &message, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -1;
        /* Another process may write to our port if it has CAP_NET_ADMIN: only 0 is the kernel. */
        if (message.msg_namelen != sizeof(from) || from.nl_pid != 0)
            continue;
        if ((message.msg_flags & MSG_TRUNC) != 0) {
            errno = EMSGSIZE;
            return -1;
        }
        return size;
    }
}

/* The kernel says 0 or a negative errno. */
static int errno_of(int status) {
    return status <= 0 && status >= -INT_MAX ? -status : EBADMSG;
}

/* What an NLMSG_ERROR says: 0 or an errno, and the kernel's own words if it has any. */
static int read_ack(const struct nlmsghdr *message, char says[static NE_KERNEL_SAYS]) {
    says[0] = '\0';
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr))
        return EBADMSG;
    const struct nlmsgerr *ack = mnl_nlmsg_get_payload(message);
    if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
        size_t before = sizeof(*ack);
        if ((message->nlmsg_flags & NLM_F_CAPPED) == 0)
            before += ack->msg.nlmsg_len - sizeof(ack->msg); /* our request, sent back */
        const struct nlattr *attrs[NLMSGERR_ATTR_MSG + 1];
        if (before < NE_ANSWER_SIZE) {
            ne_attrs_of_message(message, before, attrs, NLMSGERR_ATTR_MSG);
            (void)ne_attr_text(attrs[NLMSGERR_ATTR_MSG], says, NE_KERNEL_SAYS);
        }
    }
    return errno_of(ack->error);
}

static bool tolerates(const struct ne_request *request, int sys_errno) {
    for (size_t i = 0; i < NE_TOLERATED_MAX; i++) {
        if (request->tolerated[i] == sys_errno)
            return true; /* 0 ends the list, and is success */
    }
    return sys_errno == 0;
}

/* Fill @err with what the kernel made of @request. Return: -1. */
static int refused(const struct ne_batch *batch, const struct ne_request *request,
                   struct ne_error *err) {
    enum ne_code code = NE_KERNEL;
    if (request->error == EOPNOTSUPP || request->error == EAFNOSUPPORT)
        code = NE_UNSUPPORTED;
    else if (request->error == EEXIST)
        code = NE_CONFLICT;
    return failed(batch, err, code, request->error, request->doing, request->says);
}

/* The transport failed: nothing that is still under way may be taken for a later answer, and a
 * dump that was cut short would make the next one fail with EBUSY. Return: -1.
 */
static int broken(struct ne_rtnl *rtnl, const struct ne_batch *batch, struct ne_error *err) {
    int sys_errno = errno == EAGAIN ? ETIMEDOUT : errno;
    (void)ne_rtnl_connect(rtnl, NULL);
    return failed(batch, err, NE_KERNEL, sys_errno, batch->requests[0].doing, "no usable answer");
}

size_t ne_batch_take(const struct ne_rtnl *rtnl, struct ne_batch *batch, uint32_t first,
                     size_t size) {
    size_t finished = 0;
    size_t at = 0;
    const struct nlmsghdr *message;
    while ((message = ne_next_message(rtnl->answer, size, &at)) != NULL) {
        uint32_t slot = message->nlmsg_seq - first;
        if (message->nlmsg_pid != rtnl->portid || slot >= batch->count)
            continue; /* left over from a request that was given up */
        struct ne_request *request = &batch->requests[slot];
        if (message->nlmsg_type == NLMSG_ERROR && !request->answered) {
            request->answered = true;
            request->error = read_ack(message, request->says);
            finished++;
        } else if (message->nlmsg_type >= NLMSG_MIN_TYPE && request->answer != NULL) {
            request->answer(request->context, message);
        }
    }
    return finished;
}

int ne_batch_send(struct ne_rtnl *rtnl, struct ne_batch *batch, struct ne_error *err) {
    if (batch->count == 0)
        return 0;
    uint32_t first = rtnl->sequence + 1;
    if (send_all(rtnl, batch, err) != 0)
        return -1;
    for (size_t finished = 0; finished < batch->count;) {
        ssize_t size = receive(rtnl);
        if (size < 0)
            return broken(rtnl, batch, err);
        finished += ne_batch_take(rtnl, batch, first, (size_t)size);
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (!tolerates(&batch->requests[i], batch->requests[i].error))
            return refused(batch, &batch->requests[i], err);
    }
    return 0;
}

bool ne_dump_take(const struct ne_rtnl *rtnl, struct ne_request *request, size_t size,
                  bool *interrupted) {
    size_t at = 0;
    const struct nlmsghdr *message;
    while ((message = ne_next_message(rtnl->answer, size, &at)) != NULL) {
        if (message->nlmsg_pid != rtnl->portid || message->nlmsg_seq != rtnl->sequence)
            continue;
        if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
            *interrupted = true;
        if (message->nlmsg_type == NLMSG_ERROR) {
            request->error = read_ack(message, request->says);
            return true;
        }
        if (message->nlmsg_type == NLMSG_DONE) {
            int status = 0; /* netlink_dump_done(): the last return value of the dump */
            if (mnl_nlmsg_get_payload_len(message) >= sizeof(status))
                memcpy(&status, mnl_nlmsg_get_payload(message), sizeof(status));
            request->error = status > 0 ? 0 : errno_of(status);
            return true;
        }
        if (message->nlmsg_type >= NLMSG_MIN_TYPE)
            request->answer(request->context, message);
    }
    return false;
}

int ne_rtnl_dump(struct ne_rtnl *rtnl, struct ne_batch *batch, struct ne_error *err) {
    struct ne_request *request = &batch->requests[0];
    header_of(request)->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;

    for (int attempt = 0; attempt < NE_DUMP_TRIES_MAX; attempt++) {
        bool interrupted = false;
        bool over = false;
        ssize_t size = 0;
        request->enough = false;
        request->answer(request->context, NULL);
        if (send_all(rtnl, batch, err) != 0)
            return -1;
        while (size >= 0 && !over) {
            size = receive(rtnl);
            over = size >= 0 && ne_dump_take(rtnl, request, (size_t)size, &interrupted);
            /* Only the socket's end ends a dump that is under way. */
            if (size >= 0 && request->enough)
                return ne_rtnl_connect(rtnl, err);
        }
        if (size < 0 && errno == ENOBUFS) {
            if (ne_rtnl_connect(rtnl, err) != 0)
                return -1;
            continue;
        }
        if (size < 0)
            return broken(rtnl, batch, err);
        if (request->error == EINTR || request->error == EAGAIN)
            continue; /* what older kernels answer where newer ones set the flag */
        if (request->error != 0)
            return refused(batch, request, err);
        if (!interrupted)
            return 0;
    }
    return failed(batch, err, NE_KERNEL, EAGAIN, request->doing,
                  "the kernel's list changed during each of several tries");
}
