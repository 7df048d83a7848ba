/* settings.h - what the daemon is told at its start, by options and environment. */
#ifndef NETENFORCE_DAEMON_SETTINGS_H
#define NETENFORCE_DAEMON_SETTINGS_H

#include <netenforce/log.h>
#include <stdint.h>

#define SETTINGS_SOCKETS 4

struct settings {
    const char *state_dir;
    const char *plugin_sockets[SETTINGS_SOCKETS];
    unsigned plugin_socket_count;
    const char *control_socket;
    const char *lock_path;
    const char *ipv6_conf;
    uint32_t mark;
    enum ne_log_level log_level;
};

enum settings_outcome { SETTINGS_RUN, SETTINGS_DONE, SETTINGS_WRONG };

/* settings_read() - Defaults, then the environment (LOG_LEVEL), then the options of argv.
 * --help and --version print and are DONE; a wrong word prints what is accepted and is WRONG.
 * Texts are borrowed from argv and the environment.
 */
enum settings_outcome settings_read(struct settings *settings, int argc, char **argv);

#endif
