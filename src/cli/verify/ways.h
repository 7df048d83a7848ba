/* ways.h - the main ways around the proxy, as frames to send from a probe. No descriptor but
 * getifaddrs()'s.
 */
#ifndef NETENFORCE_CLI_WAYS_H
#define NETENFORCE_CLI_WAYS_H

#include "frames.h"
#include "place.h"

#include <netenforce/rules.h>

#define ATTEMPTS_MAX 192

enum way {
    WAY_PORTS,
    WAY_ADDRESSES,
    WAY_BEYOND,
    WAY_METADATA,
    WAY_DNS,
    WAY_PROTOCOLS,
    WAY_SOURCE,
    WAY_MAC,
    WAY_LINK_LOCAL,
    WAY_NEIGHBOUR,
    WAY_RAW,
    WAY_GROUPS,
    WAY_COUNT,
};

/* Who says whether a frame may arrive. */
enum judge {
    JUDGE_MODEL, /* the daemon's explanation of `target` */
    JUDGE_MODE,  /* nobody but mode=audit: no rule can be written for it */
    JUDGE_NEVER, /* nobody */
};

struct attempt {
    enum way way;
    enum judge judge;
    struct ne_target target; /* with JUDGE_MODEL */
    char what[128];          /* for people: "10.88.0.1:22/tcp" */
    struct frame frame;
    bool may_pass;  /* what arrives is no hole */
    bool must_pass; /* and is expected to arrive */
    bool handed;    /* mode=transparent: may arrive at the host alone */
    bool entered;   /* seen where it enters the host: it has been tried */
    bool at_host;   /* taken in by the host's own stack */
    bool at_neighbour;
    char left_by[NE_IFNAME_SIZE]; /* seen leaving by this interface; empty: by none */
};

struct attempts {
    size_t count;
    uint8_t run[COOKIE_SIZE];
    struct attempt items[ATTEMPTS_MAX];
};

/* way_name() - "other ports of the host". way_key() - "ports", for programs. */
const char *way_name(enum way way);
const char *way_key(enum way way);

/* attempts_make() - All that can be tried from @place; @neighbour is another one on @ground, and
 * @proxies the policy's list. Return: 0, or -1 with NE_KERNEL.
 */
int attempts_make(struct attempts *attempts, const struct ground *ground, const struct place *place,
                  const struct place *neighbour, const json_t *proxies, struct ne_error *err);

/* way_beyond() - A machine beyond the host, of @family, which is nobody's. */
struct ne_addr way_beyond(enum ne_family family);

/* proxy_read() - "10.88.0.1:8080" of the policy's list. */
bool proxy_read(const json_t *proxy, struct ne_target *target);

/* target_is_beyond() - Whether @target is, or holds, an address that is none of this host's. */
bool target_is_beyond(const struct ne_target *target);

#endif
