/* progress.h - for people at a terminal: what is being done, and colour. */
#ifndef NETENFORCE_CLI_PROGRESS_H
#define NETENFORCE_CLI_PROGRESS_H

/* progress() - Say on standard error, if that is a terminal, what may take longer than a second.
 * progress_end() takes the line away again. */
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);

enum colour { COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD, COLOUR_END };

/* colour() - What switches a colour on at the terminal; empty if standard output is none, or if
 * NO_COLOR is set (no-color.org).
 */
const char *colour(enum colour colour);

#endif
