/* log.c - lines on standard error: see log.h. */
#include <netenforce/log.h>
#include <netenforce/text.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char *const level_names[] = {
    [NE_LOG_ERROR] = "error",
    [NE_LOG_WARN] = "warn",
    [NE_LOG_INFO] = "info",
    [NE_LOG_DEBUG] = "debug",
};

static enum ne_log_level most_verbose = NE_LOG_INFO;

bool ne_log_parse_level(const char *name, enum ne_log_level *level) {
    for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *level = (enum ne_log_level)i;
            return true;
        }
    }
    return false;
}

void ne_log_set_level(enum ne_log_level level) {
    most_verbose = level;
}

void ne_log(enum ne_log_level level, const char *fmt, ...) {
    if (level > most_verbose)
        return;
    int saved = errno;

    char line[1024];
    int head = snprintf(line, sizeof(line), "%-5s ", level_names[level]);
    size_t used = head < 0 ? 0 : (size_t)head;

    va_list ap;
    va_start(ap, fmt);
    int body = vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
    va_end(ap);
    if (body > 0)
        used += (size_t)body;
    if (used > sizeof(line) - 2)
        used = sizeof(line) - 2;

    line[used] = '\0';
    ne_text_mend(line);
    line[used++] = '\n';
    /* One write a line: lines of one process never mix. A full or closed
     * standard error must not stop the daemon. */
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
    errno = saved;
}
