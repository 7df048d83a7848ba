/* forwarders.c - the daemon's side: which dnsmasq should run, and which does. See forwarder.h.
 *
 *            START               "started"
 *    DOWN ----------> STARTING ------------> UP
 *     ^                  |                   |    port 53 is open in UP alone
 *     |      EXITED      v       STOP        v
 *     +--------------------- STOPPING <------+
 *
 * One that ends by itself is started again: after 100 ms, then twice as long each time up to ten
 * seconds, until it has listened for ten.
 */
#include "order.h"
#include "queries.h"
#include "wanted.h"

#include <errno.h>
#include <netenforce/event.h>
#include <netenforce/grow.h>
#include <netenforce/log.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000
#define STEADY_MS    10000

/* How much of one log is read at a time: a flood of questions waits for the daemon, and not the
 * daemon's other callers for it. */
#define READ_AT_ONCE 16384
#define LINE_MAX     1024 /* what is longer is cut */

enum state { DOWN, STARTING, UP, STOPPING };

struct forwarder {
    char network[NE_ID_SIZE];
    enum state state;
    bool wanted; /* else it is forgotten once it is down */
    bool told;   /* the failure that lasts */
    bool unsent; /* the order to stop it */
    uint32_t serial;
    struct forwarder_config config;
    int log; /* -1: none */
    size_t used;
    bool skipping; /* the rest of a line that was cut */
    char line[LINE_MAX];
    char words[200]; /* dnsmasq's last, for whoever asks why */
    uint64_t up_since_ms;
    uint64_t start_at_ms;
    uint64_t pause_ms;
    struct queries queries;
};

struct ne_forwarders {
    struct ne_driver *driver;
    const char *host_root;
    struct ne_servers named;
    struct ne_servers upstreams; /* as last read */
    int launcher;                /* -1: it is gone */
    int epoll;
    bool ready; /* the launcher has said so */
    bool no_upstreams_told;
    uint32_t serial;
    struct forwarder **items;
    size_t count;
};

static uint64_t now_ms(void) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct forwarder *find(const struct ne_forwarders *forwarders, const char *network) {
    for (size_t i = 0; i < forwarders->count; i++) {
        if (strcmp(forwarders->items[i]->network, network) == 0)
            return forwarders->items[i];
    }
    return NULL;
}

static void warn(const struct forwarder *forwarder, const char *reason) {
    ne_warn("network %.12s: dns=log: %s", forwarder->network, reason);
    const struct ne_event event = {
        .type = "warning", .network = forwarder->network, .reason = reason};
    ne_event_emit(&event);
}

/* set_up() - Open or close the port. A failure is the driver's to mend. */
static void set_up(struct ne_forwarders *forwarders, const struct forwarder *forwarder, bool up) {
    struct ne_error err;
    if (ne_driver_set_forwarder(forwarders->driver, forwarder->network, up, &err) < 0)
        ne_err("%s; it will be tried again", err.text);
}

static void close_log(struct forwarder *forwarder) {
    if (forwarder->log >= 0)
        (void)close(forwarder->log); /* epoll forgets it by that */
    forwarder->log = -1;
    forwarder->used = 0;
    forwarder->skipping = false;
}

static int order(struct ne_forwarders *forwarders, uint32_t kind, const struct forwarder *about) {
    static struct launcher_order text;
    memset(&text, 0, sizeof(text));
    text.kind = kind;
    text.serial = about->serial;
    memcpy(text.network, about->network, sizeof(text.network));
    text.config = about->config;
    ssize_t sent = -1;
    if (forwarders->launcher >= 0)
        sent = send(forwarders->launcher, &text, sizeof(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == (ssize_t)sizeof(text) ? 0 : -1;
}

/* start_due() - Start what is to run, and does not, and has waited long enough. */
static void start_due(struct ne_forwarders *forwarders) {
    uint64_t now = now_ms();
    for (size_t i = 0; i < forwarders->count && forwarders->ready; i++) {
        struct forwarder *forwarder = forwarders->items[i];
        if (forwarder->unsent)
            forwarder->unsent = order(forwarders, ORDER_STOP, forwarder) < 0;
        if (!forwarder->wanted || forwarder->state != DOWN || forwarder->start_at_ms > now)
            continue;
        forwarder->serial = ++forwarders->serial;
        forwarder->words[0] = '\0';
        if (order(forwarders, ORDER_START, forwarder) == 0)
            forwarder->state = STARTING;
        else
            forwarder->start_at_ms = now + PAUSE_MIN_MS; /* the launcher is busy */
    }
}

static void stop(struct ne_forwarders *forwarders, struct forwarder *forwarder) {
    if (forwarder->state != STARTING && forwarder->state != UP)
        return;
    set_up(forwarders, forwarder, false);
    forwarder->state = STOPPING;
    forwarder->unsent = order(forwarders, ORDER_STOP, forwarder) < 0; /* the launcher is busy */
}

static const struct ne_network *network_of(const struct ne_forwarders *forwarders,
                                           const struct forwarder *forwarder) {
    return ne_model_network(&forwarders->driver->model, forwarder->network);
}

/* listening() - dnsmasq says that it listens. */
static void listening(struct ne_forwarders *forwarders, struct forwarder *forwarder) {
    if (forwarder->state != STARTING)
        return;
    forwarder->state = UP;
    forwarder->up_since_ms = now_ms();
    if (forwarder->told)
        ne_info("network %.12s: dns=log: names are answered again", forwarder->network);
    forwarder->told = false;
    set_up(forwarders, forwarder, true);
}

static void take_line(struct ne_forwarders *forwarders, struct forwarder *forwarder, uint64_t now) {
    struct querylog_line line;
    const struct ne_network *network = network_of(forwarders, forwarder);
    querylog_parse(forwarder->line, forwarder->used, &line);
    switch (line.kind) {
    case QUERYLOG_READY:
        listening(forwarders, forwarder);
        break;
    case QUERYLOG_WORDS:
        (void)snprintf(forwarder->words, sizeof(forwarder->words), "%.199s", line.name);
        break;
    case QUERYLOG_QUERY:
    case QUERYLOG_ANSWER:
        if (network != NULL)
            queries_take(&forwarder->queries, &forwarders->driver->model, network, &line, now);
        break;
    case QUERYLOG_OTHER:
        break;
    }
}

static void take_bytes(struct ne_forwarders *forwarders, struct forwarder *forwarder,
                       const char *bytes, size_t size) {
    uint64_t now = now_ms();
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            if (!forwarder->skipping)
                take_line(forwarders, forwarder, now);
            forwarder->used = 0;
            forwarder->skipping = false;
        } else if (forwarder->used < LINE_MAX) {
            forwarder->line[forwarder->used++] = bytes[i];
        } else if (!forwarder->skipping) {
            take_line(forwarders, forwarder, now);
            forwarder->skipping = true;
        }
    }
}

/* read_log() - Return: whether more may be there. */
static bool read_log(struct ne_forwarders *forwarders, struct forwarder *forwarder) {
    char bytes[READ_AT_ONCE];
    ssize_t size = forwarder->log < 0 ? 0 : read(forwarder->log, bytes, sizeof(bytes));
    if (size > 0)
        take_bytes(forwarders, forwarder, bytes, (size_t)size);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        close_log(forwarder); /* what ended is told by the launcher */
    return size == (ssize_t)sizeof(bytes);
}

/* why() - Why a dnsmasq ended that nobody ended. */
static const char *why(const struct forwarder *forwarder, int status, char *text, size_t size) {
    const char *after = forwarder->words[0] != '\0' ? ": " : "";
    if (status == STATUS_PORT_TAKEN)
        (void)snprintf(text, size,
                       "another server on this host listens on port 53 of every address: have it "
                       "listen on its own addresses only (dnsmasq: bind-interfaces, unbound: "
                       "interface, named: listen-on)");
    else if (status == STATUS_NO_ROOM)
        (void)snprintf(text, size, "no room for another dnsmasq (%d at most)", FORWARDERS_MAX);
    else if (status == STATUS_BAD_ORDER)
        (void)snprintf(text, size, "the launcher does not take the order");
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        (void)snprintf(text, size,
                       "dnsmasq cannot be started: is it installed (dnsmasq-base), and may "
                       "everybody execute it?");
    else if (WIFSIGNALED(status))
        (void)snprintf(text, size, "dnsmasq was ended by signal %d", WTERMSIG(status));
    else
        (void)snprintf(text, size, "dnsmasq ended with status %d%s%s", WEXITSTATUS(status), after,
                       forwarder->words);
    return text;
}

static void exited(struct ne_forwarders *forwarders, struct forwarder *forwarder, int status) {
    char reason[400];
    uint64_t now = now_ms();
    bool meant = forwarder->state == STOPPING;
    bool steady = forwarder->state == UP && now - forwarder->up_since_ms >= STEADY_MS;
    forwarder->state = DOWN;
    forwarder->unsent = false;
    set_up(forwarders, forwarder, false);
    while (read_log(forwarders, forwarder))
        continue; /* its last words */
    close_log(forwarder);
    if (meant || steady)
        forwarder->pause_ms = 0;
    else
        forwarder->pause_ms = forwarder->pause_ms == 0 ? PAUSE_MIN_MS : forwarder->pause_ms * 2;
    if (forwarder->pause_ms > PAUSE_MAX_MS)
        forwarder->pause_ms = PAUSE_MAX_MS;
    forwarder->start_at_ms = now + forwarder->pause_ms;
    if (meant || forwarder->told)
        return;
    (void)why(forwarder, status, reason, sizeof(reason));
    (void)strncat(reason, "; names fail until it listens again, which is tried",
                  sizeof(reason) - strlen(reason) - 1);
    warn(forwarder, reason);
    forwarder->told = true;
}

/* forget_gone() - Drop what nobody wants and is down. */
static void forget_gone(struct ne_forwarders *forwarders) {
    for (size_t i = forwarders->count; i-- > 0;) {
        struct forwarder *forwarder = forwarders->items[i];
        if (forwarder->wanted || forwarder->state != DOWN)
            continue;
        close_log(forwarder);
        queries_free(&forwarder->queries);
        free(forwarder);
        forwarders->items[i] = forwarders->items[--forwarders->count];
    }
}

static void launcher_gone(struct ne_forwarders *forwarders) {
    (void)close(forwarders->launcher);
    forwarders->launcher = -1;
    forwarders->ready = false;
    ne_err(
        "dns=log: the process that starts dnsmasq has ended: names of networks with dns=log fail "
        "until the daemon is started again");
    const struct ne_event event = {.type = "warning",
                                   .reason = "the process that starts dnsmasq has ended: start "
                                             "the daemon again"};
    ne_event_emit(&event);
    for (size_t i = 0; i < forwarders->count; i++) {
        close_log(forwarders->items[i]);
        set_up(forwarders, forwarders->items[i], false);
        forwarders->items[i]->state = DOWN;
        forwarders->items[i]->unsent = false;
    }
}

/* started() - @log is the reading end of what it says. */
static void started(struct ne_forwarders *forwarders, struct forwarder *forwarder, int log) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = forwarder};
    close_log(forwarder);
    if (epoll_ctl(forwarders->epoll, EPOLL_CTL_ADD, log, &event) < 0) {
        (void)close(log);
        stop(forwarders, forwarder);
        return;
    }
    forwarder->log = log;
}

/* launcher_ready() - Also when it is another one: then each dnsmasq of the one before is gone. */
static void launcher_ready(struct ne_forwarders *forwarders) {
    if (forwarders->ready) {
        ne_warn("dns=log: the process that starts dnsmasq was killed, and is there again");
        const struct ne_event event = {
            .type = "warning",
            .reason = "the process that starts dnsmasq was killed, and is there again"};
        ne_event_emit(&event);
    }
    for (size_t i = 0; i < forwarders->count && forwarders->ready; i++) {
        struct forwarder *forwarder = forwarders->items[i];
        close_log(forwarder);
        set_up(forwarders, forwarder, false);
        forwarder->state = DOWN;
        forwarder->unsent = false;
    }
    forwarders->ready = true;
}

static void take_report(struct ne_forwarders *forwarders, const struct launcher_report *report,
                        int log) {
    struct forwarder *forwarder = find(forwarders, report->network);
    bool known = forwarder != NULL && forwarder->serial == report->serial;
    if (report->kind == REPORT_READY)
        launcher_ready(forwarders);
    else if (report->kind == REPORT_STARTED && known && log >= 0)
        started(forwarders, forwarder, log);
    else if (log >= 0)
        (void)close(log);
    if (report->kind == REPORT_EXITED && known)
        exited(forwarders, forwarder, report->status);
}

/* read_report() - Return: whether there was one. */
static bool read_report(struct ne_forwarders *forwarders) {
    struct launcher_report report;
    struct iovec part = {.iov_base = &report, .iov_len = sizeof(report)};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    int log = -1;
    if (forwarders->launcher < 0)
        return false;
    ssize_t size = recvmsg(forwarders->launcher, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size != (ssize_t)sizeof(report)) {
        launcher_gone(forwarders);
        return false;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&log, CMSG_DATA(header), sizeof(log));
    report.network[sizeof(report.network) - 1] = '\0';
    take_report(forwarders, &report, log);
    return true;
}

/* look_up_servers() - Whom to ask. What cannot be read stays as it was. */
static void look_up_servers(struct ne_forwarders *forwarders) {
    struct ne_error err;
    struct ne_servers found;
    if (forwarders->named.count > 0) {
        forwarders->upstreams = forwarders->named;
        return;
    }
    if (ne_resolver_servers(forwarders->host_root, &found, &err) < 0)
        ne_debug("dns=log: %s", err.text);
    else
        forwarders->upstreams = found;
}

static struct forwarder *add(struct ne_forwarders *forwarders, const char *network) {
    struct ne_error err;
    struct forwarder **room =
        ne_grow(forwarders->items, forwarders->count, sizeof(struct forwarder *), &err);
    struct forwarder *made = room == NULL ? NULL : calloc(1, sizeof(*made));
    if (room != NULL)
        forwarders->items = room;
    if (made == NULL)
        return NULL; /* the next look tries again */
    made->log = -1;
    memcpy(made->network, network, strlen(network) + 1);
    forwarders->items[forwarders->count++] = made;
    return made;
}

static void sync_one(struct ne_forwarders *forwarders, const struct ne_network *network) {
    struct forwarder_config config;
    struct forwarder *forwarder = find(forwarders, network->id);
    if (!forwarder_wanted(&forwarders->driver->model, network, &forwarders->upstreams, &config))
        return;
    if (forwarder == NULL)
        forwarder = add(forwarders, network->id);
    if (forwarder == NULL)
        return;
    forwarder->wanted = true;
    if (config.upstream[0].family == NE_NONE && !forwarders->no_upstreams_told)
        warn(forwarder, "the host's resolv.conf names no server to ask: names fail; name one there "
                        "or with --dns-upstream");
    forwarders->no_upstreams_told = config.upstream[0].family == NE_NONE;
    if (config_equal(&forwarder->config, &config))
        return;
    stop(forwarders, forwarder);
    forwarder->config = config;
    forwarder->start_at_ms = 0; /* another configuration: perhaps a better one */
    forwarder->pause_ms = 0;
}

void ne_forwarders_sync(struct ne_forwarders *forwarders) {
    const struct ne_model *model = &forwarders->driver->model;
    if (model->networks.count > 0)
        look_up_servers(forwarders);
    for (size_t i = 0; i < forwarders->count; i++)
        forwarders->items[i]->wanted = false;
    for (size_t i = 0; i < model->networks.count; i++)
        sync_one(forwarders, ne_model_network_at(model, i));
    for (size_t i = 0; i < forwarders->count; i++) {
        if (!forwarders->items[i]->wanted)
            stop(forwarders, forwarders->items[i]);
    }
    forget_gone(forwarders);
    start_due(forwarders);
}

static bool stopping(const struct ne_forwarders *forwarders) {
    for (size_t i = 0; i < forwarders->count; i++) {
        if (forwarders->items[i]->state == STOPPING)
            return true;
    }
    return false;
}

void ne_forwarders_settle(struct ne_forwarders *forwarders, int limit_ms) {
    uint64_t end = now_ms() + (uint64_t)limit_ms;
    for (uint64_t now; stopping(forwarders) && (now = now_ms()) < end;) {
        struct pollfd ready = {.fd = forwarders->launcher, .events = POLLIN};
        if (poll(&ready, 1, (int)(end - now)) < 0 && errno != EINTR)
            break;
        while (read_report(forwarders))
            continue;
    }
    start_due(forwarders);
}

void ne_forwarders_run(struct ne_forwarders *forwarders) {
    struct epoll_event events[16];
    const struct ne_model *model = &forwarders->driver->model;
    int n = epoll_wait(forwarders->epoll, events, 16, 0);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr != NULL)
            (void)read_log(forwarders, events[i].data.ptr);
    }
    while (read_report(forwarders))
        continue;
    uint64_t now = now_ms();
    for (size_t i = 0; i < forwarders->count; i++) {
        const struct ne_network *network = network_of(forwarders, forwarders->items[i]);
        if (network != NULL)
            queries_flush(&forwarders->items[i]->queries, model, network, now);
    }
    forget_gone(forwarders);
    start_due(forwarders);
}

int ne_forwarders_timeout(const struct ne_forwarders *forwarders) {
    uint64_t now = now_ms();
    int soonest = -1;
    for (size_t i = 0; i < forwarders->count; i++) {
        const struct forwarder *forwarder = forwarders->items[i];
        int due = queries_timeout(&forwarder->queries, now);
        if (forwarder->wanted && forwarder->state == DOWN && forwarders->ready) {
            int start = forwarder->start_at_ms > now ? (int)(forwarder->start_at_ms - now) : 0;
            due = due < 0 || start < due ? start : due;
        }
        if (forwarder->unsent && (due < 0 || due > PAUSE_MIN_MS))
            due = PAUSE_MIN_MS;
        if (due >= 0 && (soonest < 0 || due < soonest))
            soonest = due;
    }
    return soonest;
}

int ne_forwarders_fd(const struct ne_forwarders *forwarders) {
    return forwarders->epoll;
}

void ne_forwarders_count(const struct ne_forwarders *forwarders,
                         void (*visit)(void *context, const char *network,
                                       enum ne_query_result result, unsigned long count),
                         void *context) {
    for (size_t i = 0; i < forwarders->count; i++) {
        const struct forwarder *forwarder = forwarders->items[i];
        for (unsigned result = 0; result < NE_QUERY_RESULTS; result++) {
            if (forwarder->queries.counts[result] > 0)
                visit(context, forwarder->network, (enum ne_query_result)result,
                      forwarder->queries.counts[result]);
        }
    }
}

struct ne_forwarders *ne_forwarders_open(struct ne_driver *driver,
                                         const struct ne_forwarder_settings *settings,
                                         struct ne_error *err) {
    struct ne_forwarders *made = calloc(1, sizeof(*made));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (made == NULL) {
        (void)close(settings->launcher);
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the forwarders of names");
        return NULL;
    }
    made->driver = driver;
    made->host_root = settings->host_root;
    made->named = settings->upstreams;
    made->launcher = settings->launcher;
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (made->epoll < 0 || epoll_ctl(made->epoll, EPOLL_CTL_ADD, made->launcher, &event) < 0) {
        (void)ne_fail_errno(err, NE_KERNEL, errno, "cannot wait for the forwarders of names");
        ne_forwarders_close(made);
        return NULL;
    }
    return made;
}

void ne_forwarders_close(struct ne_forwarders *forwarders) {
    if (forwarders == NULL)
        return;
    for (size_t i = 0; i < forwarders->count; i++) {
        close_log(forwarders->items[i]);
        queries_free(&forwarders->items[i]->queries);
        free(forwarders->items[i]);
    }
    free(forwarders->items);
    if (forwarders->launcher >= 0)
        (void)close(forwarders->launcher);
    if (forwarders->epoll >= 0)
        (void)close(forwarders->epoll);
    free(forwarders);
}
