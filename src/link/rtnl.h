/* rtnl.h - what the files of the rtnetlink edge share: requests, answers, links as read.
 *
 * DOC: how a change reaches the kernel
 *
 *   read        GETLINK of all that matters, in one send        (links.c)
 *   compare     with what is wanted; nothing differs: stop here (bridge.c, port.c)
 *   apply       one batch: several messages, one send, each acknowledged (rtnl.c)
 *
 * The kernel handles the messages of one send in turn before sendmsg() returns
 * (netlink_rcv_skb(), net/netlink/af_netlink.c). So a process that is killed never leaves
 * half a batch behind; but a message that fails doesn't stop those behind it. A batch is
 * therefore built so that what follows a failed creation finds no link and does nothing.
 */
#ifndef NETENFORCE_LINK_RTNL_H
#define NETENFORCE_LINK_RTNL_H

#include <netenforce/link.h>
#include <netenforce/netlink.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NE_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The edge itself. */
struct ne_rtnl {
    struct ne_link link; /* first: what the callers hold points here */
    struct mnl_socket *socket;
    unsigned portid;
    uint32_t sequence;
    char *ipv6_conf;     /* NULL: IPv6's switches are left alone */
    bool switches_fixed; /* one of IPv6's switches could not be written */
    bool warned_locked;  /* said once that this kernel has no locked ports */
    char *answer;        /* NE_ANSWER_SIZE bytes to receive in */
};

/* ne_rtnl_of() - The edge behind @link, which ne_rtnl_open() made. */
struct ne_rtnl *ne_rtnl_of(struct ne_link *link);

/* ne_mended() - Note that @device was other than it should be: @what, "was set down". */
void ne_mended(struct ne_rtnl *rtnl, const char *device, const char *what);

/* --- rtnl.c: the socket ------------------------------------------------------------- */

#define NE_REQUEST_SIZE   768 /* the longest, a port's guard, takes up to 720 */
#define NE_BATCH_MAX      20
#define NE_TOLERATED_MAX  6
#define NE_KERNEL_SAYS    128
#define NE_ANSWER_SIZE    65536 /* the kernel fills at most 32 KiB: netlink_recvmsg() */
#define NE_DUMP_TRIES_MAX 10

/* Called with each message of an answer. */
typedef void (*ne_answer)(void *context, const struct nlmsghdr *message);

/* One message to the kernel and what became of it. */
struct ne_request {
    _Alignas(struct nlmsghdr) char buffer[NE_REQUEST_SIZE];
    const char *doing; /* static text that completes "cannot ..." */
    bool overflow;     /* an attribute found no room: never sent  */
    int tolerated[NE_TOLERATED_MAX];
    ne_answer answer; /* NULL: only the acknowledgement matters */
    void *context;
    bool enough; /* set by the answer function: the rest of a dump is not wanted */
    bool answered;
    int error; /* errno of the kernel's acknowledgement */
    char says[NE_KERNEL_SAYS];
};

struct ne_batch {
    const char *device; /* the interface that the requests are about, for errors; or NULL */
    size_t count;
    bool overflow;
    struct ne_request requests[NE_BATCH_MAX];
};

/* ne_rtnl_connect() - Open the edge's socket, in place of one that it may have.
 * Return: 0, or -1.
 */
int ne_rtnl_connect(struct ne_rtnl *rtnl, struct ne_error *err);

/* ne_batch_init() - An empty batch about the interface @device (borrowed; NULL: about none). */
void ne_batch_init(struct ne_batch *batch, const char *device);

/* ne_batch_add() - Append a request with a family header of @header_size zero bytes.
 * NLM_F_REQUEST and NLM_F_ACK are added to @flags. Return: the request, never NULL.
 */
struct ne_request *ne_batch_add(struct ne_batch *batch, uint16_t type, uint16_t flags,
                                size_t header_size, const char *doing);

/* ne_batch_send() - Send all requests at once and read each one's acknowledgement.
 * An empty batch succeeds without a system call.
 * Return: 0, or -1 with the first error that its request does not tolerate.
 */
int ne_batch_send(struct ne_rtnl *rtnl, struct ne_batch *batch, struct ne_error *err);

/* ne_rtnl_dump() - Send the first request of @batch as a dump, and call its answer function
 * with each message. It is called with NULL first, and again each time the dump starts anew
 * because the kernel's list changed meanwhile. Return: 0 (also if it had enough), or -1.
 */
int ne_rtnl_dump(struct ne_rtnl *rtnl, struct ne_batch *batch, struct ne_error *err);

/* --- gather.c: a dump, as a list ---------------------------------------------------------- */

/* What a dump lists. It is visited when all is there: a visitor may use the edge itself. */
struct ne_gathered {
    bool (*parse)(const struct nlmsghdr *message, void *item); /* whether it is one of the list */
    void *item;                                                /* room to parse one */
    size_t size;                                               /* of an item */
    void *items;                                               /* NULL at first */
    size_t count;
    bool no_memory;
};

/* ne_gather() - Send the first request of @batch as a dump, and gather the items it lists in @list;
 * @what is the list's name in an error. Return: 0, or -1; the caller frees the items either way.
 */
int ne_gather(struct ne_rtnl *rtnl, struct ne_batch *batch, struct ne_gathered *list,
              const char *what, struct ne_error *err);

/* --- what the kernel sent, read: pure, for tests/fuzz/fuzz_netlink.c also ---------------- */

/* ne_batch_take() - Give the @size bytes of messages in rtnl->answer to the requests that they
 * answer; @first is the sequence number of the first. Return: how many are finished by it.
 */
size_t ne_batch_take(const struct ne_rtnl *rtnl, struct ne_batch *batch, uint32_t first,
                     size_t size);

/* ne_dump_take() - The same for a dump. @interrupted is set if its list changed meanwhile.
 * Return: whether it is over, with request->error set.
 */
bool ne_dump_take(const struct ne_rtnl *rtnl, struct ne_request *request, size_t size,
                  bool *interrupted);

struct ne_address {
    unsigned index; /* the interface's */
    struct ne_prefix prefix;
    uint32_t flags; /* IFA_F_* */
    uint8_t scope;  /* RT_SCOPE_* */
};

struct ne_route {
    struct ne_prefix to;
    int device; /* 0: a nexthop object that names none */
};

/* Each returns whether the message is of its kind and well formed; if not, what it fills in is
 * unspecified, but for ne_entry_parse(), which leaves it alone.
 *
 *  ne_address_parse() - An address of @family.
 *  ne_route_parse()   - A unicast route of @family that has a way out other than by the interface
 *                       @except (0: none); not of table local, not a default route or its half.
 *  ne_route_type()    - RTN_* of a route.
 *  ne_entry_parse()   - The MAC address of a neighbour's or forwarding entry.
 */
bool ne_address_parse(const struct nlmsghdr *message, enum ne_family family,
                      struct ne_address *address);
bool ne_route_parse(const struct nlmsghdr *message, enum ne_family family, int except,
                    struct ne_route *route);
bool ne_route_type(const struct nlmsghdr *message, uint8_t *type);
bool ne_entry_parse(const struct nlmsghdr *message, struct ne_mac *mac);

/* ne_link_note() - Add what the messages hint at to @to, a struct ne_link_changes. Not quite pure:
 * it asks the kernel for the name behind an index.
 */
void ne_link_note(void *to, const char *datagram, size_t size);

/* --- attr.c: attributes ------------------------------------------------------------- */

void *ne_request_header(struct ne_request *request); /* the family header */
void ne_request_tolerate(struct ne_request *request, int sys_errno);
void ne_put(struct ne_request *request, uint16_t type, size_t size, const void *data);
void ne_put_u8(struct ne_request *request, uint16_t type, uint8_t value);
void ne_put_u32(struct ne_request *request, uint16_t type, uint32_t value);
void ne_put_text(struct ne_request *request, uint16_t type, const char *text);
void ne_put_space(struct ne_request *request, size_t size); /* zero bytes, no attribute */
struct nlattr *ne_nest(struct ne_request *request, uint16_t type);
void ne_nest_end(struct ne_request *request, struct nlattr *nest);

/* ne_attrs_of_message/nest() - Fill @table[0..@max] with the attributes by type; absent ones are
 * NULL, types beyond @max are left out. A malformed rest is ignored.
 */
void ne_attrs_of_message(const struct nlmsghdr *message, size_t header_size,
                         const struct nlattr **table, uint16_t max);
void ne_attrs_of_nest(const struct nlattr *nest, const struct nlattr **table, uint16_t max);

/* Each returns whether @attr is there, has the right size and was read. */
bool ne_attr_u8(const struct nlattr *attr, uint8_t *value);
bool ne_attr_u32(const struct nlattr *attr, uint32_t *value);
bool ne_attr_index(const struct nlattr *attr, int *value);
bool ne_attr_text(const struct nlattr *attr, char *out, size_t size);
bool ne_attr_mac(const struct nlattr *attr, struct ne_mac *mac);
bool ne_attr_addr(const struct nlattr *attr, enum ne_family family, struct ne_addr *addr);

/* --- links.c: a link as the kernel reports it ----------------------------------------- */

#define NE_INET_CONF  (IPV4_DEVCONF_MAX + 1)
#define NE_PORT_FLAGS (IFLA_BRPORT_MAX + 1)

struct ne_link_state {
    bool found;
    int index;
    char name[NE_IFNAME_SIZE];
    char kind[NE_KIND_SIZE];
    char alias[NE_ALIAS_SIZE]; /* empty where it has none, or one too long to be ours */
    unsigned flags;            /* IFF_* */
    unsigned mtu;
    struct ne_mac mac;
    uint32_t group;     /* of interfaces, ip-link(8): 0 is the usual one */
    int master;         /* 0: none */
    int peer;           /* IFLA_LINK: index of a veth's other end; 0: none */
    bool peer_is_apart; /* that index is of another namespace: */
    int peer_space;     /* its IFLA_LINK_NETNSID; -1: none */
    int space;          /* IFLA_TARGET_NETNSID: the namespace that was asked for; -1: none */
    bool snooping, stp; /* a bridge's own; false where the kernel has none */
    /* A bridge port's flags by IFLA_BRPORT_*. */
    bool has_port_flag[NE_PORT_FLAGS];
    uint8_t port_flag[NE_PORT_FLAGS];
    /* IPv4's settings by IPV4_DEVCONF_*. */
    bool has_inet[NE_INET_CONF];
    uint32_t inet[NE_INET_CONF];
    bool has_inet6;       /* the interface takes part in IPv6 at all */
    bool makes_addresses; /* the kernel would give it IPv6 addresses by itself */
    uint32_t disable_ipv6, accept_ra, proxy_ndp, forwarding6;
};

/* A setting and the value that it should have. */
struct ne_setting {
    uint16_t id;
    uint32_t value;
};

/* ne_request_link() - Append a link message for the link @index or, where that is 0, @name. */
struct ne_request *ne_request_link(struct ne_batch *batch, uint16_t type, uint16_t flags, int index,
                                   const char *name, const char *doing);

/* ne_request_get_link() - Append a question that fills @state; an absent link is no error. */
void ne_request_get_link(struct ne_batch *batch, int index, const char *name,
                         struct ne_link_state *state);

/* ne_request_flags() - Set the IFF_* of @mask to those of @flags. */
void ne_request_flags(struct ne_request *request, unsigned flags, unsigned mask);

/* ne_request_no_ipv6_addresses() - Append: the kernel makes no IPv6 address of its own there. */
void ne_request_no_ipv6_addresses(struct ne_batch *batch, int index, const char *name);

/* ne_put_inet() - Put IPv4's @settings that @state (may be NULL) doesn't have already.
 * Return: whether any had to be put.
 */
bool ne_put_inet(struct ne_request *request, const struct ne_link_state *state,
                 const struct ne_setting *settings, size_t count);

/* ne_inet_differs() - Whether ne_put_inet() would put something. */
bool ne_inet_differs(const struct ne_link_state *state, const struct ne_setting *settings,
                     size_t count);

/* ne_link_get() - Read one link. Return: 0 (also if it is absent), or -1. */
int ne_link_get(struct ne_rtnl *rtnl, int index, const char *name, struct ne_link_state *state,
                struct ne_error *err);

/* ne_link_delete() - Delete a link (a pair, if it is a veth). Gone already is success. */
int ne_link_delete(struct ne_rtnl *rtnl, int index, const char *name, struct ne_error *err);

/* ne_link_undo() - Delete the link @name if the request @creation made it. Where its answer was
 * lost, the alias tells, which went with it in the same send.
 */
void ne_link_undo(struct ne_rtnl *rtnl, const struct ne_request *creation, const char *name,
                  enum ne_link_kind kind, const char *owner);

/* ne_link_parse() - Read a link message. Return: false if it is none or malformed. */
bool ne_link_parse(const struct nlmsghdr *message, struct ne_link_state *state);

/* The alias that marks a link as ours: "netenforce network ID", "netenforce endpoint ID". */
const char *ne_alias(enum ne_link_kind kind, const char *owner, char out[static NE_ALIAS_SIZE]);

/* ne_link_owner() - What of ours @state is, and whose. */
enum ne_link_kind ne_link_owner(const struct ne_link_state *state, char owner[static NE_ID_SIZE]);

/* ne_link_is() - Whether @state is called @name and is the @kind that belongs to @owner. The
 * name counts since the kernel finds a link by its alternative names, too.
 */
bool ne_link_is(const struct ne_link_state *state, const char *name, enum ne_link_kind kind,
                const char *owner);

/* ne_link_conflict() - Say that a link is in the way. Return: -1. */
int ne_link_conflict(const struct ne_link_state *state, const char *wanted, struct ne_error *err);

/* --- neighbour.c: fixed forwarding and neighbour entries -------------------------------- */

/* ne_request_forwarding() - Append: frames for @mac leave the bridge by the port @index. */
void ne_request_forwarding(struct ne_batch *batch, int index, const struct ne_mac *mac);

/* ne_request_neighbour() - Append: @addr (nothing happens if absent) is at @mac, for good. */
void ne_request_neighbour(struct ne_batch *batch, int bridge, const struct ne_addr *addr,
                          const struct ne_mac *mac);

/* ne_request_proxy() - Append: the bridge answers neighbour discovery for @addr (nothing happens if
 * it isn't of IPv6), or no longer does.
 */
void ne_request_proxy(struct ne_batch *batch, int bridge, const struct ne_addr *addr, bool answers);

/* --- near.c: a bridge by way of which neighbours reach each other ------------------------- */

/* ne_request_no_delay() - Append: the bridge answers for others at once. The kernel would wait up
 * to 0.8 s, for the sake of true owners on the same link; here there can be none.
 */
void ne_request_no_delay(struct ne_batch *batch, int bridge);

/* ne_rtnl_forwards() - link.h's forwards. */
int ne_rtnl_forwards(struct ne_link *link, enum ne_family family, bool *forwards,
                     struct ne_error *err);

/* --- guard.c: which frames may pass a port ------------------------------------------ */

/* ne_request_guard() - Append: only IP and ARP in the endpoint's own name enters @port, whose
 * host end is @index, and only the bridge's own frames leave by it. A guard that is there already
 * is left.
 * Return: the first of NE_GUARD_REQUESTS requests; the error of each is EEXIST, or 0 where its part
 * was missing.
 */
#define NE_GUARD_REQUESTS 3
const struct ne_request *ne_request_guard(struct ne_batch *batch, int index,
                                          const struct ne_port *port);

/* ne_drops_parse() - Read a message about a qdisc. Return: whether it is a guard's. (drops.c) */
bool ne_drops_parse(const struct nlmsghdr *message, struct ne_guard_drops *drops);

/* ne_traffic_parse() - Read a message about a link. Return: whether it is a port of ours, in use,
 * and tells what it has sent. (traffic.c) */
bool ne_traffic_parse(const struct nlmsghdr *message, struct ne_port_traffic *traffic);

/* --- sysctl.c ------------------------------------------------------------------------ */

/* ne_ipv6_switch() - Write @value to IPv6's setting @key of @device, where that is possible; that
 * it isn't is noted. */
void ne_ipv6_switch(struct ne_rtnl *rtnl, const char *device, const char *key, bool value);

/* --- the operations (link.h), one file each ------------------------------------------- */

int ne_rtnl_bridge_whole(struct ne_link *link, const struct ne_bridge *bridge, bool *whole,
                         struct ne_error *err);
int ne_rtnl_bridge_check(struct ne_link *link, const struct ne_bridge *bridge,
                         struct ne_error *err);
int ne_rtnl_bridge_ensure(struct ne_link *link, const struct ne_bridge *bridge,
                          struct ne_error *err);
int ne_rtnl_port_ensure(struct ne_link *link, const struct ne_port *port, struct ne_error *err);
int ne_rtnl_port_quench(struct ne_link *link, const struct ne_port *port, struct ne_error *err);
int ne_rtnl_remove(struct ne_link *link, const char *name, const char *owner, struct ne_error *err);
int ne_rtnl_retire(struct ne_link *link, const char *name, const char *owner, bool *retired,
                   struct ne_error *err);
int ne_rtnl_reap(struct ne_link *link, struct ne_error *err);
int ne_rtnl_survey(struct ne_link *link, ne_link_visit visit, void *context, struct ne_error *err);
int ne_rtnl_others(struct ne_link *link, ne_others_visit visit, void *context,
                   struct ne_error *err);
int ne_rtnl_drops(struct ne_link *link, ne_drops_visit visit, void *context, struct ne_error *err);
int ne_rtnl_traffic(struct ne_link *link, ne_traffic_visit visit, void *context,
                    struct ne_error *err);
int ne_rtnl_overlap(struct ne_link *link, const struct ne_prefix *pool, const char *except,
                    struct ne_prefix *found, char device[static NE_IFNAME_SIZE],
                    struct ne_error *err);
int ne_rtnl_is_local(struct ne_link *link, const struct ne_addr *addr, bool *local,
                     struct ne_error *err);

#endif
