/* nft.c - nf_tables over netlink: see nft.h. */
#include "nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netenforce/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define DUMP_TRIES    10
#define QUESTION_SIZE 256 /* a header and the longest names */
#define BATCH_HEADER  256 /* the opening and the closing message, and the alignment */

/* How many of the changes that the kernel has counted were this process'. */
static uint32_t own_changes;

/* The ports of the sockets that are open: one for each backend. 0: none. */
static uint32_t own_ports[8];

static void replace_port(uint32_t old, uint32_t new) {
    size_t i = 0;
    while (i < sizeof(own_ports) / sizeof(own_ports[0]) && own_ports[i] != old)
        i++;
    if (i < sizeof(own_ports) / sizeof(own_ports[0]))
        own_ports[i] = new;
}

bool nft_is_own(uint32_t port) {
    for (size_t i = 0; i < sizeof(own_ports) / sizeof(own_ports[0]) && port != 0; i++) {
        if (own_ports[i] == port)
            return true;
    }
    return false;
}

static void close_socket(struct nft *nft) {
    replace_port(mnl_socket_get_portid(nft->socket), 0);
    (void)mnl_socket_close(nft->socket);
    nft->socket = NULL;
}

/* The module or the family is missing: nfnetlink_rcv_batch(), nft_supported_family(). */
static enum nft_outcome outcome_of(int cause) {
    return cause == EOPNOTSUPP || cause == EPROTONOSUPPORT || cause == EAFNOSUPPORT ? NFT_ABSENT
                                                                                    : NFT_FAILED;
}

static enum nft_outcome failed(struct ne_error *err, int cause, const char *what) {
    (void)ne_fail_errno(err, NE_KERNEL, cause, "nf_tables: cannot %s", what);
    return outcome_of(cause);
}

static uint8_t family_of(const struct nft *nft) {
    return nft->family != 0 ? nft->family : (uint8_t)NFPROTO_INET;
}

enum nft_outcome nft_connect(struct nft *nft, struct ne_error *err) {
    if (nft->socket != NULL)
        return NFT_DONE;
    if (nft->answer == NULL)
        nft->answer = malloc(NFT_ANSWER_SIZE);
    if (nft->answer == NULL)
        return failed(err, ENOMEM, "open a socket");
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket == NULL)
        return failed(err, errno, "open a socket");
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int cause = errno;
        (void)mnl_socket_close(socket);
        return failed(err, cause, "bind a socket");
    }
    nft->socket = socket;
    replace_port(0, mnl_socket_get_portid(socket));
    nft->connections++;
    nft->sequence = (uint32_t)time(NULL);
    return NFT_DONE;
}

void nft_close(struct nft *nft) {
    if (nft->socket != NULL)
        close_socket(nft);
    free(nft->answer);
    *nft = (struct nft){0};
}

int nft_batch_begin(struct nft *nft, struct nft_batch *batch, size_t size, struct ne_error *err) {
    *batch = (struct nft_batch){0};
    size += BATCH_HEADER;
    /* libmnl wants room for one more message than the batch may hold. */
    batch->buffer = calloc(2, size);
    if (batch->buffer != NULL)
        batch->messages = mnl_nlmsg_batch_start(batch->buffer, size);
    if (batch->messages == NULL) {
        free(batch->buffer);
        return ne_fail(err, NE_NO_MEMORY, "no memory for a change of nf_tables");
    }
    batch->first = ++nft->sequence;
    (void)nftnl_batch_begin(mnl_nlmsg_batch_current(batch->messages), batch->first);
    nft_batch_next(batch);
    return 0;
}

struct nlmsghdr *nft_batch_header(struct nft *nft, struct nft_batch *batch, uint16_t type,
                                  uint16_t flags) {
    batch->last = ++nft->sequence;
    batch->tail = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch->messages), type,
                                        family_of(nft), flags, batch->last);
    return batch->tail;
}

void nft_batch_next(struct nft_batch *batch) {
    if (!mnl_nlmsg_batch_next(batch->messages))
        batch->failed = true;
}

static void release(struct nft_batch *batch) {
    mnl_nlmsg_batch_stop(batch->messages);
    free(batch->buffer);
}

/* forget() - After a failure nobody knows what else may come: the next call has a new socket. */
static void forget(struct nft *nft) {
    close_socket(nft);
}

static int send_all(struct nft *nft, const void *data, size_t size) {
    int room = (int)(size + 4096); /* netlink_sendmsg(): a message fits into the send buffer */
    (void)setsockopt(mnl_socket_get_fd(nft->socket), SOL_SOCKET, SO_SNDBUFFORCE, &room,
                     sizeof(room));
    return mnl_socket_sendto(nft->socket, data, size) < 0 ? errno : 0;
}

/* receive() - The next datagram. The kernel has answered when send() returns: there is no wait.
 * Return: its size, or -errno. */
static ssize_t receive(struct nft *nft) {
    for (;;) {
        ssize_t size = mnl_socket_recvfrom(nft->socket, nft->answer, NFT_ANSWER_SIZE);
        if (size >= 0)
            return size;
        if (errno != EINTR)
            return -errno;
    }
}

/* read_verdicts() - The last message of the batch is acknowledged once the whole was committed or
 * taken back, and each that failed is named (acknowledgements of thousands of messages would not
 * fit into the socket's buffer); what is refused at the door, or when it is committed, is said of
 * the opening message alone. Return: 0, or the errno of the first that failed. */
static int read_verdicts(struct nft *nft, const struct nft_batch *batch) {
    int cause = 0;
    for (;;) {
        ssize_t size = receive(nft);
        if (size < 0)
            return cause != 0 ? cause : (int)-size;
        size_t at = 0;
        const struct nlmsghdr *message;
        while ((message = ne_next_message(nft->answer, (size_t)size, &at)) != NULL) {
            if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq < batch->first ||
                mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr))
                continue;
            const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(message);
            if (cause == 0 && verdict->error != 0)
                cause = -verdict->error;
            if (message->nlmsg_seq == batch->last ||
                (message->nlmsg_seq == batch->first && cause != 0))
                return cause;
        }
    }
}

static int read_count(struct nft *nft, uint32_t *count);

enum nft_outcome nft_batch_commit(struct nft *nft, struct nft_batch *batch, struct ne_error *err) {
    uint32_t before = 0;
    uint32_t after = 0;
    (void)nftnl_batch_end(mnl_nlmsg_batch_current(batch->messages), ++nft->sequence);
    nft_batch_next(batch);
    if (batch->tail != NULL)
        batch->tail->nlmsg_flags |= NLM_F_ACK;
    if (batch->failed) {
        release(batch);
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for a change of nf_tables");
        return NFT_FAILED;
    }
    if (batch->tail == NULL) { /* nothing was put: nothing is answered */
        release(batch);
        return NFT_DONE;
    }
    int cause = read_count(nft, &before);
    if (cause == 0)
        cause = send_all(nft, mnl_nlmsg_batch_head(batch->messages),
                         mnl_nlmsg_batch_size(batch->messages));
    if (cause == 0)
        cause = read_verdicts(nft, batch);
    release(batch);
    if (cause == 0) {
        /* If somebody else changed something at the same time, it is nobody's: so it is looked at.
         */
        if (read_count(nft, &after) == 0)
            own_changes += after == before + 1;
        else
            forget(nft);
        return NFT_DONE;
    }
    forget(nft);
    return failed(err, cause, "change the rules");
}

/* ask() - Send one question; read answers until the kernel says that there are no more.
 * Return: 0 or an errno; EINTR if the dump is not of one piece. */
static int ask(struct nft *nft, uint16_t type, uint16_t flags, const struct nft_where *where,
               void (*take)(void *context, const struct nlmsghdr *message), void *context) {
    _Alignas(struct nlmsghdr) char question[QUESTION_SIZE] = {0};
    uint32_t sequence = ++nft->sequence;
    struct nlmsghdr *header = nftnl_nlmsg_build_hdr(question, type, family_of(nft),
                                                    (uint16_t)(flags | NLM_F_ACK), sequence);
    /* NFTA_RULE_TABLE, NFTA_SET_ELEM_LIST_TABLE and NFTA_OBJ_TABLE are all 1. */
    if (where != NULL && where->table != NULL)
        mnl_attr_put_strz(header, NFTA_OBJ_TABLE, where->table);
    if (where != NULL && where->set != NULL)
        mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, where->set);
    if (where != NULL && where->object != NULL)
        mnl_attr_put_strz(header, NFTA_OBJ_NAME, where->object);
    if (where != NULL && where->object_type != NFT_OBJECT_UNSPEC)
        mnl_attr_put_u32(header, NFTA_OBJ_TYPE, htonl(where->object_type));
    int cause = send_all(nft, header, header->nlmsg_len);
    bool torn = false;
    while (cause == 0) {
        ssize_t size = receive(nft);
        if (size < 0)
            return (int)-size;
        size_t at = 0;
        const struct nlmsghdr *message;
        while ((message = ne_next_message(nft->answer, (size_t)size, &at)) != NULL) {
            if (message->nlmsg_seq != sequence)
                continue;
            torn |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->nlmsg_type == NLMSG_DONE)
                return torn ? EINTR : 0;
            if (message->nlmsg_type == NLMSG_ERROR &&
                mnl_nlmsg_get_payload_len(message) >= sizeof(struct nlmsgerr))
                return -((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
            take(context, message);
        }
    }
    return cause;
}

static int find_generation(const struct nlattr *attr, void *generation) {
    if (mnl_attr_get_type(attr) == NFTA_GEN_ID && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
        *(uint32_t *)generation = ntohl(mnl_attr_get_u32(attr));
    return MNL_CB_OK;
}

static void take_generation(void *context, const struct nlmsghdr *message) {
    if (message != NULL)
        (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), find_generation, context);
}

static int read_count(struct nft *nft, uint32_t *count) {
    return ask(nft, NFT_MSG_GETGEN, 0, NULL, take_generation, count);
}

enum nft_outcome nft_generation(struct nft *nft, uint32_t *generation, struct ne_error *err) {
    enum nft_outcome outcome = nft_connect(nft, err);
    if (outcome != NFT_DONE)
        return outcome;
    int cause = read_count(nft, generation);
    *generation -= own_changes;
    if (cause == 0)
        return NFT_DONE;
    forget(nft);
    return failed(err, cause, "ask for the generation");
}

enum nft_outcome nft_dump(struct nft *nft, uint16_t type, const struct nft_where *where,
                          void (*take)(void *context, const struct nlmsghdr *message),
                          void *context, struct ne_error *err) {
    enum nft_outcome outcome = nft_connect(nft, err);
    if (outcome != NFT_DONE)
        return outcome;
    int cause = EINTR;
    for (int i = 0; i < DUMP_TRIES && cause == EINTR; i++) {
        take(context, NULL);
        cause = ask(nft, type, NLM_F_DUMP, where, take, context);
    }
    if (cause == 0)
        return NFT_DONE;
    forget(nft);
    return failed(err, cause, "list the rules");
}

enum nft_outcome nft_get_object(struct nft *nft, const struct nft_where *where,
                                void (*take)(void *context, const struct nlmsghdr *message),
                                void *context, struct ne_error *err) {
    enum nft_outcome outcome = nft_connect(nft, err);
    if (outcome != NFT_DONE)
        return outcome;
    int cause = ask(nft, NFT_MSG_GETOBJ, 0, where, take, context);
    if (cause == 0 || cause == ENOENT)
        return NFT_DONE;
    forget(nft);
    return failed(err, cause, "read a counter");
}
