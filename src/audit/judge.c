/* judge.c - why a logged packet was refused: see audit.h. */
#include "internal.h"

#include <string.h>

#define KEEP_TICKS 2 /* at least one whole tick: longer than the kernel gathers packets */

void fences_add(struct fences *fences, struct ne_fence *fence) {
    if (fences->count == FENCES_MAX)
        ne_fence_free(&fences->list[--fences->count]);
    memmove(&fences->list[1], &fences->list[0], fences->count * sizeof(fences->list[0]));
    memmove(&fences->ticks[1], &fences->ticks[0], fences->count * sizeof(fences->ticks[0]));
    fences->list[0] = *fence;
    fences->ticks[0] = 0;
    if (fences->count > 0)
        fences->ticks[1] = 0; /* it has been replaced just now */
    fences->count++;
}

void fences_tick(struct fences *fences) {
    for (unsigned i = 1; i < fences->count; i++)
        fences->ticks[i]++;
    while (fences->count > 1 && fences->ticks[fences->count - 1] >= KEEP_TICKS)
        ne_fence_free(&fences->list[--fences->count]);
}

void fences_free(struct fences *fences) {
    while (fences->count > 0)
        ne_fence_free(&fences->list[--fences->count]);
}

/* The places of the kernel's meter (src/firewall/nftables/meter.h) that refuse by themselves. */
static bool is_limit(const char *place) {
    return strcmp(place, "conn_rate") == 0 || strcmp(place, "rate") == 0 ||
           strcmp(place, "quota") == 0;
}

/* write_limit() - The limit as it was given: "20/s". */
static void write_limit(const char *place, const struct ne_meter *meter,
                        char out[static NE_UNIT_TEXT]) {
    if (strcmp(place, "conn_rate") == 0)
        ne_pace_format(meter->conn_rate, out);
    else if (strcmp(place, "quota") == 0)
        ne_bytes_format(meter->quota, out);
    else
        ne_rate_format(meter->rate, out);
}

/* fits() - Whether @judgement does to a packet what was done to it at @place. */
static bool fits(const char *place, const struct ne_judgement *judgement) {
    if (judgement->policy == NULL)
        return false; /* no member: it was none of this fence's */
    if (strcmp(place, "audit") == 0)
        return judgement->audited;
    if (strcmp(place, "refused") == 0)
        return judgement->verdict != NE_PASS;
    if (strcmp(place, "handed") == 0)
        return strcmp(judgement->reason, "handed") == 0;
    return true;
}

/* judge_by() - By one fence. Return: whether that may have been the one. */
static bool judge_by(const struct ne_fence *fence, const struct ne_logged *logged,
                     const char *interface, struct found *found) {
    const struct ne_member *member = ne_fence_member(fence, &logged->from);
    if (member == NULL)
        return false;
    const struct ne_packet packet = {
        .interface = interface[0] != '\0' ? interface : member->bridge,
        .mac = logged->has_mac ? logged->mac : member->mac,
        .from = logged->from,
        .to = logged->to,
        .proto = logged->proto,
        .port = logged->has_ports ? logged->dport : 0,
        .from_port = logged->has_ports ? logged->sport : 0,
        .icmp_type = logged->has_icmp_type ? logged->icmp_type : 0,
    };
    const struct ne_judgement judgement = ne_fence_verdict(fence, &packet);
    if (!fits(logged->place, &judgement))
        return false;
    const struct ne_meter *meter = &fence->meters[member->meter];
    *found = (struct found){
        .words = ne_reason_of(&judgement),
        .endpoint = meter->id,
        .policy = judgement.policy->id,
        .bridge = member->bridge,
    };
    if (is_limit(logged->place)) {
        found->words.verdict = meter->silent ? "drop" : "reject";
        write_limit(logged->place, meter, found->words.rule);
    } else if (strcmp(logged->place, "into") == 0 || strcmp(logged->place, "reply") == 0 ||
               strcmp(logged->place, "handed") == 0) {
        found->words.verdict = judgement.policy->otherwise == NE_DROP ? "drop" : "reject";
    }
    return true;
}

/* reason_of() - What a place means, where the policy is not what refused. */
static const char *reason_of(const char *place, const char *judged) {
    if (strcmp(place, "conn_rate") == 0)
        return "conn_rate";
    if (strcmp(place, "rate") == 0)
        return "rate";
    if (strcmp(place, "quota") == 0)
        return "quota";
    if (strcmp(place, "into") == 0)
        return "into-network";
    if (strcmp(place, "reply") == 0 && strcmp(judged, "into-network") != 0)
        return "inbound";
    if (strcmp(place, "handed") == 0)
        return "unhanded";
    return judged;
}

struct found judge_logged(const struct fences *fences, const struct ne_logged *logged,
                          const char *interface) {
    struct found found = {.words = {.reason = "changed"}};
    struct found other;
    bool judged = false;
    bool differ = false;
    for (unsigned i = 0; i < fences->count; i++) {
        if (!judge_by(&fences->list[i], logged, interface, &other))
            continue;
        if (!judged)
            found = other;
        else if (!ne_reason_equal(&found.words, &other.words))
            differ = true;
        judged = true;
    }
    if (differ)
        found.words = (struct ne_reason){.reason = "changed"};
    found.words.reason = reason_of(logged->place, found.words.reason);
    if (is_limit(logged->place) && !differ && judged)
        found.words.option = found.words.reason;
    return found;
}
