/* launcher.c - see launcher.h and order.h.
 *
 * Forked before the daemon has read anything, it holds the reading of none of its data: one
 * descriptor to the daemon, one of /dev/null, and a table of the processes it started. Whatever
 * dnsmasq says goes from it to the daemon by a pipe that the launcher never reads.
 *
 * A dnsmasq leads a process group of its own, since it makes a process for each TCP connection;
 * what it leaves behind is ended with its group and becomes the launcher's to reap. Should the
 * launcher be killed, the kernel kills each dnsmasq (PR_SET_PDEATHSIG), and the keeper, its parent
 * which does nothing else, makes another. The daemon's end is seen by the closed socket, and by a
 * signal if the daemon is killed in the midst.
 */
#include "launcher.h"

#include "arguments.h"
#include "confine.h"
#include "order.h"

#include <errno.h>
#include <fcntl.h>
#include <netenforce/forwarder.h>
#include <netenforce/log.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DNS_PORT 53

struct child {
    pid_t pid; /* 0: the slot is free */
    uint32_t serial;
    char network[NE_ID_SIZE];
};

struct launcher {
    const char *program;
    int fd;
    int null;
    struct child children[FORWARDERS_MAX];
};

static struct launcher launcher;
static struct arguments arguments;
static volatile sig_atomic_t ended;

static void on_signal(int number) {
    if (number == SIGTERM)
        ended = 1;
}

/* report() - With a descriptor to hand over, or -1. A report that does not get through means that
 * the daemon is gone, or is about to be. */
static void report(uint32_t kind, const struct launcher_order *about, int32_t status, int passed) {
    struct launcher_report text = {.kind = kind, .status = status};
    struct iovec part = {.iov_base = &text, .iov_len = sizeof(text)};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (about != NULL) {
        text.serial = about->serial;
        memcpy(text.network, about->network, sizeof(text.network));
    }
    if (passed >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed, sizeof(passed));
    }
    while (sendmsg(launcher.fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR && ended == 0)
        continue;
}

/* is_free() - Whether port 53 of @addr is nobody's, by @type. dnsmasq itself would share UDP's port
 * with a server that listens on every address, and that one would answer whenever dnsmasq is away.
 * TCP is asked kindly: a connection's remains are no server.
 */
static bool is_free(const struct ne_addr *addr, int type) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT)};
    bool six = addr->family == NE_V6;
    int on = 1;
    memcpy(&v4.sin_addr, addr->bytes, sizeof(v4.sin_addr));
    memcpy(&v6.sin6_addr, addr->bytes, sizeof(v6.sin6_addr));
    int fd = socket(six ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* dnsmasq will say what is wrong */
    if (type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const struct sockaddr *name = six ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
    bool taken = bind(fd, name, six ? sizeof(v6) : sizeof(v4)) < 0 && errno == EADDRINUSE;
    (void)close(fd);
    return !taken;
}

static bool ports_are_free(const struct forwarder_config *config) {
    for (size_t i = 0; i < 2; i++) {
        if (config->listen[i].family != NE_NONE &&
            (!is_free(&config->listen[i], SOCK_DGRAM) || !is_free(&config->listen[i], SOCK_STREAM)))
            return false;
    }
    return true;
}

/* become() - The new process turns into dnsmasq. */
static _Noreturn void become(int log) {
    static char *const environment[] = {NULL};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (setpgid(0, 0) == 0 && dup2(launcher.null, STDIN_FILENO) >= 0 &&
        dup2(launcher.null, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        (void)execve(launcher.program, arguments.argv, environment);
    _exit(127);
}

static struct child *find(const char *network) {
    for (size_t i = 0; i < FORWARDERS_MAX; i++) {
        struct child *child = &launcher.children[i];
        bool wanted = network == NULL ? child->pid == 0
                                      : child->pid != 0 && strcmp(child->network, network) == 0;
        if (wanted)
            return child;
    }
    return NULL;
}

static void kill_group(pid_t pid) {
    (void)kill(-pid, SIGKILL);
    (void)kill(pid, SIGKILL); /* should it not lead its group yet */
}

static void start(const struct launcher_order *order) {
    int log[2];
    struct child *child = find(NULL);
    /* The daemon asks for one only when there is none: it is of an order to a launcher before this.
     */
    if (find(order->network) != NULL) {
        kill_group(find(order->network)->pid);
        report(REPORT_EXITED, order, STATUS_BAD_ORDER, -1);
        return;
    }
    if (!ports_are_free(&order->config)) {
        report(REPORT_EXITED, order, STATUS_PORT_TAKEN, -1);
        return;
    }
    if (child == NULL || !arguments_make(&arguments, launcher.program, &order->config) ||
        pipe2(log, O_CLOEXEC) < 0) {
        report(REPORT_EXITED, order, STATUS_NO_ROOM, -1);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(log[1]);
    (void)close(log[1]);
    if (pid > 0) {
        (void)setpgid(pid, pid); /* whichever of the two comes first */
        *child = (struct child){.pid = pid, .serial = order->serial};
        memcpy(child->network, order->network, sizeof(child->network));
        report(REPORT_STARTED, order, 0, log[0]);
    } else {
        report(REPORT_EXITED, order, STATUS_NO_ROOM, -1);
    }
    (void)close(log[0]);
}

static void stop(const struct launcher_order *order) {
    const struct child *child = find(order->network);
    if (child == NULL || child->serial != order->serial)
        return; /* it has ended, and that was reported */
    kill_group(child->pid);
}

/* reap() - Report whose dnsmasq ended. Others are what one of them left behind. */
static void reap(bool wait) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, wait ? 0 : WNOHANG)) > 0;) {
        for (size_t i = 0; i < FORWARDERS_MAX; i++) {
            struct child *child = &launcher.children[i];
            if (child->pid != pid)
                continue;
            struct launcher_order about = {.serial = child->serial};
            memcpy(about.network, child->network, sizeof(about.network));
            /* Its port is free once those are gone, too, that it made for connections. */
            (void)kill(-pid, SIGKILL);
            while (waitpid(-pid, NULL, 0) > 0)
                continue;
            child->pid = 0;
            report(REPORT_EXITED, &about, status, -1);
        }
    }
}

static void obey(void) {
    static struct launcher_order order;
    static char room[sizeof(struct launcher_order) + 1];
    ssize_t size = recv(launcher.fd, room, sizeof(room), MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        ended = 1;
    if (size <= 0 || !order_read(room, (size_t)size, &order))
        return;
    if (order.kind == ORDER_START)
        start(&order);
    else
        stop(&order);
}

static void end_all(void) {
    (void)shutdown(launcher.fd, SHUT_RDWR);
    for (size_t i = 0; i < FORWARDERS_MAX; i++) {
        if (launcher.children[i].pid != 0)
            kill_group(launcher.children[i].pid);
    }
    reap(true);
}

void launcher_serve(const char *program, int fd, int null) {
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    sigset_t waiting;
    launcher = (struct launcher){.program = program, .fd = fd, .null = null};
    /* Signals come only while it waits, so that none is missed between two looks. */
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGCHLD);
    (void)sigaddset(&blocked, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &blocked, &waiting) < 0 || sigaction(SIGCHLD, &action, NULL) < 0 ||
        sigaction(SIGTERM, &action, NULL) < 0)
        return;
    (void)sigdelset(&waiting, SIGCHLD);
    (void)sigdelset(&waiting, SIGTERM);
    report(REPORT_READY, NULL, 0, -1);
    while (ended == 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (ppoll(&ready, 1, NULL, &waiting) > 0)
            obey();
        reap(false);
    }
    end_all();
}

/* work() - One life of the launcher. @keeper forked it, and ends it by its own end. */
static _Noreturn void work(const char *program, int fd, int null, pid_t keeper) {
    (void)prctl(PR_SET_NAME, "ne-launcher", 0, 0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() == keeper)
        launcher_serve(program, fd, null);
    _exit(0);
}

/* keep() - Have a launcher work until the daemon ends. One that is killed takes each dnsmasq with
 * it, and the next one says that it is ready: by that the daemon knows. */
static _Noreturn void keep(const char *program, int fd, int null) {
    static const struct timespec pause = {.tv_nsec = 100000000};
    pid_t keeper = getpid();
    for (;;) {
        int status = 0;
        pid_t gone;
        pid_t worker = fork();
        if (worker == 0)
            work(program, fd, null, keeper);
        if (worker < 0)
            _exit(1);
        do
            gone = waitpid(-1, &status, 0);
        while (gone != worker && (gone > 0 || errno == EINTR));
        if (gone != worker || WIFEXITED(status))
            _exit(0);
        (void)nanosleep(&pause, NULL);
    }
}

/* run() - What the forked process does from here to its end. */
static _Noreturn void run(const char *program, int fd, int null, pid_t daemon) {
    struct ne_error err;
    (void)prctl(PR_SET_NAME, "ne-keeper", 0, 0, 0);
    (void)signal(SIGINT, SIG_IGN); /* a terminal's: the daemon's end is ours */
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    if (confine_launcher(&err) < 0) {
        ne_warn("dns=log: the process that starts dnsmasq: %s (the daemon needs CAP_SETUID, "
                "CAP_SETGID and CAP_NET_BIND_SERVICE for it)",
                err.text);
        _exit(1);
    }
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0); /* after setuid(), which clears it */
    if (getppid() == daemon)
        keep(program, fd, null);
    _exit(0);
}

int ne_launcher_start(const char *program, int *fd, struct ne_error *err) {
    int pair[2];
    pid_t daemon = getpid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot open /dev/null");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        int saved = errno;
        (void)close(null);
        return ne_fail_errno(err, NE_KERNEL, saved, "cannot make a pair of sockets");
    }
    pid_t pid = fork();
    int saved = errno;
    if (pid == 0) {
        (void)close(pair[0]);
        run(program, pair[1], null, daemon);
    }
    (void)close(null);
    (void)close(pair[1]);
    if (pid > 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0) {
        *fd = pair[0];
        return 0;
    }
    if (pid > 0)
        saved = errno;
    (void)close(pair[0]); /* the launcher, if it is there, ends by that */
    return ne_fail_errno(err, NE_KERNEL, saved, "cannot make the process that starts dnsmasq");
}
