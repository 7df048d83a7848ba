/* loop.h - one epoll for everything that the daemon waits for. */
#ifndef NETENFORCE_DAEMON_LOOP_H
#define NETENFORCE_DAEMON_LOOP_H

#include <netenforce/error.h>
#include <stdbool.h>

#define LOOP_SOURCES 16

/* What to do when a descriptor is readable. */
typedef void (*loop_ready)(void *context);

/* Milliseconds until a source wants to be run even if it isn't readable, or -1. */
typedef int (*loop_timeout)(void *context);

struct loop_source {
    int fd;
    loop_ready ready;
    loop_timeout timeout; /* may be NULL */
    void *context;
};

struct loop {
    int epoll;
    bool stop; /* set it from a source to end loop_run() */
    struct loop_source sources[LOOP_SOURCES];
    unsigned count;
};

int loop_init(struct loop *loop, struct ne_error *err);
void loop_close(struct loop *loop);

/* loop_add() - Watch @source.fd, which stays the caller's. Return: 0, or -1 with NE_KERNEL. */
int loop_add(struct loop *loop, struct loop_source source, struct ne_error *err);

/* loop_run() - Wait and serve until `stop`. Return: 0, or -1 if waiting itself failed. */
int loop_run(struct loop *loop, struct ne_error *err);

/* loop_signals() - A descriptor that is readable when SIGTERM, SIGINT or SIGHUP came; they are
 * blocked otherwise. SIGPIPE is ignored. Return: the caller's descriptor, or -1.
 */
int loop_signals(struct ne_error *err);

/* loop_timer() - A timer, not armed. Return: the caller's descriptor, or -1. */
int loop_timer(struct ne_error *err);

/* loop_timer_every() - Fire every @ms milliseconds from now on; 0 stops it. */
int loop_timer_every(int timer, unsigned ms, struct ne_error *err);

/* loop_timer_after() - Fire once, @ms milliseconds from now, in place of what it was set to. */
int loop_timer_after(int timer, unsigned ms, struct ne_error *err);

/* loop_timer_drain() - Take note that it fired. */
void loop_timer_drain(int timer);

#endif
