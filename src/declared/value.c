/* value.c - an option's value in JSON: see ne_option_text(). */
#include <netenforce/declared.h>

#include <stdio.h>
#include <string.h>

static bool is_text(const json_t *value) {
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value);
}

int ne_option_text(const char *key, const json_t *value, char out[static NE_OPTION_TEXT],
                   struct ne_error *err) {
    size_t i;
    const json_t *item;
    size_t used = 0;
    out[0] = '\0';
    if (!json_is_array(value) && !is_text(value))
        return ne_fail(err, NE_BAD_INPUT,
                       "option %.80s: accepted is a text, a list of texts, or null", key);
    const json_t *list = json_is_array(value) ? value : NULL;
    if (list == NULL) {
        if (json_string_length(value) >= NE_OPTION_TEXT)
            return ne_fail(err, NE_BAD_INPUT,
                           "option %.80s: the text is longer than any that is accepted", key);
        memcpy(out, json_string_value(value), json_string_length(value) + 1);
        return 0;
    }
    json_array_foreach(list, i, item) {
        if (!is_text(item))
            return ne_fail(err, NE_BAD_INPUT, "option %.80s: accepted is a list of texts", key);
        int n = snprintf(out + used, NE_OPTION_TEXT - used, "%s%s", i == 0 ? "" : ",",
                         json_string_value(item));
        if ((size_t)n >= NE_OPTION_TEXT - used)
            return ne_fail(err, NE_BAD_INPUT,
                           "option %.80s: the list is longer than any that is accepted", key);
        used += (size_t)n;
    }
    return 0;
}
