/* domains.c - lists of domain names: see domains.h. */
#include <netenforce/domains.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LENGTH 253
#define LABEL_MAX       63
#define SHOWN           80

static bool label_character(char c) {
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* is_name() - Labels with dots between them. */
static bool is_name(const char *text, size_t length) {
    size_t label = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (!label_character(text[i]) || ++label > LABEL_MAX) {
            return false;
        }
    }
    return label > 0 && length <= NAME_MAX_LENGTH;
}

static bool is_pattern(const char *text, size_t length) {
    if (length == 1 && text[0] == '*')
        return true;
    if (length > 2 && text[0] == '*' && text[1] == '.')
        return is_name(text + 2, length - 2);
    return is_name(text, length);
}

static bool holds(const struct ne_domains *list, const char *pattern) {
    char one[NE_DOMAIN_TEXT];
    for (size_t at = 0; ne_domains_next(list, &at, one);) {
        if (strcmp(one, pattern) == 0)
            return true;
    }
    return false;
}

/* take_item() - The item of @length characters at @text in its usual form: in @out. */
static bool take_item(const char *text, size_t length, char out[static NE_DOMAIN_TEXT]) {
    if (length > 1 && text[length - 1] == '.' && text[length - 2] != '*')
        length--;
    if (length >= NE_DOMAIN_TEXT)
        return false;
    for (size_t i = 0; i < length; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    out[length] = '\0';
    return is_pattern(out, length);
}

int ne_domains_parse(struct ne_domains *list, const char *key, const char *text,
                     struct ne_error *err) {
    size_t used = 0;
    list->text[0] = '\0';
    for (const char *rest = text;;) {
        char item[NE_DOMAIN_TEXT];
        rest += strspn(rest, ", \t");
        size_t length = strcspn(rest, ", \t");
        if (length == 0)
            return 0;
        if (!take_item(rest, length, item))
            return ne_fail(err, NE_BAD_INPUT,
                           "option %s: \"%.*s\" is not accepted; accepted is " NE_DOMAINS_FORM, key,
                           (int)(length < SHOWN ? length : SHOWN), rest);
        rest += length;
        if (holds(list, item))
            continue;
        size_t room = sizeof(list->text) - used;
        int n = snprintf(list->text + used, room, "%s%s", used == 0 ? "" : ",", item);
        if ((size_t)n >= room)
            return ne_fail(err, NE_BAD_INPUT,
                           "option %s: the list is longer than %d characters; accepted are %d", key,
                           NE_DOMAINS_TEXT - 1, NE_DOMAINS_TEXT - 1);
        used += (size_t)n;
    }
}

bool ne_domains_next(const struct ne_domains *list, size_t *at,
                     char pattern[static NE_DOMAIN_TEXT]) {
    const char *start = list->text + *at;
    size_t length = strcspn(start, ",");
    if (length == 0 || length >= NE_DOMAIN_TEXT)
        return false;
    memcpy(pattern, start, length);
    pattern[length] = '\0';
    *at += length + (start[length] == ',');
    return true;
}

bool ne_domain_matches(const char *pattern, const char *name) {
    if (strcmp(pattern, "*") == 0)
        return true;
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '.')
        length--;
    size_t wanted = strlen(pattern);
    if (strncmp(pattern, "*.", 2) != 0)
        return length == wanted && strncasecmp(name, pattern, wanted) == 0;
    pattern++; /* the dot stays: only what is below it */
    wanted--;
    return length > wanted && strncasecmp(name + length - wanted, pattern, wanted) == 0;
}
