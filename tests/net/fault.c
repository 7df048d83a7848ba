/* fault.c - a library that makes system calls of the daemon fail, for tests (LD_PRELOAD).
 *
 * FAULT_FILE names a file that the test and the daemon map: see struct plan. While it is armed,
 * each call counts `calls` up; when that reaches `at`, the call fails with `error`, or the process
 * kills itself if `error` is 0. Only calls about the kernel's tables and links and the state
 * folder count, not those of HTTP. FAULT_ALWAYS=iptables refuses libiptc's tables for good.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define IPT_SO_GET_INFO 64 /* <linux/netfilter_ipv4/ip_tables.h> */

struct plan {
    uint32_t armed;
    uint32_t calls;
    uint32_t at;
    uint32_t error;
};

static struct plan unarmed;
static struct plan *plan = &unarmed;
static bool no_tables;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULT_FILE");
    const char *always = getenv("FAULT_ALWAYS");
    no_tables = always != NULL && strcmp(always, "iptables") == 0;
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        plan = mapped;
    close(fd);
}

/* due() - Count a call; whether it is the one that fails. */
static bool due(void) {
    if (!plan->armed || ++plan->calls != plan->at)
        return false;
    if (plan->error == 0)
        kill(getpid(), SIGKILL);
    errno = (int)plan->error;
    return true;
}

static bool is_kernels(int fd) {
    int domain = 0;
    socklen_t size = sizeof(domain);
    int saved = errno;
    static int (*next)(int, int, int, void *, socklen_t *);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "getsockopt");
    bool ours = next(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
    errno = saved;
    return ours;
}

static bool is_file(int fd) {
    struct stat st;
    int saved = errno;
    bool file = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    errno = saved;
    return file && fd > 2;
}

#define NEXT(name) (*(void **)&next = next != NULL ? (void *)next : dlsym(RTLD_NEXT, name))

int socket(int domain, int type, int protocol) {
    static int (*next)(int, int, int);
    NEXT("socket");
    return domain != AF_UNIX && due() ? -1 : next(domain, type, protocol);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t length) {
    static ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    NEXT("sendto");
    return is_kernels(fd) && due() ? -1 : next(fd, data, size, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    static ssize_t (*next)(int, const struct msghdr *, int);
    NEXT("sendmsg");
    return is_kernels(fd) && due() ? -1 : next(fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    static ssize_t (*next)(int, struct msghdr *, int);
    NEXT("recvmsg");
    return is_kernels(fd) && due() ? -1 : next(fd, message, flags);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
    static int (*next)(int, int, int, void *, socklen_t *);
    NEXT("getsockopt");
    bool tables = level != SOL_SOCKET && name >= IPT_SO_GET_INFO && is_kernels(fd);
    if (tables && no_tables) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return tables && due() ? -1 : next(fd, level, name, value, size);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    static int (*next)(int, int, int, const void *, socklen_t);
    NEXT("setsockopt");
    return is_kernels(fd) && due() ? -1 : next(fd, level, name, value, size);
}

int openat(int folder, const char *path, int flags, ...) {
    static int (*next)(int, const char *, int, ...);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    NEXT("openat");
    return due() ? -1 : next(folder, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    static int (*next)(const char *, int, ...);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    NEXT("open");
    return due() ? -1 : next(path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*next)(int, const void *, size_t);
    NEXT("write");
    return is_file(fd) && due() ? -1 : next(fd, data, size);
}

int fsync(int fd) {
    static int (*next)(int);
    NEXT("fsync");
    return due() ? -1 : next(fd);
}

int flock(int fd, int operation) {
    static int (*next)(int, int);
    NEXT("flock");
    return due() ? -1 : next(fd, operation);
}

int renameat(int from, const char *old, int to, const char *fresh) {
    static int (*next)(int, const char *, int, const char *);
    NEXT("renameat");
    return due() ? -1 : next(from, old, to, fresh);
}

int unlinkat(int folder, const char *path, int flags) {
    static int (*next)(int, const char *, int);
    NEXT("unlinkat");
    return due() ? -1 : next(folder, path, flags);
}

ssize_t getrandom(void *buffer, size_t size, unsigned flags) {
    static ssize_t (*next)(void *, size_t, unsigned);
    NEXT("getrandom");
    return due() ? -1 : next(buffer, size, flags);
}
