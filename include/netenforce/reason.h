/* reason.h - a judgement in words: the same ones for `explain` and for events. Pure. */
#ifndef NETENFORCE_REASON_H
#define NETENFORCE_REASON_H

#include <netenforce/fence.h>
#include <netenforce/rules.h>

struct ne_reason {
    const char *verdict; /* "pass", "reject", "drop" */
    const char *reason;  /* as in struct ne_judgement */
    const char *option;  /* that the rule comes of; "refuse" if none matched; NULL: no policy */
    char rule[NE_TARGET_TEXT]; /* as it was given, "10.0.0.5:5432/tcp"; empty if none matched */
};

/* ne_reason_of() - Static texts, and the rule's. */
struct ne_reason ne_reason_of(const struct ne_judgement *judgement);

/* ne_reason_equal() - Whether both say the same. */
bool ne_reason_equal(const struct ne_reason *a, const struct ne_reason *b);

#endif
