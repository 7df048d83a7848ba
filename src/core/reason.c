/* reason.c - a judgement in words: see reason.h. */
#include <netenforce/reason.h>

#include <netinet/in.h>
#include <string.h>

static const char *verdict_name(enum ne_verdict verdict) {
    switch (verdict) {
    case NE_PASS:
        return "pass";
    case NE_REJECT:
        return "reject";
    case NE_DROP:
        break;
    }
    return "drop";
}

struct ne_reason ne_reason_of(const struct ne_judgement *judgement) {
    struct ne_reason words = {
        .verdict = verdict_name(judgement->verdict), .reason = judgement->reason, .rule = ""};
    if (judgement->policy != NULL)
        words.option = judgement->rule != NULL ? judgement->rule->option : "refuse";
    const struct ne_rule *rule = judgement->rule;
    if (rule != NULL && rule->proto != NE_PROTO_ANY) { /* those nobody wrote as such: icc */
        bool ports = rule->proto == IPPROTO_TCP || rule->proto == IPPROTO_UDP;
        const struct ne_target target = {
            .to = rule->to,
            .proto = rule->proto,
            .port_low = rule->port_low,
            .port_high = ports ? rule->port_high : 0,
        };
        ne_target_format(&target, words.rule);
    }
    return words;
}

static bool same(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool ne_reason_equal(const struct ne_reason *a, const struct ne_reason *b) {
    return same(a->verdict, b->verdict) && same(a->reason, b->reason) &&
           same(a->option, b->option) && strcmp(a->rule, b->rule) == 0;
}
