/* progress.c - see progress.h. */
#include "progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void progress(const char *fmt, ...) {
    va_list list;
    if (isatty(STDERR_FILENO) == 0)
        return;
    va_start(list, fmt);
    (void)vfprintf(stderr, fmt, list);
    va_end(list);
    (void)fputs(" ...", stderr);
    (void)fflush(stderr);
}

void progress_end(void) {
    if (isatty(STDERR_FILENO) != 0)
        (void)fputs("\r\033[K", stderr); /* ECMA-48: erase the line */
}

const char *colour(enum colour colour) {
    static const char *const codes[] = {
        [COLOUR_GOOD] = "\033[32m",
        [COLOUR_WARN] = "\033[33m",
        [COLOUR_BAD] = "\033[1;31m",
        [COLOUR_END] = "\033[0m",
    };
    const char *unwanted = getenv("NO_COLOR");
    bool wanted = isatty(STDOUT_FILENO) != 0 && (unwanted == NULL || *unwanted == '\0');
    return wanted ? codes[colour] : "";
}
