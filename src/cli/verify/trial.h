/* trial.h - one network, tried. */
#ifndef NETENFORCE_CLI_TRIAL_H
#define NETENFORCE_CLI_TRIAL_H

#include "ways.h"

#define PROXIES_SHOWN 32
#define NAMES_PORT    53 /* of dns=log */

enum result {
    RESULT_CLOSED,  /* refused, as it should be */
    RESULT_ALLOWED, /* arrived, as the policy says */
    RESULT_MISSING, /* the policy lets it pass, but something else kept it from arriving */
    RESULT_OPEN,    /* arrived, and should not have */
    RESULT_UNTRIED, /* never got to the host: nothing is known */
    RESULT_COUNT,
};

struct proxy_seen {
    struct ne_target target;
    char text[NE_TARGET_TEXT];
    enum reach reach;
    enum result packet; /* where no connection was made: what became of a packet to it */
    bool here;          /* it is an address of this host's */
};

struct trial {
    struct ground ground;
    bool audits; /* mode=audit: all but what is forged passes */
    bool hands;  /* mode=transparent: what goes to 80 and 443 arrives at the host */
    struct attempts attempts;
    struct proxy_seen proxies[PROXIES_SHOWN];
    size_t proxy_count;
    bool has_names; /* dns=log: */
    struct proxy_seen names;
    bool has_beyond; /* something that is allowed beyond the host was tried: */
    struct proxy_seen beyond;
    unsigned totals[RESULT_COUNT];
};

/* trial_run() - Try @network, the daemon's answer about it. Return: 0; or -1: it could not be. */
int trial_run(const struct cli *cli, const json_t *network, struct trial *trial,
              struct ne_error *err);

/* trial_proxies() - Only see whether the proxies of @network answer a probe, and with dns=log its
 * name server; with @beyond also whether a single packet to the first address and TCP port beyond
 * this host that is allowed leaves it (`reach` says nothing then). */
int trial_proxies(const struct cli *cli, const json_t *network, bool beyond, struct trial *trial,
                  struct ne_error *err);

/* proxy_key() - "answers", "refused", "silent", "blocked" or "unreachable".
 * proxy_advice() - The same for people, and what to do. */
const char *proxy_key(const struct proxy_seen *proxy);
const char *proxy_advice(const struct proxy_seen *proxy);

/* proxy_is_blocked() - Whether the fence passes what is sent to it, and this host's own firewall
 * does not. */
bool proxy_is_blocked(const struct proxy_seen *proxy);

enum result attempt_result(const struct attempt *attempt);

#endif
