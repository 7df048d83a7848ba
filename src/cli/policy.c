/* policy.c - policies shown and changed; explain. */
#include "client.h"
#include "command.h"
#include "policy_file.h"
#include "resolve.h"
#include "suggest.h"

#include <netenforce/options.h>
#include <netenforce/rules.h>
#include <stdio.h>
#include <string.h>

struct subject {
    char network[RESOLVED_ID_SIZE];
    char endpoint[RESOLVED_ID_SIZE]; /* empty: the network itself */
};

static int subject_path(const struct subject *subject, const char *after,
                        char path[static CLIENT_PATH_SIZE], struct ne_error *err) {
    bool is_endpoint = subject->endpoint[0] != '\0';
    return client_path(path, is_endpoint ? "/v1/endpoints/" : "/v1/networks/",
                       is_endpoint ? subject->endpoint : subject->network, after, err);
}

static json_t *get_subject(const struct cli *cli, const struct subject *subject,
                           struct ne_error *err) {
    char path[CLIENT_PATH_SIZE];
    if (subject_path(subject, "", path, err) < 0)
        return NULL;
    return client_get(cli->socket, path, err);
}

/* print_option() - "  allow     10.0.0.5:5432/tcp  (as its network)". */
static void print_option(const char *key, const json_t *value, const char *whose) {
    (void)printf("  %-9s ", key);
    if (json_is_array(value) ? json_array_size(value) == 0 : *json_string_value(value) == '\0')
        (void)fputs("-", stdout);
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item) {
        (void)printf("%s%s", i == 0 ? "" : " ", json_string_value(item));
    }
    if (json_is_string(value))
        (void)fputs(json_string_value(value), stdout);
    (void)printf("%s\n", whose);
}

static void print_options(const json_t *object, const char *otherwise) {
    json_t *policy = json_object_get(object, "policy");
    const json_t *own = json_object_get(object, "options");
    const char *key;
    const json_t *value;
    json_object_foreach(policy, key, value) {
        const json_t *given = json_object_get(own, key);
        char by_role[NE_OPTION_TEXT + 5] = "";
        if (strcmp(key, "proxy") == 0 && given != NULL &&
            strstr(json_string_value(given), NE_PROXY_BY_ROLE ":") !=
                NULL) /* whose addresses these are */
            (void)snprintf(by_role, sizeof(by_role), "  (%s)", json_string_value(given));
        if (json_is_string(value) || json_is_array(value))
            print_option(key, value, given != NULL ? by_role : otherwise);
    }
    const json_t *role =
        json_object_get(own, "role"); /* an endpoint's, and no part of its policy */
    if (role != NULL)
        print_option("role", role, "");
}

static int show(const struct cli *cli, const struct subject *subject, int count, char **words) {
    struct ne_error err = {0};
    (void)words;
    if (count > 0)
        return EXIT_USAGE;
    json_t *answer = get_subject(cli, subject, &err);
    if (answer == NULL)
        return fail(err.text);
    int result = EXIT_GOOD;
    bool is_endpoint = subject->endpoint[0] != '\0';
    const char *otherwise = is_endpoint ? "  (as its network)" : "  (default)";
    if (cli->as_json) {
        result = print_json(answer);
    } else {
        (void)printf("%s %.12s, revision %lld\n", is_endpoint ? "endpoint" : "network",
                     text_of(answer, "id"), number_of(answer, "revision"));
        print_options(answer, otherwise);
        if (json_is_true(json_object_get(answer, "lacks_route")))
            (void)puts("  ! something allowed here has no route in the container, which the engine "
                       "gives when it connects: disconnect and connect it");
    }
    json_decref(answer);
    return result;
}

/* send() - PATCH @changes, which is released, and say what it came to. */
static int send(const struct cli *cli, const struct subject *subject, const char *after,
                json_t *changes) {
    struct ne_error err = {0};
    char path[CLIENT_PATH_SIZE];
    if (subject_path(subject, after, path, &err) < 0) {
        json_decref(changes);
        return fail(err.text);
    }
    json_t *answer = client_patch(cli->socket, path, changes, &err);
    if (answer == NULL)
        return fail(err.text);
    int result = EXIT_GOOD;
    if (cli->as_json) {
        result = print_json(answer);
    } else if (strcmp(after, "/policy/check") == 0) {
        (void)puts("accepted; nothing was changed");
    } else {
        (void)printf("%s revision %lld\n",
                     json_is_true(json_object_get(answer, "changed")) ? "in force:" : "as before:",
                     number_of(answer, "revision"));
        if (number_of(answer, "endpoints_without_route") > 0)
            (void)printf("%lld running containers have no route to something that is allowed now: "
                         "the engine gives routes when it connects; disconnect and connect them\n",
                         number_of(answer, "endpoints_without_route"));
    }
    json_decref(answer);
    return result;
}

/* assignments() - KEY=VALUE words as an object. Return: NULL where one is not. */
static json_t *assignments(int count, char **words) {
    json_t *changes = json_object();
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(words[i], '=');
        size_t length = equals == NULL ? 0 : (size_t)(equals - words[i]);
        char key[64];
        if (length == 0 || length >= sizeof(key)) {
            (void)fprintf(stderr, "netenforce: \"%.80s\" is not KEY=VALUE\n", words[i]);
            json_decref(changes);
            return NULL;
        }
        memcpy(key, words[i], length);
        key[length] = '\0';
        if (json_object_get(changes, key) != NULL) {
            (void)fprintf(stderr, "netenforce: %s is given twice; accepted is once\n", key);
            json_decref(changes);
            return NULL;
        }
        (void)json_object_set_new(changes, key, json_string(equals + 1));
    }
    return changes;
}

static int set(const struct cli *cli, const struct subject *subject, int count, char **words) {
    json_t *changes = count == 0 ? NULL : assignments(count, words);
    return changes == NULL ? EXIT_USAGE : send(cli, subject, "/policy", changes);
}

static int check(const struct cli *cli, const struct subject *subject, int count, char **words) {
    json_t *changes = count == 0 ? NULL : assignments(count, words);
    return changes == NULL ? EXIT_USAGE : send(cli, subject, "/policy/check", changes);
}

/* add_rule() - @rule into @changes[@key][@member]. */
static void add_rule(json_t *changes, const char *key, const char *member, const char *rule) {
    json_t *change = json_object_get(changes, key);
    if (change == NULL) {
        change = json_object();
        (void)json_object_set_new(changes, key, change);
    }
    json_t *list = json_object_get(change, member);
    if (list == NULL) {
        list = json_array();
        (void)json_object_set_new(change, member, list);
    }
    (void)json_array_append_new(list, json_string(rule));
}

static int add_all(const struct cli *cli, const struct subject *subject, const char *key, int count,
                   char **words) {
    json_t *changes = json_object();
    for (int i = 0; i < count; i++)
        add_rule(changes, key, "add", words[i]);
    if (count > 0)
        return send(cli, subject, "/policy", changes);
    json_decref(changes);
    return EXIT_USAGE;
}

static int allow(const struct cli *cli, const struct subject *subject, int count, char **words) {
    return add_all(cli, subject, "allow", count, words);
}

static int deny(const struct cli *cli, const struct subject *subject, int count, char **words) {
    return add_all(cli, subject, "deny", count, words);
}

/* list_with() - Which of the subject's lists holds @rule, however it was written. */
static const char *list_with(const json_t *object, const char *rule) {
    static const char *const lists[] = {"allow", "deny"};
    struct ne_target wanted;
    struct ne_target found;
    if (!ne_target_parse(rule, &wanted))
        return NULL;
    for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
        const json_t *list = json_object_get(json_object_get(object, "policy"), lists[k]);
        size_t i;
        const json_t *item;
        json_array_foreach(list, i, item) {
            const char *text = json_string_value(item);
            if (text != NULL && ne_target_parse(text, &found) && ne_target_equal(&wanted, &found))
                return lists[k];
        }
    }
    return NULL;
}

static int rm(const struct cli *cli, const struct subject *subject, int count, char **words) {
    struct ne_error err = {0};
    if (count == 0)
        return EXIT_USAGE;
    json_t *object = get_subject(cli, subject, &err);
    if (object == NULL)
        return fail(err.text);
    json_t *changes = json_object();
    bool good = true;
    for (int i = 0; i < count; i++) {
        const char *key = strchr(words[i], '/') == NULL ? NULL : list_with(object, words[i]);
        if (key != NULL) {
            add_rule(changes, key, "remove", words[i]);
        } else if (strchr(words[i], '/') == NULL) {
            (void)json_object_set_new(changes, words[i], json_null());
        } else {
            (void)fprintf(stderr, "netenforce: no rule %.80s is there to remove\n", words[i]);
            good = false;
        }
    }
    json_decref(object);
    if (good)
        return send(cli, subject, "/policy", changes);
    json_decref(changes);
    return EXIT_FAILED;
}

static const struct {
    const char *name;
    int (*run)(const struct cli *cli, const struct subject *subject, int count, char **words);
} actions[] = {
    {"show", show}, {"set", set}, {"allow", allow}, {"deny", deny}, {"rm", rm}, {"check", check},
};

/* Those that take a file. */
static const struct {
    const char *name;
    int (*run)(const struct cli *cli, const char *path);
} file_actions[] = {
    {"check", policy_file_check},
    {"diff", policy_file_diff},
    {"apply", policy_file_apply},
};

/* are_texts() - Whether all of @words can stand in JSON; one that cannot is named. */
static bool are_texts(int count, char **words) {
    for (int i = 0; i < count; i++) {
        struct ne_error err = {0};
        json_t *text = json_string(words[i]);
        if (text == NULL) {
            (void)ne_fail(&err, NE_BAD_INPUT, "\"%.80s\" is not UTF-8", words[i]);
            (void)fail(err.text);
            return false;
        }
        json_decref(text);
    }
    return true;
}

int command_policy(const struct cli *cli, int count, char **words) {
    static const char usage[] = "netenforce: accepted is policy "
                                "show|set|allow|deny|rm|check|suggest NET[/ENDPOINT] ... or policy "
                                "check|diff|apply FILE (--help tells more)\n";
    for (size_t i = 0; count == 2 && i < sizeof(file_actions) / sizeof(file_actions[0]); i++) {
        if (strcmp(words[0], file_actions[i].name) == 0)
            return file_actions[i].run(cli, words[1]);
    }
    if ((count == 2 || count == 3) && strcmp(words[0], "suggest") == 0) {
        struct subject subject;
        struct ne_error err = {0};
        if (resolve_subject(cli, words[1], subject.network, subject.endpoint, &err) < 0)
            return fail(err.text);
        return policy_suggest(cli, words[1], subject.network, subject.endpoint,
                              count == 3 ? words[2] : NULL);
    }
    for (size_t i = 0; count >= 2 && i < sizeof(actions) / sizeof(actions[0]); i++) {
        struct subject subject;
        struct ne_error err = {0};
        if (strcmp(words[0], actions[i].name) != 0)
            continue;
        if (resolve_subject(cli, words[1], subject.network, subject.endpoint, &err) < 0)
            return fail(err.text);
        int result = are_texts(count - 2, words + 2)
                         ? actions[i].run(cli, &subject, count - 2, words + 2)
                         : EXIT_USAGE;
        if (result == EXIT_USAGE)
            (void)fputs(usage, stderr);
        return result;
    }
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
}

/* print_explanation() - "reject: no rule allows it (refuse, of its network)". */
static void print_explanation(const json_t *answer) {
    const char *verdict = text_of(answer, "verdict");
    const char *option = text_of(answer, "option");
    const char *rule = text_of(answer, "rule");
    const char *whose = text_of(answer, "policy_of");
    bool audited = json_is_true(json_object_get(answer, "audited"));
    const char *handed_to = json_string_value(json_object_get(answer, "handed_to"));
    (void)printf("%s  %s%s: ", text_of(answer, "to"), verdict,
                 audited ? ", since mode=audit refuses nothing" : "");
    if (strcmp(text_of(answer, "reason"), "into-network") == 0)
        (void)puts("nothing is let into a network of netenforce, whatever a rule says");
    else if (strcmp(option, "-") == 0)
        (void)puts("the endpoint has no rules in force (it is not joined, or lacks that family)");
    else if (handed_to != NULL)
        (void)printf("handed to %s, since mode=transparent (of the %s)\n", handed_to, whose);
    else if (strcmp(rule, "-") == 0 && strcmp(option, "icc") == 0)
        (void)printf("by icc, of the %s and of the neighbour\n", whose);
    else if (strcmp(rule, "-") == 0 && audited)
        (void)printf("no rule allows it (of the %s)\n", whose);
    else if (strcmp(rule, "-") == 0)
        (void)printf("no rule allows it (%s=%s, of the %s)\n", option, verdict, whose);
    else if (strcmp(option, "mode") == 0)
        (void)printf("%s is the proxy's, to which mode=transparent hands (of the %s)\n", rule,
                     whose);
    else
        (void)printf("by %s %s, of the %s\n", option, rule, whose);
    if (json_is_true(json_object_get(answer, "replies")) &&
        strcmp(text_of(answer, "reason"), "into-network") == 0)
        (void)puts("  replies to connections that it opened to this one, its proxy, pass");
    else if (json_is_true(json_object_get(answer, "replies")))
        (void)puts("  replies to connections that the host opened pass (inbound)");
    if (strcmp(verdict, "pass") == 0 && json_is_true(json_object_get(answer, "lacks_route")))
        (void)puts("! the container may lack a route to it: disconnect and connect it");
}

int command_explain(const struct cli *cli, int count, char **words) {
    struct ne_error err = {0};
    char endpoint[RESOLVED_ID_SIZE];
    char folder[CLIENT_PATH_SIZE];
    char path[CLIENT_PATH_SIZE];
    if (count != 2) {
        (void)fputs("netenforce: accepted is explain ENDPOINT ADDR:PORT/PROTO\n", stderr);
        return EXIT_USAGE;
    }
    if (resolve_endpoint(cli, words[0], endpoint, &err) < 0 ||
        client_path(folder, "/v1/endpoints/", endpoint, "/explain/", &err) < 0 ||
        client_path(path, folder, words[1], "", &err) < 0)
        return fail(err.text);
    json_t *answer = client_get(cli->socket, path, &err);
    if (answer == NULL)
        return fail(err.text);
    int result = EXIT_GOOD;
    if (cli->as_json)
        result = print_json(answer);
    else
        print_explanation(answer);
    json_decref(answer);
    return result;
}
