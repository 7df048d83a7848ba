/* remote.c - the calls of the libnetwork remote API: see remote.h. */
#include "../http/json_body.h"
#include "decode.h"

#include <netenforce/driver.h>
#include <netenforce/log.h>
#include <netenforce/remote.h>
#include <string.h>

#define PLUGIN_TYPE "application/vnd.docker.plugins.v1.2+json"

/* A call gets the request's body (NULL for calls without one) and gives its answer, owned by
 * the caller; NULL with @err filled, or with err->code NE_OK if memory was short.
 */
typedef json_t *(*call)(struct ne_driver *driver, const json_t *body, struct ne_error *err);

static json_t *activate(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    (void)driver, (void)body, (void)err;
    return json_pack("{s:[s]}", "Implements", "NetworkDriver");
}

static json_t *get_capabilities(struct ne_driver *driver, const json_t *body,
                                struct ne_error *err) {
    (void)driver, (void)body, (void)err;
    return json_pack("{s:s, s:s, s:b}", "Scope", "local", "ConnectivityScope", "local",
                     "GwAllocChecker", 0);
}

static json_t *gw_alloc_check(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    (void)driver, (void)body, (void)err;
    /* The gateway's address becomes the bridge's: it is always wanted. */
    return json_pack("{s:b, s:b}", "SkipIPv4", 0, "SkipIPv6", 0);
}

/* nothing_to_do() - Calls that concern other kinds of driver. */
static json_t *nothing_to_do(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    (void)driver, (void)body, (void)err;
    return json_object();
}

static json_t *create_network(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    struct ne_network network;
    if (decode_network(body, &network, err) < 0 ||
        ne_driver_create_network(driver, &network, err) < 0)
        return NULL;
    return json_object();
}

static json_t *delete_network(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    char id[NE_ID_SIZE];
    if (decode_id(body, "NetworkID", id, err) < 0 || ne_driver_delete_network(driver, id, err) < 0)
        return NULL;
    return json_object();
}

static json_t *create_endpoint(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    struct ne_endpoint wanted;
    const struct ne_endpoint *made;
    if (decode_endpoint(body, &wanted, err) < 0 ||
        ne_driver_create_endpoint(driver, &wanted, &made, err) < 0)
        return NULL;
    /* Only what was left to us: an answer that repeats a given value is an error. */
    char mac[NE_MAC_TEXT];
    if (!made->mac_is_ours)
        return json_pack("{s:{}}", "Interface");
    return json_pack("{s:{s:s}}", "Interface", "MacAddress", ne_mac_format(&made->mac, mac));
}

static json_t *delete_endpoint(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    char id[NE_ID_SIZE];
    if (decode_id(body, "EndpointID", id, err) < 0 ||
        ne_driver_delete_endpoint(driver, id, err) < 0)
        return NULL;
    return json_object();
}

static json_t *endpoint_info(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    char id[NE_ID_SIZE];
    (void)driver;
    if (decode_id(body, "EndpointID", id, err) < 0)
        return NULL;
    return json_pack("{s:{}}", "Value");
}

/* static_routes() - The way to each proxy that is not on the container's own subnet. */
static json_t *static_routes(const struct ne_network *network, const struct ne_endpoint *endpoint) {
    struct ne_addr routes[NE_PROXY_MAX];
    size_t count = ne_routes(network, endpoint, routes);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct ne_prefix to = ne_prefix_host(&routes[i]);
        const struct ne_prefix *by =
            to.addr.family == NE_V6 ? &network->gateway6 : &network->gateway4;
        char destination[NE_PREFIX_TEXT];
        char next_hop[NE_ADDR_TEXT];
        /* RouteType 0 is types.NEXTHOP. */
        json_t *route =
            json_pack("{s:s, s:i, s:s}", "Destination", ne_prefix_format(&to, destination),
                      "RouteType", 0, "NextHop", ne_addr_format(&by->addr, next_hop));
        if (json_array_append_new(list, route) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *join(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    char network_id[NE_ID_SIZE];
    char id[NE_ID_SIZE];
    char sandbox[NE_SANDBOX_SIZE];
    if (decode_id(body, "NetworkID", network_id, err) < 0 ||
        decode_id(body, "EndpointID", id, err) < 0 || decode_sandbox(body, sandbox, err) < 0 ||
        ne_driver_join(driver, network_id, id, sandbox, err) < 0)
        return NULL;
    if (decode_wants_ports(body))
        ne_warn("endpoint %.12s asks for published ports: netenforce publishes none (connect the "
                "container to a second network for that)",
                id);

    const struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, id);
    const struct ne_network *network = ne_model_network(&driver->model, network_id);
    char peer[NE_IFNAME_SIZE];
    /* DisableGatewayService: without it and without a gateway the engine gives the container a
     * second interface, on docker_gwbridge, with the whole Internet behind it. */
    return json_pack("{s:{s:s, s:s}, s:o, s:b}", "InterfaceName", "SrcName", ne_peer_name(id, peer),
                     "DstPrefix", "eth", "StaticRoutes", static_routes(network, endpoint),
                     "DisableGatewayService", 1);
}

static json_t *leave(struct ne_driver *driver, const json_t *body, struct ne_error *err) {
    char id[NE_ID_SIZE];
    if (decode_id(body, "EndpointID", id, err) < 0 || ne_driver_leave(driver, id, err) < 0)
        return NULL;
    return json_object();
}

static const struct {
    const char *path;
    call call;
    bool has_body;
} calls[] = {
    {"/Plugin.Activate", activate, false},
    {"/NetworkDriver.GetCapabilities", get_capabilities, false},
    {"/NetworkDriver.GwAllocCheck", gw_alloc_check, true},
    {"/NetworkDriver.AllocateNetwork", nothing_to_do, true},
    {"/NetworkDriver.FreeNetwork", nothing_to_do, true},
    {"/NetworkDriver.CreateNetwork", create_network, true},
    {"/NetworkDriver.DeleteNetwork", delete_network, true},
    {"/NetworkDriver.CreateEndpoint", create_endpoint, true},
    {"/NetworkDriver.DeleteEndpoint", delete_endpoint, true},
    {"/NetworkDriver.EndpointOperInfo", endpoint_info, true},
    {"/NetworkDriver.Join", join, true},
    {"/NetworkDriver.Leave", leave, true},
    {"/NetworkDriver.ProgramExternalConnectivity", nothing_to_do, true},
    {"/NetworkDriver.RevokeExternalConnectivity", nothing_to_do, true},
    {"/NetworkDriver.DiscoverNew", nothing_to_do, true},
    {"/NetworkDriver.DiscoverDelete", nothing_to_do, true},
};

/* status_of() - Never 404: the engine would take the whole call as not implemented. */
static unsigned status_of(enum ne_code code) {
    switch (code) {
    case NE_BAD_INPUT:
    case NE_UNSUPPORTED:
    case NE_NOT_FOUND:
        return 400;
    case NE_CONFLICT:
        return 409;
    case NE_OK:
    case NE_KERNEL:
    case NE_STATE:
    case NE_NO_MEMORY:
        break;
    }
    return 500;
}

static void answer_error(struct ne_http_response *response, unsigned status, const char *text) {
    /* Our own texts are UTF-8, but they may repeat the start of a user's text, cut anywhere. */
    json_t *json = json_pack("{s:s}", "Err", text);
    if (json == NULL)
        json = json_pack("{s:s}", "Err", "netenforce: the request was refused");
    json_body_write(response, status, PLUGIN_TYPE, json);
}

static void run(call function, struct ne_driver *driver, const char *path, const json_t *body,
                struct ne_http_response *response) {
    struct ne_error err = {0};
    json_t *answer = function(driver, body, &err);
    if (answer != NULL) {
        json_body_write(response, 200, PLUGIN_TYPE, answer);
        return;
    }
    if (err.code == NE_OK)
        (void)ne_fail(&err, NE_NO_MEMORY, "no memory for the answer");
    ne_warn("%s: %s", path + 1, err.text);
    char text[NE_ERROR_TEXT + 16] = "netenforce: ";
    (void)strncat(text, err.text, NE_ERROR_TEXT);
    answer_error(response, status_of(err.code), text);
}

void ne_remote_handle(void *context, const struct ne_http_request *request,
                      struct ne_http_response *response) {
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(request->path, calls[i].path) != 0)
            continue;
        if (strcmp(request->method, "POST") != 0) {
            answer_error(response, 405, "netenforce: accepted is POST");
            return;
        }
        ne_debug("%s: %.*s", request->path + 1, (int)(request->size > 700 ? 700 : request->size),
                 request->body != NULL ? request->body : "");
        if (!calls[i].has_body) {
            run(calls[i].call, context, request->path, NULL, response);
            return;
        }
        struct ne_error err = {0};
        json_t *body = json_body_read(request, &err);
        if (body == NULL) {
            ne_warn("%s: %s", request->path + 1, err.text);
            answer_error(response, 400, err.text);
            return;
        }
        run(calls[i].call, context, request->path, body, response);
        json_decref(body);
        return;
    }
    answer_error(response, 404, "netenforce: unknown path");
}
