/* guard.c - what may pass a port at all, whatever the packet filter holds: see rtnl.h.
 *
 * Two classifiers on the port (qdisc clsact). Their programs are of the classic kind, which the
 * kernel compiles to machine code. The one on the ingress is asked before the bridge sees
 * the frame; it passes
 *
 *   ARP    whose sender is the endpoint in every field that says so
 *   IPv4   from the endpoint's address
 *   IPv6   from the endpoint's address, where it has one
 *
 * with the endpoint's source MAC address, without a VLAN tag, to no address that begins with 01
 * (multicast of IPv4; STP, LLDP and the like, which a bridge hands to its port, past
 * the bridge's own rules). All else is dropped: any other ethertype, any other sender.
 *
 * So the source is bound to the port on every kernel that has the classifier (4.4), also before
 * locked ports (5.18), and while somebody has emptied the packet filter; and no question in a false
 * name makes an entry in the host's neighbour table (arp_process(), net/ipv4/arp.c).
 *
 * The one on the egress passes what the bridge itself sends: no neighbour's frame gets to the
 * container, also while somebody has cleared "isolated" on a port.
 */
#include "rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <string.h>

/* The classifier's place: net/sched/sch_ingress.c. */
#define CLSACT_HANDLE  TC_H_MAKE(TC_H_CLSACT, 0)
#define CLSACT_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define CLSACT_EGRESS  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

#define PROGRAM_MAX 80

/* Offsets in a frame, from its first byte. */
#define AT_SOURCE   6
#define AT_TYPE     12
#define AT_ARP      14 /* hardware and protocol; their lengths; operation */
#define AT_ARP_MAC  22
#define AT_ARP_ADDR 28
#define ARP_END     42
#define AT_IPV4     26
#define IPV4_END    34
#define AT_IPV6     22
#define IPV6_END    54

struct program {
    struct sock_filter code[PROGRAM_MAX];
    uint16_t count;
};

static void add(struct program *program, uint16_t code, uint8_t if_true, uint8_t if_false,
                uint32_t value) {
    if (program->count < PROGRAM_MAX)
        program->code[program->count] =
            (struct sock_filter){.code = code, .jt = if_true, .jf = if_false, .k = value};
    program->count++;
}

static void load(struct program *program, uint16_t size, uint32_t offset) {
    add(program, (uint16_t)(BPF_LD | size | BPF_ABS), 0, 0, offset);
}

/* answer() - TC_ACT_OK or TC_ACT_SHOT. A load behind the frame's end would answer 0, which is
 * TC_ACT_OK: so lengths are checked before. */
static void answer(struct program *program, uint32_t verdict) {
    add(program, BPF_RET | BPF_K, 0, 0, verdict);
}

/* must_be() - Drop what is not @value. */
static void must_be(struct program *program, uint32_t value) {
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, value);
    answer(program, TC_ACT_SHOT);
}

static void must_not_be(struct program *program, uint32_t value) {
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
    answer(program, TC_ACT_SHOT);
}

static void must_reach(struct program *program, uint32_t end) {
    add(program, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
    add(program, BPF_JMP | BPF_JGE | BPF_K, 1, 0, end);
    answer(program, TC_ACT_SHOT);
}

static uint32_t word_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void must_be_mac(struct program *program, uint32_t offset, const struct ne_mac *mac) {
    load(program, BPF_W, offset);
    must_be(program, word_at(mac->bytes));
    load(program, BPF_H, offset + 4);
    must_be(program, (uint32_t)mac->bytes[4] << 8 | mac->bytes[5]);
}

/* A block for one ethertype: begin_type() asks for it, end_type() passes what came so far and
 * fills in how far to go if it is another one. */
static uint16_t begin_type(struct program *program, uint32_t type) {
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, type);
    return program->count;
}

static void end_type(struct program *program, uint16_t begin) {
    answer(program, TC_ACT_OK);
    if (program->count <= PROGRAM_MAX)
        program->code[begin - 1].jf = (uint8_t)(program->count - begin);
}

static void write_entry(struct program *program, const struct ne_port *port) {
    load(program, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
    must_be(program, 0);
    load(program, BPF_B, 0);
    must_not_be(program, 1);
    must_be_mac(program, AT_SOURCE, &port->mac);
    load(program, BPF_H, AT_TYPE);

    if (port->addr4.family != NE_NONE) {
        uint16_t ipv4 = begin_type(program, ETH_P_IP);
        must_reach(program, IPV4_END);
        load(program, BPF_W, AT_IPV4);
        must_be(program, word_at(port->addr4.bytes));
        end_type(program, ipv4);

        uint16_t arp = begin_type(program, ETH_P_ARP);
        must_reach(program, ARP_END);
        load(program, BPF_W, AT_ARP);
        must_be(program, 1u << 16 | ETH_P_IP); /* Ethernet, IPv4 */
        load(program, BPF_H, AT_ARP + 4);
        must_be(program, 6u << 8 | 4);
        must_be_mac(program, AT_ARP_MAC, &port->mac);
        load(program, BPF_W, AT_ARP_ADDR);
        must_be(program, word_at(port->addr4.bytes));
        end_type(program, arp);
    }
    if (port->addr6.family != NE_NONE) {
        uint16_t ipv6 = begin_type(program, ETH_P_IPV6);
        must_reach(program, IPV6_END);
        for (uint32_t i = 0; i < 16; i += 4) {
            load(program, BPF_W, AT_IPV6 + i);
            must_be(program, word_at(port->addr6.bytes + i));
        }
        end_type(program, ipv6);
    }
    answer(program, TC_ACT_SHOT);
}

static void write_exit(struct program *program, const struct ne_port *port) {
    must_be_mac(program, AT_SOURCE, &port->bridge_mac);
    answer(program, TC_ACT_OK);
}

static struct ne_request *traffic_request(struct ne_batch *batch, uint16_t type, int index) {
    struct ne_request *request = ne_batch_add(batch, type, NLM_F_CREATE | NLM_F_EXCL,
                                              sizeof(struct tcmsg), "guard it against forgery");
    struct tcmsg *header = ne_request_header(request);
    header->tcm_family = AF_UNSPEC;
    header->tcm_ifindex = index;
    /* It is there already, and as it was made: an endpoint's addresses never change. */
    ne_request_tolerate(request, EEXIST);
    return request;
}

static void put_program(struct ne_batch *batch, int index, uint32_t place,
                        const struct program *program) {
    struct ne_request *request = traffic_request(batch, RTM_NEWTFILTER, index);
    struct tcmsg *header = ne_request_header(request);
    header->tcm_handle = 1;
    header->tcm_parent = place;
    header->tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL));
    ne_put_text(request, TCA_KIND, "bpf");
    struct nlattr *options = ne_nest(request, TCA_OPTIONS);
    const uint32_t direct = TCA_BPF_FLAG_ACT_DIRECT; /* the program's answer is the verdict */
    ne_put(request, TCA_BPF_OPS_LEN, sizeof(program->count), &program->count);
    ne_put(request, TCA_BPF_OPS, sizeof(program->code[0]) * program->count, program->code);
    ne_put(request, TCA_BPF_FLAGS, sizeof(direct), &direct);
    ne_nest_end(request, options);
}

const struct ne_request *ne_request_guard(struct ne_batch *batch, int index,
                                          const struct ne_port *port) {
    struct program in = {.count = 0};
    struct program out = {.count = 0};
    write_entry(&in, port);
    write_exit(&out, port);

    struct ne_request *request = traffic_request(batch, RTM_NEWQDISC, index);
    struct tcmsg *header = ne_request_header(request);
    header->tcm_handle = CLSACT_HANDLE;
    header->tcm_parent = TC_H_CLSACT;
    ne_put_text(request, TCA_KIND, "clsact");
    put_program(batch, index, CLSACT_INGRESS, &in);
    put_program(batch, index, CLSACT_EGRESS, &out);
    return request;
}
