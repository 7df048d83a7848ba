/* doctor.c - netenforce doctor: what is not as it should be, and what to do about it. */
#include "../client.h"
#include "../progress.h"
#include "findings.h"

#include <netenforce/text.h>
#include <netenforce/version.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MENDS   5          /* looks at what is being mended: two repairs, and some more */
#define MEND_NS 300000000L /* between them */

static const char *const level_keys[] = {
    [LEVEL_GOOD] = "good", [LEVEL_LOOK] = "look", [LEVEL_BAD] = "bad"};

void finding(json_t *findings, enum level level, const char *check, const char *advice,
             const char *fmt, ...) {
    char text[512];
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, list);
    va_end(list);
    ne_text_mend(text);
    (void)json_array_append_new(findings,
                                json_pack("{s:s, s:s, s:s, s:s?}", "level", level_keys[level],
                                          "check", check, "found", text, "advice", advice));
}

bool version_read(const char *text, struct version *version) {
    *version = (struct version){0};
    for (size_t i = 0; i < 3; i++) {
        char *end = NULL;
        unsigned long number = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || number > 1000000)
            return i >= 2;
        version->numbers[i] = (unsigned)number;
        if (*end != '.')
            return i >= 1;
        text = end + 1;
    }
    return true;
}

bool version_before(const struct version *version, unsigned major, unsigned minor, unsigned patch) {
    const unsigned other[] = {major, minor, patch};
    for (size_t i = 0; i < 3; i++) {
        if (version->numbers[i] != other[i])
            return version->numbers[i] < other[i];
    }
    return false;
}

static bool is_in_place(const json_t *status) {
    return json_is_true(json_object_get(json_object_get(status, "enforcement"), "in_place"));
}

/* settled_status() - The daemon's status, or NULL. Twice a second it mends what somebody changed,
 * such as a firewall that was just reloaded: that moment passes by itself, and is waited for. */
static json_t *settled_status(const struct cli *cli, struct ne_error *err) {
    const struct timespec pause = {.tv_nsec = MEND_NS};
    json_t *status = client_get(cli->socket, "/v1/status", err);
    for (int i = 0; i < MENDS && status != NULL && !is_in_place(status); i++) {
        json_decref(status);
        (void)nanosleep(&pause, NULL);
        status = client_get(cli->socket, "/v1/status", err);
    }
    return status;
}

static void look_at_daemon(json_t *findings, const json_t *status, const char *why) {
    if (status == NULL) {
        finding(findings, LEVEL_BAD, "daemon",
                "docker plugin enable netenforce/driver, or systemctl start netenforced; what runs "
                "stays enforced meanwhile, but nobody mends it",
                "%s", why);
        return;
    }
    const json_t *enforcement = json_object_get(status, "enforcement");
    const char *version = text_of(status, "version");
    if (is_in_place(status))
        finding(findings, LEVEL_GOOD, "enforcement", NULL, "in place: %s",
                text_of(status, "firewall"));
    else
        finding(findings, LEVEL_BAD, "enforcement",
                "the daemon tries to mend it twice a second; its log says what is in the way",
                "not in place: %s", text_of(enforcement, "why"));
    if (strstr(text_of(status, "firewall"), "no backstop") != NULL)
        finding(findings, LEVEL_LOOK, "backstop", "load nf_tables (modprobe nf_tables)",
                "the second fence is missing: this kernel has no nf_tables");
    if (strcmp(version, NE_VERSION) != 0)
        finding(findings, LEVEL_LOOK, "version", "install both of the same version",
                "the daemon is %s, this command %s", version, NE_VERSION);
    if (number_of(status, "repairs") > 0)
        finding(findings, LEVEL_GOOD, "repairs", NULL,
                "%lld things were put right since the daemon's start: netenforce log --type repair",
                number_of(status, "repairs"));
}

static void print_findings(const json_t *findings) {
    size_t i;
    const json_t *one;
    json_array_foreach(findings, i, one) {
        const char *level = text_of(one, "level");
        bool good = strcmp(level, "good") == 0;
        bool bad = strcmp(level, "bad") == 0;
        enum colour which = good ? COLOUR_GOOD : bad ? COLOUR_BAD : COLOUR_WARN;
        (void)printf("%s%-5s%s %-12s %s\n", colour(which),
                     good  ? "good"
                     : bad ? "BAD"
                           : "LOOK",
                     colour(COLOUR_END), text_of(one, "check"), text_of(one, "found"));
        if (json_is_string(json_object_get(one, "advice")))
            (void)printf("                   -> %s\n", text_of(one, "advice"));
    }
}

static int exit_of(const json_t *findings) {
    size_t i;
    const json_t *one;
    int result = EXIT_GOOD;
    json_array_foreach(findings, i, one) {
        const char *level = text_of(one, "level");
        if (strcmp(level, "bad") == 0)
            return EXIT_NOT_ENFORCED;
        if (strcmp(level, "look") == 0)
            result = EXIT_FAILED;
    }
    return result;
}

int command_doctor(const struct cli *cli, int count, char **words) {
    (void)count;
    (void)words;
    struct ne_error err = {0};
    struct firewalls firewalls;
    json_t *findings = json_array();
    json_t *status = settled_status(cli, &err);
    json_t *networks = status == NULL ? NULL : client_get(cli->socket, "/v1/networks", &err);
    (void)signal(SIGPIPE, SIG_IGN); /* a probe is ended also when nobody reads */
    progress("looking at the host");
    look_at_daemon(findings, status, err.text);
    look_at_kernel(findings);
    look_at_marks(findings, status);
    look_at_firewalls(findings, &firewalls);
    look_at_state(findings, status);
    progress_end();
    progress("asking the engine");
    look_at_engine(findings, status);
    progress_end();
    if (networks != NULL) {
        progress("trying the proxies");
        look_at_networks(cli, findings, json_object_get(networks, "networks"), &firewalls);
        look_at_endpoints(cli, findings, status);
        progress_end();
    }
    int result = exit_of(findings);
    json_t *answer = json_pack("{s:O}", "findings", findings);
    if (!cli->as_json)
        print_findings(findings);
    else if (print_json(answer) != EXIT_GOOD)
        result = EXIT_FAILED;
    json_decref(answer);
    json_decref(findings);
    json_decref(networks);
    json_decref(status);
    return result;
}
