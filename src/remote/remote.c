/* remote.c - the calls of the libnetwork remote API: see remote.h. */
#include "../http/json_body.h"
#include "decode.h"

#include <netenforce/driver.h>
#include <netenforce/grow.h>
#include <netenforce/log.h>
#include <netenforce/remote.h>
#include <stdlib.h>
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
    struct ne_options options;
    const struct ne_endpoint *made;
    if (decode_endpoint(body, &wanted, &options, err) < 0 ||
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

/* static_routes() - The way to each proxy and allowance that is not on the container's own subnet.
 */
static json_t *static_routes(const struct ne_network *network, const struct ne_endpoint *endpoint) {
    struct ne_prefix routes[NE_ROUTES_MAX];
    size_t count = ne_routes(network, endpoint, routes);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct ne_prefix *by =
            routes[i].addr.family == NE_V6 ? &network->gateway6 : &network->gateway4;
        char destination[NE_PREFIX_TEXT];
        char next_hop[NE_ADDR_TEXT];
        /* RouteType 0 is types.NEXTHOP. */
        json_t *route =
            json_pack("{s:s, s:i, s:s}", "Destination", ne_prefix_format(&routes[i], destination),
                      "RouteType", 0, "NextHop", ne_addr_format(&by->addr, next_hop));
        if (json_array_append_new(list, route) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *join_answer(struct ne_driver *driver, const struct ne_turn *turn) {
    const struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, turn->endpoint);
    const struct ne_network *network = ne_model_network(&driver->model, turn->network);
    char peer[NE_IFNAME_SIZE];
    /* DisableGatewayService: without it and without a gateway the engine gives the container a
     * second interface, on docker_gwbridge, with the whole Internet behind it. */
    return json_pack("{s:{s:s, s:s}, s:o, s:b}", "InterfaceName", "SrcName",
                     ne_peer_name(turn->endpoint, peer), "DstPrefix", "eth", "StaticRoutes",
                     static_routes(network, endpoint), "DisableGatewayService", 1);
}

static int decode_join(const json_t *body, struct ne_turn *turn, struct ne_error *err) {
    if (decode_id(body, "NetworkID", turn->network, err) < 0 ||
        decode_id(body, "EndpointID", turn->endpoint, err) < 0 ||
        decode_sandbox(body, turn->sandbox, err) < 0)
        return -1;
    if (decode_wants_ports(body))
        ne_warn("endpoint %.12s asks for published ports: netenforce publishes none (connect the "
                "container to a second network for that)",
                turn->endpoint);
    return 0;
}

static int decode_leave(const json_t *body, struct ne_turn *turn, struct ne_error *err) {
    turn->leaves = true;
    return decode_id(body, "EndpointID", turn->endpoint, err);
}

static const struct {
    const char *path;
    call call; /* NULL: @decode, then its turn */
    bool has_body;
    int (*decode)(const json_t *body, struct ne_turn *turn, struct ne_error *err);
} calls[] = {
    {"/Plugin.Activate", activate, false, NULL},
    {"/NetworkDriver.GetCapabilities", get_capabilities, false, NULL},
    {"/NetworkDriver.GwAllocCheck", gw_alloc_check, true, NULL},
    {"/NetworkDriver.AllocateNetwork", nothing_to_do, true, NULL},
    {"/NetworkDriver.FreeNetwork", nothing_to_do, true, NULL},
    {"/NetworkDriver.CreateNetwork", create_network, true, NULL},
    {"/NetworkDriver.DeleteNetwork", delete_network, true, NULL},
    {"/NetworkDriver.CreateEndpoint", create_endpoint, true, NULL},
    {"/NetworkDriver.DeleteEndpoint", delete_endpoint, true, NULL},
    {"/NetworkDriver.EndpointOperInfo", endpoint_info, true, NULL},
    {"/NetworkDriver.Join", NULL, true, decode_join},
    {"/NetworkDriver.Leave", NULL, true, decode_leave},
    {"/NetworkDriver.ProgramExternalConnectivity", nothing_to_do, true, NULL},
    {"/NetworkDriver.RevokeExternalConnectivity", nothing_to_do, true, NULL},
    {"/NetworkDriver.DiscoverNew", nothing_to_do, true, NULL},
    {"/NetworkDriver.DiscoverDelete", nothing_to_do, true, NULL},
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
    json_body_write(response, status, PLUGIN_TYPE, json_pack("{s:s}", "Err", text));
}

static void answer_failure(struct ne_http_response *response, const char *path,
                           struct ne_error *err) {
    if (err->code == NE_OK)
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the answer");
    ne_warn("%s: %s", path + 1, err->text);
    char text[NE_ERROR_TEXT + 16] = "netenforce: ";
    (void)strncat(text, err->text, NE_ERROR_TEXT);
    answer_error(response, status_of(err->code), text);
}

static void run(call function, struct ne_driver *driver, const char *path, const json_t *body,
                struct ne_http_response *response) {
    struct ne_error err = {0};
    json_t *answer = function(driver, body, &err);
    if (answer != NULL)
        json_body_write(response, 200, PLUGIN_TYPE, answer);
    else
        answer_failure(response, path, &err);
}

static void answer_turn(struct ne_driver *driver, struct ne_turn *turn,
                        struct ne_http_response *response) {
    json_t *answer = NULL;
    if (turn->result == 0) {
        turn->err = (struct ne_error){0};
        answer = turn->leaves ? json_object() : join_answer(driver, turn);
    }
    if (answer != NULL)
        json_body_write(response, 200, PLUGIN_TYPE, answer);
    else
        answer_failure(response, turn->leaves ? "/NetworkDriver.Leave" : "/NetworkDriver.Join",
                       &turn->err);
}

/* put_off() - Let @turn wait for others. Return: false without memory. */
static bool put_off(struct ne_remote *remote, const struct ne_turn *turn,
                    struct ne_remote_waiter waiter) {
    struct ne_error err;
    struct ne_turn *turns = ne_grow(remote->turns, remote->count, sizeof(*turns), &err);
    if (turns == NULL)
        return false;
    remote->turns = turns;
    struct ne_remote_waiter *waiters =
        ne_grow(remote->waiters, remote->count, sizeof(*waiters), &err);
    if (waiters == NULL)
        return false;
    remote->waiters = waiters;
    turns[remote->count] = *turn;
    waiters[remote->count++] = waiter;
    return true;
}

void ne_remote_settle(void *context) {
    struct ne_remote *remote = context;
    ne_driver_take_turns(remote->driver, remote->turns, remote->count);
    for (size_t i = 0; i < remote->count; i++) {
        struct ne_http_response response = {.status = 500};
        answer_turn(remote->driver, &remote->turns[i], &response);
        ne_http_answer(remote->waiters[i].call, &response);
    }
    free(remote->turns);
    free(remote->waiters);
    *remote = (struct ne_remote){.driver = remote->driver};
}

/* take_turn() - Now, where it cannot be put off. */
static void take_turn(struct ne_remote *remote, struct ne_turn *turn,
                      const struct ne_http_request *request, struct ne_http_response *response) {
    if (request->call != NULL && put_off(remote, turn, (struct ne_remote_waiter){request->call})) {
        response->later = true;
        return;
    }
    ne_driver_take_turns(remote->driver, turn, 1);
    answer_turn(remote->driver, turn, response);
}

static void run_with_body(struct ne_remote *remote, size_t which,
                          const struct ne_http_request *request,
                          struct ne_http_response *response) {
    struct ne_error err = {0};
    json_t *body = json_body_read(request, &err);
    if (body == NULL) {
        ne_warn("%s: %s", request->path + 1, err.text);
        answer_error(response, 400, err.text);
        return;
    }
    struct ne_turn turn = {0};
    if (calls[which].decode == NULL)
        run(calls[which].call, remote->driver, request->path, body, response);
    else if (calls[which].decode(body, &turn, &err) < 0)
        answer_failure(response, request->path, &err);
    else
        take_turn(remote, &turn, request, response);
    json_decref(body);
}

void ne_remote_handle(void *context, const struct ne_http_request *request,
                      struct ne_http_response *response) {
    struct ne_remote *remote = context;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(request->path, calls[i].path) != 0)
            continue;
        if (strcmp(request->method, "POST") != 0) {
            answer_error(response, 405, "netenforce: accepted is POST");
            return;
        }
        ne_debug("%s: %.*s", request->path + 1, (int)(request->size > 700 ? 700 : request->size),
                 request->body != NULL ? request->body : "");
        if (calls[i].has_body)
            run_with_body(remote, i, request, response);
        else
            run(calls[i].call, remote->driver, request->path, NULL, response);
        return;
    }
    answer_error(response, 404, "netenforce: unknown path");
}
