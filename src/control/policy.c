/* policy.c - PATCH of a network's or an endpoint's policy.
 *
 * The body is an object of options: a text sets one, in the driver's own grammar; null takes it
 * back to its default; a list of texts is a list. Of `allow` and `deny`, {"add": [...], "remove":
 * [...]} changes what holds now, so that two operators at once lose nothing.
 */
#include "internal.h"
#include "view.h"

#include <netenforce/declared.h>
#include <netenforce/event.h>
#include <stdio.h>
#include <string.h>

static int read_rules(const char *key, const json_t *change, const char *member,
                      struct ne_targets *rules, struct ne_error *err) {
    char text[NE_OPTION_TEXT];
    const json_t *list = json_object_get(change, member);
    rules->count = 0;
    if (list == NULL)
        return 0;
    if (!json_is_array(list))
        return ne_fail(err, NE_BAD_INPUT, "option %s: accepted for \"%s\" is a list of rules", key,
                       member);
    if (ne_option_text(key, list, text, err) < 0)
        return -1;
    return ne_targets_parse(rules, key, text, err);
}

/* change_rules() - Apply {"add": [...], "remove": [...]} to @rules. */
static int change_rules(const char *key, const json_t *change, struct ne_targets *rules,
                        struct ne_error *err) {
    struct ne_targets add;
    struct ne_targets remove;
    size_t at;
    char text[NE_TARGET_TEXT];
    size_t known = json_object_get(change, "add") != NULL ? 1 : 0;
    known += json_object_get(change, "remove") != NULL ? 1 : 0;
    if (known != json_object_size(change))
        return ne_fail(err, NE_BAD_INPUT,
                       "option %s: accepted are the members \"add\" and \"remove\"", key);
    if (read_rules(key, change, "add", &add, err) < 0 ||
        read_rules(key, change, "remove", &remove, err) < 0)
        return -1;
    for (size_t i = 0; i < remove.count; i++) {
        if (!ne_targets_find(rules, &remove.items[i], &at))
            return ne_fail(err, NE_NOT_FOUND, "option %s: there is no rule %s to remove", key,
                           ne_target_format(&remove.items[i], text));
        memmove(&rules->items[at], &rules->items[at + 1],
                (rules->count - at - 1) * sizeof(rules->items[0]));
        rules->count--;
    }
    for (size_t i = 0; i < add.count; i++) {
        if (ne_targets_find(rules, &add.items[i], &at))
            continue;
        if (rules->count == NE_TARGETS_MAX)
            return ne_fail(err, NE_BAD_INPUT, "option %s: more than %d rules; accepted are %d", key,
                           NE_TARGETS_MAX, NE_TARGETS_MAX);
        rules->items[rules->count++] = add.items[i];
    }
    return 0;
}

/* change_list() - As change_rules(), from what holds now, be it given here or by the network. */
static int change_list(struct ne_options *options, const struct ne_options *effective,
                       const char *key, const json_t *change, struct ne_error *err) {
    bool allow = strcmp(key, "allow") == 0;
    if (!allow && strcmp(key, "deny") != 0)
        return ne_fail(err, NE_BAD_INPUT, "option %.80s: accepted is a text, or null", key);
    struct ne_targets rules = allow ? effective->allow : effective->deny;
    if (change_rules(key, change, &rules, err) < 0)
        return -1;
    *(allow ? &options->allow : &options->deny) = rules;
    *(allow ? &options->has_allow : &options->has_deny) = true;
    return 0;
}

static int change_one(struct ne_options *options, const struct ne_options *effective,
                      enum ne_option_scope scope, const char *key, const json_t *value,
                      struct ne_error *err) {
    char text[NE_OPTION_TEXT];
    if (json_is_object(value))
        return change_list(options, effective, key, value, err);
    if (!json_is_null(value) && ne_option_text(key, value, text, err) < 0)
        return -1;
    if (ne_options_clear(options, scope, key, err) < 0)
        return -1;
    return json_is_null(value) ? 0 : ne_options_set(options, scope, key, text, err);
}

static int change_options(struct ne_options *options, const struct ne_options *effective,
                          enum ne_option_scope scope, json_t *body, struct ne_error *err) {
    const char *key;
    const json_t *value;
    json_object_foreach(body, key, value) {
        if (change_one(options, effective, scope, key, value, err) < 0)
            return -1;
    }
    return 0;
}

static void tell(const char *network, const char *endpoint, unsigned long revision) {
    char reason[64];
    (void)snprintf(reason, sizeof(reason), "revision %lu", revision);
    const struct ne_event event = {.type = "policy",
                                   .network = network,
                                   .endpoint = endpoint,
                                   .reason = reason,
                                   .revision = revision};
    ne_event_emit(&event);
}

/* only_check() - ".../policy/check" judges and changes nothing. */
static bool only_check(const struct ne_http_request *request) {
    const char *last = strrchr(request->path, '/');
    return strcmp(last, "/check") == 0;
}

/* patch() - Of @endpoint, or of @network if that is NULL. */
static void patch(struct ne_control *control, const struct ne_network *network,
                  const struct ne_endpoint *endpoint, const struct ne_http_request *request,
                  struct ne_http_response *response) {
    struct ne_error err = {0};
    struct ne_policy_change change = {0};
    const struct ne_options effective = ne_effective_options(network, endpoint);
    struct ne_options options = endpoint != NULL ? *endpoint->options : network->options;
    json_t *body = json_body_read(request, &err);
    int result = -1;
    if (body != NULL)
        result =
            change_options(&options, &effective,
                           endpoint != NULL ? NE_SCOPE_ENDPOINT : NE_SCOPE_NETWORK, body, &err);
    json_decref(body);
    const char *id = endpoint != NULL ? endpoint->id : NULL;
    if (result == 0 && only_check(request))
        result = ne_driver_check_policy(control->driver, network->id, id, &options, &err);
    else if (result == 0)
        result = ne_driver_set_policy(control->driver, network->id, id, &options, &change, &err);
    if (result < 0) {
        answer_failure(response, &err);
        return;
    }
    if (change.changed)
        tell(network->id, id, change.revision);
    json_body_write(response, 200, JSON_TYPE,
                    json_pack("{s:I, s:b, s:I, s:o}", "revision", (json_int_t)change.revision,
                              "changed", change.changed, "endpoints_without_route",
                              (json_int_t)change.no_route, "options", options_json(&options)));
}

void patch_network_policy(struct ne_control *control, const char *id,
                          const struct ne_http_request *request,
                          struct ne_http_response *response) {
    struct ne_error err;
    const struct ne_network *network = find_network(&control->driver->model, id, &err);
    if (network == NULL)
        answer_failure(response, &err);
    else
        patch(control, network, NULL, request, response);
}

void patch_endpoint_policy(struct ne_control *control, const char *id,
                           const struct ne_http_request *request,
                           struct ne_http_response *response) {
    const struct ne_model *model = &control->driver->model;
    struct ne_error err;
    const struct ne_endpoint *endpoint = find_endpoint(model, id, &err);
    const struct ne_network *network =
        endpoint == NULL ? NULL : ne_model_network(model, endpoint->network);
    if (network == NULL) {
        if (endpoint != NULL)
            (void)ne_fail(&err, NE_NOT_FOUND, "the endpoint's network is not known here");
        answer_failure(response, &err);
        return;
    }
    patch(control, network, endpoint, request, response);
}
