/* log.c - lines on standard error: see log.h. */
#include <netenforce/log.h>
#include <netenforce/text.h>

#include <errno.h>
#include <poll.h>
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
static unsigned long lost; /* lines since the last one that was written */

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

/* A pipe that has room for PIPE_BUF bytes (4096) is what poll() calls writable. */
bool ne_log_line(const char *line, size_t size) {
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, line, size) == (ssize_t)size;
}

/* confess() - Say how many lines nobody could read, before the next that is. */
static void confess(void) {
    char line[96];
    int n = snprintf(line, sizeof(line),
                     "%-5s %lu lines before this one are lost: nobody read standard error\n",
                     level_names[NE_LOG_WARN], lost);
    if (n > 0 && ne_log_line(line, (size_t)n))
        lost = 0;
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
    if (lost > 0)
        confess();
    if (!ne_log_line(line, used))
        lost++;
    errno = saved;
}
