/* main.c - netenforced: its life from start to end. */
#include "loop.h"
#include "privileges.h"
#include "settings.h"
#include "socket.h"

#include <netenforce/control.h>
#include <netenforce/driver.h>
#include <netenforce/event.h>
#include <netenforce/http.h>
#include <netenforce/link_watch.h>
#include <netenforce/remote.h>
#include <netenforce/version.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How long rules that somebody else removed can stay so. A check reads, compares and changes
 * nothing; docs/performance.md has its cost. */
#define CHECK_EVERY_MS 500

struct daemon {
    struct settings settings;
    struct loop loop;
    struct ne_driver driver;
    struct ne_control control;
    struct ne_link *link;
    struct ne_firewall *firewall;
    struct ne_store *store;
    struct ne_http_server *servers[SETTINGS_SOCKETS + 1];
    unsigned server_count;
    int signals;
    int timer;
    int watch;       /* tells of changes to links */
    int rules_watch; /* tells of changes to nf_tables */
    bool ticking;
    bool links_changed; /* since the last repair, by whomever: a container can do it, too */
    bool complained;    /* the failure that the log tells of already still lasts */
};

/* tick_when_needed() - Check while there is something to guard or to mend, sleep otherwise. */
static void tick_when_needed(struct daemon *daemon) {
    bool needed = daemon->driver.model.networks.count > 0 || daemon->driver.unsettled;
    struct ne_error err;
    if (needed == daemon->ticking)
        return;
    if (loop_timer_every(daemon->timer, needed ? CHECK_EVERY_MS : 0, &err) < 0)
        ne_err("%s", err.text);
    else
        daemon->ticking = needed;
}

/* repair() - Put right what is not as it should be, and say so, for people and for programs. */
static int repair(struct daemon *daemon, struct ne_error *err) {
    struct ne_repaired repaired;
    int result = ne_driver_repair(&daemon->driver, &repaired, err);
    if (repaired.count == 0)
        return result;
    ne_warn("repair: %u things were not as they should be and were put right, the first: %s",
            repaired.count, repaired.first);
    const struct ne_event event = {
        .type = "repair", .reason = repaired.first, .count = repaired.count};
    ne_event_emit(&event);
    return result;
}

/* look() - Compare, and repair where something differs. */
static void look(struct daemon *daemon) {
    struct ne_firewall_report report = {0};
    struct ne_error err;
    bool whole = !daemon->links_changed && !daemon->driver.unsettled &&
                 ne_driver_check(&daemon->driver, &report, &err) == 0 && report.differences == 0;
    daemon->links_changed = false;
    bool failed = !whole && repair(daemon, &err) < 0;
    if (failed && !daemon->complained)
        ne_err("repair: %s; it is tried again every %d ms", err.text, CHECK_EVERY_MS);
    daemon->complained = failed;
    tick_when_needed(daemon);
}

static void on_tick(void *context) {
    struct daemon *daemon = context;
    loop_timer_drain(daemon->timer);
    look(daemon);
}

/* on_rules_event() - The backstop was changed, which no container can do: looked at now. */
static void on_rules_event(void *context) {
    struct daemon *daemon = context;
    if (ne_firewall_watch_drain(daemon->rules_watch))
        look(daemon);
}

/* on_link_event() - Only noted: the next tick acts on it. So a container that sets its end up
 * and down all day costs two repairs a second and no more. */
static void on_link_event(void *context) {
    struct daemon *daemon = context;
    if (ne_link_watch_drain(daemon->watch))
        daemon->links_changed = true;
}

static void on_signal(void *context) {
    struct daemon *daemon = context;
    struct signalfd_siginfo info;
    while (read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            ne_info("SIGHUP: nothing to read again");
            continue;
        }
        ne_info("signal %u: ending; links and rules stay in place", info.ssi_signo);
        daemon->loop.stop = true;
    }
}

static void on_plugin_call(void *context, const struct ne_http_request *request,
                           struct ne_http_response *response) {
    struct daemon *daemon = context;
    ne_remote_handle(&daemon->driver, request, response);
    tick_when_needed(daemon);
}

static void on_http(void *context) {
    ne_http_run(context);
}

static int http_timeout(void *context) {
    return ne_http_timeout(context);
}

static int open_edges(struct daemon *daemon, struct ne_error *err) {
    const struct settings *settings = &daemon->settings;
    const struct ne_firewall_settings firewall = {
        .mark = settings->mark,
        .lock_path = settings->lock_path,
    };
    daemon->store = ne_file_store_open(settings->state_dir, err);
    if (daemon->store == NULL)
        return -1;
    daemon->link = ne_rtnl_open(settings->ipv6_conf, err);
    if (daemon->link == NULL)
        return -1;
    struct ne_firewall *tables = ne_iptables_open(&firewall, err);
    daemon->firewall =
        ne_firewall_pair(tables, tables == NULL ? NULL : ne_backstop_open(&firewall, err), err);
    return daemon->firewall == NULL ? -1 : 0;
}

/* Everything is as it should be before the first call is answered. A kernel that cannot
 * enforce does not end the daemon: it goes on trying, and refuses what it cannot enforce. */
static int take_up(struct daemon *daemon, struct ne_error *err) {
    ne_driver_init(&daemon->driver, daemon->link, daemon->firewall, daemon->store);
    if (ne_driver_load(&daemon->driver, err) < 0)
        return -1;
    struct ne_repaired repaired; /* after a reboot all of it: no news */
    if (ne_driver_repair(&daemon->driver, &repaired, err) < 0)
        ne_err("not everything is in place: %s", err->text);
    if (repaired.count > 0)
        ne_info("%u things were put in place, the first: %s", repaired.count, repaired.first);
    return 0;
}

static int serve(struct daemon *daemon, const char *path, ne_http_handler handler, void *context,
                 const char *error_key, struct ne_error *err) {
    int listener = socket_listen(path, err);
    if (listener < 0)
        return -1;
    struct ne_http_server *server = ne_http_open(listener, handler, context, error_key, err);
    if (server == NULL)
        return -1;
    daemon->servers[daemon->server_count++] = server;
    const struct loop_source source = {
        .fd = ne_http_fd(server),
        .ready = on_http,
        .timeout = http_timeout,
        .context = server,
    };
    return loop_add(&daemon->loop, source, err);
}

static int open_loop(struct daemon *daemon, struct ne_error *err) {
    if (loop_init(&daemon->loop, err) < 0)
        return -1;
    daemon->signals = loop_signals(err);
    if (daemon->signals < 0)
        return -1;
    daemon->timer = loop_timer(err);
    if (daemon->timer < 0)
        return -1;
    const struct loop_source signals = {
        .fd = daemon->signals, .ready = on_signal, .context = daemon};
    const struct loop_source timer = {.fd = daemon->timer, .ready = on_tick, .context = daemon};
    if (loop_add(&daemon->loop, signals, err) < 0 || loop_add(&daemon->loop, timer, err) < 0 ||
        ne_link_watch_open(&daemon->watch, err) < 0)
        return -1;
    const struct loop_source watch = {
        .fd = daemon->watch, .ready = on_link_event, .context = daemon};
    if (loop_add(&daemon->loop, watch, err) < 0)
        return -1;
    /* Without nf_tables there is no backstop to watch. */
    struct ne_error why;
    if (ne_firewall_watch_open(&daemon->rules_watch, &why) < 0)
        return 0;
    const struct loop_source rules = {
        .fd = daemon->rules_watch, .ready = on_rules_event, .context = daemon};
    return loop_add(&daemon->loop, rules, err);
}

static int open_sockets(struct daemon *daemon, struct ne_error *err) {
    const struct settings *settings = &daemon->settings;
    daemon->control = (struct ne_control){
        .driver = &daemon->driver,
        .state_dir = settings->state_dir,
        .mark = settings->mark,
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &daemon->control.started);
    if (serve(daemon, settings->control_socket, ne_control_handle, &daemon->control, "error", err) <
        0)
        return -1;
    for (unsigned i = 0; i < settings->plugin_socket_count; i++) {
        if (serve(daemon, settings->plugin_sockets[i], on_plugin_call, daemon, "Err", err) < 0)
            return -1;
    }
    return 0;
}

static int live(struct daemon *daemon, struct ne_error *err) {
    if (privileges_drop(err) < 0 || open_loop(daemon, err) < 0 || open_edges(daemon, err) < 0 ||
        take_up(daemon, err) < 0 || open_sockets(daemon, err) < 0)
        return -1;
    ne_info("netenforced %s: %zu networks, %zu endpoints; ready", NE_VERSION,
            daemon->driver.model.networks.count, daemon->driver.model.endpoints.count);
    tick_when_needed(daemon);
    return loop_run(&daemon->loop, err);
}

/* Sockets' files go, so that the engine says at once that the driver is away. */
static void end(struct daemon *daemon) {
    for (unsigned i = 0; i < daemon->server_count; i++)
        ne_http_close(daemon->servers[i]);
    if (daemon->server_count > 0)
        (void)unlink(daemon->settings.control_socket);
    for (unsigned i = 1; i < daemon->server_count; i++)
        (void)unlink(daemon->settings.plugin_sockets[i - 1]);
    ne_driver_free(&daemon->driver);
    if (daemon->firewall != NULL)
        daemon->firewall->ops->close(daemon->firewall);
    if (daemon->link != NULL)
        daemon->link->ops->close(daemon->link);
    if (daemon->store != NULL)
        daemon->store->ops->close(daemon->store);
    if (daemon->timer >= 0)
        (void)close(daemon->timer);
    if (daemon->watch >= 0)
        (void)close(daemon->watch);
    if (daemon->rules_watch >= 0)
        (void)close(daemon->rules_watch);
    if (daemon->signals >= 0)
        (void)close(daemon->signals);
    loop_close(&daemon->loop);
}

int main(int argc, char **argv) {
    struct daemon daemon = {
        .signals = -1, .timer = -1, .watch = -1, .rules_watch = -1, .loop.epoll = -1};
    switch (settings_read(&daemon.settings, argc, argv)) {
    case SETTINGS_DONE:
        return 0;
    case SETTINGS_WRONG:
        return 2;
    case SETTINGS_RUN:
        break;
    }
    ne_log_set_level(daemon.settings.log_level);

    struct ne_error err = {0};
    int result = live(&daemon, &err);
    if (result < 0)
        ne_err("netenforced ends: %s", err.text);
    end(&daemon);
    return result < 0 ? 1 : 0;
}
