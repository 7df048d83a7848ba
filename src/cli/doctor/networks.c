/* networks.c - each network's proxies and ways beyond the host, and its containers: see findings.h.
 */
#include "../client.h"
#include "findings.h"

#include <netenforce/options.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* tell() - How @what ("proxy", "names") of a network answered a probe. */
static void tell(json_t *findings, const char *what, const char *network, const char *bridge,
                 const struct proxy_seen *seen, const struct firewalls *firewalls) {
    char advice[ADVICE_SIZE];
    const bool blocked = proxy_is_blocked(seen);
    const bool unsure = seen->reach == REACH_FAILED && firewalls->firewalld;
    if (blocked || unsure)
        firewall_advice(firewalls, bridge, seen, advice);
    finding(findings, seen->reach == REACH_OPEN ? LEVEL_GOOD : LEVEL_LOOK, what,
            blocked || unsure ? advice : NULL, "network %s: %s %s %s", network,
            strcmp(what, "names") == 0 ? "the name server" : what, seen->text, proxy_advice(seen));
}

/* lacks_role() - Whether containers with role=proxy are meant, and none has joined. */
static bool lacks_role(const struct cli *cli, const json_t *network) {
    struct ne_error err;
    if (strstr(text_of(json_object_get(network, "options"), "proxy"), NE_PROXY_BY_ROLE ":") == NULL)
        return false;
    json_t *answer = client_get(cli->socket, "/v1/endpoints", &err);
    bool lacks = answer != NULL; /* else nobody knows */
    size_t i;
    const json_t *endpoint;
    json_array_foreach(json_object_get(answer, "endpoints"), i, endpoint) {
        if (strcmp(text_of(endpoint, "network"), text_of(network, "id")) == 0 &&
            json_is_true(json_object_get(endpoint, "joined")) &&
            json_object_get(json_object_get(endpoint, "options"), "role") != NULL)
            lacks = false;
    }
    json_decref(answer);
    return lacks;
}

static void look_at_proxies(const struct cli *cli, json_t *findings, const json_t *network,
                            const struct firewalls *firewalls) {
    struct ne_error err = {0};
    char id[NETWORK_LABEL_SIZE];
    (void)network_label(text_of(network, "id"), id);
    struct trial *trial = calloc(1, sizeof(*trial));
    if (trial == NULL || trial_proxies(cli, network, firewalls->firewalld, trial, &err) < 0) {
        finding(findings, LEVEL_LOOK, "probe", "see netenforce status",
                "network %s: no probe can be made there: %s", id,
                trial == NULL ? "no memory" : err.text);
        free(trial);
        return;
    }
    const char *bridge = trial->ground.bridge;
    for (size_t i = 0; i < trial->proxy_count; i++)
        tell(findings, "proxy", id, bridge, &trial->proxies[i], firewalls);
    if (trial->has_names)
        tell(findings, "names", id, bridge, &trial->names, firewalls);
    if (trial->has_beyond && trial->beyond.packet == RESULT_MISSING) {
        char advice[ADVICE_SIZE];
        firewall_advice(firewalls, bridge, &trial->beyond, advice);
        finding(findings, LEVEL_LOOK, "beyond", advice,
                "network %s: what it allows, %s, is not let through by this host's own firewall "
                "(FORWARD), or this host has no way there",
                id, trial->beyond.text);
    }
    if (lacks_role(cli, network))
        finding(findings, LEVEL_LOOK, "proxy",
                "docker run --network name=NETWORK,driver-opt=role=proxy",
                "network %s: none of its containers is there with role=proxy", id);
    else if (trial->proxy_count == 0)
        finding(findings, LEVEL_GOOD, "proxy", NULL, "network %s has no proxy", id);
    free(trial);
}

/* is_member() - Whether @target lies in a pool of @network: the bridge, or the member that is its
 * proxy. */
static bool is_member(const json_t *network, const struct ne_target *target) {
    const char *key = target->to.addr.family == NE_V6 ? "pool6" : "pool4";
    const char *text = json_string_value(json_object_get(network, key));
    struct ne_prefix pool;
    return text != NULL && ne_prefix_parse(text, &pool) &&
           ne_prefix_contains(&pool, &target->to.addr);
}

/* note_beyond() - Which families the rules of @list, proxies or allowances of @network, lead beyond
 * the host. */
static void note_beyond(const json_t *network, const json_t *list, bool proxies, bool needed[2]) {
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        struct ne_target target;
        const char *text = json_string_value(item);
        bool read =
            proxies ? proxy_read(item, &target) : text != NULL && ne_target_parse(text, &target);
        if (read && !(proxies && is_member(network, &target)) && target_is_beyond(&target))
            needed[target.to.addr.family == NE_V6] = true;
    }
}

static bool is_on(const char *path) {
    FILE *file = fopen(path, "re");
    int value = file == NULL ? EOF : fgetc(file);
    if (file != NULL)
        (void)fclose(file);
    return value == '1' || value == '2';
}

static void look_at_forwarding(json_t *findings, const json_t *network) {
    static const struct {
        const char *path;
        const char *advice;
    } switches[] = {
        {"/proc/sys/net/ipv4/ip_forward", "sysctl -w net.ipv4.ip_forward=1"},
        {"/proc/sys/net/ipv6/conf/all/forwarding", "sysctl -w net.ipv6.conf.all.forwarding=1"},
    };
    bool needed[2] = {false, false};
    char label[NETWORK_LABEL_SIZE];
    (void)network_label(text_of(network, "id"), label);
    const json_t *policy = json_object_get(network, "policy");
    note_beyond(network, json_object_get(policy, "proxy"), true, needed);
    note_beyond(network, json_object_get(policy, "allow"), false, needed);
    for (size_t i = 0; i < 2; i++) {
        if (needed[i] && is_on(switches[i].path))
            finding(findings, LEVEL_GOOD, "forwarding", NULL,
                    "network %s reaches beyond this host, which forwards IPv%d", label,
                    i == 0 ? 4 : 6);
        else if (needed[i])
            finding(findings, LEVEL_LOOK, "forwarding", switches[i].advice,
                    "network %s is to reach beyond this host, which does not forward IPv%d", label,
                    i == 0 ? 4 : 6);
    }
}

void look_at_networks(const struct cli *cli, json_t *findings, const json_t *networks,
                      const struct firewalls *firewalls) {
    size_t i;
    const json_t *network;
    json_array_foreach(networks, i, network) {
        char label[NETWORK_LABEL_SIZE];
        look_at_proxies(cli, findings, network, firewalls);
        look_at_forwarding(findings, network);
        if (strcmp(text_of(json_object_get(network, "policy"), "mode"), "audit") == 0)
            finding(findings, LEVEL_LOOK, "mode",
                    "netenforce policy rm NET mode, once you know "
                    "what it needs",
                    "network %s only audits: nothing is refused there",
                    network_label(text_of(network, "id"), label));
    }
    if (json_array_size(networks) == 0)
        finding(findings, LEVEL_GOOD, "networks", NULL, "there is none yet");
}

void look_at_endpoints(const struct cli *cli, json_t *findings, const json_t *status) {
    struct ne_error err;
    size_t i;
    const json_t *endpoint;
    json_array_foreach(json_object_get(status, "multi_homed"), i, endpoint) {
        const json_t *other = json_array_get(json_object_get(endpoint, "interfaces"), 0);
        if (strcmp(text_of(endpoint, "role"), "proxy") == 0) {
            finding(findings, LEVEL_GOOD, "ways_out", NULL,
                    "endpoint %.12s: its container is the network's proxy, and has its way out, "
                    "%s (%s)",
                    text_of(endpoint, "endpoint"), text_of(other, "name"), text_of(other, "kind"));
            continue;
        }
        finding(findings, LEVEL_LOOK, "ways_out",
                "docker network disconnect the other network, if that is not wanted",
                "endpoint %.12s: its container has another way out, %s (%s), which is not enforced",
                text_of(endpoint, "endpoint"), text_of(other, "name"), text_of(other, "kind"));
    }
    json_t *answer = client_get(cli->socket, "/v1/endpoints", &err);
    json_array_foreach(json_object_get(answer, "endpoints"), i, endpoint) {
        if (json_is_true(json_object_get(endpoint, "lacks_route")))
            finding(findings, LEVEL_LOOK, "routes", "docker network disconnect and connect it",
                    "endpoint %.12s: its container has no route to something that is allowed",
                    text_of(endpoint, "id"));
    }
    json_decref(answer);
}
