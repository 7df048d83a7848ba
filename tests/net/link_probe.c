/* link_probe.c - drives the link edge from a test, in whichever namespace it is started.
 *
 * One command a run, its arguments as NAME=VALUE. What was asked for is printed, one line each; an
 * error goes to standard error as "CODE: text", with exit status 1.
 *
 *   bridge  name= mac= owner= [mtu=] [gateway4=] [gateway6=] [conf=]
 *   port    name= peer= bridge= mac= owner= [mtu=] [addr4=] [addr6=] [times=]
 *           times: say "once" when it is done, then do it again so often
 *   quench  (as port)
 *   remove  name= owner=
 *   survey
 *   overlap pool= [except=]
 *   local   addr=
 *   cycle   (as port) times=   make and remove the pair so often; print microseconds for each
 *   garble  times=   feed damaged link messages to the parser: for the sanitizers to judge
 *   others  print "OWNER COUNT NAME/KIND/HOST ..." for each port with another way out beside it
 *   watch   for each line read from standard input, print whether something of ours changed, and
 *           whether any link came or went
 */
#include <netenforce/link.h>
#include <netenforce/link_watch.h>
#include <netenforce/log.h>

#include "../../src/link/rtnl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *value_of(char **args, const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (; *args != NULL; args++) {
        if (strncmp(*args, name, length) == 0 && (*args)[length] == '=')
            return *args + length + 1;
    }
    return otherwise;
}

static void unreadable(const char *name, const char *text) {
    (void)fprintf(stderr, "usage: %s=%s is not understood\n", name, text);
    exit(2);
}

static void take_text(char **args, const char *name, char *out, size_t size) {
    const char *text = value_of(args, name, "");
    if (snprintf(out, size, "%s", text) >= (int)size)
        unreadable(name, text);
}

static struct ne_mac take_mac(char **args, const char *name) {
    struct ne_mac mac = {0};
    const char *text = value_of(args, name, NULL);
    if (text != NULL && !ne_mac_parse(text, &mac))
        unreadable(name, text);
    return mac;
}

static struct ne_addr take_addr(char **args, const char *name) {
    struct ne_addr addr = {0};
    const char *text = value_of(args, name, NULL);
    if (text != NULL && !ne_addr_parse(text, &addr))
        unreadable(name, text);
    return addr;
}

static struct ne_prefix take_prefix(char **args, const char *name) {
    struct ne_prefix prefix = {0};
    const char *text = value_of(args, name, NULL);
    if (text != NULL && !ne_prefix_parse(text, &prefix))
        unreadable(name, text);
    return prefix;
}

static unsigned take_number(char **args, const char *name) {
    return (unsigned)strtoul(value_of(args, name, "0"), NULL, 10);
}

static struct ne_bridge take_bridge(char **args) {
    struct ne_bridge bridge = {.mac = take_mac(args, "mac"),
                               .mtu = take_number(args, "mtu"),
                               .gateway4 = take_prefix(args, "gateway4"),
                               .gateway6 = take_prefix(args, "gateway6")};
    take_text(args, "name", bridge.name, sizeof(bridge.name));
    take_text(args, "owner", bridge.owner, sizeof(bridge.owner));
    return bridge;
}

static struct ne_port take_port(char **args) {
    struct ne_port port = {.mac = take_mac(args, "mac"),
                           .bridge_mac = take_mac(args, "bridge_mac"),
                           .mtu = take_number(args, "mtu"),
                           .addr4 = take_addr(args, "addr4"),
                           .addr6 = take_addr(args, "addr6"),
                           .kept = take_number(args, "kept") != 0};
    take_text(args, "name", port.name, sizeof(port.name));
    take_text(args, "peer", port.peer, sizeof(port.peer));
    take_text(args, "bridge", port.bridge, sizeof(port.bridge));
    take_text(args, "owner", port.owner, sizeof(port.owner));
    return port;
}

static int print_found(void *context, const struct ne_link_found *found, struct ne_error *err) {
    (void)context;
    (void)err;
    (void)printf("%s %s %s\n", found->kind == NE_LINK_BRIDGE ? "bridge" : "port", found->name,
                 found->owner);
    return 0;
}

static int print_others(void *context, const struct ne_link_others *others, struct ne_error *err) {
    (void)context;
    (void)err;
    (void)printf("%s %u", others->owner, others->count);
    for (unsigned i = 0; i < others->count && i < NE_OTHERS_MAX; i++)
        (void)printf(" %s/%s/%s", others->listed[i].name, others->listed[i].kind,
                     others->listed[i].host);
    (void)printf("\n");
    return 0;
}

static double microseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int cycle(struct ne_link *link, char **args, struct ne_error *err) {
    struct ne_port port = take_port(args);
    for (unsigned left = take_number(args, "times"); left > 0; left--) {
        double start = microseconds();
        if (link->ops->port_ensure(link, &port, err) != 0)
            return -1;
        double made = microseconds();
        if (link->ops->port_ensure(link, &port, err) != 0)
            return -1;
        double again = microseconds();
        if (link->ops->port_quench(link, &port, err) != 0)
            return -1;
        double quenched = microseconds();
        if (link->ops->remove(link, port.name, port.owner, err) != 0)
            return -1;
        (void)printf("%.0f %.0f %.0f %.0f\n", made - start, again - made, quenched - again,
                     microseconds() - quenched);
    }
    return 0;
}

/* Numerical Recipes' generator: the same damage each time. */
static unsigned next_random(void) {
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

/* Parse a copy of @message that is @size bytes long, in a buffer of just that size, with @damage
 * bytes changed at random.
 */
static void parse_damaged(const struct nlmsghdr *message, size_t size, unsigned damage) {
    struct ne_link_state state;
    char owner[NE_ID_SIZE];
    char *copy = malloc(size);
    if (copy == NULL)
        return;
    memcpy(copy, message, size);
    for (; damage > 0; damage--)
        copy[next_random() % size] = (char)next_random();
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)copy;
    header->nlmsg_len = (uint32_t)size; /* as mnl_nlmsg_ok() has made sure of */
    header->nlmsg_type = RTM_NEWLINK;
    if (ne_link_parse(header, &state))
        (void)ne_link_owner(&state, owner);
    free(copy);
}

static void garble_message(void *context, const struct nlmsghdr *message) {
    const unsigned *times = context;
    if (message == NULL)
        return;
    for (size_t size = sizeof(*message); size <= message->nlmsg_len; size++)
        parse_damaged(message, size, 0);
    for (unsigned i = 0; i < *times; i++)
        parse_damaged(message, message->nlmsg_len, 1 + i % 16);
}

static int garble(struct ne_link *link, char **args, struct ne_error *err) {
    unsigned times = take_number(args, "times");
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg), "list the interfaces");
    request->answer = garble_message;
    request->context = &times;
    return ne_rtnl_dump(ne_rtnl_of(link), &batch, err);
}

static int watch(struct ne_error *err) {
    char line[16];
    int fd;
    if (ne_link_watch_open(&fd, err) != 0)
        return -1;
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        struct ne_link_changes changes = {0};
        ne_link_watch_drain(fd, &changes);
        (void)printf("%s", changes.all ? "all" : changes.count > 0 ? "changed" : "quiet");
        for (unsigned i = 0; i < changes.count && !changes.all; i++)
            (void)printf(" %s%s%s", changes.changed[i].gone ? "-" : "",
                         changes.changed[i].retired ? "~" : "", changes.changed[i].name);
        (void)printf("%s\n", changes.moved ? " moved" : "");
        (void)fflush(stdout);
    }
    (void)close(fd);
    return 0;
}

static int ensure_bridge(struct ne_link *link, char **args, struct ne_error *err) {
    struct ne_bridge bridge = take_bridge(args);
    return link->ops->bridge_ensure(link, &bridge, err);
}

static int ensure_port(struct ne_link *link, char **args, struct ne_error *err) {
    struct ne_port port = take_port(args);
    if (link->ops->port_ensure(link, &port, err) != 0)
        return -1;
    unsigned left = take_number(args, "times");
    if (left > 0) {
        (void)puts("once");
        (void)fflush(stdout);
    }
    for (; left > 0; left--) {
        if (link->ops->port_ensure(link, &port, err) != 0)
            return -1;
    }
    return 0;
}

static int quench(struct ne_link *link, char **args, struct ne_error *err) {
    struct ne_port port = take_port(args);
    return link->ops->port_quench(link, &port, err);
}

static int overlap(struct ne_link *link, char **args, struct ne_error *err) {
    struct ne_prefix pool = take_prefix(args, "pool"), found;
    char device[NE_IFNAME_SIZE], text[NE_PREFIX_TEXT];
    const char *except = value_of(args, "except", NULL);
    if (link->ops->overlap(link, &pool, except, &found, device, err) != 0)
        return -1;
    (void)printf("%s %s\n", ne_prefix_format(&found, text), device);
    return 0;
}

static int local(struct ne_link *link, char **args, struct ne_error *err) {
    struct ne_addr addr = take_addr(args, "addr");
    bool yes;
    if (link->ops->is_local(link, &addr, &yes, err) != 0)
        return -1;
    (void)printf("%s\n", yes ? "local" : "elsewhere");
    return 0;
}

static int run(struct ne_link *link, const char *command, char **args, struct ne_error *err) {
    if (strcmp(command, "bridge") == 0)
        return ensure_bridge(link, args, err);
    if (strcmp(command, "port") == 0)
        return ensure_port(link, args, err);
    if (strcmp(command, "quench") == 0)
        return quench(link, args, err);
    if (strcmp(command, "remove") == 0)
        return link->ops->remove(link, value_of(args, "name", ""), value_of(args, "owner", ""),
                                 err);
    if (strcmp(command, "survey") == 0)
        return link->ops->survey(link, print_found, NULL, err);
    if (strcmp(command, "others") == 0)
        return link->ops->others(link, print_others, NULL, err);
    if (strcmp(command, "overlap") == 0)
        return overlap(link, args, err);
    if (strcmp(command, "local") == 0)
        return local(link, args, err);
    if (strcmp(command, "cycle") == 0)
        return cycle(link, args, err);
    if (strcmp(command, "garble") == 0)
        return garble(link, args, err);
    if (strcmp(command, "watch") == 0)
        return watch(err);
    (void)fprintf(stderr, "usage: no such command: %s\n", command);
    exit(2);
}

int main(int argc, char **argv) {
    struct ne_error err;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: link_probe COMMAND NAME=VALUE...\n");
        return 2;
    }
    ne_log_set_level(NE_LOG_DEBUG);
    struct ne_link *link =
        ne_rtnl_open(value_of(argv + 2, "conf", "/proc/sys/net/ipv6/conf"), &err);
    int status = link == NULL ? -1 : run(link, argv[1], argv + 2, &err);
    if (status != 0)
        (void)fprintf(stderr, "%s: %s\n", ne_code_name(err.code), err.text);
    if (link != NULL)
        link->ops->close(link);
    return status == 0 ? 0 : 1;
}
