/* resolve.c - names into ids: see resolve.h. */
#include "resolve.h"

#include "client.h"

#include <stdio.h>
#include <string.h>

#define BEGUN_MIN 4   /* characters of a container's id */
#define LIST_SIZE 320 /* of what could be meant */

static bool copy_id(const char *id, char out[static RESOLVED_ID_SIZE]) {
    if (id == NULL || *id == '\0' || strlen(id) >= RESOLVED_ID_SIZE)
        return false;
    memcpy(out, id, strlen(id) + 1);
    return true;
}

/* record_of() - What the daemon knows below @folder ("/v1/networks/") that @id names, and its whole
 * id. Return: to be released, or NULL with @err. */
static json_t *record_of(const struct cli *cli, const char *folder, const char *id,
                         char out[static RESOLVED_ID_SIZE], struct ne_error *err) {
    char path[CLIENT_PATH_SIZE];
    if (client_path(path, folder, id, "", err) < 0)
        return NULL;
    json_t *record = client_get(cli->socket, path, err);
    if (record == NULL || copy_id(json_string_value(json_object_get(record, "id")), out))
        return record;
    json_decref(record);
    (void)ne_fail(err, NE_STATE, "what answers at %s is not netenforced", cli->socket);
    return NULL;
}

static bool known(const struct cli *cli, const char *folder, const char *id,
                  char out[static RESOLVED_ID_SIZE], struct ne_error *err) {
    json_t *record = record_of(cli, folder, id, out, err);
    json_decref(record);
    return record != NULL;
}

/* endpoint_on() - The endpoint with the id @id, of the network with the id @network. */
static int endpoint_on(const struct cli *cli, const char *network, const char *id,
                       char endpoint[static RESOLVED_ID_SIZE], struct ne_error *err) {
    json_t *record = record_of(cli, "/v1/endpoints/", id, endpoint, err);
    if (record == NULL)
        return -1;
    int result = 0;
    if (strcmp(text_of(record, "network"), network) != 0)
        result = ne_fail(err, NE_NOT_FOUND, "endpoint %.12s is not on network %.12s, but on %.12s",
                         endpoint, network, text_of(record, "network"));
    json_decref(record);
    return result;
}

static json_t *inspect(const char *folder, const char *name, const char *after) {
    char path[CLIENT_PATH_SIZE];
    struct ne_error err;
    return client_path(path, folder, name, after, &err) < 0 ? NULL : client_docker(path);
}

static int resolve_network(const struct cli *cli, const char *name,
                           char network[static RESOLVED_ID_SIZE], struct ne_error *err) {
    char asked[RESOLVED_ID_SIZE];
    json_t *found = inspect("/networks/", name, "");
    bool named = copy_id(json_string_value(json_object_get(found, "Id")), asked);
    json_decref(found);
    if (named && known(cli, "/v1/networks/", asked, network, err))
        return 0;
    if (named)
        return ne_fail(err, NE_NOT_FOUND,
                       "network %.64s is none of netenforce's: see docker network inspect", name);
    return known(cli, "/v1/networks/", name, network, err) ? 0 : -1;
}

static const json_t *by_name(json_t *containers, const char *name) {
    const char *id;
    const json_t *container;
    json_object_foreach(containers, id, container) {
        const char *called = json_string_value(json_object_get(container, "Name"));
        if (called != NULL && strcmp(called, name) == 0)
            return container;
    }
    return NULL;
}

/* by_id() - A container whose id, or whose endpoint's, begins with @begun.
 * Return: how many there are; @list gets each, "cafe01234567 (web)", as far as there is room.
 */
static unsigned by_id(json_t *containers, const char *begun, const json_t **found,
                      char list[static LIST_SIZE]) {
    const size_t length = strlen(begun);
    const char *id;
    const json_t *container;
    unsigned count = 0;
    size_t used = 0;
    json_object_foreach(containers, id, container) {
        const char *endpoint = text_of(container, "EndpointID");
        const char *match = strncmp(id, begun, length) == 0 ? id : endpoint;
        if (length < BEGUN_MIN || strncmp(match, begun, length) != 0)
            continue;
        *found = container;
        if (used < LIST_SIZE)
            used += (size_t)snprintf(list + used, LIST_SIZE - used, "%s%.12s (%.64s)",
                                     count == 0 ? "" : ", ", match, text_of(container, "Name"));
        count++;
    }
    return count;
}

/* container_on() - The endpoint of a container on the network with the id @network.
 * Return: 1; 0 if none is called so; or -1 with @err if several could be meant.
 */
static int container_on(const char *network, const char *name,
                        char endpoint[static RESOLVED_ID_SIZE], struct ne_error *err) {
    char list[LIST_SIZE] = "";
    json_t *found = inspect("/networks/", network, "");
    json_t *containers = json_object_get(found, "Containers");
    const json_t *container = by_name(containers, name);
    unsigned count = container != NULL ? 1 : by_id(containers, name, &container, list);
    bool is_there = count == 1 &&
                    copy_id(json_string_value(json_object_get(container, "EndpointID")), endpoint);
    json_decref(found);
    if (count > 1)
        return ne_fail(
            err, NE_BAD_INPUT,
            "\"%.64s\" could be any of %u containers: %s; give a name, or more of the id", name,
            count, list);
    return is_there ? 1 : 0;
}

int resolve_subject(const struct cli *cli, const char *text, char network[static RESOLVED_ID_SIZE],
                    char endpoint[static RESOLVED_ID_SIZE], struct ne_error *err) {
    char name[256];
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (length == 0 || length >= sizeof(name) || (slash != NULL && slash[1] == '\0'))
        return ne_fail(err, NE_BAD_INPUT, "\"%.80s\" is not NET or NET/ENDPOINT", text);
    memcpy(name, text, length);
    name[length] = '\0';
    endpoint[0] = '\0';
    if (resolve_network(cli, name, network, err) < 0)
        return -1;
    int found = slash == NULL ? 1 : container_on(network, slash + 1, endpoint, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    return endpoint_on(cli, network, slash + 1, endpoint, err);
}

/* container_anywhere() - The endpoint of a container on the only one of its networks that is ours.
 * Return: how many are.
 */
static unsigned container_anywhere(const struct cli *cli, const char *name,
                                   char endpoint[static RESOLVED_ID_SIZE]) {
    json_t *found = inspect("/containers/", name, "/json");
    json_t *networks = json_object_get(json_object_get(found, "NetworkSettings"), "Networks");
    const char *key;
    json_t *network;
    unsigned count = 0;
    json_object_foreach(networks, key, network) {
        const char *id = json_string_value(json_object_get(network, "EndpointID"));
        struct ne_error err;
        if (id != NULL && *id != '\0' && known(cli, "/v1/endpoints/", id, endpoint, &err))
            count++;
    }
    json_decref(found);
    return count;
}

int resolve_endpoint(const struct cli *cli, const char *text,
                     char endpoint[static RESOLVED_ID_SIZE], struct ne_error *err) {
    char network[RESOLVED_ID_SIZE];
    if (strchr(text, '/') != NULL)
        return resolve_subject(cli, text, network, endpoint, err);
    unsigned count = container_anywhere(cli, text, endpoint);
    if (count > 1)
        return ne_fail(err, NE_BAD_INPUT,
                       "container %.80s is on several networks of netenforce: say NET/%.80s", text,
                       text);
    if (count == 1)
        return 0;
    return known(cli, "/v1/endpoints/", text, endpoint, err) ? 0 : -1;
}

const char *network_label(const char *id, char out[static NETWORK_LABEL_SIZE]) {
    json_t *found = inspect("/networks/", id, "");
    const char *name = json_string_value(json_object_get(found, "Name"));
    if (name != NULL)
        (void)snprintf(out, NETWORK_LABEL_SIZE, "%.64s (%.12s)", name, id);
    else
        (void)snprintf(out, NETWORK_LABEL_SIZE, "%.12s", id);
    json_decref(found);
    return out;
}
