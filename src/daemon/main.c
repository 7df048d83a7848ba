/* main.c - netenforced: its life from start to end. */
#include "auditor.h"
#include "loop.h"
#include "policies.h"
#include "privileges.h"
#include "seccomp.h"
#include "settings.h"
#include "socket.h"

#include <malloc.h>
#include <netenforce/control.h>
#include <netenforce/driver.h>
#include <netenforce/event.h>
#include <netenforce/forwarder.h>
#include <netenforce/http.h>
#include <netenforce/link_watch.h>
#include <netenforce/remote.h>
#include <netenforce/version.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* An interface may be made within a container without a word here (`ip link add ... netns`). So we
 * look for other ways out also when we heard of nothing, once a minute. */
#define LOOK_EVERY_TICKS 120
/* How many bridges' settings are read at each: more take their turn, so that a host with a thousand
 * networks does not pay for all of them twice a second. */
#define LINKS_AT_ONCE 50

/* Retired ports are deleted once no call has come for so long: whoever deletes one waits, and the
 * engine is not to wait for that. So many of them are deleted also while it is busy. */
#define QUIET_MS     100
#define RETIRED_MANY 64

/* After so many ticks without a call, memory that a burst of them took is given back. */
#define REST_TICKS 2

/* How long a change of policy waits for the end of a dnsmasq with the old one, which the kernel
 * kills in far less. Its port is closed before. */
#define SETTLE_MS 1000

/* What one of the engine's sockets has to know. */
struct plugin_server {
    struct daemon *daemon;
    struct ne_remote remote;
};

struct daemon {
    struct settings settings;
    struct loop loop;
    struct ne_driver driver;
    struct ne_control control;
    struct ne_link *link;
    struct ne_firewall *firewall;
    struct ne_store *store;
    struct ne_forwarders *forwarders; /* of names; NULL: they cannot be started */
    int launcher;                     /* until the forwarders have taken it over */
    struct auditor auditor;
    struct ne_metrics metrics;
    struct ne_http_server *servers[SETTINGS_SOCKETS + 1];
    unsigned server_count;
    struct plugin_server plugin_servers[SETTINGS_SOCKETS];
    int signals;
    int timer;
    int quiet;       /* fires when the engine has been quiet for a while */
    int watch;       /* tells of changes to links */
    int rules_watch; /* tells of changes to nf_tables */
    bool ticking;
    struct ne_link_changes links; /* since the last look, by whomever: a container can do it, too */
    bool links_moved;             /* since we looked for other ways out */
    unsigned ticks;               /* since then, too */
    unsigned rest;                /* ticks until the daemon is at rest; 0: it is */
    bool reap_failed;             /* the failure that the log tells of already still lasts */
    bool complained;              /* the failure that the log tells of already still lasts */
    bool look_failed;             /* the same, of looking */
};

/* wait_for_quiet() - Have retired ports deleted then; after a failure each tick tries again. */
static void wait_for_quiet(struct daemon *daemon) {
    struct ne_error err;
    if (daemon->driver.retired > 0 && !daemon->reap_failed &&
        loop_timer_after(daemon->quiet, QUIET_MS, &err) < 0)
        ne_err("%s", err.text);
}

/* tick_when_needed() - Check while there is something to guard or to mend, sleep otherwise. */
static void tick_when_needed(struct daemon *daemon) {
    const struct ne_driver *driver = &daemon->driver;
    bool needed = driver->model.networks.count > 0 || driver->unsettled || driver->retired > 0 ||
                  daemon->rest > 0;
    struct ne_error err;
    wait_for_quiet(daemon);
    if (needed == daemon->ticking)
        return;
    if (loop_timer_every(daemon->timer, needed ? TICK_MS : 0, &err) < 0)
        ne_err("%s", err.text);
    else
        daemon->ticking = needed;
}

/* tell_repaired() - What was put right, for people and for programs. */
static void tell_repaired(const struct ne_repaired *repaired) {
    if (repaired->count == 0)
        return;
    ne_warn("repair: %u things were not as they should be and were put right, the first: %s",
            repaired->count, repaired->first);
    const struct ne_event event = {
        .type = "repair", .reason = repaired->first, .count = repaired->count};
    ne_event_emit(&event);
}

/* repair() - Put right what is not as it should be. */
static int repair(struct daemon *daemon, struct ne_error *err) {
    struct ne_repaired repaired;
    int result = ne_driver_repair(&daemon->driver, &repaired, err);
    tell_repaired(&repaired);
    return result;
}

/* mend_links() - The same with the links that were changed, where that can be told from all. */
static bool mend_links(struct daemon *daemon) {
    struct ne_repaired repaired;
    bool whole = ne_driver_mend(&daemon->driver, &daemon->links, &repaired);
    tell_repaired(&repaired);
    return whole;
}

/* hear_of_links() - Note what has become of links until now. */
static void hear_of_links(struct daemon *daemon) {
    ne_link_watch_drain(daemon->watch, &daemon->links);
    daemon->links_moved = daemon->links_moved || daemon->links.moved;
}

/* look_around() - Look for containers with another way out. Links come and go with every container,
 * so it is done at a tick and never oftener. */
static void look_around(struct daemon *daemon) {
    struct ne_error err;
    bool failed = ne_driver_look_around(&daemon->driver, &err) < 0;
    if (failed && !daemon->look_failed)
        ne_warn("looking for other ways out: %s; it is tried again every %d ms", err.text, TICK_MS);
    daemon->look_failed = failed;
    daemon->links_moved = failed;
    daemon->ticks = 0;
}

/* note_use() - The kernel tells of each quota that is reached, unless it had to leave events out.
 */
static void note_use(struct daemon *daemon) {
    struct ne_error err;
    if (ne_driver_note_use(&daemon->driver, &err) < 0)
        ne_warn("reading what endpoints have used: %s", err.text);
}

/* look() - Compare, and repair where something differs. */
static void look(struct daemon *daemon) {
    struct ne_firewall_report report = {0};
    struct ne_error err;
    hear_of_links(daemon); /* a port that has gone with its container is not made anew */
    bool whole = !daemon->driver.unsettled &&
                 ne_driver_check(&daemon->driver, &report, &err) == 0 && report.differences == 0 &&
                 mend_links(daemon) && ne_driver_check_links(&daemon->driver, LINKS_AT_ONCE);
    daemon->links = (struct ne_link_changes){0};
    bool failed = !whole && repair(daemon, &err) < 0;
    if (failed && !daemon->complained)
        ne_err("repair: %s; it is tried again every %d ms", err.text, TICK_MS);
    daemon->complained = failed;
    tick_when_needed(daemon);
}

/* reap() - Delete retired ports. */
static void reap(struct daemon *daemon) {
    struct ne_error err;
    bool failed = ne_driver_reap(&daemon->driver, &err) < 0;
    if (failed && !daemon->reap_failed)
        ne_warn("deleting retired ports: %s; it is tried again every %d ms", err.text, TICK_MS);
    daemon->reap_failed = failed;
    tick_when_needed(daemon);
}

/* sync_names() - What runs for dns=log follows the model. */
static void sync_names(struct daemon *daemon) {
    if (daemon->forwarders != NULL)
        ne_forwarders_sync(daemon->forwarders);
}

static void on_names(void *context) {
    ne_forwarders_run(context);
}

static int names_timeout(void *context) {
    return ne_forwarders_timeout(context);
}

static void on_quiet(void *context) {
    struct daemon *daemon = context;
    loop_timer_drain(daemon->quiet);
    reap(daemon);
}

/* come_to_rest() - Each call copies the whole of the rules, and the fences of the last ones are
 * kept for a while. */
static void come_to_rest(struct daemon *daemon) {
    if (daemon->rest > 0 && --daemon->rest == 0)
        (void)malloc_trim(0);
}

static void on_tick(void *context) {
    struct daemon *daemon = context;
    struct timespec now = {0};
    loop_timer_drain(daemon->timer);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    ne_driver_end_probes(&daemon->driver, now.tv_sec);
    look(daemon);
    policies_follow(&daemon->settings, &daemon->driver);
    auditor_tick(&daemon->auditor);
    if (daemon->driver.retired >= RETIRED_MANY || daemon->reap_failed)
        reap(daemon);
    sync_names(daemon);
    come_to_rest(daemon);
    if (++daemon->ticks >= LOOK_EVERY_TICKS)
        note_use(daemon);
    if (daemon->ticks >= LOOK_EVERY_TICKS || daemon->links_moved)
        look_around(daemon);
}

/* on_rules_event() - The tables of nf_tables were changed, which no container can do: looked at
 * now.
 */
static void on_rules_event(void *context) {
    struct daemon *daemon = context;
    unsigned hints = ne_firewall_watch_drain(daemon->rules_watch);
    if ((hints & NE_RULES_CHANGED) != 0)
        look(daemon);
    if ((hints & NE_QUOTA_REACHED) != 0)
        note_use(daemon);
}

/* on_link_event() - Only noted: the next tick acts on it. So a container that sets its end up
 * and down all day costs two repairs a second and no more. */
static void on_link_event(void *context) {
    hear_of_links(context);
}

static void on_signal(void *context) {
    struct daemon *daemon = context;
    struct signalfd_siginfo info;
    while (read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            if (!policies_read(&daemon->settings, &daemon->driver))
                ne_info("SIGHUP: nothing to read again");
            sync_names(daemon);
            continue;
        }
        ne_info("signal %u: ending; links and rules stay in place", info.ssi_signo);
        daemon->loop.stop = true;
    }
}

static void after_plugin_calls(struct daemon *daemon) {
    daemon->rest = REST_TICKS;
    sync_names(daemon);
    tick_when_needed(daemon);
}

static void on_plugin_call(void *context, const struct ne_http_request *request,
                           struct ne_http_response *response) {
    struct plugin_server *server = context;
    ne_remote_handle(&server->remote, request, response);
    if (!response->later)
        after_plugin_calls(server->daemon);
}

static void on_plugin_settle(void *context) {
    struct plugin_server *server = context;
    ne_remote_settle(&server->remote);
    after_plugin_calls(server->daemon);
}

static void on_plugin_answered(void *context, const struct ne_http_request *request,
                               double seconds) {
    struct plugin_server *server = context;
    ne_metrics_request(&server->daemon->metrics, request->path, NULL, seconds);
}

/* on_control_call() - A policy that is answered as changed holds for names, too. */
static void on_control_call(void *context, const struct ne_http_request *request,
                            struct ne_http_response *response) {
    struct daemon *daemon = context;
    ne_control_handle(&daemon->control, request, response);
    sync_names(daemon);
    if (daemon->forwarders != NULL)
        ne_forwarders_settle(daemon->forwarders, SETTLE_MS);
}

static void on_control_answered(void *context, const struct ne_http_request *request,
                                double seconds) {
    struct daemon *daemon = context;
    ne_metrics_request(&daemon->metrics, NULL, request->method, seconds);
}

static void on_http(void *context) {
    ne_http_run(context);
}

/* on_news() - Whoever follows the events on the control socket, which is served first. */
static void on_news(void *context) {
    struct daemon *daemon = context;
    if (daemon->server_count > 0)
        ne_http_wake(daemon->servers[0]);
}

static int http_timeout(void *context) {
    return ne_http_timeout(context);
}

static int open_events(struct daemon *daemon, struct ne_error *err) {
    const struct settings *settings = &daemon->settings;
    char path[4096];
    int n = settings->event_file != NULL
                ? snprintf(path, sizeof(path), "%s", settings->event_file)
                : snprintf(path, sizeof(path), "%s/events.jsonl", settings->state_dir);
    if (n < 0 || (size_t)n >= sizeof(path))
        return ne_fail(err, NE_BAD_INPUT, "the event file's path is too long");
    const struct ne_events_settings events = {
        .file = path, .size = settings->event_file_size, .count = settings->event_files};
    ne_events_on_news(on_news, daemon);
    return ne_events_open(&events, err);
}

static int open_edges(struct daemon *daemon, struct ne_error *err) {
    const struct settings *settings = &daemon->settings;
    const struct ne_firewall_settings firewall = {
        .mark = settings->mark,
        .lock_path = settings->lock_path,
        .choice = settings->firewall,
    };
    daemon->store = ne_file_store_open(settings->state_dir, err);
    if (daemon->store == NULL)
        return -1;
    daemon->link = ne_rtnl_open(settings->ipv6_conf, err);
    if (daemon->link == NULL)
        return -1;
    struct ne_firewall *tables = ne_main_fence_open(&firewall, err);
    tables = ne_firewall_pair(tables, tables == NULL ? NULL : ne_meter_open(&firewall, err), err);
    tables =
        ne_firewall_pair(tables, tables == NULL ? NULL : ne_backstop_open(&firewall, err), err);
    daemon->firewall =
        ne_firewall_pair(tables, tables == NULL ? NULL : ne_permit_open(&firewall, err), err);
    return daemon->firewall == NULL ? -1 : 0;
}

/* Everything is as it should be before the first call is answered. A kernel that cannot
 * enforce does not end the daemon: it goes on trying, and refuses what it cannot enforce. */
static int take_up(struct daemon *daemon, struct ne_error *err) {
    ne_driver_init(&daemon->driver, daemon->link, daemon->firewall, daemon->store);
    daemon->driver.look = ne_resolver_look;
    daemon->driver.host_root = daemon->settings.host_root;
    daemon->driver.leak_allowed = daemon->settings.leak_allowed;
    daemon->driver.forwarder = daemon->forwarders == NULL ? NULL : daemon->settings.dnsmasq;
    if (auditor_open(&daemon->auditor, &daemon->driver, &daemon->loop, err) < 0 ||
        ne_driver_load(&daemon->driver, err) < 0)
        return -1;
    ne_driver_end_probes(&daemon->driver, 0); /* of an earlier daemon: all of them */
    struct ne_repaired repaired;              /* after a reboot all of it: no news */
    if (ne_driver_repair(&daemon->driver, &repaired, err) < 0)
        ne_err("not everything is in place: %s", err->text);
    if (repaired.count > 0)
        ne_info("%u things were put in place, the first: %s", repaired.count, repaired.first);
    (void)policies_read(&daemon->settings, &daemon->driver);
    look_around(daemon);
    auditor_begin(&daemon->auditor);
    note_use(daemon);
    return 0;
}

static int serve(struct daemon *daemon, const char *path, const struct ne_http_service *service,
                 struct ne_error *err) {
    int listener = socket_listen(path, err);
    if (listener < 0)
        return -1;
    struct ne_http_server *server = ne_http_open(listener, service, err);
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
    daemon->quiet = daemon->timer < 0 ? -1 : loop_timer(err);
    if (daemon->quiet < 0)
        return -1;
    const struct loop_source signals = {
        .fd = daemon->signals, .ready = on_signal, .context = daemon};
    const struct loop_source timer = {.fd = daemon->timer, .ready = on_tick, .context = daemon};
    const struct loop_source quiet = {.fd = daemon->quiet, .ready = on_quiet, .context = daemon};
    if (loop_add(&daemon->loop, signals, err) < 0 || loop_add(&daemon->loop, timer, err) < 0 ||
        loop_add(&daemon->loop, quiet, err) < 0 || ne_link_watch_open(&daemon->watch, err) < 0)
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
        .metrics = &daemon->metrics,
        .audit = daemon->auditor.audit,
        .names = daemon->forwarders,
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &daemon->control.started);
    const struct ne_http_service control = {.handle = on_control_call,
                                            .answered = on_control_answered,
                                            .context = daemon,
                                            .too_large = NE_CONTROL_TOO_LARGE,
                                            .no_memory = NE_CONTROL_NO_MEMORY};
    if (serve(daemon, settings->control_socket, &control, err) < 0)
        return -1;
    for (unsigned i = 0; i < settings->plugin_socket_count; i++) {
        struct plugin_server *server = &daemon->plugin_servers[i];
        *server = (struct plugin_server){.daemon = daemon, .remote.driver = &daemon->driver};
        const struct ne_http_service plugin = {.handle = on_plugin_call,
                                               .settle = on_plugin_settle,
                                               .answered = on_plugin_answered,
                                               .context = server,
                                               .too_large = NE_REMOTE_TOO_LARGE,
                                               .no_memory = NE_REMOTE_NO_MEMORY};
        if (serve(daemon, settings->plugin_sockets[i], &plugin, err) < 0)
            return -1;
    }
    return 0;
}

/* open_names() - Without it dns=log is refused, and all else is as it should be. */
static int open_names(struct daemon *daemon, struct ne_error *err) {
    struct ne_error why;
    const struct ne_forwarder_settings settings = {
        .launcher = daemon->launcher,
        .host_root = daemon->settings.host_root,
        .upstreams = daemon->settings.upstreams,
    };
    if (daemon->launcher < 0)
        return 0;
    daemon->launcher = -1;
    daemon->forwarders = ne_forwarders_open(&daemon->driver, &settings, &why);
    if (daemon->forwarders == NULL) {
        ne_warn("dns=log is refused: %s", why.text);
        return 0;
    }
    const struct loop_source source = {
        .fd = ne_forwarders_fd(daemon->forwarders),
        .ready = on_names,
        .timeout = names_timeout,
        .context = daemon->forwarders,
    };
    return loop_add(&daemon->loop, source, err);
}

static int live(struct daemon *daemon, struct ne_error *err) {
    if (privileges_drop(err) < 0 || seccomp_confine(err) < 0 || open_loop(daemon, err) < 0 ||
        open_edges(daemon, err) < 0 || open_events(daemon, err) < 0 ||
        open_names(daemon, err) < 0 || take_up(daemon, err) < 0 || open_sockets(daemon, err) < 0)
        return -1;
    ne_info("netenforced %s: %zu networks, %zu endpoints; ready", NE_VERSION,
            daemon->driver.model.networks.count, daemon->driver.model.endpoints.count);
    sync_names(daemon);
    tick_when_needed(daemon);
    return loop_run(&daemon->loop, err);
}

/* Sockets' files go, so that the engine says at once that the driver is away. */
static void end(struct daemon *daemon) {
    ne_events_on_news(NULL, NULL); /* the last calls may have some, when nobody can be told */
    for (unsigned i = 0; i < daemon->server_count; i++)
        ne_http_close(daemon->servers[i]);
    if (daemon->server_count > 0)
        (void)unlink(daemon->settings.control_socket);
    for (unsigned i = 1; i < daemon->server_count; i++)
        (void)unlink(daemon->settings.plugin_sockets[i - 1]);
    auditor_close(&daemon->auditor);
    ne_events_close();
    ne_forwarders_close(daemon->forwarders);
    if (daemon->launcher >= 0)
        (void)close(daemon->launcher);
    ne_driver_free(&daemon->driver);
    if (daemon->firewall != NULL)
        daemon->firewall->ops->close(daemon->firewall);
    if (daemon->link != NULL)
        daemon->link->ops->close(daemon->link);
    if (daemon->store != NULL)
        daemon->store->ops->close(daemon->store);
    if (daemon->timer >= 0)
        (void)close(daemon->timer);
    if (daemon->quiet >= 0)
        (void)close(daemon->quiet);
    if (daemon->watch >= 0)
        (void)close(daemon->watch);
    if (daemon->rules_watch >= 0)
        (void)close(daemon->rules_watch);
    if (daemon->signals >= 0)
        (void)close(daemon->signals);
    loop_close(&daemon->loop);
}

int main(int argc, char **argv) {
    struct daemon daemon = {.signals = -1,
                            .timer = -1,
                            .quiet = -1,
                            .watch = -1,
                            .rules_watch = -1,
                            .launcher = -1,
                            .loop.epoll = -1};
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
    if (privileges_check(&err) < 0) {
        ne_err("netenforced does not start: %s", err.text);
        return 1;
    }
    if (ne_launcher_start(daemon.settings.dnsmasq, &daemon.launcher, &err) < 0)
        ne_warn("dns=log is refused: %s", err.text);
    int result = live(&daemon, &err);
    if (result < 0)
        ne_err("netenforced ends: %s", err.text);
    end(&daemon);
    return result < 0 ? 1 : 0;
}
