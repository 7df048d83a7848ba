/* intruder.c - a library that makes calls in the daemon's name, as one who took it over, for tests
 * (LD_PRELOAD).
 *
 * INTRUDER_FILE names a file that the test and the daemon map: see struct order. The next time the
 * daemon waits for events it makes the call that is ordered there, and writes its errno beside it.
 * Without the filter each call fails harmlessly, and none with EPERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNKNOWN 9999 /* no errno */
#define PAGE    4096

struct order {
    char name[32];
    int32_t error; /* 0: it succeeded */
    uint32_t done;
};

struct call {
    const char *name;
    long number;
    long args[6];
};

static const struct call calls[] = {
    /* what the daemon does, so that the others' failures say something */
    {"socket unix", SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0}},
    {"socket netlink route", SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}},
    {"socket inet raw", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_RAW}},
    {"mmap", SYS_mmap, {0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    /* refused */
    {"socket packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
    {"socket inet stream", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
    {"socket inet datagram", SYS_socket, {AF_INET, SOCK_DGRAM, 0}},
    {"socket inet icmp", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
    {"socket inet6 stream", SYS_socket, {AF_INET6, SOCK_STREAM, 0}},
    {"socket netlink audit", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}},
    {"socket vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
    {"connect", SYS_connect, {-1, 0, 0}},
    {"mmap exec", SYS_mmap, {0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"mprotect exec", SYS_mprotect, {0, 0, PROT_READ | PROT_EXEC}},
    {"clone thread", SYS_clone, {CLONE_THREAD}},
    {"prctl", SYS_prctl, {PR_GET_DUMPABLE}},
    {"kill", SYS_kill, {0x7fffffff, 0}},
    {"ioctl", SYS_ioctl, {-1, 0x5412 /* TIOCSTI */}},
    {"fchmodat", SYS_fchmodat, {-1, 0, 0}},
    {"linkat", SYS_linkat, {-1, 0, -1, 0, 0}},
    {"capset", SYS_capset, {0, 0}},
    {"seccomp", SYS_seccomp, {99}},
    {"clone3", SYS_clone3, {0, 0}}, /* ENOSYS */
    /* deadly */
    {"bpf", SYS_bpf, {-1}},
    {"chroot", SYS_chroot, {0}},
    {"clone", SYS_clone, {CLONE_SIGHAND}}, /* without CLONE_VM it is not valid */
    {"execve", SYS_execve, {0}},
    {"execveat", SYS_execveat, {-1, 0, 0, 0, 0}},
    {"finit_module", SYS_finit_module, {-1, 0, 0}},
    {"init_module", SYS_init_module, {0, 0, 0}},
    {"io_uring_setup", SYS_io_uring_setup, {0, 0}},
    {"kexec_load", SYS_kexec_load, {0, 99, 0, 0}},
    {"keyctl", SYS_keyctl, {-1}},
    {"mount", SYS_mount, {0, 0, 0, 0, 0}},
    {"open_by_handle_at", SYS_open_by_handle_at, {-1, 0, 0}},
    {"pidfd_getfd", SYS_pidfd_getfd, {-1, -1, 0}},
    {"pivot_root", SYS_pivot_root, {0, 0}},
    {"process_vm_writev", SYS_process_vm_writev, {0x7fffffff, 0, 0, 0, 0, 0}},
    {"ptrace", SYS_ptrace, {-1}},
    {"setns", SYS_setns, {-1, 0}},
    {"unshare", SYS_unshare, {1}},
    {"userfaultfd", SYS_userfaultfd, {-1}},
};

static struct order *order;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("INTRUDER_FILE");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    order = mapped == MAP_FAILED ? NULL : mapped;
    (void)close(fd);
}

static int make_call(const char *name) {
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const long *args = calls[i].args;
        if (strcmp(calls[i].name, name) == 0)
            return syscall(calls[i].number, args[0], args[1], args[2], args[3], args[4], args[5]) <
                           0
                       ? errno
                       : 0;
    }
    return UNKNOWN;
}

int epoll_wait(int fd, struct epoll_event *events, int size, int timeout_ms) {
    if (order != NULL && order->name[0] != '\0' && order->done == 0) {
        order->error = make_call(order->name);
        order->done = 1;
    }
    return epoll_pwait(fd, events, size, timeout_ms, NULL);
}
