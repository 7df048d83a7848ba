/* log.h - one vocabulary for what the daemon says on standard error.
 *
 * A line is `LEVEL text`. Text that came from outside is written through
 * printf's %s only, and control characters in it are shown as '?', so that no
 * request can forge a line.
 */
#ifndef NETENFORCE_LOG_H
#define NETENFORCE_LOG_H

#include <stdbool.h>

enum ne_log_level { NE_LOG_ERROR, NE_LOG_WARN, NE_LOG_INFO, NE_LOG_DEBUG };

/* ne_log_parse_level() - Read "error", "warn", "info" or "debug" (any case).
 * Return: true and *@level set, or false with *@level untouched.
 */
bool ne_log_parse_level(const char *name, enum ne_log_level *level);

/* ne_log_set_level() - Say nothing that is less urgent than @level. */
void ne_log_set_level(enum ne_log_level level);

/* ne_log() - Write one line. Never fails visibly, keeps errno. */
void ne_log(enum ne_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ne_err(...)   ne_log(NE_LOG_ERROR, __VA_ARGS__)
#define ne_warn(...)  ne_log(NE_LOG_WARN, __VA_ARGS__)
#define ne_info(...)  ne_log(NE_LOG_INFO, __VA_ARGS__)
#define ne_debug(...) ne_log(NE_LOG_DEBUG, __VA_ARGS__)

#endif
