/* settings.c - options and environment: see settings.h. */
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <netenforce/version.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_PLUGIN_SOCKET  "/run/docker/plugins/netenforce.sock"
#define DEFAULT_CONTROL_SOCKET "/run/netenforce/control.sock"
#define DEFAULT_STATE_DIR      "/var/lib/netenforce"
#define DEFAULT_LOCK           "/run/xtables.lock"
#define DEFAULT_IPV6_CONF      "/proc/sys/net/ipv6/conf"
#define DEFAULT_MARK           0x20000000u

static const char usage[] =
    "Usage: netenforced [OPTION]...\n"
    "The network driver that makes an egress proxy compulsory for containers.\n"
    "\n"
    "  --plugin-socket PATH   serve the engine here; may be given up to 4 times\n"
    "                         (" DEFAULT_PLUGIN_SOCKET ")\n"
    "  --control-socket PATH  serve the operator's command here\n"
    "                         (" DEFAULT_CONTROL_SOCKET ")\n"
    "  --state-dir PATH       what must outlive the daemon (" DEFAULT_STATE_DIR ")\n"
    "  --xtables-lock PATH    the host's iptables lock (" DEFAULT_LOCK ")\n"
    "  --ipv6-conf PATH       the host's IPv6 switches (" DEFAULT_IPV6_CONF ")\n"
    "  --mark BIT             the bit of the packet mark that says \"passed\"; the next\n"
    "                         one says \"refuse with an answer\" (0x20000000)\n"
    "  --log-level LEVEL      error, warn, info or debug (LOG_LEVEL, else info)\n"
    "  --help, --version\n";

static bool read_mark(const char *text, uint32_t *mark) {
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    bool one_bit = value != 0 && (value & (value - 1)) == 0;
    if (errno != 0 || *end != '\0' || !one_bit || value > 0x40000000ul)
        return false;
    *mark = (uint32_t)value;
    return true;
}

static enum settings_outcome wrong(const char *what, const char *given, const char *accepted) {
    (void)fprintf(stderr, "netenforced: %s: \"%s\" is not accepted; accepted is %s\n", what, given,
                  accepted);
    return SETTINGS_WRONG;
}

static bool add_socket(struct settings *settings, const char *path) {
    if (settings->plugin_socket_count == SETTINGS_SOCKETS)
        return false;
    settings->plugin_sockets[settings->plugin_socket_count++] = path;
    return true;
}

enum settings_outcome settings_read(struct settings *settings, int argc, char **argv) {
    enum { STATE = 1, PLUGIN, CONTROL, LOCK, IPV6, MARK, LEVEL, HELP, VERSION };
    static const struct option options[] = {
        {"state-dir", required_argument, NULL, STATE},
        {"plugin-socket", required_argument, NULL, PLUGIN},
        {"control-socket", required_argument, NULL, CONTROL},
        {"xtables-lock", required_argument, NULL, LOCK},
        {"ipv6-conf", required_argument, NULL, IPV6},
        {"mark", required_argument, NULL, MARK},
        {"log-level", required_argument, NULL, LEVEL},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {NULL, 0, NULL, 0},
    };
    static const char levels[] = "error, warn, info or debug";

    *settings = (struct settings){
        .state_dir = DEFAULT_STATE_DIR,
        .control_socket = DEFAULT_CONTROL_SOCKET,
        .lock_path = DEFAULT_LOCK,
        .ipv6_conf = DEFAULT_IPV6_CONF,
        .mark = DEFAULT_MARK,
        .log_level = NE_LOG_INFO,
    };
    const char *level = getenv("LOG_LEVEL");
    if (level != NULL && *level != '\0' && !ne_log_parse_level(level, &settings->log_level))
        return wrong("LOG_LEVEL", level, levels);

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case STATE:
            settings->state_dir = optarg;
            break;
        case PLUGIN:
            if (!add_socket(settings, optarg))
                return wrong("--plugin-socket", optarg, "up to 4 of them");
            break;
        case CONTROL:
            settings->control_socket = optarg;
            break;
        case LOCK:
            settings->lock_path = optarg;
            break;
        case IPV6:
            settings->ipv6_conf = optarg;
            break;
        case MARK:
            if (!read_mark(optarg, &settings->mark))
                return wrong("--mark", optarg, "one bit, from 0x1 to 0x40000000");
            break;
        case LEVEL:
            if (!ne_log_parse_level(optarg, &settings->log_level))
                return wrong("--log-level", optarg, levels);
            break;
        case HELP:
            (void)fputs(usage, stdout);
            return SETTINGS_DONE;
        case VERSION:
            (void)puts("netenforced " NE_VERSION);
            return SETTINGS_DONE;
        default:
            (void)fputs("Try 'netenforced --help'.\n", stderr);
            return SETTINGS_WRONG;
        }
    }
    if (optind < argc)
        return wrong("argument", argv[optind], "options only (see netenforced --help)");
    if (settings->plugin_socket_count == 0)
        (void)add_socket(settings, DEFAULT_PLUGIN_SOCKET);
    return SETTINGS_RUN;
}
