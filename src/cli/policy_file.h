/* policy_file.h - policies written in a file (docs/policy.schema.json): checked, compared, applied.
 */
#ifndef NETENFORCE_CLI_POLICY_FILE_H
#define NETENFORCE_CLI_POLICY_FILE_H

#include "command.h"

/* Each takes the file's path. Networks may also be named as the engine's users name them. */
int policy_file_check(const struct cli *cli, const char *path);
int policy_file_diff(const struct cli *cli, const char *path);
int policy_file_apply(const struct cli *cli, const char *path);

#endif
