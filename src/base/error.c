/* error.c - the error contract: see error.h. */
#include <netenforce/error.h>
#include <netenforce/text.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ne_error_set(struct ne_error *err, enum ne_code code, int sys_errno, const char *fmt, ...) {
    if (err == NULL)
        return;
    err->code = code;
    err->sys_errno = sys_errno;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    if (n < 0) {
        n = 0;
        err->text[0] = '\0';
    }
    size_t used = (size_t)n;
    if (sys_errno != 0 && used < sizeof(err->text))
        (void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(sys_errno));
    ne_text_mend(err->text);
}

void ne_error_context(struct ne_error *err, const char *fmt, ...) {
    if (err == NULL)
        return;
    char inner[NE_ERROR_TEXT];
    memcpy(inner, err->text, sizeof(inner));

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);

    /* What does not fit is cut at the end: the context says where, the text what. */
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(err->text) &&
        snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner) < 0)
        err->text[used] = '\0';
    ne_text_mend(err->text);
}

const char *ne_code_name(enum ne_code code) {
    switch (code) {
    case NE_OK:
        return "ok";
    case NE_BAD_INPUT:
        return "bad_input";
    case NE_NOT_FOUND:
        return "not_found";
    case NE_CONFLICT:
        return "conflict";
    case NE_UNSUPPORTED:
        return "unsupported";
    case NE_KERNEL:
        return "kernel";
    case NE_STATE:
        return "state";
    case NE_NO_MEMORY:
        return "no_memory";
    }
    return "unknown";
}
