/* domains.h - lists of domain names as the user writes them, for dns_allow and dns_deny. Pure.
 *
 *   example.com      that name alone
 *   *.example.com    every name below it, not itself
 *   *                every name
 *
 * A name has labels of letters, digits, '-' and '_' (RFC 1035 2.3.4: 63 characters each, 253 in
 * all); case says nothing, a final dot neither.
 */
#ifndef NETENFORCE_DOMAINS_H
#define NETENFORCE_DOMAINS_H

#include <netenforce/error.h>
#include <stdbool.h>
#include <stddef.h>

#define NE_DOMAIN_TEXT  256  /* the longest pattern, "*.", and NUL */
#define NE_DOMAINS_TEXT 1024 /* the longest list and its NUL */
#define NE_DOMAINS_FORM                                                                            \
    "names with commas or spaces: example.com (itself), *.example.com (all below it), * (all)"

/* A list in its usual form: lower case, each once, a comma between two. */
struct ne_domains {
    char text[NE_DOMAINS_TEXT];
};

/* ne_domains_parse() - Read a list. @key names it in an error. On failure @list may hold a part.
 * Return: 0, or -1 with NE_BAD_INPUT.
 */
int ne_domains_parse(struct ne_domains *list, const char *key, const char *text,
                     struct ne_error *err);

/* ne_domains_next() - The pattern at *@at, which moves behind it (begin with 0).
 * Return: false at the end.
 */
bool ne_domains_next(const struct ne_domains *list, size_t *at,
                     char pattern[static NE_DOMAIN_TEXT]);

/* ne_domain_matches() - Whether @name (any case, with or without a final dot) is one that @pattern,
 * of a list, stands for.
 */
bool ne_domain_matches(const char *pattern, const char *name);

#endif
