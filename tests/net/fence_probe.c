/* fence_probe.c - the iptables backend by itself: a fence from a file, applied or checked.
 *
 *     fence_probe apply|check|measure fence=FILE lock=FILE [NAME=VALUE...]
 *
 *     old=FILE    apply: put this fence in force first, unseen
 *     pause=1     after each commit print its table and wait for a line on standard input
 *     fail=N      let the N-th commit fail as the kernel does when memory is short
 *     mark=BIT    instead of 0x20000000
 *     times=N     measure: so many rounds
 *
 * Prints one JSON object: {"differences", "first", "commits"} or {"code", "error", "commits"};
 * measure prints medians in microseconds. It sees commits since it stands between libiptc and
 * setsockopt(): the table's name is the first member of struct ipt_replace and ip6t_replace.
 */
#include <netenforce/firewall.h>
#include <netenforce/log.h>

#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

static json_t *commits;
static bool pausing;
static unsigned failing; /* the number of the commit that is to fail, or 0 */

static void quit(const char *what, const char *text) {
    (void)fprintf(stderr, "fence_probe: %s: %s\n", what, text);
    exit(2);
}

static bool is_commit(int level, int name) {
    return (level == IPPROTO_IP && name == IPT_SO_SET_REPLACE) ||
           (level == IPPROTO_IPV6 && name == IP6T_SO_SET_REPLACE);
}

/* Found by libiptc before libc's. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    if (commits == NULL || !is_commit(level, name))
        return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
    if (failing != 0 && json_array_size(commits) + 1 >= failing) {
        errno = ENOMEM;
        return -1;
    }
    char table[64];
    (void)snprintf(table, sizeof(table), "%s%s", level == IPPROTO_IPV6 ? "ip6/" : "",
                   (const char *)value);
    int result = (int)syscall(SYS_setsockopt, fd, level, name, value, size);
    if (result < 0)
        return result;
    (void)json_array_append_new(commits, json_string(table));
    if (pausing) {
        char line[16];
        (void)printf("%s\n", table);
        (void)fflush(stdout);
        if (fgets(line, sizeof(line), stdin) == NULL)
            exit(3); /* the test is over */
    }
    return 0;
}

static const char *value_of(char **args, const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (; *args != NULL; args++) {
        if (strncmp(*args, name, length) == 0 && (*args)[length] == '=')
            return *args + length + 1;
    }
    return otherwise;
}

static enum ne_verdict verdict_of(const char *text) {
    if (strcmp(text, "pass") == 0)
        return NE_PASS;
    if (strcmp(text, "reject") == 0)
        return NE_REJECT;
    if (strcmp(text, "drop") != 0)
        quit("verdict", text);
    return NE_DROP;
}

static void must(int result, const struct ne_error *err) {
    if (result < 0)
        quit("fence", err->text);
}

static void add_rule(struct ne_policy *policy, json_t *item) {
    struct ne_error err;
    json_error_t why;
    const char *to;
    const char *verdict;
    int proto = NE_PROTO_ANY;
    int low = 0;
    int high = UINT16_MAX;
    int icmp_type = NE_ICMP_TYPE_ANY;
    struct ne_rule rule = {0};
    if (json_unpack_ex(item, &why, 0, "{s:s, s:s, s?i, s?[ii], s?i !}", "to", &to, "verdict",
                       &verdict, "proto", &proto, "ports", &low, &high, "icmp_type",
                       &icmp_type) < 0)
        quit("rule", why.text);
    if (!ne_prefix_parse(to, &rule.to))
        quit("prefix", to);
    rule.proto = (uint8_t)proto;
    rule.port_low = (uint16_t)low;
    rule.port_high = (uint16_t)high;
    rule.icmp_type = (int16_t)icmp_type;
    rule.verdict = verdict_of(verdict);
    must(ne_policy_add_rule(policy, &rule, &err), &err);
}

static void add_policy(struct ne_fence *fence, json_t *item) {
    struct ne_error err;
    json_error_t why;
    const char *id;
    const char *otherwise;
    json_t *rules;
    json_t *rule;
    size_t i;
    struct ne_policy *policy;
    if (json_unpack_ex(item, &why, 0, "{s:s, s:s, s:o !}", "id", &id, "otherwise", &otherwise,
                       "rules", &rules) < 0)
        quit("policy", why.text);
    must(ne_fence_add_policy(fence, id, verdict_of(otherwise), &policy, &err), &err);
    json_array_foreach(rules, i, rule) {
        add_rule(policy, rule);
    }
}

static void add_member(struct ne_fence *fence, json_t *item) {
    struct ne_error err;
    json_error_t why;
    const char *bridge;
    const char *mac;
    const char *addr;
    int policy;
    struct ne_member member = {0};
    if (json_unpack_ex(item, &why, 0, "{s:s, s:s, s:s, s:i !}", "bridge", &bridge, "mac", &mac,
                       "addr", &addr, "policy", &policy) < 0)
        quit("member", why.text);
    if (!ne_mac_parse(mac, &member.mac) || !ne_addr_parse(addr, &member.addr))
        quit("member", addr);
    (void)snprintf(member.bridge, sizeof(member.bridge), "%s", bridge);
    member.policy = (size_t)policy;
    must(ne_fence_add_member(fence, &member, &err), &err);
}

static void read_fence(const char *path, struct ne_fence *fence) {
    struct ne_error err;
    json_error_t why;
    int beyond;
    size_t i;
    json_t *bridges;
    json_t *policies;
    json_t *members;
    json_t *item;
    ne_fence_init(fence);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL ||
        json_unpack_ex(root, &why, 0, "{s:o, s:o, s:o, s:b !}", "bridges", &bridges, "policies",
                       &policies, "members", &members, "reaches_beyond", &beyond) < 0)
        quit(path, why.text);
    json_array_foreach(bridges, i, item) {
        must(ne_fence_add_bridge(fence, json_string_value(item), &err), &err);
    }
    json_array_foreach(policies, i, item) {
        add_policy(fence, item);
    }
    json_array_foreach(members, i, item) {
        add_member(fence, item);
    }
    fence->reaches_beyond = beyond != 0;
    ne_fence_sort(fence);
    json_decref(root);
}

static double microseconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

/* measure() - The last member comes and goes, as in Join and Leave. */
static int measure(struct ne_firewall *firewall, struct ne_fence *fence, size_t times,
                   struct ne_error *err) {
    double *taken = calloc(times * 4, sizeof(*taken));
    if (taken == NULL || times == 0 || fence->member_count == 0)
        quit("measure", "nothing to measure");
    double *added = taken;
    double *same = taken + times;
    double *checked = taken + times * 2;
    double *removed = taken + times * 3;
    struct ne_firewall_report report;
    int result = 0;
    for (size_t i = 0; i < times && result == 0; i++) {
        fence->member_count--;
        double start = microseconds();
        result = firewall->ops->apply(firewall, fence, NULL, err);
        removed[i] = microseconds() - start;
        fence->member_count++;
        start = microseconds();
        result |= firewall->ops->apply(firewall, fence, NULL, err);
        added[i] = microseconds() - start;
        start = microseconds();
        result |= firewall->ops->apply(firewall, fence, NULL, err);
        same[i] = microseconds() - start;
        start = microseconds();
        result |= firewall->ops->check(firewall, fence, &report, err);
        checked[i] = microseconds() - start;
    }
    if (result == 0)
        (void)printf("{\"added\": %.0f, \"removed\": %.0f, \"same\": %.0f, \"check\": %.0f}\n",
                     median(added, times), median(removed, times), median(same, times),
                     median(checked, times));
    free(taken);
    return result;
}

static void print_result(int result, const struct ne_firewall_report *report,
                         const struct ne_error *err) {
    json_t *root = result == 0
                       ? json_pack("{s:i, s:s, s:O}", "differences", (int)report->differences,
                                   "first", report->first, "commits", commits)
                       : json_pack("{s:s, s:s, s:O}", "code", ne_code_name(err->code), "error",
                                   err->text, "commits", commits);
    (void)json_dumpf(root, stdout, JSON_COMPACT);
    (void)printf("\n");
    json_decref(root);
}

static int run(struct ne_firewall *firewall, const char *command, char **args,
               struct ne_error *err) {
    struct ne_firewall_report report = {0};
    struct ne_fence fence;
    const char *old = value_of(args, "old", NULL);
    if (old != NULL) {
        read_fence(old, &fence);
        must(firewall->ops->apply(firewall, &fence, NULL, err), err);
        ne_fence_free(&fence);
    }
    read_fence(value_of(args, "fence", ""), &fence);
    int result;
    if (strcmp(command, "measure") == 0) {
        result = measure(firewall, &fence, strtoul(value_of(args, "times", "101"), NULL, 10), err);
        if (result != 0)
            quit("measure", err->text);
    } else {
        commits = json_array();
        pausing = value_of(args, "pause", NULL) != NULL;
        failing = (unsigned)strtoul(value_of(args, "fail", "0"), NULL, 10);
        result = strcmp(command, "apply") == 0
                     ? firewall->ops->apply(firewall, &fence, &report, err)
                     : firewall->ops->check(firewall, &fence, &report, err);
        print_result(result, &report, err);
        json_decref(commits);
        commits = NULL;
    }
    ne_fence_free(&fence);
    return result;
}

int main(int argc, char **argv) {
    struct ne_error err;
    if (argc < 2)
        quit("usage", "fence_probe apply|check|measure fence=FILE lock=FILE");
    const struct ne_firewall_settings settings = {
        .mark = (uint32_t)strtoul(value_of(argv + 2, "mark", "0x20000000"), NULL, 16),
        .lock_path = value_of(argv + 2, "lock", "/run/xtables.lock"),
    };
    struct ne_firewall *firewall = ne_iptables_open(&settings, &err);
    if (firewall == NULL)
        quit("open", err.text);
    int result = run(firewall, argv[1], argv + 2, &err);
    firewall->ops->close(firewall);
    return result == 0 ? 0 : 1;
}
