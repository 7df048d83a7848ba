/* nflog.h - packets that the kernel's packet filter wrote to its log (NFLOG), read and parsed.
 *
 * The group is NE_LOG_GROUP (firewall.h). The kernel sends the first bytes of each packet with
 * where it came from and the rule's prefix. It gathers packets for a few milliseconds under a
 * flood, and waits for nobody: whom it cannot tell it counts, and the gap in the numbers says so.
 */
#ifndef NETENFORCE_NFLOG_H
#define NETENFORCE_NFLOG_H

#include <netenforce/addr.h>
#include <netenforce/error.h>

#include <linux/netlink.h>

#define NE_LOGGED_PREFIX "ne:" /* what our rules' prefixes begin with */
#define NE_PLACE_SIZE    16

/* One packet, as far as its first bytes tell. */
struct ne_logged {
    char place[NE_PLACE_SIZE]; /* what follows "ne:" in the prefix: "refused", "audit", "into" */
    uint32_t device;           /* index of the interface it came in by; 0: not known */
    bool has_mac;
    struct ne_mac mac; /* of its sender */
    struct ne_addr from, to;
    uint8_t proto;  /* behind IPv6's extension headers */
    bool has_ports; /* of TCP, UDP and SCTP, where the bytes reach so far */
    uint16_t sport, dport;
    bool has_tcp_flags;
    uint8_t tcp_flags;
    bool has_icmp_type;
    uint8_t icmp_type;
    bool has_sequence;
    uint32_t sequence; /* counted by the kernel for the group */
};

/* ne_logged_parse() - Read one message. Pure; nothing is read behind its end.
 * Return: whether it is a packet of IPv4 or IPv6 under a prefix of ours.
 */
bool ne_logged_parse(const struct nlmsghdr *message, struct ne_logged *logged);

struct ne_nflog;

/* What to do with each packet. */
typedef void (*ne_nflog_visit)(void *context, const struct ne_logged *logged);

/* ne_nflog_open() - Listen to the group. Return: to be ended with ne_nflog_close(); or NULL with
 * NE_KERNEL (no such kernel part; another process listens to it) or NE_NO_MEMORY.
 */
struct ne_nflog *ne_nflog_open(uint16_t group, struct ne_error *err);

/* ne_nflog_fd() - To be waited on; it stays the reader's. */
int ne_nflog_fd(const struct ne_nflog *nflog);

/* ne_nflog_drain() - Call @visit for what has come, up to so many that a flood doesn't hold the
 * daemon's loop; what is left stays readable. @lost grows by what the kernel could not hand over.
 * Return: whether nothing is left.
 */
bool ne_nflog_drain(struct ne_nflog *nflog, ne_nflog_visit visit, void *context, uint64_t *lost);

void ne_nflog_close(struct ne_nflog *nflog);

#endif
