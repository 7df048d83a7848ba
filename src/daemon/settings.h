/* settings.h - what the daemon is told at its start, by options and environment. */
#ifndef NETENFORCE_DAEMON_SETTINGS_H
#define NETENFORCE_DAEMON_SETTINGS_H

#include <netenforce/firewall.h>
#include <netenforce/log.h>
#include <netenforce/resolver.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_SOCKETS 4

struct settings {
    const char *state_dir;
    const char *plugin_sockets[SETTINGS_SOCKETS];
    unsigned plugin_socket_count;
    const char *control_socket;
    const char *lock_path;
    const char *ipv6_conf;
    const char *host_root; /* "": the daemon sees the host's files where they are */
    bool leak_allowed;
    const char *policy_file; /* below @host_root; NULL: none */
    const char *event_file;  /* NULL: events.jsonl in the state folder; empty: none */
    uint64_t event_file_size;
    unsigned event_files;
    const char *dnsmasq;         /* the program's path */
    struct ne_servers upstreams; /* of dns=log; none: those of the host's resolv.conf */
    enum ne_firewall_choice firewall;
    uint32_t mark;
    enum ne_log_level log_level;
};

enum settings_outcome { SETTINGS_RUN, SETTINGS_DONE, SETTINGS_WRONG };

/* settings_read() - Defaults, then the environment (LOG_LEVEL, RESOLVER_LEAK, POLICY_FILE,
 * DNS_UPSTREAM, FIREWALL), then the options of argv.
 * --help and --version print and are DONE; a wrong word prints what is accepted and is WRONG.
 * Texts are borrowed from argv and the environment.
 */
enum settings_outcome settings_read(struct settings *settings, int argc, char **argv);

#endif
