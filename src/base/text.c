/* text.c - UTF-8 that can be printed: see text.h. */
#include <netenforce/text.h>

#include <stdbool.h>
#include <stddef.h>

/* What characters begin with, what the second byte may be, and how many bytes they have: RFC 3629,
 * without control characters (those of two bytes are below U+00A0). */
static const struct form {
    unsigned char first, last;
    unsigned char low, high;
    size_t length;
} forms[] = {
    {' ', '~', 0, 0, 1},         {0xc2, 0xc2, 0xa0, 0xbf, 2}, {0xc3, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool has_form(const struct form *form, const unsigned char *at) {
    if (at[0] < form->first || at[0] > form->last)
        return false;
    if (form->length > 1 && (at[1] < form->low || at[1] > form->high))
        return false;
    for (size_t i = 2; i < form->length; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf)
            return false;
    }
    return true;
}

/* character() - How many bytes the one at @at has; 0 if none is there. */
static size_t character(const unsigned char *at) {
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (has_form(&forms[i], at))
            return forms[i].length;
    }
    return 0;
}

void ne_text_mend(char *text) {
    while (*text != '\0') {
        size_t length = character((const unsigned char *)text);
        if (length == 0)
            *text = '?';
        text += length == 0 ? 1 : length;
    }
}
