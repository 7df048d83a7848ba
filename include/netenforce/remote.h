/* remote.h - the libnetwork remote API (moby: daemon/libnetwork/docs/remote.md and drivers/remote).
 *
 *   POST /Plugin.Activate                                    -> {"Implements": ["NetworkDriver"]}
 *   POST /NetworkDriver.GetCapabilities                      -> {"Scope", "ConnectivityScope",
 * "GwAllocChecker"} POST /NetworkDriver.GwAllocCheck                         -> {"SkipIPv4",
 * "SkipIPv6"} POST /NetworkDriver.CreateNetwork | DeleteNetwork        -> {} POST
 * /NetworkDriver.AllocateNetwork | FreeNetwork        -> {} (scope global only) POST
 * /NetworkDriver.CreateEndpoint                       -> {"Interface": {"MacAddress"}} POST
 * /NetworkDriver.EndpointOperInfo                     -> {"Value": {}} POST /NetworkDriver.Join ->
 * {"InterfaceName", "StaticRoutes", "DisableGatewayService"} POST /NetworkDriver.Leave |
 * DeleteEndpoint               -> {} POST /NetworkDriver.ProgramExternalConnectivity |
 * RevokeExternalConnectivity -> {} POST /NetworkDriver.DiscoverNew | DiscoverDelete         -> {}
 *
 * An error is {"Err": "..."} with a status that is not 200: the engine shows the text to the user
 * and does not try again. Unknown paths are 404; the calls above never are,
 * since the engine takes 404 as "this call is not implemented".
 */
#ifndef NETENFORCE_REMOTE_H
#define NETENFORCE_REMOTE_H

#include <netenforce/http.h>

/* ne_remote_handle() - An ne_http_handler; @context is the struct ne_driver. */
void ne_remote_handle(void *context, const struct ne_http_request *request,
                      struct ne_http_response *response);

#endif
