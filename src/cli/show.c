/* show.c - status and ls. */
#include "client.h"
#include "command.h"

#include <stdio.h>
#include <string.h>

#define ID_SHOWN 12

/* print_others() - "eth1 (veth), eth2 (macvlan)". */
static void print_others(const json_t *interfaces, long long count) {
    size_t i;
    const json_t *other;
    json_array_foreach(interfaces, i, other) {
        (void)printf("%s%s (%s)", i == 0 ? "" : ", ", text_of(other, "name"),
                     text_of(other, "kind"));
    }
    if (count > (long long)json_array_size(interfaces))
        (void)printf(" and %lld more", count - (long long)json_array_size(interfaces));
}

/* print_multi_homed() - A line for each endpoint whose container has another way out. */
static void print_multi_homed(const json_t *endpoints) {
    size_t i;
    const json_t *endpoint;
    json_array_foreach(endpoints, i, endpoint) {
        bool is_proxy = strcmp(text_of(endpoint, "role"), "proxy") == 0;
        (void)printf(
            "%s endpoint %.*s (network %.*s) %s: ", is_proxy ? "proxy       " : "warning     ",
            ID_SHOWN, text_of(endpoint, "endpoint"), ID_SHOWN, text_of(endpoint, "network"),
            is_proxy ? "is its network's proxy, with its way out"
                     : "has another way out, which is not enforced");
        print_others(json_object_get(endpoint, "interfaces"), number_of(endpoint, "count"));
        (void)putchar('\n');
    }
}

int command_status(const struct cli *cli, int count, char **words) {
    (void)count;
    (void)words;
    struct ne_error err = {0};
    json_t *answer = client_get(cli->socket, "/v1/status", &err);
    if (answer == NULL) {
        /* Rules outlive the daemon, but nobody can say now that they are whole. */
        (void)fprintf(stderr, "netenforce: %s\n", err.text);
        return EXIT_NOT_ENFORCED;
    }
    const json_t *enforcement = json_object_get(answer, "enforcement");
    bool in_place = json_is_true(json_object_get(enforcement, "in_place"));
    int result = in_place ? EXIT_GOOD : EXIT_NOT_ENFORCED;
    if (cli->as_json) {
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
        print_multi_homed(json_object_get(answer, "multi_homed"));
    }
    json_decref(answer);
    return result;
}

static void print_rules(const char *before, const json_t *rules) {
    size_t i;
    const json_t *rule;
    json_array_foreach(rules, i, rule) {
        (void)printf("%s%s", i == 0 ? before : " ", json_string_value(rule));
    }
}

/* print_unusual() - ", mode audit, rate 10mbit": what is not as it is by default. */
static void print_unusual(const json_t *policy) {
    static const struct {
        const char *key;
        const char *usual;
    } options[] = {
        {"mode", "enforce"}, {"icc", "false"},      {"inbound", "false"}, {"dns", "off"},
        {"rate", "none"},    {"conn_rate", "none"}, {"quota", "none"},    {"log", "5/s"},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value = json_string_value(json_object_get(policy, options[i].key));
        if (value != NULL && strcmp(value, options[i].usual) != 0)
            (void)printf(", %s %s", options[i].key, value);
    }
}

/* print_policy() - What an endpoint may reach: "10.88.0.1:8080/tcp, else reject"; with
 * mode=transparent "80,443 by 10.88.0.1:8080/tcp, else reject, mode transparent, dns log". */
static void print_policy(const json_t *object) {
    const json_t *policy = json_object_get(object, "policy");
    const json_t *proxies = json_object_get(policy, "proxy");
    const bool hands = strcmp(text_of(policy, "mode"), "transparent") == 0;
    size_t i;
    const json_t *proxy;
    json_array_foreach(proxies, i, proxy) {
        (void)printf("%s%s%s/tcp", i == 0 ? "" : " ", hands ? "80,443 by " : "",
                     json_string_value(proxy));
    }
    const json_t *allow = json_object_get(policy, "allow");
    const json_t *deny = json_object_get(policy, "deny");
    print_rules(json_array_size(proxies) == 0 ? "" : " ", allow);
    if (json_array_size(proxies) == 0 && json_array_size(allow) == 0)
        (void)fputs("nothing", stdout);
    print_rules(", never ", deny);
    (void)printf(", else %s", text_of(policy, "refuse"));
    print_unusual(policy);
    (void)putchar('\n');
}

/* print_use() - "    used: 10 packets out (1200 bytes), 8 in (900 bytes), 3 refused". */
static void print_use(const json_t *use) {
    if (use == NULL)
        return;
    (void)printf("    used: %lld packets out (%lld bytes), %lld in (%lld bytes), %lld refused",
                 number_of(use, "passed_packets"), number_of(use, "passed_bytes"),
                 number_of(use, "received_packets"), number_of(use, "received_bytes"),
                 number_of(use, "refused_packets"));
    if (number_of(use, "limited_packets") > 0)
        (void)printf(", %lld beyond its limits", number_of(use, "limited_packets"));
    if (number_of(use, "quota_used") > 0)
        (void)printf(", %lld bytes of its quota", number_of(use, "quota_used"));
    (void)putchar('\n');
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
    print_use(json_object_get(endpoint, "use"));
    const json_t *others = json_object_get(endpoint, "other_interfaces");
    bool is_proxy = strcmp(text_of(endpoint, "role"), "proxy") == 0;
    if (is_proxy && json_array_size(others) == 0)
        (void)puts("    proxy of its network, without a way out of its own");
    if (json_array_size(others) > 0) {
        (void)fputs(is_proxy ? "    proxy of its network, with its way out: "
                             : "    ! another way out, not enforced: ",
                    stdout);
        print_others(others, 0);
        (void)putchar('\n');
    }
}

int command_ls(const struct cli *cli, int count, char **words) {
    (void)count;
    (void)words;
    struct ne_error err = {0};
    json_t *networks = client_get(cli->socket, "/v1/networks", &err);
    json_t *endpoints = networks == NULL ? NULL : client_get(cli->socket, "/v1/endpoints", &err);
    int result = EXIT_GOOD;
    if (endpoints == NULL) {
        (void)fprintf(stderr, "netenforce: %s\n", err.text);
        result = EXIT_FAILED;
    } else if (cli->as_json) {
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
