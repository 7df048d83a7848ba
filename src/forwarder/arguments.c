/* arguments.c - see arguments.h.
 *
 * dnsmasq takes for a question the longest of its domains that fits (2.86 and later):
 *
 *   server=/example.com/UP     the name and all below it
 *   with "*." before the name  what is below it, and not the name: one character longer
 *   local=/example.com/        NXDOMAIN, and nobody is asked
 *
 * So each name that a list mentions gets both lines, each with its own verdict, and what no line
 * fits gets the default's. The verdicts are name_forwarded()'s: dnsmasq only finds the line.
 */
#include "arguments.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool list_matches(const struct ne_domains *list, const char *name) {
    char pattern[NE_DOMAIN_TEXT];
    for (size_t at = 0; ne_domains_next(list, &at, pattern);) {
        if (ne_domain_matches(pattern, name))
            return true;
    }
    return false;
}

bool name_forwarded(const struct forwarder_config *config, const char *name) {
    if (list_matches(&config->deny, name))
        return false;
    return config->has_allow == 0 || list_matches(&config->allow, name);
}

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments, const char *fmt,
                                                      ...) {
    char *start = arguments->text + arguments->used;
    size_t room = sizeof(arguments->text) - arguments->used;
    va_list ap;
    va_start(ap, fmt);
    int length = vsnprintf(start, room, fmt, ap);
    va_end(ap);
    if (length < 0 || (size_t)length >= room || arguments->count == ARGUMENTS_MAX) {
        arguments->full = true;
        return;
    }
    arguments->argv[arguments->count++] = start;
    arguments->used += (size_t)length + 1;
}

/* add_verdict() - What becomes of questions that @domain ("example.com", "*.example.com") fits. */
static void add_verdict(struct arguments *arguments, const struct forwarder_config *config,
                        const char *domain, bool forwarded) {
    char text[NE_ADDR_TEXT];
    if (!forwarded)
        add(arguments, "--local=/%s/", domain);
    for (size_t i = 0; forwarded && i < NE_RESOLVER_SERVERS; i++) {
        if (config->upstream[i].family != NE_NONE)
            add(arguments, "--server=/%s/%s", domain, ne_addr_format(&config->upstream[i], text));
    }
}

/* No list can mention it, so it stands for every label that none does. */
#define SOME_LABEL "!"

/* add_names() - Both lines of each name of @list. One that the lists mention twice gets them twice,
 * with the same verdicts. */
static void add_names(struct arguments *arguments, const struct forwarder_config *config,
                      const struct ne_domains *list) {
    char pattern[NE_DOMAIN_TEXT];
    for (size_t at = 0; ne_domains_next(list, &at, pattern);) {
        char below[NE_DOMAIN_TEXT + 2];
        const char *name = strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern;
        if (strcmp(pattern, "*") == 0)
            continue;
        add_verdict(arguments, config, name, name_forwarded(config, name));
        (void)snprintf(below, sizeof(below), SOME_LABEL ".%s", name);
        bool forwarded = name_forwarded(config, below);
        below[0] = '*';
        add_verdict(arguments, config, below, forwarded);
    }
}

bool arguments_make(struct arguments *arguments, const char *program,
                    const struct forwarder_config *config) {
    static const char *const always[] = {
        "--conf-file=/dev/null", /* nothing but what stands here */
        "--no-resolv",
        "--no-hosts",
        "--keep-in-foreground",
        "--user=", /* it is started as whom it runs */
        "--pid-file=",
        "--bind-interfaces",
        "--no-ident",
        "--log-facility=-",
        "--log-queries=extra",
        "--cache-size=0", /* no answer of one container's question is another's */
    };
    char text[NE_ADDR_TEXT];
    arguments->count = arguments->used = 0;
    arguments->full = false;
    add(arguments, "%s", program);
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        add(arguments, "%s", always[i]);
    for (size_t i = 0; i < 2; i++) {
        if (config->listen[i].family != NE_NONE)
            add(arguments, "--listen-address=%s", ne_addr_format(&config->listen[i], text));
    }
    bool forwarded = name_forwarded(config, SOME_LABEL);
    if (!forwarded)
        add(arguments, "--local=/#/");
    for (size_t i = 0; forwarded && i < NE_RESOLVER_SERVERS; i++) {
        if (config->upstream[i].family != NE_NONE)
            add(arguments, "--server=%s", ne_addr_format(&config->upstream[i], text));
    }
    add_names(arguments, config, &config->allow);
    add_names(arguments, config, &config->deny);
    arguments->argv[arguments->count] = NULL;
    return !arguments->full;
}
