/* main.c - netenforce: the operator's command. */
#include "client.h"

#include <curl/curl.h>
#include <getopt.h>
#include <netenforce/version.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/netenforce/control.sock"
#define ID_SHOWN       12

/* docs/interface.md: exit status of every command. */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_ENFORCED = 3 };

static const char usage[] = "Usage: netenforce [--socket PATH] COMMAND [--json]\n"
                            "\n"
                            "  status   is enforcement in place?\n"
                            "  ls       networks and endpoints, with what they may reach\n"
                            "\n"
                            "  --socket PATH  the daemon's control socket\n"
                            "                 (" DEFAULT_SOCKET ")\n"
                            "  --json         answer in JSON, for programs\n"
                            "  --help, --version\n"
                            "\n"
                            "Exit status: 0 good, 1 failed, 2 wrong usage, 3 enforcement is not in "
                            "place.\n";

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && *text != '\0' ? text : "-";
}

static long long number_of(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static int print_json(const json_t *json) {
    if (json_dumpf(json, stdout, JSON_INDENT(2)) < 0)
        return EXIT_FAILED;
    (void)putchar('\n');
    return EXIT_GOOD;
}

static int status(const char *socket, bool as_json) {
    struct ne_error err = {0};
    json_t *answer = client_get(socket, "/v1/status", &err);
    if (answer == NULL) {
        /* Rules outlive the daemon, but nobody can say now that they are whole. */
        (void)fprintf(stderr, "netenforce: %s\n", err.text);
        return EXIT_NOT_ENFORCED;
    }
    const json_t *enforcement = json_object_get(answer, "enforcement");
    bool in_place = json_is_true(json_object_get(enforcement, "in_place"));
    int result = in_place ? EXIT_GOOD : EXIT_NOT_ENFORCED;
    if (as_json) {
        if (print_json(answer) != EXIT_GOOD)
            result = EXIT_FAILED;
    } else {
        (void)printf("enforcement  %s\n", in_place ? "in place" : "NOT IN PLACE");
        if (!in_place)
            (void)printf("why          %s\n", text_of(enforcement, "why"));
        (void)printf("firewall     %s\n", text_of(answer, "firewall"));
        (void)printf("networks     %lld\n", number_of(answer, "networks"));
        (void)printf("endpoints    %lld\n", number_of(answer, "endpoints"));
        (void)printf("repairs      %lld\n", number_of(answer, "repairs"));
        (void)printf("state        %s\n", text_of(answer, "state_directory"));
        (void)printf("daemon       %s, process %lld, up %lld s\n", text_of(answer, "version"),
                     number_of(answer, "pid"), number_of(answer, "uptime_seconds"));
    }
    json_decref(answer);
    return result;
}

/* print_policy() - What an endpoint may reach: "10.88.0.1:8080/tcp, else reject". */
static void print_policy(const json_t *object) {
    const json_t *policy = json_object_get(object, "policy");
    const json_t *proxies = json_object_get(policy, "proxy");
    size_t i;
    const json_t *proxy;
    json_array_foreach(proxies, i, proxy) {
        (void)printf("%s%s/tcp", i == 0 ? "" : " ", json_string_value(proxy));
    }
    if (json_array_size(proxies) == 0)
        (void)fputs("nothing", stdout);
    (void)printf(", else %s\n", text_of(policy, "refuse"));
}

static void print_endpoint(const json_t *endpoint) {
    const char *addr4 = text_of(endpoint, "addr4");
    const char *addr6 = text_of(endpoint, "addr6");
    bool own = json_is_true(json_object_get(endpoint, "own_policy"));
    (void)printf("  %.*s  %-15s %s%s%-8s", ID_SHOWN, text_of(endpoint, "id"), addr4,
                 strcmp(addr6, "-") == 0 ? "" : addr6, strcmp(addr6, "-") == 0 ? "" : " ",
                 json_is_true(json_object_get(endpoint, "joined")) ? "joined" : "created");
    if (own)
        print_policy(endpoint);
    else
        (void)fputs("as its network\n", stdout);
}

static int list(const char *socket, bool as_json) {
    struct ne_error err = {0};
    json_t *networks = client_get(socket, "/v1/networks", &err);
    json_t *endpoints = networks == NULL ? NULL : client_get(socket, "/v1/endpoints", &err);
    int result = EXIT_GOOD;
    if (endpoints == NULL) {
        (void)fprintf(stderr, "netenforce: %s\n", err.text);
        result = EXIT_FAILED;
    } else if (as_json) {
        if (json_object_update(networks, endpoints) < 0)
            result = EXIT_FAILED;
        else
            result = print_json(networks);
    } else {
        size_t i;
        size_t k;
        const json_t *network;
        const json_t *endpoint;
        json_array_foreach(json_object_get(networks, "networks"), i, network) {
            const char *pool = text_of(network, "pool4");
            (void)printf("%.*s  %-15s %s  ", ID_SHOWN, text_of(network, "id"),
                         text_of(network, "bridge"),
                         strcmp(pool, "-") == 0 ? text_of(network, "pool6") : pool);
            print_policy(network);
            json_array_foreach(json_object_get(endpoints, "endpoints"), k, endpoint) {
                if (strcmp(text_of(endpoint, "network"), text_of(network, "id")) == 0)
                    print_endpoint(endpoint);
            }
        }
    }
    json_decref(endpoints);
    json_decref(networks);
    return result;
}

static const struct {
    const char *name;
    int (*run)(const char *socket, bool as_json);
} commands[] = {
    {"status", status},
    {"ls", list},
};

static int wrong_usage(const char *what, const char *given) {
    (void)fprintf(stderr, "netenforce: %s \"%s\"; accepted are status and ls (--help tells more)\n",
                  what, given);
    return EXIT_USAGE;
}

int main(int argc, char **argv) {
    enum { SOCKET = 1, JSON, HELP, VERSION };
    static const struct option options[] = {
        {"socket", required_argument, NULL, SOCKET},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {NULL, 0, NULL, 0},
    };
    const char *socket = DEFAULT_SOCKET;
    bool as_json = false;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case SOCKET:
            socket = optarg;
            break;
        case JSON:
            as_json = true;
            break;
        case HELP:
            (void)fputs(usage, stdout);
            return EXIT_GOOD;
        case VERSION:
            (void)puts("netenforce " NE_VERSION);
            return EXIT_GOOD;
        default:
            (void)fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind >= argc) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (optind + 1 < argc)
        return wrong_usage("one word too many:", argv[optind + 1]);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[optind], commands[i].name) != 0)
            continue;
        if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
            return EXIT_FAILED;
        int result = commands[i].run(socket, as_json);
        curl_global_cleanup();
        return result;
    }
    return wrong_usage("unknown command", argv[optind]);
}
