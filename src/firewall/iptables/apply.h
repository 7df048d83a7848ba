/* apply.h - a plan compared with a table, and the difference applied. */
#ifndef NETENFORCE_IPTABLES_APPLY_H
#define NETENFORCE_IPTABLES_APPLY_H

#include "plan.h"

#include <netenforce/firewall.h>

enum xt_mode { XT_CHECK, XT_APPLY };

enum xt_outcome {
    XT_DONE,     /* the table is, or could be made, as planned */
    XT_NO_TABLE, /* this kernel does not have it (@err says so) */
    XT_FAILED,
};

/* xt_apply() - Compare @plan with the kernel's @table and, in XT_APPLY, write what differs in one
 * commit; nothing is written if nothing differs. The caller holds the xtables lock.
 * Chains and rules of others stay, in their order, behind ours.
 * @report counts on.
 */
enum xt_outcome xt_apply(const struct xt_plan *plan, enum ne_family family, enum xt_table table,
                         enum xt_mode mode, struct ne_firewall_report *report,
                         struct ne_error *err);

/* xt_disarm() - If the kernel's judge writes other verdicts than @raw, the plan of table raw,
 * would: empty the chains that write them. Nobody is let pass then until @raw is applied. Else, and
 * where there is no judge, nothing is done.
 * The caller holds the xtables lock.
 */
enum xt_outcome xt_disarm(const struct xt_plan *raw, enum ne_family family, struct ne_error *err);

#endif
