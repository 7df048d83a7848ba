/* remote.h - the libnetwork remote API (moby: daemon/libnetwork/docs/remote.md and drivers/remote).
 *
 *   POST /Plugin.Activate       {"Implements": ["NetworkDriver"]}
 *   POST /NetworkDriver.  (each of the following)
 *        GetCapabilities        {"Scope", "ConnectivityScope", "GwAllocChecker"}
 *        GwAllocCheck           {"SkipIPv4", "SkipIPv6"}
 *        CreateNetwork, DeleteNetwork                          {}
 *        AllocateNetwork, FreeNetwork (scope global only)      {}
 *        CreateEndpoint         {"Interface": {"MacAddress"}}
 *        EndpointOperInfo       {"Value": {}}
 *        Join                   {"InterfaceName", "StaticRoutes", "DisableGatewayService"}
 *        Leave, DeleteEndpoint                                 {}
 *        ProgramExternalConnectivity, RevokeExternalConnectivity, DiscoverNew, DiscoverDelete  {}
 *
 * An error is {"Err": "..."} with a status that is not 200: the engine shows the text to the user
 * and does not try again. Unknown paths are 404; the calls above never are,
 * since the engine takes 404 as "this call is not implemented".
 */
#ifndef NETENFORCE_REMOTE_H
#define NETENFORCE_REMOTE_H

#include <netenforce/http.h>

struct ne_driver;
struct ne_turn;

/* Who waits for a turn's answer. */
struct ne_remote_waiter {
    struct ne_http_call *call;
};

/* The calls of one server. */
struct ne_remote {
    struct ne_driver *driver;         /* borrowed */
    struct ne_turn *turns;            /* Joins and Leaves that wait for ne_remote_settle() */
    struct ne_remote_waiter *waiters; /* of each turn */
    size_t count;
};

/* ne_remote_handle() - Answer a call, or put it off, if @request can be: a Join or a Leave, which
 * waits for those that come with it, so that one commit serves all. @context is a struct
 * ne_remote; so is ne_remote_settle()'s.
 */
void ne_remote_handle(void *context, const struct ne_http_request *request,
                      struct ne_http_response *response);

/* ne_remote_settle() - Answer what was put off, each after its own rules are in force, or gone. */
void ne_remote_settle(void *context);

/* The errors that the HTTP server answers by itself: see struct ne_http_service. */
#define NE_REMOTE_TOO_LARGE "{\"Err\":\"netenforce: the request's body is larger than 4 MiB\"}\n"
#define NE_REMOTE_NO_MEMORY "{\"Err\":\"netenforce: no memory for the request\"}\n"

#endif
