/* plan.c - building plans: see plan.h. */
#include "plan.h"

#include <netenforce/grow.h>
#include <stdlib.h>
#include <string.h>

struct xt_marks xt_marks_of(uint32_t bit) {
    return (struct xt_marks){
        .mask = bit | bit << 1,
        .all = bit | bit << 1 | bit << 2,
        .pass = bit,
        .refused = bit << 1,
        .note = bit << 2,
    };
}

const char *xt_table_name(enum xt_table table) {
    switch (table) {
    case XT_RAW:
        return "raw";
    case XT_FILTER:
        return "filter";
    case XT_SECURITY:
        return "security";
    case XT_JUDGE:
        return "judge";
    case XT_NAT:
        break;
    }
    return "nat";
}

int plan_add_chain(struct xt_plan *plan, const char *name, bool builtin, size_t *position,
                   struct ne_error *err) {
    void *room = ne_grow(plan->chains, plan->count, sizeof(*plan->chains), err);
    if (room == NULL)
        return -1;
    plan->chains = room;
    struct xt_chain *chain = &plan->chains[plan->count];
    *chain = (struct xt_chain){.builtin = builtin};
    memcpy(chain->name, name, strnlen(name, CHAIN_SIZE - 1));
    *position = plan->count++;
    return 0;
}

int plan_add_rule(struct xt_plan *plan, size_t chain, const struct xt_rule *rule,
                  struct ne_error *err) {
    struct xt_chain *list = &plan->chains[chain];
    void *room = ne_grow(list->rules, list->count, sizeof(*list->rules), err);
    if (room == NULL)
        return -1;
    list->rules = room;
    list->rules[list->count++] = *rule;
    return 0;
}

int plan_end_with(struct xt_plan *plan, size_t chain, enum xt_action action, struct ne_error *err) {
    const struct xt_rule rule = {.icmp_type = NE_ICMP_TYPE_ANY, .action = action};
    return plan_add_rule(plan, chain, &rule, err);
}

void xt_plan_free(struct xt_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        free(plan->chains[i].rules);
    free(plan->chains);
    *plan = (struct xt_plan){0};
}

const struct xt_chain *xt_plan_chain(const struct xt_plan *plan, const char *name) {
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->chains[i].name, name) == 0)
            return &plan->chains[i];
    }
    return NULL;
}
