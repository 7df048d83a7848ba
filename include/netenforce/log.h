/* log.h - one vocabulary for what the daemon says on standard error.
 *
 * A line is `LEVEL text`. Text that came from outside is written through
 * printf's %s only, and control characters in it are shown as '?', so that no
 * request can forge a line.
 */
#ifndef NETENFORCE_LOG_H
#define NETENFORCE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum ne_log_level { NE_LOG_ERROR, NE_LOG_WARN, NE_LOG_INFO, NE_LOG_DEBUG };

/* ne_log_parse_level() - Read "error", "warn", "info" or "debug" (any case).
 * Return: true and *@level set, or false with *@level untouched.
 */
bool ne_log_parse_level(const char *name, enum ne_log_level *level);

/* ne_log_set_level() - Say nothing that is less urgent than @level. */
void ne_log_set_level(enum ne_log_level level);

/* ne_log_line() - Write @line, @size bytes with its newline, at most 4096, by one write: lines
 * never mix. It never waits for whoever should read standard error. Return: whether it was written.
 */
bool ne_log_line(const char *line, size_t size);

/* ne_log() - Write one line. Never fails visibly, keeps errno. What could not be written is
 * counted, and the count said before the next line that can. */
void ne_log(enum ne_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ne_err(...)   ne_log(NE_LOG_ERROR, __VA_ARGS__)
#define ne_warn(...)  ne_log(NE_LOG_WARN, __VA_ARGS__)
#define ne_info(...)  ne_log(NE_LOG_INFO, __VA_ARGS__)
#define ne_debug(...) ne_log(NE_LOG_DEBUG, __VA_ARGS__)

#endif
