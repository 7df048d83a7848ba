/* declared.c - the policy file's text: see declared.h. */
#include <netenforce/declared.h>

#include <netenforce/grow.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1

void ne_declarations_free(struct ne_declarations *declarations) {
    free(declarations->items);
    *declarations = (struct ne_declarations){0};
}

static int read_policy(struct ne_declared *declared, json_t *policy, struct ne_error *err) {
    const char *key;
    const json_t *value;
    json_object_foreach(policy, key, value) {
        char text[NE_OPTION_TEXT];
        if (strncmp(key, "com.docker.", strlen("com.docker.")) == 0)
            return ne_fail(err, NE_BAD_INPUT,
                           "option %.80s is no part of a policy: give it to docker network create",
                           key);
        if (ne_option_text(key, value, text, err) < 0 ||
            ne_options_set(&declared->options, NE_SCOPE_NETWORK, key, text, err) < 0)
            return -1;
    }
    return 0;
}

static int add(struct ne_declarations *declarations, const char *name, json_t *policy,
               struct ne_error *err) {
    if (*name == '\0' || strlen(name) >= NE_DECLARED_NAME)
        return ne_fail(err, NE_BAD_INPUT,
                       "accepted is a network's id, its bridge's name or its subnet");
    if (!json_is_object(policy))
        return ne_fail(err, NE_BAD_INPUT, "accepted is an object of options");
    void *room =
        ne_grow(declarations->items, declarations->count, sizeof(*declarations->items), err);
    if (room == NULL)
        return -1;
    declarations->items = room;
    struct ne_declared *declared = &declarations->items[declarations->count];
    *declared = (struct ne_declared){0};
    memcpy(declared->network, name, strlen(name) + 1);
    if (read_policy(declared, policy, err) < 0)
        return -1;
    declarations->count++;
    return 0;
}

static int read_root(struct ne_declarations *declarations, json_t *root, struct ne_error *err) {
    const char *key;
    json_t *value;
    const json_t *version = json_object_get(root, "version");
    json_t *networks = json_object_get(root, "networks");
    json_object_foreach(root, key, value) {
        if (strcmp(key, "$schema") != 0 && value != version && value != networks)
            return ne_fail(err, NE_BAD_INPUT,
                           "\"%.80s\" is unknown; accepted are version, networks and $schema", key);
    }
    if (json_integer_value(version) != VERSION)
        return ne_fail(err, NE_BAD_INPUT, "version: accepted is %d", VERSION);
    if (!json_is_object(networks))
        return ne_fail(err, NE_BAD_INPUT, "networks: accepted is an object, by network");
    json_object_foreach(networks, key, value) {
        if (add(declarations, key, value, err) < 0)
            return ne_context(err, "networks: \"%.80s\"", key);
    }
    return 0;
}

int ne_declarations_parse(struct ne_declarations *declarations, const char *text, size_t size,
                          struct ne_error *err) {
    json_error_t where;
    struct ne_declarations read = {0};
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return ne_fail(err, NE_BAD_INPUT, "line %d, column %d: %s", where.line, where.column,
                       where.text);
    int result = json_is_object(root) ? read_root(&read, root, err)
                                      : ne_fail(err, NE_BAD_INPUT,
                                                "accepted is an object with version and networks");
    json_decref(root);
    if (result < 0)
        ne_declarations_free(&read);
    else
        *declarations = read;
    return result;
}

/* names_pool() - 10.88.0.0/24; with host bits, or without a length, it is another text. */
static bool names_pool(const char *name, const struct ne_prefix *pool) {
    struct ne_prefix named;
    const struct ne_prefix network = ne_prefix_network(pool);
    return pool->addr.family != NE_NONE && strchr(name, '/') != NULL &&
           ne_prefix_parse(name, &named) && ne_prefix_equal(&named, &network);
}

bool ne_declared_names(const struct ne_declared *declared, const struct ne_network *network) {
    const char *name = declared->network;
    return strcmp(name, network->id) == 0 || strcmp(name, network->bridge) == 0 ||
           names_pool(name, &network->pool4) || names_pool(name, &network->pool6);
}

const struct ne_declared *ne_declaration_of(const struct ne_declarations *declarations,
                                            const struct ne_network *network) {
    for (size_t i = 0; i < declarations->count; i++) {
        if (ne_declared_names(&declarations->items[i], network))
            return &declarations->items[i];
    }
    return NULL;
}

struct ne_options ne_declared_options(const struct ne_declared *declared,
                                      const struct ne_options *given) {
    struct ne_options options = declared->options;
    options.has_mtu = given->has_mtu;
    options.mtu = given->mtu;
    options.has_bridge = given->has_bridge;
    memcpy(options.bridge, given->bridge, sizeof(options.bridge));
    return options;
}
