/* arguments.h - a dnsmasq's arguments from a forwarder's values. Pure. */
#ifndef NETENFORCE_FORWARDER_ARGUMENTS_H
#define NETENFORCE_FORWARDER_ARGUMENTS_H

#include "order.h"

#define ARGUMENTS_MAX  8192
#define ARGUMENTS_TEXT (512 * 1024)

struct arguments {
    char *argv[ARGUMENTS_MAX + 1]; /* into @text; NULL behind the last */
    size_t count;
    size_t used; /* of @text */
    bool full;
    char text[ARGUMENTS_TEXT];
};

/* arguments_make() - Fill @arguments for @config, @program first.
 * Return: false if they are more than fit, which no two lists of names come to.
 */
bool arguments_make(struct arguments *arguments, const char *program,
                    const struct forwarder_config *config);

/* name_forwarded() - Whether @config lets a question for @name go to the upstream servers. */
bool name_forwarded(const struct forwarder_config *config, const char *name);

#endif
