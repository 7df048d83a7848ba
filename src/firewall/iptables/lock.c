/* lock.c - iptables' lock: see table.h. */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_MS 5000
#define LOCK_STEP_MS 1

int xtables_lock(const char *path, struct ne_error *err) {
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot open the xtables lock %s", path);

    /* flock() cannot be waited for with a limit, and the wait must end: the engine waits for us. */
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
        int cause = errno;
        if (cause == EINTR)
            continue;
        if (cause != EWOULDBLOCK || waited >= LOCK_WAIT_MS) {
            (void)close(fd);
            if (cause != EWOULDBLOCK)
                return ne_fail_errno(err, NE_KERNEL, cause, "cannot take the xtables lock %s",
                                     path);
            return ne_fail(err, NE_KERNEL,
                           "somebody holds the xtables lock %s for more than %d s: look for a "
                           "hanging iptables (fuser -v %s)",
                           path, LOCK_WAIT_MS / 1000, path);
        }
        (void)nanosleep(&step, NULL);
    }
    return fd;
}
