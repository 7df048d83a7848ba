/* suggest.h - rules from what mode=audit saw. */
#ifndef NETENFORCE_CLI_SUGGEST_H
#define NETENFORCE_CLI_SUGGEST_H

#include "command.h"

/* policy_suggest() - Of the daemon's events about @network, or about @endpoint if that is not
 * empty, print the rules that would allow what was let pass, the most frequent first, and the
 * command that gives them to @subject, as the user named it. With @file (else NULL) the events are
 * its lines, such as the daemon's event file has. Return: the exit status.
 */
int policy_suggest(const struct cli *cli, const char *subject, const char *network,
                   const char *endpoint, const char *file);

#endif
