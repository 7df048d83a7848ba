/* command.c - netenforce log. */
#include "../command.h"
#include "../client.h"
#include "../resolve.h"
#include "log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIME_AT   9  /* {"time":" */
#define TIME_SIZE 25 /* with NUL */
#define TRY_NS    300000000L

struct log {
    const struct cli *cli;
    json_t *known; /* containers' names, by endpoint */
    char last[TIME_SIZE];
    unsigned at_last; /* lines of that time that were printed */
    unsigned to_skip; /* of them, after the daemon was asked anew from that time on */
    bool failed;      /* standard output is closed */
};

/* skip() - After a restart the lines of the last instant come once more. */
static bool skip(struct log *log, const char *line) {
    bool same = strncmp(line + TIME_AT, log->last, TIME_SIZE - 1) == 0;
    if (same && log->to_skip > 0) {
        log->to_skip--;
        return true;
    }
    log->at_last = same ? log->at_last + 1 : 1;
    memcpy(log->last, line + TIME_AT, TIME_SIZE - 1);
    return false;
}

static bool on_line(void *context, const char *line, size_t size) {
    struct log *log = context;
    if (size < TIME_AT + TIME_SIZE || skip(log, line))
        return true;
    json_t *event = json_loadb(line, size, 0, NULL);
    const char *endpoint = json_string_value(json_object_get(event, "endpoint"));
    const char *network = json_string_value(json_object_get(event, "network"));
    const char *name = NULL;
    if (endpoint != NULL && network != NULL)
        name = containers_name(log->known, network, endpoint);
    if (log->cli->as_json && name == NULL)
        (void)fwrite(line, 1, size, stdout);
    else if (log->cli->as_json)
        event_write(stdout, event, name);
    else if (event != NULL)
        event_print(stdout, event, name);
    json_decref(event);
    log->failed = fflush(stdout) != 0;
    return !log->failed;
}

/* add() - "&KEY=VALUE" behind what is in @path. */
static int add(char path[static CLIENT_PATH_SIZE], const char *key, const char *value,
               struct ne_error *err) {
    char before[CLIENT_PATH_SIZE];
    char whole[CLIENT_PATH_SIZE];
    if (value[0] == '\0')
        return 0;
    int n = snprintf(before, sizeof(before), "%s&%s=", path, key);
    if (n < 0 || (size_t)n >= sizeof(before))
        return ne_fail(err, NE_BAD_INPUT, "the request is too long");
    if (client_path(whole, before, value, "", err) < 0)
        return -1;
    memcpy(path, whole, sizeof(whole));
    return 0;
}

static int make_path(const struct log *log, const char *since, char path[static CLIENT_PATH_SIZE],
                     struct ne_error *err) {
    const struct cli_log *options = &log->cli->log;
    char network[RESOLVED_ID_SIZE] = "";
    char endpoint[RESOLVED_ID_SIZE] = "";
    (void)snprintf(path, CLIENT_PATH_SIZE, "/v1/events?follow=%d", options->follow ? 1 : 0);
    if (options->network != NULL &&
        resolve_subject(log->cli, options->network, network, endpoint, err) < 0)
        return -1;
    if (add(path, "since", since, err) < 0 || add(path, "network", network, err) < 0 ||
        add(path, "endpoint", endpoint, err) < 0 ||
        add(path, "type", options->type == NULL ? "" : options->type, err) < 0)
        return -1;
    return 0;
}

/* on_interrupt() - Lines are written whole: there is nothing to be tidied up. */
static void on_interrupt(int number) {
    (void)number;
    _exit(EXIT_GOOD);
}

static void wait_a_little(void) {
    const struct timespec pause = {.tv_nsec = TRY_NS};
    (void)nanosleep(&pause, NULL);
}

/* go_on() - The daemon went away while it was followed: wait for it, and go on where it ended. */
static int go_on(struct log *log, char path[static CLIENT_PATH_SIZE], struct ne_error *err) {
    (void)fputs("netenforce: the daemon is gone; waiting for it\n", stderr);
    for (;;) {
        json_t *answer = client_get(log->cli->socket, "/healthz", err);
        json_decref(answer);
        if (answer != NULL)
            break;
        wait_a_little();
    }
    (void)fputs("netenforce: the daemon is back\n", stderr);
    log->to_skip = log->at_last;
    char since[SINCE_SIZE];
    if (log->last[0] != '\0') {
        (void)snprintf(since, sizeof(since), "%s", log->last);
    } else if (!since_parse("1s", since)) {
        return -1;
    }
    return make_path(log, since, path, err);
}

static int show(struct log *log, const char *since, struct ne_error *err) {
    char path[CLIENT_PATH_SIZE];
    int result = make_path(log, since, path, err);
    while (result >= 0) {
        result = client_stream(log->cli->socket, path, on_line, log, err);
        if (!log->cli->log.follow || log->failed)
            break;
        if (result >= 0)
            result = go_on(log, path, err);
    }
    return result;
}

int command_log(const struct cli *cli, int count, char **words) {
    struct ne_error err = {0};
    char since[SINCE_SIZE] = "";
    (void)count;
    (void)words;
    if (cli->log.since != NULL && !since_parse(cli->log.since, since)) {
        (void)fprintf(
            stderr,
            "netenforce: --since \"%.40s\" is not accepted; accepted is 30s, 10m, 2h, 1d, "
            "or a time in UTC, as 2026-11-25T01:02:03Z\n",
            cli->log.since);
        return EXIT_USAGE;
    }
    struct log log = {.cli = cli, .known = json_object()};
    (void)signal(SIGINT, on_interrupt);
    (void)signal(SIGTERM, on_interrupt);
    int result = show(&log, since, &err);
    json_decref(log.known);
    return result != 0 ? fail(err.text) : EXIT_GOOD;
}

static bool on_metrics(void *context, const char *line, size_t size) {
    (void)context;
    return fwrite(line, 1, size, stdout) == size;
}

int command_metrics(const struct cli *cli, int count, char **words) {
    struct ne_error err = {0};
    if (cli->as_json)
        return metrics_as_json(cli);
    (void)count;
    (void)words;
    if (client_stream(cli->socket, "/metrics", on_metrics, NULL, &err) != 0)
        return fail(err.text);
    return EXIT_GOOD;
}
