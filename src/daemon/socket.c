/* socket.c - listening Unix sockets: see socket.h. */
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG SOMAXCONN /* a client that finds it full gets EAGAIN, not patience (unix(7)) */

/* make_folder() - The folder that @path lies in; only its last part is made. */
static int make_folder(const char *path) {
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    memcpy(folder, path, strlen(path) + 1);
    char *slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return 0;
    *slash = '\0';
    return mkdir(folder, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static int remove_stale(const char *path, struct ne_error *err) {
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0
                               : ne_fail_errno(err, NE_KERNEL, errno, "cannot look at %s", path);
    if (!S_ISSOCK(st.st_mode))
        return ne_fail(err, NE_CONFLICT, "%s exists and is no socket: move it away", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot remove the old socket %s", path);
    return 0;
}

int socket_listen(const char *path, struct ne_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return ne_fail(err, NE_BAD_INPUT, "socket path %s is longer than %zu characters", path,
                       sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);

    if (make_folder(path) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make the folder of %s", path);
    if (remove_stale(path, err) < 0)
        return -1;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make a socket for %s", path);
    /* bind() makes the file with the umask's mode: never a moment open to others. */
    mode_t before = umask(0177);
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof(address));
    int cause = errno;
    (void)umask(before);
    if (bound == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (bound == 0)
        cause = errno;
    (void)close(fd);
    return ne_fail_errno(err, NE_KERNEL, cause, "cannot listen on %s", path);
}
