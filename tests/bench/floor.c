/* floor.c - the least that a network driver can do: a bridge, and a veth pair for each endpoint.
 *
 * `floor SOCKET` speaks the libnetwork remote API on SOCKET and enforces nothing: no rules, no
 * guard, no state. So it shows what the engine and the kernel take by themselves, whatever the
 * driver. What netenforce does to be quick is done here too, else this would be no floor: a pair is
 * made by one message, it is only set down at DeleteEndpoint, and deleted with others once no call
 * has come for a while (src/link/retire.c).
 */
#include "../../src/daemon/loop.h"
#include "../../src/daemon/socket.h"
#include "../../src/http/json_body.h"
#include "../../src/link/rtnl.h"
#include "../../src/remote/decode.h"

#include <linux/veth.h>
#include <net/if.h>
#include <netenforce/http.h>
#include <netenforce/log.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define TYPE          "application/vnd.docker.plugins.v1.2+json"
#define BRIDGE_PREFIX "fl-"
#define PORT_PREFIX   "fv-"
#define PEER_PREFIX   "fc-"
#define RETIRED_GROUP 28262 /* netenforce's own, one further: both may serve one engine */
#define QUIET_MS      100   /* as netenforced waits, src/daemon/main.c */

struct driver {
    struct loop loop;
    struct ne_link *link;
    struct ne_http_server *server;
    int quiet;
    int signals;
    bool retired; /* there are pairs to delete */
};

static const char *named(const char *prefix, const char *id, char out[static NE_IFNAME_SIZE]) {
    (void)snprintf(out, NE_IFNAME_SIZE, "%s%.*s", prefix, NE_NAME_ID_PART, id);
    return out;
}

static int create_network(struct driver *driver, const json_t *body, struct ne_error *err) {
    struct ne_network network;
    char name[NE_IFNAME_SIZE];
    struct ne_batch batch;
    if (decode_network(body, &network, err) < 0)
        return -1;
    ne_batch_init(&batch, named(BRIDGE_PREFIX, network.id, name));
    struct ne_request *request =
        ne_request_link(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, name, "make the bridge");
    /* Given, so that it does not change with the ports. */
    const struct ne_mac mac = {
        {0x02, 0x66, 0x6c, (uint8_t)network.id[0], (uint8_t)network.id[1], (uint8_t)network.id[2]}};
    ne_put(request, IFLA_ADDRESS, sizeof(mac.bytes), mac.bytes);
    ne_request_flags(request, IFF_UP, IFF_UP);
    struct nlattr *info = ne_nest(request, IFLA_LINKINFO);
    ne_put_text(request, IFLA_INFO_KIND, "bridge");
    ne_nest_end(request, info);
    if (ne_batch_send(ne_rtnl_of(driver->link), &batch, err) < 0)
        return -1;

    ne_batch_init(&batch, name);
    request = ne_batch_add(&batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifaddrmsg),
                           "give it its address");
    struct ifaddrmsg *header = ne_request_header(request);
    header->ifa_family = AF_INET;
    header->ifa_prefixlen = network.gateway4.len;
    header->ifa_index = if_nametoindex(name);
    ne_put(request, IFA_LOCAL, 4, network.gateway4.addr.bytes);
    ne_put(request, IFA_ADDRESS, 4, network.gateway4.addr.bytes);
    return ne_batch_send(ne_rtnl_of(driver->link), &batch, err);
}

static int delete_network(struct driver *driver, const json_t *body, struct ne_error *err) {
    char id[NE_ID_SIZE];
    char name[NE_IFNAME_SIZE];
    if (decode_id(body, "NetworkID", id, err) < 0)
        return -1;
    return ne_link_delete(ne_rtnl_of(driver->link), 0, named(BRIDGE_PREFIX, id, name), err);
}

static int join(struct driver *driver, const json_t *body, char peer[static NE_IFNAME_SIZE],
                struct ne_error *err) {
    char network[NE_ID_SIZE];
    char id[NE_ID_SIZE];
    char bridge[NE_IFNAME_SIZE];
    char port[NE_IFNAME_SIZE];
    struct ne_batch batch;
    if (decode_id(body, "NetworkID", network, err) < 0 ||
        decode_id(body, "EndpointID", id, err) < 0)
        return -1;
    ne_batch_init(&batch, named(PORT_PREFIX, id, port));
    struct ne_request *request =
        ne_request_link(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, port, "make the pair");
    ne_put_u32(request, IFLA_MASTER, if_nametoindex(named(BRIDGE_PREFIX, network, bridge)));
    ne_request_flags(request, IFF_UP, IFF_UP);
    struct nlattr *info = ne_nest(request, IFLA_LINKINFO);
    ne_put_text(request, IFLA_INFO_KIND, "veth");
    struct nlattr *data = ne_nest(request, IFLA_INFO_DATA);
    struct nlattr *other = ne_nest(request, VETH_INFO_PEER);
    ne_put_space(request, sizeof(struct ifinfomsg));
    ne_put_text(request, IFLA_IFNAME, named(PEER_PREFIX, id, peer));
    ne_nest_end(request, other);
    ne_nest_end(request, data);
    ne_nest_end(request, info);
    return ne_batch_send(ne_rtnl_of(driver->link), &batch, err);
}

static int delete_endpoint(struct driver *driver, const json_t *body, struct ne_error *err) {
    char id[NE_ID_SIZE];
    char port[NE_IFNAME_SIZE];
    struct ne_batch batch;
    if (decode_id(body, "EndpointID", id, err) < 0)
        return -1;
    ne_batch_init(&batch, named(PORT_PREFIX, id, port));
    struct ne_request *request =
        ne_request_link(&batch, RTM_NEWLINK, 0, 0, port, "take it out of use");
    ne_request_flags(request, 0, IFF_UP);
    ne_put_u32(request, IFLA_GROUP, RETIRED_GROUP);
    driver->retired = true;
    return ne_batch_send(ne_rtnl_of(driver->link), &batch, err);
}

static json_t *call(struct driver *driver, const char *path, const json_t *body,
                    struct ne_error *err) {
    char peer[NE_IFNAME_SIZE];
    if (strcmp(path, "/Plugin.Activate") == 0)
        return json_pack("{s:[s]}", "Implements", "NetworkDriver");
    if (strcmp(path, "/NetworkDriver.GetCapabilities") == 0)
        return json_pack("{s:s, s:s}", "Scope", "local", "ConnectivityScope", "local");
    if (strcmp(path, "/NetworkDriver.CreateEndpoint") == 0)
        return json_pack("{s:{}}", "Interface");
    if (strcmp(path, "/NetworkDriver.EndpointOperInfo") == 0)
        return json_pack("{s:{}}", "Value");
    if (strcmp(path, "/NetworkDriver.Join") == 0)
        return join(driver, body, peer, err) < 0
                   ? NULL
                   : json_pack("{s:{s:s, s:s}, s:b}", "InterfaceName", "SrcName", peer, "DstPrefix",
                               "eth", "DisableGatewayService", 1);
    int result = 0;
    if (strcmp(path, "/NetworkDriver.CreateNetwork") == 0)
        result = create_network(driver, body, err);
    else if (strcmp(path, "/NetworkDriver.DeleteNetwork") == 0)
        result = delete_network(driver, body, err);
    else if (strcmp(path, "/NetworkDriver.DeleteEndpoint") == 0)
        result = delete_endpoint(driver, body, err);
    return result < 0 ? NULL : json_object();
}

static void on_call(void *context, const struct ne_http_request *request,
                    struct ne_http_response *response) {
    struct driver *driver = context;
    struct ne_error err = {0};
    json_t *body = request->size > 0 ? json_body_read(request, &err) : NULL;
    json_t *answer = call(driver, request->path, body, &err);
    if (answer == NULL)
        json_body_write(response, 500, TYPE, json_pack("{s:s}", "Err", err.text));
    else
        json_body_write(response, 200, TYPE, answer);
    json_decref(body);
    if (driver->retired)
        (void)loop_timer_after(driver->quiet, QUIET_MS, &err);
}

static void on_answered(void *context, const struct ne_http_request *request, double seconds) {
    (void)context, (void)request, (void)seconds;
}

static void on_quiet(void *context) {
    struct driver *driver = context;
    struct ne_batch batch;
    struct ne_error err;
    loop_timer_drain(driver->quiet);
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_request_link(&batch, RTM_DELLINK, 0, 0, NULL, "delete the retired pairs");
    ne_put_u32(request, IFLA_GROUP, RETIRED_GROUP);
    if (ne_batch_send(ne_rtnl_of(driver->link), &batch, &err) < 0)
        ne_err("%s", err.text);
    driver->retired = false;
}

static void on_signal(void *context) {
    struct driver *driver = context;
    driver->loop.stop = true;
}

static void on_http(void *context) {
    ne_http_run(context);
}

static int http_timeout(void *context) {
    return ne_http_timeout(context);
}

static int serve(struct driver *driver, const char *path, struct ne_error *err) {
    if (loop_init(&driver->loop, err) < 0 || (driver->signals = loop_signals(err)) < 0 ||
        (driver->quiet = loop_timer(err)) < 0)
        return -1;
    driver->link = ne_rtnl_open(NULL, err);
    int listener = driver->link == NULL ? -1 : socket_listen(path, err);
    if (listener < 0)
        return -1;
    const struct ne_http_service service = {
        .handle = on_call,
        .answered = on_answered,
        .context = driver,
        .too_large = "{}",
        .no_memory = "{}",
    };
    driver->server = ne_http_open(listener, &service, err);
    if (driver->server == NULL)
        return -1;
    const struct loop_source sources[] = {
        {.fd = driver->signals, .ready = on_signal, .context = driver},
        {.fd = driver->quiet, .ready = on_quiet, .context = driver},
        {.fd = ne_http_fd(driver->server),
         .ready = on_http,
         .timeout = http_timeout,
         .context = driver->server},
    };
    for (size_t i = 0; i < NE_COUNT_OF(sources); i++) {
        if (loop_add(&driver->loop, sources[i], err) < 0)
            return -1;
    }
    return loop_run(&driver->loop, err);
}

int main(int argc, char **argv) {
    struct driver driver = {0};
    struct ne_error err;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: floor SOCKET\n");
        return 2;
    }
    if (serve(&driver, argv[1], &err) == 0)
        return 0;
    ne_err("floor: %s", err.text);
    return 1;
}
