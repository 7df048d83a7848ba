/* names.c - netenforce names: what shells offer where a network or a container is to be named. */
#include "client.h"
#include "command.h"
#include "resolve.h"

#include <stdio.h>
#include <string.h>

#define ID_SHOWN 12

/* add_name() - @name, or the beginning of @id, with @before in front. */
static void add_name(json_t *names, const char *before, const char *name, const char *id) {
    if (name != NULL && *name != '\0')
        (void)json_array_append_new(names, json_sprintf("%s%s", before, name));
    else
        (void)json_array_append_new(names, json_sprintf("%s%.*s", before, ID_SHOWN, id));
}

static json_t *inspect(const char *network) {
    char path[CLIENT_PATH_SIZE];
    struct ne_error err;
    return client_path(path, "/networks/", network, "", &err) < 0 ? NULL : client_docker(path);
}

static void add_networks(json_t *names, const json_t *networks) {
    size_t i;
    const json_t *network;
    json_array_foreach(networks, i, network) {
        const char *id = text_of(network, "id");
        json_t *found = inspect(id);
        add_name(names, "", json_string_value(json_object_get(found, "Name")), id);
        json_decref(found);
    }
}

/* container_of() - The container's name, or NULL. Owned by @found. */
static const char *container_of(json_t *found, const char *endpoint) {
    json_t *containers = json_object_get(found, "Containers");
    const char *id;
    json_t *container;
    json_object_foreach(containers, id, container) {
        if (strcmp(text_of(container, "EndpointID"), endpoint) == 0)
            return json_string_value(json_object_get(container, "Name"));
    }
    return NULL;
}

/* add_endpoints() - Of the network @only, with @before in front; NULL: of all. */
static void add_endpoints(json_t *names, const json_t *endpoints, const char *only,
                          const char *before) {
    size_t i;
    const json_t *endpoint;
    json_array_foreach(endpoints, i, endpoint) {
        const char *network = text_of(endpoint, "network");
        const char *id = text_of(endpoint, "id");
        if (only != NULL && strcmp(network, only) != 0)
            continue;
        json_t *found = inspect(network);
        add_name(names, before, container_of(found, id), id);
        json_decref(found);
    }
}

/* subjects() - What NET[/ENDPOINT] can be, given that it begins with @begun. */
static int subjects(const struct cli *cli, json_t *names, const char *begun, const json_t *networks,
                    const json_t *endpoints) {
    char network[RESOLVED_ID_SIZE];
    char endpoint[RESOLVED_ID_SIZE];
    char before[256];
    struct ne_error err;
    const char *slash = strchr(begun, '/');
    if (slash == NULL) {
        add_networks(names, networks);
        return EXIT_GOOD;
    }
    (void)snprintf(before, sizeof(before), "%.*s", (int)(slash - begun), begun);
    if (resolve_subject(cli, before, network, endpoint, &err) < 0)
        return EXIT_FAILED;
    (void)snprintf(before, sizeof(before), "%.*s/", (int)(slash - begun), begun);
    add_endpoints(names, endpoints, network, before);
    return EXIT_GOOD;
}

static void print(const struct cli *cli, json_t *names) {
    size_t i;
    const json_t *name;
    if (cli->as_json) {
        json_t *whole = json_pack("{s:O}", "names", names);
        (void)print_json(whole);
        json_decref(whole);
        return;
    }
    json_array_foreach(names, i, name) {
        (void)puts(json_string_value(name));
    }
}

/* Says nothing of its failures: a shell that completes has no room for it. */
int command_names(const struct cli *cli, int count, char **words) {
    struct ne_error err;
    json_t *networks = client_get(cli->socket, "/v1/networks", &err);
    json_t *endpoints = networks == NULL ? NULL : client_get(cli->socket, "/v1/endpoints", &err);
    const json_t *nets = json_object_get(networks, "networks");
    const json_t *ends = json_object_get(endpoints, "endpoints");
    json_t *names = json_array();
    int result = EXIT_FAILED;
    if (endpoints == NULL) {
        result = EXIT_FAILED;
    } else if (count == 1 && strcmp(words[0], "networks") == 0) {
        add_networks(names, nets);
        result = EXIT_GOOD;
    } else if (count == 1 && strcmp(words[0], "endpoints") == 0) {
        add_endpoints(names, ends, NULL, "");
        result = EXIT_GOOD;
    } else if (count == 2 && strcmp(words[0], "subjects") == 0) {
        result = subjects(cli, names, words[1], nets, ends);
    } else {
        (void)fputs(
            "netenforce: accepted is names networks|endpoints, or names subjects BEGINNING\n",
            stderr);
        result = EXIT_USAGE;
    }
    if (result == EXIT_GOOD)
        print(cli, names);
    json_decref(names);
    json_decref(endpoints);
    json_decref(networks);
    return result;
}
