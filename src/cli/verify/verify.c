/* verify.c - netenforce verify: enforcement proved by packets, and told. */
#include "../client.h"
#include "../progress.h"
#include "trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const result_keys[RESULT_COUNT] = {
    [RESULT_CLOSED] = "closed", [RESULT_ALLOWED] = "allowed", [RESULT_MISSING] = "missing",
    [RESULT_OPEN] = "open",     [RESULT_UNTRIED] = "untried",
};

static void tell_where(const struct attempt *attempt, char *text, size_t size) {
    (void)snprintf(text, size, "%s%s%s%s", attempt->at_host ? " the host" : "",
                   attempt->at_neighbour ? " a neighbour" : "",
                   attempt->left_by[0] != '\0' ? " beyond, by " : "", attempt->left_by);
}

/* print_ways() - A line for each way, and one for each hole. */
static void print_ways(const struct trial *trial) {
    (void)printf("  %-28s %6s %7s %8s %5s\n", "way around", "tried", "closed", "allowed", "open");
    for (unsigned way = 0; way < WAY_COUNT; way++) {
        unsigned counts[RESULT_COUNT] = {0};
        unsigned all = 0;
        for (size_t i = 0; i < trial->attempts.count; i++) {
            const struct attempt *attempt = &trial->attempts.items[i];
            if ((unsigned)attempt->way != way)
                continue;
            counts[attempt_result(attempt)]++;
            all++;
        }
        if (all > 0)
            (void)printf("  %-28s %6u %7u %8u %5u\n", way_name((enum way)way),
                         all - counts[RESULT_UNTRIED], counts[RESULT_CLOSED],
                         counts[RESULT_ALLOWED] + counts[RESULT_MISSING], counts[RESULT_OPEN]);
    }
    for (size_t i = 0; i < trial->attempts.count; i++) {
        const struct attempt *attempt = &trial->attempts.items[i];
        char where[64];
        tell_where(attempt, where, sizeof(where));
        if (attempt_result(attempt) == RESULT_OPEN)
            (void)printf("  %sOPEN%s  %s: %s arrived at%s\n", colour(COLOUR_BAD),
                         colour(COLOUR_END), way_name(attempt->way), attempt->what, where);
        else if (attempt_result(attempt) == RESULT_UNTRIED)
            (void)printf("  not tried: %s, %s\n", way_name(attempt->way), attempt->what);
        else if (attempt_result(attempt) == RESULT_MISSING)
            (void)printf("  allowed, but it did not arrive (no route, or another firewall): %s\n",
                         attempt->what);
    }
}

static void print_trial(const char *name, const struct trial *trial) {
    (void)printf("network %s, bridge %s\n", name, trial->ground.bridge);
    print_ways(trial);
    for (size_t i = 0; i < trial->proxy_count; i++)
        (void)printf("  proxy %s %s\n", trial->proxies[i].text, proxy_advice(&trial->proxies[i]));
    if (trial->totals[RESULT_OPEN] > 0)
        (void)printf("  %sNOT ENFORCED%s: %u of %zu got through\n", colour(COLOUR_BAD),
                     colour(COLOUR_END), trial->totals[RESULT_OPEN], trial->attempts.count);
    else if (trial->totals[RESULT_UNTRIED] > 0)
        (void)printf("  %u of %zu could not be tried\n", trial->totals[RESULT_UNTRIED],
                     trial->attempts.count);
    else if (trial->audits)
        (void)printf(
            "  %smode=audit%s: what would be refused passes, and is logged; only what is forged "
            "stays out\n",
            colour(COLOUR_WARN), colour(COLOUR_END));
    else
        (void)printf("  %senforced%s: every way around that was tried is closed\n",
                     colour(COLOUR_GOOD), colour(COLOUR_END));
}

static json_t *attempt_json(const struct attempt *attempt) {
    json_t *where = json_array();
    if (attempt->at_host)
        (void)json_array_append_new(where, json_string("host"));
    if (attempt->at_neighbour)
        (void)json_array_append_new(where, json_string("neighbour"));
    if (attempt->left_by[0] != '\0')
        (void)json_array_append_new(where, json_string(attempt->left_by));
    return json_pack("{s:s, s:s, s:s, s:o}", "way", way_key(attempt->way), "what", attempt->what,
                     "result", result_keys[attempt_result(attempt)], "arrived_at", where);
}

static json_t *trial_json(const struct trial *trial) {
    json_t *attempts = json_array();
    json_t *proxies = json_array();
    json_t *totals = json_object();
    for (size_t i = 0; i < trial->attempts.count; i++)
        (void)json_array_append_new(attempts, attempt_json(&trial->attempts.items[i]));
    for (size_t i = 0; i < trial->proxy_count; i++)
        (void)json_array_append_new(proxies,
                                    json_pack("{s:s, s:s}", "proxy", trial->proxies[i].text,
                                              "answer", proxy_key(&trial->proxies[i])));
    for (size_t i = 0; i < RESULT_COUNT; i++)
        (void)json_object_set_new(totals, result_keys[i], json_integer(trial->totals[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "network", trial->ground.id, "bridge",
                     trial->ground.bridge, "mode",
                     trial->audits  ? "audit"
                     : trial->hands ? "transparent"
                                    : "enforce",
                     "totals", totals, "proxies", proxies, "attempts", attempts);
}

static int exit_of(const struct trial *trial) {
    if (trial->totals[RESULT_OPEN] > 0)
        return EXIT_NOT_ENFORCED;
    return trial->totals[RESULT_UNTRIED] > 0 ? EXIT_FAILED : EXIT_GOOD;
}

/* worse() - A hole counts more than what could not be tried. */
static int worse(int a, int b) {
    static const int order[] = {EXIT_NOT_ENFORCED, EXIT_FAILED, EXIT_GOOD};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (a == order[i] || b == order[i])
            return order[i];
    }
    return a;
}

static int verify_one(const struct cli *cli, const json_t *network, json_t *list) {
    struct ne_error err = {0};
    const char *id = text_of(network, "id");
    struct trial *trial = calloc(1, sizeof(*trial));
    char name[NETWORK_LABEL_SIZE];
    if (trial == NULL)
        return fail("no memory");
    (void)network_label(id, name);
    progress("trying network %s", name);
    int result = trial_run(cli, network, trial, &err);
    progress_end();
    if (result < 0) {
        (void)fprintf(stderr, "netenforce: network %s could not be tried: %s\n", name, err.text);
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s}", "network", id, "error", err.text));
        free(trial);
        return EXIT_FAILED;
    }
    if (cli->as_json)
        (void)json_array_append_new(list, trial_json(trial));
    else
        print_trial(name, trial);
    result = exit_of(trial);
    free(trial);
    return result;
}

/* networks_of() - All of them, or the one that is named, as a list. */
static json_t *networks_of(const struct cli *cli, const char *name, struct ne_error *err) {
    char network[RESOLVED_ID_SIZE];
    char endpoint[RESOLVED_ID_SIZE];
    char path[CLIENT_PATH_SIZE];
    if (name == NULL) {
        json_t *answer = client_get(cli->socket, "/v1/networks", err);
        json_t *list = json_incref(json_object_get(answer, "networks"));
        json_decref(answer);
        return list;
    }
    if (strchr(name, '/') != NULL) {
        (void)ne_fail(err, NE_BAD_INPUT, "accepted is verify [NET]");
        return NULL;
    }
    if (resolve_subject(cli, name, network, endpoint, err) < 0 ||
        client_path(path, "/v1/networks/", network, "", err) < 0)
        return NULL;
    json_t *answer = client_get(cli->socket, path, err);
    return answer == NULL ? NULL : json_pack("[o]", answer);
}

int command_verify(const struct cli *cli, int count, char **words) {
    struct ne_error err = {0};
    if (count > 1) {
        (void)fputs("netenforce: accepted is verify [NET]\n", stderr);
        return EXIT_USAGE;
    }
    json_t *networks = networks_of(cli, count == 1 ? words[0] : NULL, &err);
    if (networks == NULL)
        return fail(err.text);
    (void)signal(SIGPIPE, SIG_IGN); /* the probes are ended also when nobody reads */
    json_t *list = json_array();
    int result = EXIT_GOOD;
    size_t i;
    const json_t *network;
    json_array_foreach(networks, i, network) {
        result = worse(result, verify_one(cli, network, list));
    }
    if (json_array_size(networks) == 0 && !cli->as_json)
        (void)puts("there is no network to try");
    json_decref(networks);
    if (cli->as_json) {
        json_t *answer = json_pack("{s:o}", "networks", list);
        if (print_json(answer) != EXIT_GOOD)
            result = worse(result, EXIT_FAILED);
        json_decref(answer);
    } else {
        json_decref(list);
    }
    return result;
}
