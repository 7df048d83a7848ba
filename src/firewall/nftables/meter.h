/* meter.h - what is counted and limited for each endpoint: a table of its own in nf_tables.
 *
 * DOC: how it works
 *
 * The judge (raw, PREROUTING) has written its verdict into the mark when a packet comes here. For
 * each kind of thing that is counted or limited there is a map for each family, from the
 * address of an endpoint to a named object: a counter, a limit, a quota. So both families of an
 * endpoint share one budget, a packet costs a look-up for each kind and no more, however many
 * endpoints there are, and an endpoint comes and goes as elements and objects, while the state of
 * all others stays.
 *
 *     judged   prerouting, just behind raw       from ne-*:  goto from4, from6
 *     new      prerouting, behind conntrack      from ne-*:  first packets: goto new4, new6
 *     led      prerouting, behind DNAT           from ne-*, to be handed: goto led4, led6
 *     forward  forward, before the filter table  to ne-*, passed and no reply: goto into4, into6
 *     passed   input, forward, behind all gates  from ne-*:  goto passed4, passed6
 *     leaving  postrouting                       to ne-*:  goto to4, to6
 *
 *     from     passed, or to be handed: goto within; refused: goto refused; passed by an audit:
 *              goto audited
 *     within   beyond the rate: goto slow; beyond the quota: goto over; count
 *     refused  count, log within the endpoint's limit, drop what is to be refused silently: here,
 *              since a flood of it then costs least. The gates answer the rest
 *     audited  count, log, then as within
 *     over     count, log, refuse from now on: the mark is changed, and the gates answer
 *     new      beyond conn_rate: goto beyond, which counts, logs and refuses in the same way;
 *              what may be a reply (inbound, a proxy that is a member) and is none: goto unasked,
 *              which counts and logs
 *     led      led to the proxy or the forwarder: no further; else count, log, refuse
 *     into     count, log; the gate refuses
 *     passed   count here, not within, where any of the chains above may refuse what was passed
 *     to       beyond the rate or the quota: goto late (count, drop). Not for the answers
 *              that the gates give: a container that has used all is told so at once
 *     slow     count, drop
 *
 * Rules, chains and maps change with the networks and with what is used at all; objects and
 * elements with each endpoint. Whatever is missing there lets pass what the other tables let
 * pass: it opens nothing, but nothing is limited. So it is looked at as the backstop is.
 */
#ifndef NETENFORCE_FIREWALL_NFTABLES_METER_H
#define NETENFORCE_FIREWALL_NFTABLES_METER_H

#include "write.h"

#include <netenforce/fence.h>

#define METER_TABLE "netenforce_meter"

enum meter_kind {
    METER_PASSED,
    METER_REFUSED,
    METER_LIMITED,
    METER_LOG,
    METER_CONNECTIONS,
    METER_UP,
    METER_DOWN,
    METER_QUOTA,
    METER_SILENT, /* no object: a set of those that are refused silently */
    METER_KINDS,
};

#define METER_FAMILIES ((size_t)2) /* 0 is IPv4, 1 is IPv6 */

/* What is wanted, or stands, for one endpoint. */
struct metered {
    struct ne_meter meter;
    struct ne_addr addr[METER_FAMILIES]; /* NE_NONE: none */
    uint64_t used;                       /* of its quota, when last read */
};

/* An object without its name and its state. Unused fields are 0. */
struct meter_object {
    uint32_t type;   /* NFT_OBJECT_*; NFT_OBJECT_UNSPEC for METER_SILENT */
    uint64_t amount; /* of a limit: packets or bytes in each @seconds; of a quota: bytes */
    uint64_t seconds;
    uint32_t burst;
    uint32_t unit;  /* of a limit: NFT_LIMIT_PKTS, NFT_LIMIT_PKT_BYTES */
    uint32_t flags; /* of a limit and of a quota: goes on beyond the limit, not within it */
};

/* What an object has counted: of a quota, @bytes. */
struct meter_count {
    uint64_t packets, bytes;
};

#define METER_NAME_SIZE (NE_ID_SIZE + 16)

/* meter_kind_object() - The type of the objects of @kind. */
uint32_t meter_kind_object(enum meter_kind kind);

/* meter_set_name() - "passed4". meter_object_name() - "passed-" and the endpoint's id. Return:
 * @out. */
const char *meter_set_name(enum meter_kind kind, size_t family, char out[static METER_NAME_SIZE]);
const char *meter_object_name(enum meter_kind kind, const char *id,
                              char out[static METER_NAME_SIZE]);

/* meter_parse_name() - Read an object's name. Return: whether it is one; then *@id points into it.
 */
bool meter_parse_name(const char *name, enum meter_kind *kind, const char **id);

/* meter_object_of() - What @endpoint has of @kind. Return: whether it has any. */
bool meter_object_of(const struct metered *endpoint, enum meter_kind kind,
                     struct meter_object *object);
bool meter_object_equal(const struct meter_object *a, const struct meter_object *b);

/* What tells one content of the objects and maps from another, in any order: a sum of hashes. */
uint64_t meter_digest_object(const char *name, const struct meter_object *object);
uint64_t meter_digest_element(const char *set, const void *key, size_t size, const char *object);
uint64_t meter_digest_of(const struct metered *endpoint);

/* meter_put_sets() - Make the maps that are missing, and empty all.
 * meter_put_object() - Make an object of @endpoint (or, of a quota that is there, change its
 * amount), which begins with @count; meter_put_no_object() - remove one by its name.
 * meter_put_elements() - Messages of @type (NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM) about its
 * addresses in the maps of @kind.
 */
void meter_put_sets(struct writer *w);
void meter_put_object(struct writer *w, const struct metered *endpoint, enum meter_kind kind,
                      const struct meter_object *object, struct meter_count count);
void meter_put_no_object(struct writer *w, uint32_t type, const char *name);
void meter_put_elements(struct writer *w, const struct metered *endpoint, enum meter_kind kind,
                        uint16_t type);

/* What the rules depend on. */
struct meter_shape {
    bool rate, conn_rate, quota; /* used by some policy */
    const struct ne_fence *fence;
    uint32_t mark; /* the bit that says PASS; the next two belong to it */
};

struct meter_shape meter_shape_of(const struct ne_fence *fence, uint32_t mark);

/* meter_shape_digest() - Tells shapes apart that make other rules. */
uint64_t meter_shape_digest(const struct meter_shape *shape);

/* meter_put_rules() - The chains that are used, and their rules in place of whatever rules there
 * are. */
void meter_put_rules(struct writer *w, const struct meter_shape *shape);

/* meter_size() - Room for all that can be put for @count endpoints and the rules of @shape, if
 * that is not NULL; twice, since what is there may have to go. */
size_t meter_size(const struct meter_shape *shape, size_t count);

/* One object as the kernel lists it. */
struct meter_found {
    const char *name;
    struct meter_object object;
    struct meter_count count;
};

/* meter_parse_object() - Read a message about an object. Return: whether it is one of the meter's.
 */
bool meter_parse_object(const struct nlmsghdr *message, struct meter_found *found);

/* meter_read_objects() - Call @take with each object of the table, of @type alone if that is not
 * NFT_OBJECT_UNSPEC; with NULL where the list begins anew. */
enum nft_outcome meter_read_objects(struct nft *nft, uint32_t type,
                                    void (*take)(void *context, const struct meter_found *found),
                                    void *context, struct ne_error *err);

/* meter_read_object() - Call @take with the object of @kind that the endpoint @id has, if it is
 * there. */
enum nft_outcome meter_read_object(struct nft *nft, enum meter_kind kind, const char *id,
                                   void (*take)(void *context, const struct meter_found *found),
                                   void *context, struct ne_error *err);

/* meter_read_digest() - The digest of what stands in the kernel: objects and elements. */
enum nft_outcome meter_read_digest(struct nft *nft, uint64_t *digest, struct ne_error *err);

#endif
