/* audit.c - refused packets as events: see audit.h. */
#include "internal.h"

#include <netenforce/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTO_SIZE 8
#define FLAGS_SIZE 40

struct ne_audit *ne_audit_new(const struct ne_model *model, struct ne_firewall *firewall,
                              struct ne_error *err) {
    struct ne_audit *audit = calloc(1, sizeof(*audit));
    if (audit == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the audit of refused packets");
        return NULL;
    }
    audit->model = model;
    audit->firewall = firewall;
    audit->active = true;
    return audit;
}

void ne_audit_free(struct ne_audit *audit) {
    if (audit == NULL)
        return;
    fences_free(&audit->fences);
    free(audit->accounts.list);
    free(audit->sums.list);
    free(audit);
}

void ne_audit_fence(struct ne_audit *audit, struct ne_fence *fence) {
    fences_add(&audit->fences, fence);
    ne_fence_init(fence);
}

static const char *proto_text(uint8_t proto, char out[static PROTO_SIZE]) {
    switch (proto) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
        return "icmp";
    case IPPROTO_ICMPV6:
        return "icmpv6";
    default:
        (void)snprintf(out, PROTO_SIZE, "%u", proto);
        return out;
    }
}

/* flags_text() - "SYN,ACK". */
static const char *flags_text(uint8_t flags, char out[static FLAGS_SIZE]) {
    static const struct {
        uint8_t bit;
        const char *name;
    } names[] = {{TH_SYN, "SYN"},  {TH_ACK, "ACK"}, {TH_FIN, "FIN"}, {TH_RST, "RST"},
                 {TH_PUSH, "PSH"}, {TH_URG, "URG"}, {0x40, "ECE"},   {0x80, "CWR"}};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((flags & names[i].bit) != 0)
            used += (size_t)snprintf(out + used, FLAGS_SIZE - used, "%s%s", used > 0 ? "," : "",
                                     names[i].name);
    }
    return out;
}

/* network_of() - Of the endpoint, or of the policy that was asked; "" if nobody knows it. */
static const char *network_of(const struct ne_audit *audit, const char *endpoint,
                              const char *policy) {
    const struct ne_endpoint *known =
        endpoint != NULL ? ne_model_endpoint(audit->model, endpoint) : NULL;
    if (known != NULL)
        return known->network;
    return policy != NULL && ne_model_network(audit->model, policy) != NULL ? policy : "";
}

/* note() - Count the packet for its endpoint. Return: what its event is to tell as suppressed. */
static uint64_t note(struct ne_audit *audit, const char *endpoint, const char *network) {
    struct account *account = endpoint == NULL ? NULL : account_of(&audit->accounts, endpoint);
    if (account == NULL)
        return 0;
    uint64_t suppressed = account->pending;
    account->seen++;
    account->told += suppressed;
    account->pending = 0;
    if (network[0] != '\0')
        memcpy(account->network, network, strnlen(network, NE_ID_SIZE - 1) + 1);
    if (suppressed > 0)
        sums_add(&audit->sums, account->network, UNLOGGED, ANY_PROTO, suppressed);
    return suppressed;
}

void ne_audit_packet(struct ne_audit *audit, const struct ne_logged *logged,
                     const char *interface) {
    char from[NE_ADDR_TEXT];
    char to[NE_ADDR_TEXT];
    char number[PROTO_SIZE];
    char flags[FLAGS_SIZE];
    const struct found found = judge_logged(&audit->fences, logged, interface);
    const char *network = network_of(audit, found.endpoint, found.policy);
    const char *proto = proto_text(logged->proto, number);
    audit->active = true;
    const struct ne_event event = {
        .type = "blocked",
        .network = network,
        .endpoint = found.endpoint,
        .interface = interface[0] != '\0' ? interface : found.bridge,
        .src = ne_addr_format(&logged->from, from),
        .dst = ne_addr_format(&logged->to, to),
        .proto = proto,
        .sport = logged->has_ports ? logged->sport : 0,
        .dport = logged->has_ports ? logged->dport : 0,
        .has_icmp_type = logged->has_icmp_type,
        .icmp_type = logged->icmp_type,
        .tcp_flags = logged->has_tcp_flags ? flags_text(logged->tcp_flags, flags) : NULL,
        .verdict = found.words.verdict,
        .reason = found.words.reason,
        .option = found.words.option,
        .rule = found.words.rule,
        .suppressed = note(audit, found.endpoint, network),
    };
    sums_add(&audit->sums, network, found.words.reason, proto, 1);
    ne_event_emit(&event);
}

/* is_logged() - Whether the endpoint's `log` lets anything be logged. */
static bool is_logged(const struct ne_audit *audit, const char *endpoint) {
    const struct ne_endpoint *known = ne_model_endpoint(audit->model, endpoint);
    const struct ne_network *network =
        known != NULL ? ne_model_network(audit->model, known->network) : NULL;
    return network == NULL || ne_effective_options(network, known).log.count > 0;
}

/* settle() - Tell what was counted at the last reading and got no event until now: in the next
 * event, or now, if it has waited for one since the tick before. @leaving: it is gone, and no other
 * event will come. */
static void settle(struct ne_audit *audit, struct account *account, bool leaving) {
    uint64_t untold = account_untold(account);
    bool now = leaving || account->pending > 0;
    bool silent = untold > 0 && !is_logged(audit, account->id);
    account->pending = untold;
    if (untold == 0 || (!now && !silent))
        return;
    account->told += untold;
    account->pending = 0;
    sums_add(&audit->sums, account->network, UNLOGGED, ANY_PROTO, untold);
    const struct ne_event event = {.type = "blocked",
                                   .network = account->network,
                                   .endpoint = account->id,
                                   .reason = UNLOGGED,
                                   .suppressed = untold};
    if (!silent)
        ne_event_emit(&event);
}

static int take(void *context, const struct ne_usage *usage, struct ne_error *err) {
    struct ne_audit *audit = context;
    struct account *account = account_of(&audit->accounts, usage->id);
    if (account == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for the account of an endpoint");
    const char *network = network_of(audit, usage->id, NULL);
    memcpy(account->network, network, strnlen(network, NE_ID_SIZE - 1) + 1);
    bool restarted = usage->refused_packets < account->counted; /* somebody emptied the table */
    account->changed = account->counted != usage->refused_packets;
    account->counted = usage->refused_packets;
    account->read_at = audit->read_at;
    account->present = true;
    if (restarted)
        account->seen = account->pending = account->told = 0;
    if ((restarted || !audit->begun) && account->counted > account->seen)
        account->told = account->counted - account->seen;
    return 0;
}

static int read_counters(struct ne_audit *audit, const char *only, uint64_t tick,
                         struct ne_error *err) {
    audit->read_at = tick;
    for (size_t i = 0; only == NULL && i < audit->accounts.count; i++)
        audit->accounts.list[i].present = false;
    if (audit->firewall->ops->usage(audit->firewall, only, take, audit, err) < 0) {
        /* Not known: nobody is taken for gone. */
        for (size_t i = 0; i < audit->accounts.count; i++)
            audit->accounts.list[i].present = true;
        return -1;
    }
    audit->begun = audit->begun || only == NULL;
    return 0;
}

/* bury() - The accounts of who is gone, once their last packets' logs have come. */
static void bury(struct ne_audit *audit) {
    struct accounts *accounts = &audit->accounts;
    size_t kept = 0;
    for (size_t i = 0; i < accounts->count; i++) {
        struct account *account = &accounts->list[i];
        const struct ne_endpoint *endpoint = ne_model_endpoint(audit->model, account->id);
        bool gone = !account->present && (endpoint == NULL || !endpoint->joined);
        if (gone && account->read_at < audit->tick)
            settle(audit, account, true);
        else
            accounts->list[kept++] = *account;
    }
    accounts->count = kept;
}

/* is_settled() - Whether nothing is to be expected but what a new packet brings. */
static bool is_settled(const struct ne_audit *audit) {
    for (size_t i = 0; i < audit->accounts.count; i++) {
        const struct account *account = &audit->accounts.list[i];
        if (account->pending > 0 || account->changed || !account->present ||
            account_untold(account) > 0)
            return false;
    }
    return audit->begun;
}

int ne_audit_read(struct ne_audit *audit, const char *endpoint, struct ne_error *err) {
    return audit->active && audit->begun ? read_counters(audit, endpoint, audit->tick + 1, err) : 0;
}

int ne_audit_tick(struct ne_audit *audit, bool look, struct ne_error *err) {
    audit->tick++;
    fences_tick(&audit->fences);
    sums_forget(&audit->sums, audit->model);
    if (!audit->active && !look)
        return 0;
    /* First what was counted at the reading before: its packets' logs have come by now. */
    for (size_t i = 0; i < audit->accounts.count; i++) {
        if (audit->accounts.list[i].read_at < audit->tick)
            settle(audit, &audit->accounts.list[i], false);
    }
    int result = read_counters(audit, NULL, audit->tick, err);
    if (result == 0)
        bury(audit);
    audit->active = result < 0 || !is_settled(audit);
    return result;
}

void ne_audit_guarded(struct ne_audit *audit, const char *network, const char *endpoint,
                      uint64_t count) {
    const struct ne_event event = {.type = "blocked",
                                   .network = network,
                                   .endpoint = endpoint,
                                   .verdict = "drop",
                                   .reason = "source",
                                   .suppressed = count};
    sums_add(&audit->sums, network, "source", ANY_PROTO, count);
    if (is_logged(audit, endpoint))
        ne_event_emit(&event);
}

int ne_audit_counts(const struct ne_audit *audit,
                    int (*visit)(void *context, const char *network, const char *reason,
                                 const char *proto, uint64_t count),
                    void *context) {
    return sums_visit(&audit->sums, visit, context);
}
