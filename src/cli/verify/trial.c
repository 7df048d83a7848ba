/* trial.c - probes made, frames sent, receivers asked: see trial.h. */
#include "trial.h"

#include "../client.h"
#include "receivers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BETWEEN_MS 0   /* after each frame: what is there is read */
#define SETTLE_MS  300 /* of silence, after which nothing is on its way any more */

enum result attempt_result(const struct attempt *attempt) {
    bool elsewhere = attempt->at_neighbour || attempt->left_by[0] != '\0';
    if (attempt->at_host || elsewhere)
        return attempt->may_pass && !(attempt->handed && elsewhere) ? RESULT_ALLOWED : RESULT_OPEN;
    if (!attempt->entered)
        return RESULT_UNTRIED;
    return attempt->must_pass ? RESULT_MISSING : RESULT_CLOSED;
}

/* explain() - What the model says of @attempt, if it is made from @endpoint. */
static int explain(const struct cli *cli, const char *endpoint, struct attempt *attempt,
                   struct ne_error *err) {
    char text[NE_TARGET_TEXT];
    char folder[CLIENT_PATH_SIZE];
    char path[CLIENT_PATH_SIZE];
    (void)ne_target_format(&attempt->target, text);
    if (client_path(folder, "/v1/endpoints/", endpoint, "/explain/", err) < 0 ||
        client_path(path, folder, text, "", err) < 0)
        return -1;
    json_t *answer = client_get(cli->socket, path, err);
    if (answer == NULL)
        return ne_context(err, "explain %s", text);
    attempt->must_pass = attempt->may_pass = strcmp(text_of(answer, "verdict"), "pass") == 0;
    attempt->handed = json_is_string(json_object_get(answer, "handed_to"));
    json_decref(answer);
    return 0;
}

/* expect() - What may arrive: by the model that the rules are made of, not by what is there. */
static int expect(const struct cli *cli, const char *endpoint, bool audits,
                  struct attempts *attempts, struct ne_error *err) {
    for (size_t i = 0; i < attempts->count; i++) {
        struct attempt *attempt = &attempts->items[i];
        switch (attempt->judge) {
        case JUDGE_MODEL:
            if (explain(cli, endpoint, attempt, err) < 0)
                return -1;
            break;
        case JUDGE_MODE:
            attempt->may_pass = audits;
            break;
        case JUDGE_NEVER:
            break;
        }
    }
    return 0;
}

static int send_all(const struct place *place, struct receivers *receivers,
                    struct attempts *attempts, struct ne_error *err) {
    for (size_t i = 0; i < attempts->count; i++) {
        const struct frame *frame = &attempts->items[i].frame;
        /* ENOBUFS and the like: the frame is not seen to enter, and so counts as not tried. */
        (void)send(place->packets, frame->bytes, frame->size, 0);
        if (receivers_read(receivers, attempts, BETWEEN_MS, err) < 0)
            return -1;
    }
    if (receivers_read(receivers, attempts, SETTLE_MS, err) < 0)
        return -1;
    return receivers_lost(receivers)
               ? ne_fail(err, NE_KERNEL, "the host is too busy: some of what arrived was lost")
               : 0;
}

#define HTTP_PORT 80

/* door_to() - Where a container knocks that is to get to @target, a proxy. */
static struct ne_target door_to(const struct trial *trial, const struct ne_target *target) {
    struct ne_target door = *target;
    if (!trial->hands)
        return door;
    door.to.addr = way_beyond(target->to.addr.family);
    door.port_low = door.port_high = HTTP_PORT;
    return door;
}

/* send_one() - See whether a packet to @target, by @door, gets through this host. */
static int send_one(struct trial *trial, const struct ne_target *target,
                    const struct ne_target *door, const struct place *place,
                    struct receivers *receivers, struct proxy_seen *seen, struct ne_error *err) {
    static struct attempts one;
    seen->target = *target;
    seen->here = !target_is_beyond(target);
    (void)ne_target_format(target, seen->text);
    const struct ends ends = {
        .from_mac = place->mac,
        .to_mac = trial->ground.mac,
        .from = door->to.addr.family == NE_V6 ? place->addr6 : place->addr4,
        .to = door->to.addr,
    };
    memcpy(one.run, trial->attempts.run, sizeof(one.run));
    one.run[COOKIE_SIZE - 2] = one.run[COOKIE_SIZE - 1] = 0;
    one.count = 1;
    one.items[0] = (struct attempt){.may_pass = true, .must_pass = true};
    frame_ip(&one.items[0].frame, &ends, IPPROTO_TCP, door->port_low, one.run);
    if (send_all(place, receivers, &one, err) < 0)
        return -1;
    /* What goes to a member of the network itself leaves by the bridge, where it is not looked for.
     */
    const struct ne_addr *to = &target->to.addr;
    const bool within = !seen->here && (ne_prefix_contains(&trial->ground.pool4, to) ||
                                        ne_prefix_contains(&trial->ground.pool6, to));
    seen->packet = within ? RESULT_UNTRIED : attempt_result(&one.items[0]);
    return 0;
}

/* ask() - Connect to @target, by @door; where that fails see whether a packet gets there, which
 * tells a dead machine, or nobody, from the host's own firewall. */
static int ask(struct trial *trial, const struct ne_target *target, const struct ne_target *door,
               const struct place *place, struct receivers *receivers, struct proxy_seen *seen,
               struct ne_error *err) {
    (void)ne_target_format(target, seen->text);
    seen->reach = place_connect(place, &door->to.addr, door->port_low);
    return seen->reach == REACH_OPEN ? 0
                                     : send_one(trial, target, door, place, receivers, seen, err);
}

static int ask_proxies(struct trial *trial, const json_t *proxies, const struct place *place,
                       struct receivers *receivers, struct ne_error *err) {
    size_t i;
    const json_t *proxy;
    json_array_foreach(proxies, i, proxy) {
        struct ne_target target;
        if (!proxy_read(proxy, &target) || trial->proxy_count == PROXIES_SHOWN)
            continue;
        struct proxy_seen *seen = &trial->proxies[trial->proxy_count++];
        const struct ne_target door = door_to(trial, &target);
        if (ask(trial, &target, &door, place, receivers, seen, err) < 0)
            return -1;
    }
    return 0;
}

/* ask_names() - The name server of dns=log, which listens on the bridge by TCP, too. */
static int ask_names(struct trial *trial, const json_t *policy, const struct place *place,
                     struct receivers *receivers, struct ne_error *err) {
    const struct ground *ground = &trial->ground;
    const bool v4 = ground->gateway4.addr.family != NE_NONE;
    const struct ne_addr *addr = v4 ? &ground->gateway4.addr : &ground->gateway6.addr;
    struct ne_target target = {
        .to = {.addr = *addr, .len = (uint8_t)ne_addr_bits(addr->family)},
        .port_low = NAMES_PORT,
        .port_high = NAMES_PORT,
        .proto = IPPROTO_TCP,
    };
    trial->has_names = strcmp(text_of(policy, "dns"), "log") == 0;
    return trial->has_names ? ask(trial, &target, &target, place, receivers, &trial->names, err)
                            : 0;
}

/* try_beyond() - The first that is one address, of a family that the probe has. */
static int try_beyond(struct trial *trial, const json_t *allowed, const struct place *place,
                      struct receivers *receivers, struct ne_error *err) {
    size_t i;
    const json_t *item;
    json_array_foreach(allowed, i, item) {
        struct ne_target target;
        const char *text = json_string_value(item);
        if (text == NULL || !ne_target_parse(text, &target) || target.proto != IPPROTO_TCP ||
            target.to.len < ne_addr_bits(target.to.addr.family) || !target_is_beyond(&target) ||
            (target.to.addr.family == NE_V6 ? place->addr6 : place->addr4).family == NE_NONE)
            continue;
        trial->has_beyond = true;
        return send_one(trial, &target, &target, place, receivers, &trial->beyond, err);
    }
    return 0;
}

bool proxy_is_blocked(const struct proxy_seen *proxy) {
    switch (proxy->reach) {
    case REACH_OPEN:
        return false;
    case REACH_REFUSED: /* also by the ICMP error of a firewall */
    case REACH_SILENT:
        return proxy->packet == RESULT_MISSING;
    case REACH_FAILED: /* a machine beyond may be without a route, or dead */
        break;
    }
    return proxy->here && proxy->packet == RESULT_MISSING;
}

const char *proxy_key(const struct proxy_seen *proxy) {
    if (proxy_is_blocked(proxy))
        return "blocked";
    switch (proxy->reach) {
    case REACH_OPEN:
        return "answers";
    case REACH_REFUSED:
        return "refused";
    case REACH_SILENT:
        return "silent";
    case REACH_FAILED:
        break;
    }
    return "unreachable";
}

const char *proxy_advice(const struct proxy_seen *proxy) {
    if (proxy_is_blocked(proxy))
        return "is not let through by this host's own firewall (INPUT, or FORWARD for another "
               "machine): allow it there";
    switch (proxy->reach) {
    case REACH_OPEN:
        return "answers";
    case REACH_REFUSED:
        return "nothing listens there: start the proxy, on this address";
    case REACH_SILENT:
        return "does not answer: is the machine up, and does it let us in?";
    case REACH_FAILED:
        break;
    }
    return "cannot be reached: has this host a route to it, and does its own firewall (FORWARD) "
           "let "
           "it through?";
}

static void read_mode(struct trial *trial, const json_t *policy) {
    trial->audits = strcmp(text_of(policy, "mode"), "audit") == 0;
    trial->hands = strcmp(text_of(policy, "mode"), "transparent") == 0;
}

static int try_all(const struct cli *cli, const json_t *network, struct trial *trial,
                   const struct place *place, const struct place *neighbour, struct ne_error *err) {
    struct receivers receivers = {0};
    const json_t *policy = json_object_get(network, "policy");
    const json_t *proxies = json_object_get(policy, "proxy");
    if (attempts_make(&trial->attempts, &trial->ground, place, neighbour, proxies, err) < 0)
        return -1;
    read_mode(trial, policy);
    if (expect(cli, place->id, trial->audits, &trial->attempts, err) < 0)
        return -1;
    int result = receivers_open(&receivers, &trial->ground, place, neighbour, err);
    if (result == 0)
        result = ask_proxies(trial, proxies, place, &receivers, err);
    if (result == 0)
        result = send_all(place, &receivers, &trial->attempts, err);
    receivers_close(&receivers);
    for (size_t i = 0; result == 0 && i < trial->attempts.count; i++)
        trial->totals[attempt_result(&trial->attempts.items[i])]++;
    return result;
}

int trial_run(const struct cli *cli, const json_t *network, struct trial *trial,
              struct ne_error *err) {
    struct place place = {.netns = -1, .packets = -1};
    struct place neighbour = {.netns = -1, .packets = -1};
    memset(trial, 0, sizeof(*trial));
    int result = ground_read(network, &trial->ground, err);
    if (result == 0)
        result = place_open(cli, &trial->ground, &place, err);
    if (result == 0)
        result = place_open(cli, &trial->ground, &neighbour, err);
    if (result == 0)
        result = try_all(cli, network, trial, &place, &neighbour, err);
    place_close(cli, &neighbour);
    place_close(cli, &place);
    return result;
}

int trial_proxies(const struct cli *cli, const json_t *network, bool beyond, struct trial *trial,
                  struct ne_error *err) {
    const struct place nobody = {.netns = -1, .packets = -1};
    struct place place = nobody;
    struct receivers receivers = {0};
    const json_t *policy = json_object_get(network, "policy");
    memset(trial, 0, sizeof(*trial));
    read_mode(trial, json_object_get(network, "policy"));
    int result = ground_read(network, &trial->ground, err);
    if (result == 0)
        result = place_open(cli, &trial->ground, &place, err);
    if (result == 0)
        result = attempts_make(&trial->attempts, &trial->ground, &place, &place, NULL, err);
    if (result == 0)
        result = receivers_open(&receivers, &trial->ground, &place, &nobody, err);
    if (result == 0)
        result = ask_proxies(trial, json_object_get(policy, "proxy"), &place, &receivers, err);
    if (result == 0)
        result = ask_names(trial, policy, &place, &receivers, err);
    if (result == 0 && beyond)
        result = try_beyond(trial, json_object_get(policy, "allow"), &place, &receivers, err);
    receivers_close(&receivers);
    place_close(cli, &place);
    return result;
}
