/* fault.c - a library that makes system calls of the daemon fail, for tests (LD_PRELOAD).
 *
 * FAULT_FILE names a file that the test and the daemon map: see struct plan. While it is armed,
 * each call counts `calls` up; when that reaches `at`, the call fails with `error`, or the process
 * kills itself if `error` is 0. Only calls about the kernel's tables and links and the state
 * folder count, not those of HTTP. Armed for a start, the calls of the event loop, of the sockets'
 * files and of reading count as well, until the daemon says that it is ready.
 * FAULT_ALWAYS=iptables refuses libiptc's tables for good,
 * FAULT_ALWAYS=raw (or filter, ...) that table of both families, raw4 or raw6 that of one;
 * FAULT_ALWAYS=owner refuses tables of nf_tables that have an owner and outlive it, as kernels
 * before 6.9 do; FAULT_ALWAYS=target-netns makes the kernel list this namespace's links for
 * another's, as it did before it knew IFLA_TARGET_NETNSID; FAULT_ALWAYS=ipv6 has neither IPv6's
 * sockets nor its files in /proc, as with ipv6.disable=1.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define IPT_SO_GET_INFO 64 /* <linux/netfilter_ipv4/ip_tables.h> */

enum { UNARMED, ARMED, ARMED_FOR_START, READY };

struct plan {
    uint32_t armed; /* one of the above; READY: the start is over */
    uint32_t calls;
    uint32_t at;
    uint32_t error;
};

static struct plan unarmed;
static struct plan *plan = &unarmed;
static bool no_tables;
static bool no_target;
static bool no_owner;
static bool no_ipv6;
static const char *no_table;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULT_FILE");
    const char *always = getenv("FAULT_ALWAYS");
    no_tables = always != NULL && strcmp(always, "iptables") == 0;
    no_target = always != NULL && strcmp(always, "target-netns") == 0;
    no_owner = always != NULL && strcmp(always, "owner") == 0;
    no_ipv6 = always != NULL && strcmp(always, "ipv6") == 0;
    no_table = always;
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        plan = mapped;
    close(fd);
}

/* die() - End as by SIGKILL. The daemon's filter (src/daemon/seccomp.c) refuses kill(), and kills
 * for the first call, which fails harmlessly while the filter is not there yet. */
static void die(void) {
    (void)syscall(SYS_pivot_root, NULL, NULL);
    (void)kill(getpid(), SIGKILL);
}

/* due() - Count a call; whether it is the one that fails. */
static bool due(void) {
    if ((plan->armed != ARMED && plan->armed != ARMED_FOR_START) || ++plan->calls != plan->at)
        return false;
    if (plan->error == 0)
        die();
    errno = (int)plan->error;
    return true;
}

/* due_in_start() - As due(), for calls that an operation makes for HTTP. */
static bool due_in_start(void) {
    return plan->armed == ARMED_FOR_START && due();
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

/* missing() - Whether this getsockopt() asks for a table that is to be missing. */
static bool missing(int level, int name, const char *table) {
    if (no_table == NULL || name != IPT_SO_GET_INFO)
        return false;
    size_t length = strlen(table);
    const char *rest = no_table + length;
    if (strncmp(no_table, table, length) != 0)
        return false;
    return *rest == '\0' || strcmp(rest, level == IPPROTO_IPV6 ? "6" : "4") == 0;
}

#define NEXT(name) (*(void **)&next = next != NULL ? (void *)next : dlsym(RTLD_NEXT, name))

int socket(int domain, int type, int protocol) {
    static int (*next)(int, int, int);
    NEXT("socket");
    if (no_ipv6 && domain == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (domain != AF_UNIX ? due() : due_in_start()) ? -1 : next(domain, type, protocol);
}

/* names_owner() - Whether a message has the attribute NFTA_TABLE_FLAGS (2) of owner and persist,
 * which follows the table's name. */
static bool names_owner(const void *data, size_t size) {
    static const char flags[] = "netenforce_fence\0\0\0\0\10\0\2\0\0\0\0\6";
    return memmem(data, size, flags, sizeof(flags) - 1) != NULL;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t length) {
    static ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    NEXT("sendto");
    if (no_owner && is_kernels(fd) && names_owner(data, size)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return is_kernels(fd) && due() ? -1 : next(fd, data, size, flags, to, length);
}

/* forget_target() - Turn the attribute into one that means nothing in a dump. */
static void forget_target(const struct msghdr *message) {
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        struct nlmsghdr *header = message->msg_iov[i].iov_base;
        if (header->nlmsg_type != RTM_GETLINK || (header->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
            continue;
        char *at = NLMSG_DATA(header);
        char *end = (char *)header + header->nlmsg_len;
        for (at += NLMSG_ALIGN(sizeof(struct ifinfomsg)); at + sizeof(struct rtattr) <= end;) {
            struct rtattr *attr = (struct rtattr *)(void *)at;
            at += RTA_ALIGN(attr->rta_len);
            if (attr->rta_type == IFLA_TARGET_NETNSID)
                attr->rta_type = IFLA_EXT_MASK;
        }
    }
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    static ssize_t (*next)(int, const struct msghdr *, int);
    NEXT("sendmsg");
    if (no_target && is_kernels(fd))
        forget_target(message);
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
    if (tables && missing(level, name, value)) { /* struct ipt_getinfo begins with its name */
        errno = ENOENT;
        return -1;
    }
    return tables && due() ? -1 : next(fd, level, name, value, size);
}

int access(const char *path, int mode) {
    static int (*next)(const char *, int);
    NEXT("access");
    if (no_ipv6 && strcmp(path, "/proc/net/if_inet6") == 0) {
        errno = ENOENT;
        return -1;
    }
    return next(path, mode);
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
    if (fd == 2 && plan->armed == ARMED_FOR_START && memmem(data, size, "; ready", 7) != NULL)
        plan->armed = READY;
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

int bind(int fd, const struct sockaddr *address, socklen_t size) {
    static int (*next)(int, const struct sockaddr *, socklen_t);
    NEXT("bind");
    return due_in_start() ? -1 : next(fd, address, size);
}

int listen(int fd, int backlog) {
    static int (*next)(int, int);
    NEXT("listen");
    return due_in_start() ? -1 : next(fd, backlog);
}

int lstat(const char *path, struct stat *st) {
    static int (*next)(const char *, struct stat *);
    NEXT("lstat");
    return due_in_start() ? -1 : next(path, st);
}

int unlink(const char *path) {
    static int (*next)(const char *);
    NEXT("unlink");
    return due_in_start() ? -1 : next(path);
}

int mkdir(const char *path, mode_t mode) {
    static int (*next)(const char *, mode_t);
    NEXT("mkdir");
    return due_in_start() ? -1 : next(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    static int (*next)(int, const char *, mode_t);
    NEXT("mkdirat");
    return due_in_start() ? -1 : next(folder, path, mode);
}

FILE *fopen(const char *path, const char *mode) {
    static FILE *(*next)(const char *, const char *);
    NEXT("fopen");
    return due_in_start() ? NULL : next(path, mode);
}

DIR *fdopendir(int fd) {
    static DIR *(*next)(int);
    NEXT("fdopendir");
    return due_in_start() ? NULL : next(fd);
}

struct dirent *readdir(DIR *entries) {
    static struct dirent *(*next)(DIR *);
    NEXT("readdir");
    return due_in_start() ? NULL : next(entries);
}

ssize_t read(int fd, void *data, size_t size) {
    static ssize_t (*next)(int, void *, size_t);
    NEXT("read");
    return is_file(fd) && due_in_start() ? -1 : next(fd, data, size);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *size) {
    static int (*next)(int, struct sockaddr *, socklen_t *);
    NEXT("getsockname");
    return due_in_start() ? -1 : next(fd, address, size);
}

int epoll_create1(int flags) {
    static int (*next)(int);
    NEXT("epoll_create1");
    return due_in_start() ? -1 : next(flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    static int (*next)(int, int, int, struct epoll_event *);
    NEXT("epoll_ctl");
    return due_in_start() ? -1 : next(epoll, operation, fd, event);
}

int signalfd(int fd, const sigset_t *set, int flags) {
    static int (*next)(int, const sigset_t *, int);
    NEXT("signalfd");
    return due_in_start() ? -1 : next(fd, set, flags);
}

int timerfd_create(int clock, int flags) {
    static int (*next)(int, int);
    NEXT("timerfd_create");
    return due_in_start() ? -1 : next(clock, flags);
}
