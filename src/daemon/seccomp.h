/* seccomp.h - the kernel answers the daemon only the system calls that it makes. */
#ifndef NETENFORCE_DAEMON_SECCOMP_H
#define NETENFORCE_DAEMON_SECCOMP_H

#include <netenforce/error.h>

/* seccomp_confine() - Load the filter, for good and for every thread. From then on a call that is
 * not listed fails with EPERM, and one that only an intruder makes ends the process.
 * Needs no_new_privs (privileges_drop()). A kernel built without seccomp is no failure: the log has
 * a warning.
 * Return: 0, or -1 with NE_KERNEL (the kernel, or a filter that is already there, refuses it) or
 * NE_NO_MEMORY.
 */
int seccomp_confine(struct ne_error *err);

#endif
