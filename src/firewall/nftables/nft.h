/* nft.h - nf_tables over netlink: batches that are committed as one, dumps, the generation.
 *
 * Sources: net/netfilter/nfnetlink.c (nfnetlink_rcv_batch()), net/netfilter/nf_tables_api.c.
 */
#ifndef NETENFORCE_FIREWALL_NFTABLES_NFT_H
#define NETENFORCE_FIREWALL_NFTABLES_NFT_H

#include <netenforce/error.h>

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nft {
    struct mnl_socket *socket; /* NULL: not connected */
    uint32_t sequence;
    uint8_t family; /* NFPROTO_*, of what is put and dumped; 0: inet */
    char *answer;   /* NFT_ANSWER_SIZE bytes to receive in */
    unsigned
        connections; /* how often the socket was opened: what it owned is nobody's after that */
};
#define NFT_ANSWER_SIZE 65536

/* What has become of a batch or a question. */
enum nft_outcome {
    NFT_DONE,
    NFT_ABSENT, /* this kernel has no nf_tables, or not of this family or hook */
    NFT_FAILED,
};

/* nft_connect() - Open the socket, unless it is open. Return: NFT_DONE, NFT_ABSENT, NFT_FAILED. */
enum nft_outcome nft_connect(struct nft *nft, struct ne_error *err);

/* nft_is_own() - Whether @port, of the kernel's message about a change, is that of a socket that
 * this process has open. */
bool nft_is_own(uint32_t port);

/* nft_close() - Close the socket and release what @nft holds. */
void nft_close(struct nft *nft);

/* A transaction. Its messages are put by nft_batch_header() and libnftnl's ..._nlmsg_build_payload;
 * whoever puts one sees to `failed` himself where libnftnl reports a failure. */
struct nft_batch {
    char *buffer;
    struct mnl_nlmsg_batch *messages;
    uint32_t first, last;  /* sequence numbers: of the opening message, of the last one put */
    struct nlmsghdr *tail; /* the last one */
    bool failed;           /* no memory or no room: it is not sent */
};

/* nft_batch_begin() - A batch with room for @size bytes of messages. Return: 0, or -1. */
int nft_batch_begin(struct nft *nft, struct nft_batch *batch, size_t size, struct ne_error *err);

/* nft_batch_header() - Begin a message of @type (NFT_MSG_*) about the family; it is part of the
 * batch once nft_batch_next() was called. Return: the message, never NULL. */
struct nlmsghdr *nft_batch_header(struct nft *nft, struct nft_batch *batch, uint16_t type,
                                  uint16_t flags);
void nft_batch_next(struct nft_batch *batch);

/* nft_batch_commit() - Send it and learn what became of it: all of it is in force, or nothing.
 * The batch is released in any case.
 */
enum nft_outcome nft_batch_commit(struct nft *nft, struct nft_batch *batch, struct ne_error *err);

/* nft_generation() - A number that stands as long as nobody but this process changes the ruleset of
 * its namespace: the kernel's count of changes, less those that were this process' own. */
enum nft_outcome nft_generation(struct nft *nft, uint32_t *generation, struct ne_error *err);

/* What a dump is limited to; what is NULL or 0 limits nothing. */
struct nft_where {
    const char *table;    /* of rules, elements and objects */
    const char *set;      /* of elements, which need both */
    const char *object;   /* of objects, for nft_get_object() */
    uint32_t object_type; /* of objects: NFT_OBJECT_* */
};

/* nft_dump() - Call @take with each object of the family that @type (NFT_MSG_GET*) lists; @where
 * may be NULL. A dump that a change of the ruleset interrupted begins anew: @take is called with
 * NULL first, and again then.
 */
enum nft_outcome nft_dump(struct nft *nft, uint16_t type, const struct nft_where *where,
                          void (*take)(void *context, const struct nlmsghdr *message),
                          void *context, struct ne_error *err);

/* nft_get_object() - Call @take with the one object of @where, all of which it needs but `set`;
 * with none if there is none. Source: nf_tables_getobj(), net/netfilter/nf_tables_api.c.
 */
enum nft_outcome nft_get_object(struct nft *nft, const struct nft_where *where,
                                void (*take)(void *context, const struct nlmsghdr *message),
                                void *context, struct ne_error *err);

#endif
