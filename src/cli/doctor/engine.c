/* engine.c - the engine, its plugin, and where it asks for names: see findings.h. */
#include "../client.h"
#include "findings.h"

#include <netenforce/resolver.h>
#include <stdio.h>
#include <string.h>

#define PLUGIN "netenforce/driver:latest"

bool is_leaking_engine(const char *text) {
    struct version version;
    if (!version_read(text, &version))
        return true;
    bool mended_23 = version.numbers[0] == 23 && !version_before(&version, 23, 0, 11);
    return version_before(&version, 25, 0, 5) && !mended_23;
}

static void look_at_version(json_t *findings, const char *text) {
    struct version version;
    bool read = version_read(text, &version);
    if (read && !version_before(&version, 29, 0, 0) && version_before(&version, 29, 0, 3))
        finding(findings, LEVEL_LOOK, "engine", "use 29.0.3 or later",
                "Docker %s crashes when a container of such a network stops", text);
    else if (read && version_before(&version, 20, 10, 0))
        finding(findings, LEVEL_LOOK, "engine", "use Docker 20.10 or later",
                "Docker %s is older than what is tried", text);
    else
        finding(findings, LEVEL_GOOD, "engine", NULL, "Docker %s", text);
}

static void look_at_plugin(json_t *findings) {
    json_t *plugin = client_docker("/plugins/" PLUGIN "/json");
    const json_t *enabled = json_object_get(plugin, "Enabled");
    if (json_is_true(enabled))
        finding(findings, LEVEL_GOOD, "plugin", NULL, "%s is enabled", PLUGIN);
    else if (enabled != NULL)
        finding(findings, LEVEL_LOOK, "plugin", "docker plugin enable netenforce/driver",
                "%s is disabled", PLUGIN);
    else
        finding(findings, LEVEL_GOOD, "plugin", NULL,
                "%s is not installed: the daemon runs as a service", PLUGIN);
    json_decref(plugin);
}

/* is_told_apart() - Whether the driver knows by what Docker @version sends that it asks no loopback
 * server for containers (src/driver/resolver.c). */
static bool is_told_apart(const char *text) {
    struct version version;
    return version_read(text, &version) && !version_before(&version, 28, 0, 0);
}

/* look_at_resolver() - @version is NULL if the engine does not answer. */
static void look_at_resolver(json_t *findings, const char *version, const json_t *status) {
    struct ne_resolver found;
    struct ne_error err;
    bool leaks = version == NULL || is_leaking_engine(version);
    if (ne_resolver_look("", &found, &err) < 0)
        finding(findings, LEVEL_LOOK, "resolver", NULL, "%s", err.text);
    else if (found.server[0] == '\0')
        finding(findings, LEVEL_GOOD, "resolver", NULL,
                "the host's name servers are no loopback ones");
    else if (leaks)
        finding(findings, LEVEL_LOOK, "resolver",
                "name another server there, or use Docker 28; if dockerd has a --dns, set "
                "RESOLVER_LEAK=allow (README, Hosts with a loopback resolver)",
                "%s names %s, and this engine asks that server for containers, past every rule",
                found.path, found.server);
    else if (is_told_apart(version) || strcmp(text_of(status, "resolver_leak"), "allow") == 0)
        finding(findings, LEVEL_GOOD, "resolver", NULL,
                "%s names %s, but Docker %s does not ask it for containers", found.path,
                found.server, version);
    else
        finding(findings, LEVEL_LOOK, "resolver",
                "use Docker 28, or set RESOLVER_LEAK=allow (README, Hosts with a loopback "
                "resolver)",
                "%s names %s: Docker %s does not ask it for containers, but the driver cannot "
                "tell it from one that does, and refuses networks unless RESOLVER_LEAK=allow is "
                "set",
                found.path, found.server, version);
}

void look_at_engine(json_t *findings, const json_t *status) {
    json_t *answer = client_docker("/version");
    const char *version = json_string_value(json_object_get(answer, "Version"));
    if (version == NULL) {
        finding(findings, LEVEL_LOOK, "engine",
                "start dockerd, or set DOCKER_HOST to its unix:// socket; without it names of "
                "networks and containers are not known",
                "the engine does not answer");
    } else {
        look_at_version(findings, version);
        look_at_plugin(findings);
    }
    look_at_resolver(findings, version, status);
    json_decref(answer);
}
