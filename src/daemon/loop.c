/* loop.c - one epoll for everything: see loop.h. */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int loop_init(struct loop *loop, struct ne_error *err) {
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (loop->epoll < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make an epoll descriptor");
    return 0;
}

void loop_close(struct loop *loop) {
    if (loop->epoll >= 0)
        (void)close(loop->epoll);
    loop->epoll = -1;
}

int loop_add(struct loop *loop, struct loop_source source, struct ne_error *err) {
    if (loop->count == LOOP_SOURCES)
        return ne_fail(err, NE_KERNEL, "more than %d event sources", LOOP_SOURCES);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = loop->count};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source.fd, &event) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot wait for descriptor %d", source.fd);
    loop->sources[loop->count++] = source;
    return 0;
}

/* soonest() - The smallest timeout that a source asks for. */
static int soonest(const struct loop *loop) {
    int soonest_ms = -1;
    for (unsigned i = 0; i < loop->count; i++) {
        const struct loop_source *source = &loop->sources[i];
        int ms = source->timeout == NULL ? -1 : source->timeout(source->context);
        if (ms >= 0 && (soonest_ms < 0 || ms < soonest_ms))
            soonest_ms = ms;
    }
    return soonest_ms;
}

int loop_run(struct loop *loop, struct ne_error *err) {
    while (!loop->stop) {
        struct epoll_event events[LOOP_SOURCES];
        int n = epoll_wait(loop->epoll, events, LOOP_SOURCES, soonest(loop));
        if (n < 0 && errno != EINTR)
            return ne_fail_errno(err, NE_KERNEL, errno, "cannot wait for events");
        for (int i = 0; i < n; i++) {
            const struct loop_source *source = &loop->sources[events[i].data.u32];
            source->ready(source->context);
        }
        /* Timed work: sources with a timeout that is due, readable or not. */
        for (unsigned i = 0; i < loop->count; i++) {
            const struct loop_source *source = &loop->sources[i];
            if (source->timeout != NULL && source->timeout(source->context) == 0)
                source->ready(source->context);
        }
    }
    return 0;
}

int loop_signals(struct ne_error *err) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot set up signals");
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make a signal descriptor");
    return fd;
}

int loop_timer(struct ne_error *err) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot make a timer");
    return fd;
}

static struct timespec step_of(unsigned ms) {
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
}

static int set_timer(int timer, struct timespec first, struct timespec step, struct ne_error *err) {
    const struct itimerspec spec = {.it_interval = step, .it_value = first};
    if (timerfd_settime(timer, 0, &spec, NULL) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot set a timer");
    return 0;
}

int loop_timer_every(int timer, unsigned ms, struct ne_error *err) {
    return set_timer(timer, step_of(ms), step_of(ms), err);
}

int loop_timer_after(int timer, unsigned ms, struct ne_error *err) {
    return set_timer(timer, step_of(ms), (struct timespec){0}, err);
}

void loop_timer_drain(int timer) {
    uint64_t times;
    ssize_t n = read(timer, &times, sizeof(times));
    (void)n; /* EAGAIN: it did not fire after all */
}
