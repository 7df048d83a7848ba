/* error.h - the error contract of every layer.
 *
 * A function that can fail returns 0 on success and -1 on failure, and takes a
 * `struct ne_error *`. On success the error is untouched. On failure it holds a
 * code and one sentence that names what was wrong and what to do. Callers on
 * the way out may put context in front of it with ne_context(); only the edge
 * of a request (the protocol, the command, the daemon's start) prints it. It may
 * repeat what is anybody's, cut anywhere: whatever is no UTF-8 of it, or cannot
 * be printed, is '?'.
 */
#ifndef NETENFORCE_ERROR_H
#define NETENFORCE_ERROR_H

enum ne_code {
    NE_OK = 0,
    NE_BAD_INPUT,   /* the caller gave something that cannot be accepted      */
    NE_NOT_FOUND,   /* the thing named does not exist                         */
    NE_CONFLICT,    /* it would clash with something that exists              */
    NE_UNSUPPORTED, /* this kernel or this version cannot do it               */
    NE_KERNEL,      /* the kernel refused: netlink, netfilter                 */
    NE_STATE,       /* the state directory could not be read or written       */
    NE_NO_MEMORY,   /* an allocation failed                                   */
};

#define NE_ERROR_TEXT 512

struct ne_error {
    enum ne_code code;
    int sys_errno; /* errno where a system call failed, else 0 */
    char text[NE_ERROR_TEXT];
};

/* ne_fail() - Fill @err with @code and a formatted text.
 * @err may be NULL (the caller does not care why).
 * Value: -1 always, so that callers write `return ne_fail(...)`. A macro, and not a
 * function, so that the compiler and the analyser see in every file that it is -1.
 */
#define ne_fail(err, code, ...) (ne_error_set((err), (code), 0, __VA_ARGS__), -1)

/* ne_fail_errno() - As ne_fail(), with ": " and the text of @sys_errno behind.
 * Value: -1 always.
 */
#define ne_fail_errno(err, code, sys_errno, ...)                                                   \
    (ne_error_set((err), (code), (sys_errno), __VA_ARGS__), -1)

/* ne_context() - Put a formatted text and ": " in front of what @err says.
 * Value: -1 always.
 */
#define ne_context(err, ...) (ne_error_context((err), __VA_ARGS__), -1)

/* ne_error_set(), ne_error_context() - What stands behind the three above; call those.
 */
void ne_error_set(struct ne_error *err, enum ne_code code, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void ne_error_context(struct ne_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ne_code_name() - The code as it stands in the control API ("bad_input", ...).
 * Return: a static string, never NULL.
 */
const char *ne_code_name(enum ne_code code);

#endif
