/* command.h - the operator's commands, and what they share. */
#ifndef NETENFORCE_CLI_COMMAND_H
#define NETENFORCE_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>

/* docs/interface.md: exit status of every command. */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_ENFORCED = 3 };

/* What `log` alone takes; NULL: not given. */
struct cli_log {
    bool follow;
    const char *since, *network, *type;
};

struct cli {
    const char *socket; /* of the daemon */
    bool as_json;
    struct cli_log log;
};

/* A command gets the @count words behind its name. Return: the exit status. */
int command_status(const struct cli *cli, int count, char **words);
int command_ls(const struct cli *cli, int count, char **words);
int command_policy(const struct cli *cli, int count, char **words);
int command_explain(const struct cli *cli, int count, char **words);
int command_doctor(const struct cli *cli, int count, char **words);
int command_log(const struct cli *cli, int count, char **words);
int command_metrics(const struct cli *cli, int count, char **words);
int command_names(const struct cli *cli, int count, char **words);
int command_verify(const struct cli *cli, int count, char **words);

/* text_of/number_of() - A member of an answer; "-" and 0 where it is missing or empty. */
const char *text_of(const json_t *object, const char *key);
long long number_of(const json_t *object, const char *key);

/* print_json() - For programs. Return: the exit status. */
int print_json(const json_t *json);

/* fail() - Say what was wrong. Return: EXIT_FAILED. */
int fail(const char *why);

#endif
