/* policy_file.c - policies in a file: see policy_file.h. */
#include "policy_file.h"

#include "client.h"
#include "progress.h"
#include "resolve.h"

#include <netenforce/declared.h>
#include <stdio.h>
#include <string.h>

#define NOBODY "no network is called so; accepted is a name, id, bridge or subnet (netenforce ls)"

/* One network of the file, and what the daemon says of it. */
struct item {
    const struct ne_declared *declared;
    const json_t *network; /* borrowed; NULL: none is called so */
    bool by_name;          /* by a name that only the engine knows */
    struct ne_options now;
};

/* What is done with an item. Return: 0, or -1. @told is what print_json() will show of it. */
typedef int item_action(const struct cli *cli, const struct item *item, json_t *told,
                        struct ne_error *err);

static void take_text(const json_t *object, const char *key, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, key));
    (void)snprintf(out, size, "%s", text != NULL ? text : "");
}

static bool is_named(const struct ne_declared *declared, const json_t *shown) {
    struct ne_network network = {0};
    take_text(shown, "id", network.id, sizeof(network.id));
    take_text(shown, "bridge", network.bridge, sizeof(network.bridge));
    (void)ne_prefix_parse(text_of(shown, "pool4"), &network.pool4);
    (void)ne_prefix_parse(text_of(shown, "pool6"), &network.pool6);
    return ne_declared_names(declared, &network);
}

/* find() - Among @networks, as the daemon would find it, or by the engine's name. */
static void find(const struct cli *cli, const json_t *networks, struct item *item) {
    char network[RESOLVED_ID_SIZE] = {0};
    char endpoint[RESOLVED_ID_SIZE];
    struct ne_error err;
    size_t i;
    const json_t *shown;
    json_array_foreach(networks, i, shown) {
        if (is_named(item->declared, shown))
            item->network = shown;
    }
    if (item->network != NULL || strchr(item->declared->network, '/') != NULL ||
        resolve_subject(cli, item->declared->network, network, endpoint, &err) < 0)
        return;
    json_array_foreach(networks, i, shown) {
        if (strcmp(text_of(shown, "id"), network) == 0)
            item->network = shown;
    }
    item->by_name = item->network != NULL;
}

/* read_now() - The options that are given to the network now; what belongs to its links is left. */
static int read_now(struct item *item, struct ne_error *err) {
    const char *key;
    json_t *value;
    json_t *options = json_object_get(item->network, "options");
    json_object_foreach(options, key, value) {
        if (strncmp(key, "com.docker.", strlen("com.docker.")) != 0 &&
            ne_options_set(&item->now, NE_SCOPE_NETWORK, key, json_string_value(value), err) < 0)
            return -1;
    }
    return 0;
}

/* value_of() - The text of the option @key in @options; NULL if it is not given. */
static const char *value_of(const struct ne_options *options, const char *key,
                            char text[static NE_OPTION_TEXT]) {
    const char *found;
    for (size_t i = 0; (found = ne_options_get(options, i, text)) != NULL; i++) {
        if (strcmp(found, key) == 0)
            return text;
    }
    return NULL;
}

/* changes_of() - The PATCH that makes the network's policy the file's, whole. */
static json_t *changes_of(const struct item *item) {
    json_t *changes = json_object();
    char text[NE_OPTION_TEXT];
    const char *key;
    for (size_t i = 0; (key = ne_options_get(&item->now, i, text)) != NULL; i++)
        (void)json_object_set_new(changes, key, json_null());
    for (size_t i = 0; (key = ne_options_get(&item->declared->options, i, text)) != NULL; i++)
        (void)json_object_set_new(changes, key, json_string(text));
    return changes;
}

static json_t *patch(const struct cli *cli, const struct item *item, const char *after,
                     struct ne_error *err) {
    char path[CLIENT_PATH_SIZE];
    if (client_path(path, "/v1/networks/", text_of(item->network, "id"), after, err) < 0)
        return NULL;
    return client_patch(cli->socket, path, changes_of(item), err);
}

static int check(const struct cli *cli, const struct item *item, json_t *told,
                 struct ne_error *err) {
    json_t *answer = item->network == NULL ? NULL : patch(cli, item, "/policy/check", err);
    if (item->network != NULL && answer == NULL)
        return -1;
    json_decref(answer);
    (void)json_object_set_new(told, "accepted", json_true());
    if (!cli->as_json)
        (void)printf("%s: accepted%s\n", item->declared->network,
                     item->network == NULL ? "; no network is called so now"
                     : item->by_name ? "; netenforced's own --policy-file needs its id, bridge "
                                       "or subnet here, since it does not know the engine's names"
                                     : "");
    return 0;
}

static int apply(const struct cli *cli, const struct item *item, json_t *told,
                 struct ne_error *err) {
    if (item->network == NULL)
        return ne_fail(err, NE_NOT_FOUND, NOBODY);
    json_t *answer = patch(cli, item, "/policy", err);
    if (answer == NULL)
        return -1;
    bool changed = json_is_true(json_object_get(answer, "changed"));
    (void)json_object_set_new(told, "changed", json_boolean(changed));
    (void)json_object_set(told, "revision", json_object_get(answer, "revision"));
    if (!cli->as_json)
        (void)printf("%s: %s revision %lld\n", item->declared->network,
                     changed ? "in force:" : "as before:", number_of(answer, "revision"));
    json_decref(answer);
    return 0;
}

/* holds() - Whether @part, of @length characters, is one of the comma-separated parts of @list. */
static bool holds(const char *list, const char *part, size_t length) {
    for (size_t n; list != NULL && *list != '\0'; list += n + (list[n] == ',' ? 1 : 0)) {
        n = strcspn(list, ",");
        if (n == length && memcmp(list, part, n) == 0)
            return true;
    }
    return false;
}

/* parts_without() - The parts of @list that @other lacks. An empty list is one part. */
static json_t *parts_without(const char *list, const char *other) {
    json_t *parts = json_array();
    if (list != NULL && *list == '\0' && other == NULL)
        (void)json_array_append_new(parts, json_string(""));
    for (size_t n; list != NULL && *list != '\0'; list += n + (list[n] == ',' ? 1 : 0)) {
        n = strcspn(list, ",");
        if (!holds(other, list, n))
            (void)json_array_append_new(parts, json_stringn(list, n));
    }
    return parts;
}

static void print_parts(char sign, enum colour which, const char *key, const json_t *parts) {
    size_t i;
    const json_t *part;
    json_array_foreach(parts, i, part) {
        const char *text = json_string_value(part);
        (void)printf("%s%c %-9s %s%s\n", colour(which), sign, key,
                     *text != '\0' ? text : "(an empty list)", colour(COLOUR_END));
    }
}

/* diff_option() - What of @key differs, into @list. */
static void diff_option(const struct cli *cli, const struct item *item, const char *key,
                        json_t *list) {
    char now_text[NE_OPTION_TEXT];
    char then_text[NE_OPTION_TEXT];
    const char *now = value_of(&item->now, key, now_text);
    const char *then = value_of(&item->declared->options, key, then_text);
    json_t *removed = parts_without(now, then);
    json_t *added = parts_without(then, now);
    if (json_array_size(removed) + json_array_size(added) > 0) {
        if (!cli->as_json) {
            if (json_array_size(list) == 0)
                (void)printf("%s\n", item->declared->network);
            print_parts('-', COLOUR_BAD, key, removed);
            print_parts('+', COLOUR_GOOD, key, added);
        }
        (void)json_array_append_new(
            list, json_pack("{s:s, s:O, s:O}", "option", key, "removed", removed, "added", added));
    }
    json_decref(removed);
    json_decref(added);
}

static int diff(const struct cli *cli, const struct item *item, json_t *told,
                struct ne_error *err) {
    if (item->network == NULL)
        return ne_fail(err, NE_NOT_FOUND, NOBODY);
    json_t *list = json_array();
    json_t *changes = changes_of(item);
    const char *key;
    json_t *value;
    json_object_foreach(changes, key, value) {
        diff_option(cli, item, key, list);
    }
    json_decref(changes);
    (void)json_object_set_new(told, "differences", list);
    return 0;
}

/* one() - @action on one network of the file; its failure is told. Return: whether it succeeded. */
static bool one(const struct cli *cli, const json_t *networks, const struct ne_declared *declared,
                item_action *action, json_t *list) {
    struct item item = {.declared = declared};
    struct ne_error err = {0};
    find(cli, networks, &item);
    const json_t *id = json_object_get(item.network, "id");
    json_t *told = json_pack("{s:s, s:O?}", "name", declared->network, "network", id);
    int result = read_now(&item, &err);
    if (result == 0)
        result = action(cli, &item, told, &err);
    if (result < 0) {
        (void)fprintf(stderr, "netenforce: %s: %s\n", declared->network, err.text);
        (void)json_object_set_new(told, "error", json_string(err.text));
    }
    (void)json_array_append_new(list, told);
    return result == 0;
}

/* refused() - Whether something of the file is; what is, is told. */
static bool refused(const struct cli *cli, const json_t *networks,
                    const struct ne_declarations *declarations) {
    bool any = false;
    for (size_t i = 0; i < declarations->count; i++) {
        struct item item = {.declared = &declarations->items[i]};
        struct ne_error err = {0};
        find(cli, networks, &item);
        json_t *answer = NULL;
        if (item.network == NULL)
            (void)ne_fail(&err, NE_NOT_FOUND, NOBODY);
        else if (read_now(&item, &err) == 0)
            answer = patch(cli, &item, "/policy/check", &err);
        if (answer == NULL)
            (void)fprintf(stderr, "netenforce: %s: %s\n", item.declared->network, err.text);
        any = any || answer == NULL;
        json_decref(answer);
    }
    return any;
}

/* each() - @action on all networks of the file at @path. @list gets what is told of them.
 * Return: whether all succeeded. */
static bool each(const struct cli *cli, const char *path, item_action *action, json_t *list) {
    struct ne_declarations declarations = {0};
    struct ne_error err = {0};
    json_t *answer = NULL;
    bool good = false;
    if (ne_declarations_load(&declarations, path, &err) == 0)
        answer = client_get(cli->socket, "/v1/networks", &err);
    const json_t *networks = json_object_get(answer, "networks");
    if (answer == NULL) {
        (void)fail(err.text);
    } else if (action == apply && refused(cli, networks, &declarations)) {
        (void)fail("nothing was changed");
    } else {
        good = true;
        for (size_t i = 0; i < declarations.count; i++)
            good = one(cli, networks, &declarations.items[i], action, list) && good;
    }
    json_decref(answer);
    ne_declarations_free(&declarations);
    return good;
}

static int run(const struct cli *cli, const char *path, item_action *action, json_t **list) {
    *list = json_array();
    int result = each(cli, path, action, *list) ? EXIT_GOOD : EXIT_FAILED;
    json_t *answer = json_pack("{s:O}", "networks", *list);
    if (cli->as_json && print_json(answer) != EXIT_GOOD)
        result = EXIT_FAILED;
    json_decref(answer);
    return result;
}

int policy_file_check(const struct cli *cli, const char *path) {
    json_t *list;
    int result = run(cli, path, check, &list);
    json_decref(list);
    return result;
}

int policy_file_apply(const struct cli *cli, const char *path) {
    json_t *list;
    int result = run(cli, path, apply, &list);
    json_decref(list);
    return result;
}

/* As diff(1): 1 also if there are differences. */
int policy_file_diff(const struct cli *cli, const char *path) {
    json_t *list;
    int result = run(cli, path, diff, &list);
    size_t i;
    const json_t *told;
    json_array_foreach(list, i, told) {
        if (json_array_size(json_object_get(told, "differences")) > 0)
            result = EXIT_FAILED;
    }
    json_decref(list);
    return result;
}
