/* settings.c - options and environment: see settings.h. */
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <netenforce/forwarder.h>
#include <netenforce/units.h>
#include <netenforce/version.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PLUGIN_SOCKET  "/run/docker/plugins/netenforce.sock"
#define DEFAULT_CONTROL_SOCKET "/run/netenforce/control.sock"
#define DEFAULT_STATE_DIR      "/var/lib/netenforce"
#define DEFAULT_LOCK           "/run/xtables.lock"
#define DEFAULT_IPV6_CONF      "/proc/sys/net/ipv6/conf"
#define DEFAULT_MARK           0x20000000u
#define EVENT_SIZE_DEFAULT     (10u << 20)
#define EVENT_SIZE_MIN         (64u << 10)
#define EVENT_FILES_MAX        1000ul

static const char usage[] =
    "Usage: netenforced [OPTION]...\n"
    "The network driver that makes an egress proxy compulsory for containers.\n"
    "\n"
    "  --plugin-socket PATH   serve the engine here; may be given up to 4 times\n"
    "                         (" DEFAULT_PLUGIN_SOCKET ")\n"
    "  --control-socket PATH  serve the operator's command here\n"
    "                         (" DEFAULT_CONTROL_SOCKET ")\n"
    "  --state-dir PATH       what must outlive the daemon (" DEFAULT_STATE_DIR ")\n"
    "  --firewall WORD        where the fence is written: iptables (the legacy tables),\n"
    "                         nftables, or auto: iptables where the kernel has these\n"
    "                         tables (FIREWALL, else auto)\n"
    "  --xtables-lock PATH    the host's iptables lock (" DEFAULT_LOCK ")\n"
    "  --ipv6-conf PATH       the host's IPv6 switches (" DEFAULT_IPV6_CONF ")\n"
    "  --mark BIT             the bit of the packet mark that says \"passed\"; the next\n"
    "                         two say \"refuse\" and \"note\" (0x20000000)\n"
    "  --host-root PATH       where the host's /etc and /run lie (/)\n"
    "  --resolver-leak WORD   refuse or allow networks while the engine may ask a\n"
    "                         loopback server of the host for containers\n"
    "                         (RESOLVER_LEAK, else refuse)\n"
    "  --event-file PATH      events as lines of JSON (events.jsonl in the state folder;\n"
    "                         none: no file)\n"
    "  --event-file-size SIZE  a file that would get larger is rotated (10MiB)\n"
    "  --event-files COUNT    how many rotated files are kept (5)\n"
    "  --policy-file PATH     policies of networks, read below --host-root at the start\n"
    "                         and on SIGHUP (POLICY_FILE, else none)\n"
    "  --dns-upstream LIST    name servers that dns=log asks, up to 4 addresses with\n"
    "                         commas (DNS_UPSTREAM, else the host's resolv.conf)\n"
    "  --dnsmasq PATH         the program behind dns=log (" NE_FORWARDER_PROGRAM ")\n"
    "  --log-level LEVEL      error, warn, info or debug (LOG_LEVEL, else info)\n"
    "  --help, --version\n";

static bool read_mark(const char *text, uint32_t *mark) {
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    bool one_bit = value != 0 && (value & (value - 1)) == 0;
    if (errno != 0 || *end != '\0' || !one_bit || value > 0x20000000ul)
        return false;
    *mark = (uint32_t)value;
    return true;
}

static bool read_leak(const char *word, bool *allowed) {
    *allowed = strcmp(word, "allow") == 0;
    return *allowed || strcmp(word, "refuse") == 0;
}

static bool read_count(const char *text, unsigned *count) {
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 1 || value > EVENT_FILES_MAX)
        return false;
    *count = (unsigned)value;
    return true;
}

/* read_servers() - Addresses, also loopback ones: they are asked from the host. */
static bool read_servers(const char *text, struct ne_servers *servers) {
    *servers = (struct ne_servers){0};
    for (text += strspn(text, ", "); *text != '\0'; text += strspn(text, ", ")) {
        char one[NE_ADDR_TEXT];
        size_t length = strcspn(text, ", ");
        if (length >= sizeof(one) || servers->count == NE_RESOLVER_SERVERS)
            return false;
        memcpy(one, text, length);
        one[length] = '\0';
        if (!ne_addr_parse(one, &servers->items[servers->count++]))
            return false;
        text += length;
    }
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
    enum {
        STATE = 1,
        PLUGIN,
        CONTROL,
        FIREWALL,
        LOCK,
        IPV6,
        MARK,
        ROOT,
        LEAK,
        EVENTS,
        EVENT_SIZE,
        EVENT_COUNT,
        POLICY,
        UPSTREAM,
        DNSMASQ,
        LEVEL,
        HELP,
        VERSION
    };
    static const struct option options[] = {
        {"state-dir", required_argument, NULL, STATE},
        {"plugin-socket", required_argument, NULL, PLUGIN},
        {"control-socket", required_argument, NULL, CONTROL},
        {"firewall", required_argument, NULL, FIREWALL},
        {"xtables-lock", required_argument, NULL, LOCK},
        {"ipv6-conf", required_argument, NULL, IPV6},
        {"mark", required_argument, NULL, MARK},
        {"host-root", required_argument, NULL, ROOT},
        {"resolver-leak", required_argument, NULL, LEAK},
        {"event-file", required_argument, NULL, EVENTS},
        {"event-file-size", required_argument, NULL, EVENT_SIZE},
        {"event-files", required_argument, NULL, EVENT_COUNT},
        {"policy-file", required_argument, NULL, POLICY},
        {"dns-upstream", required_argument, NULL, UPSTREAM},
        {"dnsmasq", required_argument, NULL, DNSMASQ},
        {"log-level", required_argument, NULL, LEVEL},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {NULL, 0, NULL, 0},
    };
    static const char levels[] = "error, warn, info or debug";
    static const char firewalls[] = "auto, iptables or nftables";
    static const char leaks[] = "refuse or allow";
    static const char servers[] = "up to 4 addresses with commas";

    *settings = (struct settings){
        .state_dir = DEFAULT_STATE_DIR,
        .control_socket = DEFAULT_CONTROL_SOCKET,
        .lock_path = DEFAULT_LOCK,
        .ipv6_conf = DEFAULT_IPV6_CONF,
        .mark = DEFAULT_MARK,
        .host_root = "",
        .event_file_size = EVENT_SIZE_DEFAULT,
        .event_files = 5,
        .dnsmasq = NE_FORWARDER_PROGRAM,
        .log_level = NE_LOG_INFO,
    };
    const char *level = getenv("LOG_LEVEL");
    if (level != NULL && *level != '\0' && !ne_log_parse_level(level, &settings->log_level))
        return wrong("LOG_LEVEL", level, levels);
    const char *firewall = getenv("FIREWALL");
    if (firewall != NULL && *firewall != '\0' &&
        !ne_firewall_choice_parse(firewall, &settings->firewall))
        return wrong("FIREWALL", firewall, firewalls);
    const char *policy = getenv("POLICY_FILE");
    if (policy != NULL && *policy != '\0')
        settings->policy_file = policy;
    const char *leak = getenv("RESOLVER_LEAK");
    if (leak != NULL && *leak != '\0' && !read_leak(leak, &settings->leak_allowed))
        return wrong("RESOLVER_LEAK", leak, leaks);
    const char *upstream = getenv("DNS_UPSTREAM");
    if (upstream != NULL && !read_servers(upstream, &settings->upstreams))
        return wrong("DNS_UPSTREAM", upstream, servers);

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
        case FIREWALL:
            if (!ne_firewall_choice_parse(optarg, &settings->firewall))
                return wrong("--firewall", optarg, firewalls);
            break;
        case LOCK:
            settings->lock_path = optarg;
            break;
        case IPV6:
            settings->ipv6_conf = optarg;
            break;
        case MARK:
            if (!read_mark(optarg, &settings->mark))
                return wrong("--mark", optarg, "one bit, from 0x1 to 0x20000000");
            break;
        case ROOT:
            settings->host_root = optarg;
            break;
        case LEAK:
            if (!read_leak(optarg, &settings->leak_allowed))
                return wrong("--resolver-leak", optarg, leaks);
            break;
        case EVENTS:
            settings->event_file = strcmp(optarg, "none") == 0 ? "" : optarg;
            break;
        case EVENT_SIZE:
            if (!ne_bytes_parse(optarg, &settings->event_file_size) ||
                settings->event_file_size < EVENT_SIZE_MIN)
                return wrong("--event-file-size", optarg, "64KiB or more: 10MiB");
            break;
        case EVENT_COUNT:
            if (!read_count(optarg, &settings->event_files))
                return wrong("--event-files", optarg, "1 to 1000");
            break;
        case POLICY:
            settings->policy_file = optarg;
            break;
        case UPSTREAM:
            if (!read_servers(optarg, &settings->upstreams))
                return wrong("--dns-upstream", optarg, servers);
            break;
        case DNSMASQ:
            settings->dnsmasq = optarg;
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
    while (optind < argc && argv[optind][0] == '\0')
        optind++; /* `docker plugin set NAME args=` gives one empty word */
    if (optind < argc)
        return wrong("argument", argv[optind], "options only (see netenforced --help)");
    if (settings->plugin_socket_count == 0)
        (void)add_socket(settings, DEFAULT_PLUGIN_SOCKET);
    return SETTINGS_RUN;
}
