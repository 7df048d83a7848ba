/* suggest.c - policy suggest: what mode=audit let pass, as rules that would allow it. */
#include "suggest.h"

#include "client.h"

#include <errno.h>
#include <netenforce/grow.h>
#include <netenforce/rules.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A destination that audit saw. */
struct seen {
    struct ne_target target;
    long long count;
};

struct sightings {
    const char *endpoint; /* of this one alone; empty: of all */
    struct ne_prefix pools[2];
    struct ne_prefix gateways[2];
    struct seen *items;
    size_t count;
    long long suppressed; /* events that were left out: what they were of nobody knows */
    struct ne_error err;
};

static bool read_proto(const char *text, uint8_t *proto) {
    static const struct {
        const char *name;
        uint8_t proto;
    } known[] = {{"tcp", IPPROTO_TCP},
                 {"udp", IPPROTO_UDP},
                 {"icmp", IPPROTO_ICMP},
                 {"icmpv6", IPPROTO_ICMPV6}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(text, known[i].name) == 0) {
            *proto = known[i].proto;
            return true;
        }
    }
    return false;
}

/* can_be_allowed() - Groups cannot, nor addresses of the network's own but the bridge's. */
static bool can_be_allowed(const struct sightings *seen, const struct ne_addr *to) {
    if (!ne_addr_is_host(to))
        return false;
    for (size_t i = 0; i < 2; i++) {
        if (ne_prefix_contains(&seen->pools[i], to) && !ne_addr_equal(&seen->gateways[i].addr, to))
            return false;
    }
    return true;
}

static bool read_target(const json_t *event, struct ne_target *target) {
    struct ne_addr to;
    long long port = number_of(event, "dport");
    *target = (struct ne_target){0};
    if (!ne_addr_parse(text_of(event, "dst"), &to) ||
        !read_proto(text_of(event, "proto"), &target->proto))
        return false;
    bool has_port = target->proto == IPPROTO_TCP || target->proto == IPPROTO_UDP;
    if (has_port && (port < 1 || port > 65535))
        return false;
    target->to = ne_prefix_host(&to);
    target->port_low = target->port_high = has_port ? (uint16_t)port : 0;
    return true;
}

static int note(struct sightings *seen, const struct ne_target *target) {
    for (size_t i = 0; i < seen->count; i++) {
        if (ne_target_equal(&seen->items[i].target, target)) {
            seen->items[i].count++;
            return 0;
        }
    }
    void *room = ne_grow(seen->items, seen->count, sizeof(*seen->items), &seen->err);
    if (room == NULL)
        return -1;
    seen->items = room;
    seen->items[seen->count++] = (struct seen){.target = *target, .count = 1};
    return 0;
}

/* begins() - Of TCP the first packet of a connection alone counts: an answer to one that the host
 * opened goes to a port of no meaning. */
static bool begins(const json_t *event) {
    const char *flags = json_string_value(json_object_get(event, "tcp_flags"));
    return flags == NULL || (strstr(flags, "SYN") != NULL && strstr(flags, "ACK") == NULL);
}

static bool take(void *context, const char *line, size_t size) {
    struct sightings *seen = context;
    struct ne_target target;
    int result = 0;
    json_t *event = json_loadb(line, size, 0, NULL);
    const char *endpoint = text_of(event, "endpoint");
    bool wanted = strcmp(text_of(event, "type"), "blocked") == 0 &&
                  strcmp(text_of(event, "verdict"), "pass") == 0 &&
                  strncmp(endpoint, "probe", strlen("probe")) != 0 &&
                  (*seen->endpoint == '\0' || strcmp(endpoint, seen->endpoint) == 0);
    if (wanted)
        seen->suppressed += number_of(event, "suppressed");
    if (wanted && begins(event) && read_target(event, &target) &&
        can_be_allowed(seen, &target.to.addr))
        result = note(seen, &target);
    json_decref(event);
    return result == 0;
}

static int by_place(const void *left, const void *right) {
    const struct seen *a = left;
    const struct seen *b = right;
    if (a->target.proto != b->target.proto)
        return a->target.proto < b->target.proto ? -1 : 1;
    int order = memcmp(&a->target.to.addr, &b->target.to.addr, sizeof(a->target.to.addr));
    if (order != 0)
        return order;
    return (int)a->target.port_low - (int)b->target.port_low;
}

static int by_count(const void *left, const void *right) {
    const struct seen *a = left;
    const struct seen *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return by_place(left, right);
}

/* merge() - Ports of one address that follow each other become a range: never more than was seen.
 */
static void merge(struct sightings *seen) {
    size_t kept = 0;
    if (seen->count == 0)
        return;
    qsort(seen->items, seen->count, sizeof(*seen->items), by_place);
    for (size_t i = 1; i < seen->count; i++) {
        struct seen *last = &seen->items[kept];
        const struct seen *next = &seen->items[i];
        if (last->target.proto == next->target.proto && next->target.port_low != 0 &&
            ne_addr_equal(&last->target.to.addr, &next->target.to.addr) &&
            last->target.port_high + 1 == next->target.port_low) {
            last->target.port_high = next->target.port_low;
            last->count += next->count;
        } else {
            seen->items[++kept] = *next;
        }
    }
    seen->count = kept + 1;
    qsort(seen->items, seen->count, sizeof(*seen->items), by_count);
}

/* tell() - @room is how many rules the list still takes. */
static int tell(const struct cli *cli, const char *subject, const struct sightings *seen,
                size_t room) {
    const size_t shown = seen->count < room ? seen->count : room;
    char text[NE_TARGET_TEXT];
    json_t *rules = json_array();
    for (size_t i = 0; i < shown; i++)
        (void)json_array_append_new(rules, json_pack("{s:s, s:I}", "rule",
                                                     ne_target_format(&seen->items[i].target, text),
                                                     "count", (json_int_t)seen->items[i].count));
    int result = EXIT_GOOD;
    if (cli->as_json) {
        json_t *answer = json_pack("{s:s, s:O, s:I, s:I}", "subject", subject, "rules", rules,
                                   "left_out", (json_int_t)(seen->count - shown), "suppressed",
                                   (json_int_t)seen->suppressed);
        result = print_json(answer);
        json_decref(answer);
    } else if (shown == 0) {
        (void)printf("nothing that could be allowed was seen; is mode=audit set on %s?\n", subject);
    } else {
        for (size_t i = 0; i < shown; i++)
            (void)printf("# %6lld  %s\n", seen->items[i].count,
                         ne_target_format(&seen->items[i].target, text));
        if (seen->count > shown)
            (void)printf("# %zu more, seen less often, do not fit into one list\n",
                         seen->count - shown);
        if (seen->suppressed > 0)
            (void)printf("# %lld packets were left out of the log: what they were is not known\n",
                         seen->suppressed);
        (void)printf("netenforce policy allow %s", subject);
        for (size_t i = 0; i < shown; i++)
            (void)printf(" %s", ne_target_format(&seen->items[i].target, text));
        (void)putchar('\n');
    }
    json_decref(rules);
    return result;
}

static void read_network(const json_t *network, struct sightings *seen) {
    (void)ne_prefix_parse(text_of(network, "pool4"), &seen->pools[0]);
    (void)ne_prefix_parse(text_of(network, "pool6"), &seen->pools[1]);
    (void)ne_prefix_parse(text_of(network, "gateway4"), &seen->gateways[0]);
    (void)ne_prefix_parse(text_of(network, "gateway6"), &seen->gateways[1]);
}

/* take_file() - Events of the network @network from a file of them, as the daemon keeps it. */
static int take_file(const char *file, const char *network, struct sightings *seen) {
    FILE *input = fopen(file, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    if (input == NULL)
        return ne_fail_errno(&seen->err, NE_STATE, errno, "cannot open %s", file);
    while ((size = getline(&line, &room, input)) > 0) {
        json_t *event = json_loadb(line, (size_t)size, 0, NULL);
        bool about = strcmp(text_of(event, "network"), network) == 0;
        json_decref(event);
        if (about && !take(seen, line, (size_t)size))
            break;
    }
    free(line);
    (void)fclose(input);
    return 0;
}

int policy_suggest(const struct cli *cli, const char *subject, const char *network,
                   const char *endpoint, const char *file) {
    struct sightings seen = {.endpoint = endpoint};
    char path[CLIENT_PATH_SIZE];
    json_t *answer = NULL;
    int result = client_path(path, "/v1/networks/", network, "", &seen.err);
    if (result == 0) {
        answer = client_get(cli->socket, path, &seen.err);
        result = answer == NULL ? -1 : 0;
    }
    if (result == 0) {
        read_network(answer, &seen);
        result = client_path(path, "/v1/events?type=blocked&network=", network, "", &seen.err);
    }
    if (result == 0 && file != NULL)
        result = take_file(file, network, &seen);
    else if (result == 0)
        result = client_stream(cli->socket, path, take, &seen, &seen.err);
    const size_t given =
        json_array_size(json_object_get(json_object_get(answer, "policy"), "allow"));
    json_decref(answer);
    if (result != 0 || seen.err.code != NE_OK) {
        free(seen.items);
        return fail(seen.err.text);
    }
    merge(&seen);
    result = tell(cli, subject, &seen, given < NE_TARGETS_MAX ? NE_TARGETS_MAX - given : 0);
    free(seen.items);
    return result;
}
