/* findings.h - what `netenforce doctor` found, and what it looks at. */
#ifndef NETENFORCE_CLI_FINDINGS_H
#define NETENFORCE_CLI_FINDINGS_H

#include "../command.h"
#include "../verify/trial.h"

#include <stdbool.h>

enum level {
    LEVEL_GOOD,
    LEVEL_LOOK, /* something to look at */
    LEVEL_BAD,  /* enforcement is not in place */
};

/* finding() - Add one to the list @findings: @check is its key ("proxy"), @advice what to do, or
 * NULL. The texts are copied; what is found may repeat what is anybody's, cut anywhere. */
void finding(json_t *findings, enum level level, const char *check, const char *advice,
             const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The host's own firewalls that are active, as far as this command knows them. */
struct firewalls {
    bool ufw;
    bool firewalld;
};

#define ADVICE_SIZE 768

/* look_at_firewalls() - Which of them there are; adds a finding for each. */
void look_at_firewalls(json_t *findings, struct firewalls *found);

/* firewall_advice() - The commands after which they let @seen be reached from network @bridge. */
void firewall_advice(const struct firewalls *found, const char *bridge,
                     const struct proxy_seen *seen, char text[static ADVICE_SIZE]);

/* look_at_...() - Each adds at least one finding. @status and @networks are the daemon's answers;
 * NULL where it gave none.
 */
void look_at_kernel(json_t *findings);
void look_at_marks(json_t *findings, const json_t *status);
void look_at_state(json_t *findings, const json_t *status);
void look_at_engine(json_t *findings, const json_t *status);
void look_at_networks(const struct cli *cli, json_t *findings, const json_t *networks,
                      const struct firewalls *firewalls);
void look_at_endpoints(const struct cli *cli, json_t *findings, const json_t *status);

struct version {
    unsigned numbers[3]; /* 28.5.2; what is missing is 0 */
};

/* version_read() - Return: whether @text begins with two numbers. version_before() - In order. */
bool version_read(const char *text, struct version *version);
bool version_before(const struct version *version, unsigned major, unsigned minor, unsigned patch);

/* is_leaking_engine() - Whether Docker @version hands containers' names to a loopback server of the
 * host's (resolver.h). */
bool is_leaking_engine(const char *version);

#endif
