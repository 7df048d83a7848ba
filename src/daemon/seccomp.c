/* seccomp.c - the calls that the daemon makes, and no others: see seccomp.h.
 *
 * The list holds what the daemon and its libraries call once main() has read the options, with the
 * C libraries of Debian 12 and 13. What is missing by mistake fails with EPERM, as any call can
 * fail: the operation is refused and what is enforced stays so. The kernel's audit log names it.
 */
#include "seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netenforce/log.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ARGS_MAX     3

static const int allowed[] = {
#ifdef __SANITIZE_ADDRESS__
    /* Reports, and the search for leaks at the end, which a helper process makes by ptrace(). */
    SCMP_SYS(clone), SCMP_SYS(getdents), SCMP_SYS(getppid), SCMP_SYS(kill), SCMP_SYS(pipe2),
    SCMP_SYS(prctl), SCMP_SYS(prlimit64), SCMP_SYS(ptrace), SCMP_SYS(readlink),
    SCMP_SYS(sigaltstack), SCMP_SYS(tgkill), SCMP_SYS(wait4),
#endif
    /* records, events, the xtables lock, /proc, the sockets' files */
    SCMP_SYS(access), SCMP_SYS(close), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fcntl),
    SCMP_SYS(flock), SCMP_SYS(fstat), SCMP_SYS(fsync), SCMP_SYS(ftruncate), SCMP_SYS(getdents64),
    SCMP_SYS(lseek), SCMP_SYS(lstat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(newfstatat),
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(pread64), SCMP_SYS(read), SCMP_SYS(readlinkat),
    SCMP_SYS(readv), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(rmdir),
    SCMP_SYS(stat), SCMP_SYS(statx), SCMP_SYS(umask), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    SCMP_SYS(write), SCMP_SYS(writev),
    /* sockets; no connect(): the daemon is asked and asks nobody */
    SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
    SCMP_SYS(listen), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
    SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
    /* waiting, time, signals */
    SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2), SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep), SCMP_SYS(poll),
    SCMP_SYS(ppoll), SCMP_SYS(pselect6), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(select), SCMP_SYS(signalfd4),
    SCMP_SYS(time), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    /* the C library's own: malloc, stdio, qsort, the end */
    SCMP_SYS(brk), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(getpid),
    SCMP_SYS(getrandom), SCMP_SYS(gettid), SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(munmap),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(sysinfo)};

/* What an intruder calls and the daemon never: other programs, other processes, other namespaces,
 * the kernel's own code. Worth an end that is seen; the rules stay in the kernel. */
static const int deadly[] = {
#ifndef __SANITIZE_ADDRESS__
    SCMP_SYS(ptrace),
#endif
    /* programs and processes (and see clone() below) */
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(memfd_create),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(vfork),
    /* namespaces, mounts, files by handle */
    SCMP_SYS(chroot), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fsopen), SCMP_SYS(mount),
    SCMP_SYS(mount_setattr), SCMP_SYS(move_mount), SCMP_SYS(open_by_handle_at), SCMP_SYS(open_tree),
    SCMP_SYS(pivot_root), SCMP_SYS(setns), SCMP_SYS(umount2), SCMP_SYS(unshare),
    /* the kernel, and its parts that were ways in before */
    SCMP_SYS(acct), SCMP_SYS(add_key), SCMP_SYS(bpf), SCMP_SYS(delete_module),
    SCMP_SYS(finit_module), SCMP_SYS(init_module), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(io_uring_setup), SCMP_SYS(ioperm), SCMP_SYS(iopl),
    SCMP_SYS(kexec_file_load), SCMP_SYS(kexec_load), SCMP_SYS(keyctl), SCMP_SYS(perf_event_open),
    SCMP_SYS(personality), SCMP_SYS(reboot), SCMP_SYS(request_key), SCMP_SYS(swapoff),
    SCMP_SYS(swapon), SCMP_SYS(userfaultfd)};

/* A call that depends on its arguments. */
struct narrow {
    uint32_t action;
    int call;
    unsigned count;
    struct scmp_arg_cmp args[ARGS_MAX];
};

#define IS(at, value)        ((struct scmp_arg_cmp){(at), SCMP_CMP_EQ, (value), 0})
#define MASKED(at, mask, is) ((struct scmp_arg_cmp){(at), SCMP_CMP_MASKED_EQ, (mask), (is)})
#define RAW                  MASKED(1, 0xf, SOCK_RAW) /* socket()'s type; its other bits are flags */

static int add_lists(scmp_filter_ctx filter) {
    int result = 0;
    for (size_t i = 0; i < COUNT(allowed) && result == 0; i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; i < COUNT(deadly) && result == 0; i++)
        result = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
    return result;
}

static int add_narrow(scmp_filter_ctx filter) {
    const uint32_t allow = SCMP_ACT_ALLOW;
    const struct narrow rules[] = {
        {allow, SCMP_SYS(socket), 1, {IS(0, AF_UNIX)}},
        {allow, SCMP_SYS(socket), 2, {IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)}},
        {allow, SCMP_SYS(socket), 2, {IS(0, AF_NETLINK), IS(2, NETLINK_NETFILTER)}},
        /* libiptc speaks to the tables by these, which receive nothing. */
        {allow, SCMP_SYS(socket), 3, {IS(0, AF_INET), RAW, IS(2, IPPROTO_RAW)}},
        {allow, SCMP_SYS(socket), 3, {IS(0, AF_INET6), RAW, IS(2, IPPROTO_RAW)}},
        {allow, SCMP_SYS(ioctl), 1, {IS(1, SIOCGIFNAME)}}, /* if_indextoname() */
        /* Memory is never made executable: every library is there by now. */
        {allow, SCMP_SYS(mmap), 1, {MASKED(2, PROT_EXEC, 0)}},
        {allow, SCMP_SYS(mprotect), 1, {MASKED(2, PROT_EXEC, 0)}},
#ifndef __SANITIZE_ADDRESS__
        {allow, SCMP_SYS(tgkill), 2, {IS(0, (scmp_datum_t)getpid()), IS(2, SIGABRT)}}, /* abort() */
        /* A new process; a new thread gets EPERM, since there is none. */
        {SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1, {MASKED(0, CLONE_THREAD, 0)}},
#endif
        /* Its flags cannot be looked at. The C library then tries clone(). */
        {SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, {IS(0, 0)}},
    };
    int result = 0;
    for (size_t i = 0; i < COUNT(rules) && result == 0; i++)
        result = seccomp_rule_add_array(filter, rules[i].action, rules[i].call, rules[i].count,
                                        rules[i].args);
    return result;
}

/* load() - Return 0 or a negative errno. */
static int load(scmp_filter_ctx filter) {
    /* Refused calls go to the audit log. It is no matter if they cannot. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* Calls of other ABIs (32 bits, x32) have other numbers: nobody here makes them. */
    if (result == 0)
        result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (result == 0)
        result = add_lists(filter);
    if (result == 0)
        result = add_narrow(filter);
    return result != 0 ? result : seccomp_load(filter);
}

/* is_supported() - Whether the kernel has filters: then it looks for this one, at NULL. */
static bool is_supported(void) {
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == 0 ||
           (errno != EINVAL && errno != ENOSYS);
}

int seccomp_confine(struct ne_error *err) {
    if (!is_supported()) {
        ne_warn("the kernel has no seccomp (CONFIG_SECCOMP_FILTER): the daemon's system calls are "
                "not narrowed");
        return 0;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return ne_fail(err, NE_NO_MEMORY, "no memory for the seccomp filter");
    int result = load(filter);
    seccomp_release(filter);
    if (result != 0)
        return ne_fail_errno(err, NE_KERNEL, -result,
                             "cannot load the seccomp filter (let what starts the daemon permit "
                             "it seccomp(2) and prctl(2))");
    return 0;
}
