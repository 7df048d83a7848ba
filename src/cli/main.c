/* main.c - netenforce: the operator's command. */
#include "command.h"

#include <curl/curl.h>
#include <getopt.h>
#include <netenforce/version.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/netenforce/control.sock"

static const char usage[] =
    "Usage: netenforce [--socket PATH] COMMAND [--json]\n"
    "\n"
    "  status                        is enforcement in place?\n"
    "  ls                            networks and endpoints, with what they may reach\n"
    "  policy show NET[/ENDPOINT]    a policy, option by option\n"
    "  policy set NET[/ENDPOINT] KEY=VALUE...\n"
    "  policy allow|deny NET[/ENDPOINT] ADDR[/LEN]:PORT[-PORT]/PROTO...\n"
    "  policy rm NET[/ENDPOINT] KEY|RULE...\n"
    "                                back to the default, or a rule less\n"
    "  policy check NET[/ENDPOINT] KEY=VALUE...\n"
    "                                would `set` take it? Changes nothing\n"
    "  policy check|diff|apply FILE  policies of networks in a file: would they be taken,\n"
    "                                what would change, change it\n"
    "  policy suggest NET[/ENDPOINT] [EVENTS]\n"
    "                                rules that allow what mode=audit saw (of a file of events)\n"
    "  explain ENDPOINT ADDR:PORT/PROTO\n"
    "                                what would happen to that packet, and by which rule\n"
    "\n"
    "  verify [NET]                  send packets from a probe, and see what arrives\n"
    "  doctor                        what is not as it should be, and what to do about it\n"
    "  log [--follow] [--since 10m|TIME] [--network NET[/ENDPOINT]] [--type TYPE]\n"
    "                                what was refused, and whatever else happened; TYPE is "
    "blocked,\n"
    "                                dns, policy, network, endpoint, repair or warning\n"
    "  metrics                       numbers, as Prometheus reads them\n"
    "  names networks|endpoints      names alone, for shells\n"
    "\n"
    "  NET is a network's name or id, ENDPOINT a container's name or id, or an endpoint's id;\n"
    "  for explain also NET/CONTAINER, where a container is on several networks.\n"
    "\n"
    "  --socket PATH  the daemon's control socket\n"
    "                 (" DEFAULT_SOCKET ")\n"
    "  --json         answer in JSON, for programs\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 good, 1 failed, 2 wrong usage, 3 enforcement is not in place.\n";

const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && *text != '\0' ? text : "-";
}

long long number_of(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

int print_json(const json_t *json) {
    if (json_dumpf(json, stdout, JSON_INDENT(2)) < 0)
        return EXIT_FAILED;
    (void)putchar('\n');
    return EXIT_GOOD;
}

int fail(const char *why) {
    (void)fprintf(stderr, "netenforce: %s\n", why);
    return EXIT_FAILED;
}

/* finish() - What was printed has to arrive: a full disk is no success. Whoever reads may have
 * enough, and end: that is none of ours (verify | head). Which of both it was the stream has
 * forgotten by now; a pipe knows. */
static int finish(int result) {
    struct pollfd reader = {.fd = STDOUT_FILENO};
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return result;
    if (poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) != 0)
        return result;
    (void)fail("not all of the output could be written: is the disk full?");
    return result != EXIT_GOOD ? result : EXIT_FAILED;
}

static const struct {
    const char *name;
    int (*run)(const struct cli *cli, int count, char **words);
    bool takes_words;
} commands[] = {
    {"status", command_status, false}, {"ls", command_ls, false},
    {"policy", command_policy, true},  {"explain", command_explain, true},
    {"verify", command_verify, true},  {"doctor", command_doctor, false},
    {"log", command_log, false},       {"metrics", command_metrics, false},
    {"names", command_names, true},
};

static int wrong_usage(const char *what, const char *given) {
    const size_t count = sizeof(commands) / sizeof(commands[0]);
    (void)fprintf(stderr, "netenforce: %s \"%s\"; accepted are ", what, given);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stderr, "%s%s",
                      i == 0          ? ""
                      : i + 1 < count ? ", "
                                      : " and ",
                      commands[i].name);
    (void)fputs(" (--help tells more)\n", stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv) {
    enum { SOCKET = 1, JSON, FOLLOW, SINCE, NETWORK, TYPE, HELP, VERSION };
    static const struct option options[] = {
        {"socket", required_argument, NULL, SOCKET},
        {"json", no_argument, NULL, JSON},
        {"follow", no_argument, NULL, FOLLOW},
        {"since", required_argument, NULL, SINCE},
        {"network", required_argument, NULL, NETWORK},
        {"type", required_argument, NULL, TYPE},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {NULL, 0, NULL, 0},
    };
    struct cli cli = {.socket = DEFAULT_SOCKET};

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case SOCKET:
            cli.socket = optarg;
            break;
        case JSON:
            cli.as_json = true;
            break;
        case FOLLOW:
            cli.log.follow = true;
            break;
        case SINCE:
            cli.log.since = optarg;
            break;
        case NETWORK:
            cli.log.network = optarg;
            break;
        case TYPE:
            cli.log.type = optarg;
            break;
        case HELP:
            (void)fputs(usage, stdout);
            return finish(EXIT_GOOD);
        case VERSION:
            (void)puts("netenforce " NE_VERSION);
            return finish(EXIT_GOOD);
        default:
            (void)fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind >= argc) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[optind], commands[i].name) != 0)
            continue;
        if (!commands[i].takes_words && optind + 1 < argc)
            return wrong_usage("one word too many:", argv[optind + 1]);
        const struct cli_log *log = &cli.log;
        if (commands[i].run != command_log &&
            (log->follow || log->since != NULL || log->network != NULL || log->type != NULL))
            return wrong_usage("--follow, --since, --network and --type are of log, not of",
                               argv[optind]);
        if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
            return EXIT_FAILED;
        int result = commands[i].run(&cli, argc - optind - 1, argv + optind + 1);
        curl_global_cleanup();
        return finish(result);
    }
    return wrong_usage("unknown command", argv[optind]);
}
