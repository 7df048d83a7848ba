/* frames.h - Ethernet frames with a cookie in them, written by hand. Pure.
 *
 * A receiver knows a frame by its cookie, whatever became of its headers on the way.
 */
#ifndef NETENFORCE_CLI_FRAMES_H
#define NETENFORCE_CLI_FRAMES_H

#include <netenforce/addr.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SIZE  192
#define COOKIE_SIZE 16 /* of one run: 14 random bytes; of one frame: 2 more */

struct frame {
    size_t size;
    uint8_t bytes[FRAME_SIZE];
};

/* Whence and where to; addresses are of one family. */
struct ends {
    struct ne_mac from_mac;
    struct ne_mac to_mac;
    struct ne_addr from;
    struct ne_addr to;
};

/* frame_ip() - A packet of the IP protocol @proto. TCP is a SYN, ICMP and ICMPv6 an echo request;
 * of other protocols but UDP the cookie is all that there is. @port is meant for TCP and UDP.
 */
void frame_ip(struct frame *frame, const struct ends *ends, uint8_t proto, uint16_t port,
              const uint8_t cookie[static COOKIE_SIZE]);

/* frame_router() - A router advertisement (RFC 4861, 4.2) that announces no router and no prefix:
 * whoever believes it learns nothing. The cookie is an option.
 */
void frame_router(struct frame *frame, const struct ends *ends,
                  const uint8_t cookie[static COOKIE_SIZE]);

/* frame_arp() - An answer that nobody asked for: @ends->from is at @ends->from_mac. */
void frame_arp(struct frame *frame, const struct ends *ends,
               const uint8_t cookie[static COOKIE_SIZE]);

/* frame_raw() - The cookie alone under an EtherType. */
void frame_raw(struct frame *frame, const struct ends *ends, uint16_t ethertype,
               const uint8_t cookie[static COOKIE_SIZE]);

/* frame_tag() - Put an 802.1Q tag of VLAN 1 into @frame. */
void frame_tag(struct frame *frame);

/* frame_find() - Where the cookie of the run @run (its first 14 bytes) is in a received frame.
 * Return: the frame's own number, or -1: none.
 */
int frame_find(const uint8_t *bytes, size_t size, const uint8_t run[static COOKIE_SIZE]);

#endif
