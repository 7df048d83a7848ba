/* confine.c - see confine.h.
 *
 * The filter is a list of what is allowed, as the daemon's is; it has to hold what dnsmasq calls in
 * the versions of Debian 12 and 13, since a filter can only be added to. So it is wider than the
 * daemon's: programs and processes can be started. What bounds these two is whom they run as.
 * What is missing fails with EPERM.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CAP_BITS     64 /* more than any kernel has */

static const int allowed[] = {
#ifdef __SANITIZE_ADDRESS__
    SCMP_SYS(getdents), SCMP_SYS(readlink), SCMP_SYS(sched_getaffinity),
#endif
    /* the launcher's: processes, one at a time, in groups of their own */
    SCMP_SYS(execve), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(fork), SCMP_SYS(getppid),
    SCMP_SYS(kill), SCMP_SYS(pipe2), SCMP_SYS(setpgid), SCMP_SYS(setsid), SCMP_SYS(vfork),
    SCMP_SYS(wait4), SCMP_SYS(waitid),
    /* dnsmasq's, and the loader's: files, which are read */
    SCMP_SYS(access), SCMP_SYS(chdir), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup),
    SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fadvise64),
    SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(getcwd), SCMP_SYS(getdents64),
    SCMP_SYS(ioctl), SCMP_SYS(lseek), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(pipe),
    SCMP_SYS(pread64), SCMP_SYS(read), SCMP_SYS(readlinkat), SCMP_SYS(readv), SCMP_SYS(stat),
    SCMP_SYS(statfs), SCMP_SYS(statx), SCMP_SYS(umask), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(inotify_init), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
    /* sockets; which kinds, see below */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(getpeername),
    SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(listen), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
    SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
    /* waiting, time, signals */
    SCMP_SYS(alarm), SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(pselect6), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(select), SCMP_SYS(setitimer), SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill), SCMP_SYS(time), SCMP_SYS(times),
    /* who one is, and the C library's own */
    SCMP_SYS(arch_prctl), SCMP_SYS(brk), SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(futex),
    SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getgroups), SCMP_SYS(getpgid),
    SCMP_SYS(getpgrp), SCMP_SYS(getpid), SCMP_SYS(getrandom), SCMP_SYS(getresgid),
    SCMP_SYS(getresuid), SCMP_SYS(getrlimit), SCMP_SYS(getsid), SCMP_SYS(gettid), SCMP_SYS(getuid),
    SCMP_SYS(madvise), SCMP_SYS(membarrier), SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(mremap),
    SCMP_SYS(munmap), SCMP_SYS(prctl), SCMP_SYS(prlimit64), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(sysinfo), SCMP_SYS(uname)};

/* A call that depends on one or two arguments. */
struct narrow {
    uint32_t action;
    int call;
    unsigned count;
    struct scmp_arg_cmp args[2];
};

#define IS(at, value)        ((struct scmp_arg_cmp){(at), SCMP_CMP_EQ, (value), 0})
#define MASKED(at, mask, is) ((struct scmp_arg_cmp){(at), SCMP_CMP_MASKED_EQ, (mask), (is)})
#define TYPE(type)           MASKED(1, 0xf, (type)) /* socket()'s; its other bits are flags */
#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

static int add_rules(scmp_filter_ctx filter) {
    const uint32_t allow = SCMP_ACT_ALLOW;
    const struct narrow rules[] = {
        {allow, SCMP_SYS(socket), 2, {IS(0, AF_INET), TYPE(SOCK_STREAM)}},
        {allow, SCMP_SYS(socket), 2, {IS(0, AF_INET), TYPE(SOCK_DGRAM)}},
        {allow, SCMP_SYS(socket), 2, {IS(0, AF_INET6), TYPE(SOCK_STREAM)}},
        {allow, SCMP_SYS(socket), 2, {IS(0, AF_INET6), TYPE(SOCK_DGRAM)}},
        {allow, SCMP_SYS(socket), 2, {IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)}},
        {allow, SCMP_SYS(open), 1, {MASKED(1, O_CREAT, 0)}},
        {allow, SCMP_SYS(openat), 1, {MASKED(2, O_CREAT, 0)}},
        {allow, SCMP_SYS(clone), 1, {MASKED(0, NAMESPACES, 0)}},
        /* Its flags cannot be looked at. The C library then tries clone(). */
        {SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, {IS(0, 0)}},
    };
    int result = 0;
    for (size_t i = 0; i < COUNT(allowed) && result == 0; i++)
        result = seccomp_rule_add(filter, allow, allowed[i], 0);
    for (size_t i = 0; i < COUNT(rules) && result == 0; i++)
        result = seccomp_rule_add_array(filter, rules[i].action, rules[i].call, rules[i].count,
                                        rules[i].args);
    return result;
}

static int filter_calls(struct ne_error *err) {
    /* The daemon says it if the kernel has no filters. */
    if (prctl(PR_SET_SECCOMP, 2, NULL, 0, 0) < 0 && (errno == EINVAL || errno == ENOSYS))
        return 0;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for the launcher's seccomp filter");
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (result == 0)
        result = add_rules(filter);
    if (result == 0)
        result = seccomp_load(filter);
    seccomp_release(filter);
    return result == 0 ? 0
                       : ne_fail_errno(err, NE_KERNEL, -result,
                                       "cannot load the launcher's seccomp filter");
}

/* set_capabilities() - Ambient ones are what a program gets that is no root's and has none itself.
 */
static int set_capabilities(struct ne_error *err) {
    const uint32_t bit = 1u << CAP_NET_BIND_SERVICE;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = bit, .permitted = bit, .inheritable = bit}};
    if (syscall(SYS_capset, &header, data) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot keep CAP_NET_BIND_SERVICE alone");
    return 0;
}

/* open_root() - Engines make a managed plugin's root folder for root alone (0700), so that nobody
 * else finds a program in it, whatever its own mode. It lies in a folder that is closed itself. */
static int open_root(struct ne_error *err) {
    struct stat st;
    if (stat("/", &st) == 0 &&
        ((st.st_mode & S_IXOTH) != 0 || chmod("/", (st.st_mode & 07777) | S_IXOTH) == 0))
        return 0;
    return ne_fail_errno(err, NE_KERNEL, errno, "cannot let others than root look into /");
}

int confine_launcher(struct ne_error *err) {
    if (open_root(err) < 0)
        return -1;
    /* Without CAP_SETPCAP there is nothing to gain by exec either: no_new_privs is set. */
    for (unsigned long cap = 0; cap < CAP_BITS; cap++) {
        if (cap != CAP_NET_BIND_SERVICE)
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot forbid new privileges");
    if (setgroups(0, NULL) < 0 || setresgid(FORWARDER_ID, FORWARDER_ID, FORWARDER_ID) < 0 ||
        setresuid(FORWARDER_ID, FORWARDER_ID, FORWARDER_ID) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot become user %d", FORWARDER_ID);
    if (set_capabilities(err) < 0)
        return -1;
    return filter_calls(err);
}
