/* model.h - networks and endpoints as the driver knows them, and the fence that
 * follows from them. Plain data: no descriptor, no kernel, no JSON.
 */
#ifndef NETENFORCE_MODEL_H
#define NETENFORCE_MODEL_H

#include <netenforce/addr.h>
#include <netenforce/error.h>
#include <netenforce/fence.h>
#include <netenforce/names.h>
#include <netenforce/options.h>

/* A Linux bridge takes 1023 ports (BR_MAX_PORTS, net/bridge/br_private.h). */
#define NE_PORTS_MAX 1023

#define NE_SANDBOX_SIZE 128

struct ne_network {
    char id[NE_ID_SIZE]; /* first: struct ne_index sorts by it */
    char bridge[NE_IFNAME_SIZE];
    struct ne_mac mac; /* the bridge's */
    struct ne_prefix pool4;
    struct ne_prefix pool6;
    struct ne_prefix gateway4; /* the bridge's address with the pool's length */
    struct ne_prefix gateway6;
    bool internal;
    bool names_kept;        /* its engine is known not to ask for names from the host's namespace */
    bool forwarder_up;      /* its name forwarder answers: before that, port 53 stays closed */
    bool unsaved;           /* its record tells an older state, since writing it failed */
    bool near;              /* members may reach each other: as of the last ne_model_fence() */
    bool near_linked;       /* the same, as the bridge was last told */
    bool proxied;           /* members are named as proxies: also as of the last ne_model_fence() */
    bool proxied_linked;    /* the same, as the ports were last told */
    unsigned long revision; /* of the options: 1, and one more with each change */
    struct ne_options options;
    struct ne_options asked; /* what the engine made it with: it may ask again with these, whatever
                              * has become of @options since */
};

struct ne_endpoint {
    char id[NE_ID_SIZE]; /* first: struct ne_index sorts by it */
    char network[NE_ID_SIZE];
    struct ne_addr addr4;
    struct ne_addr addr6;
    struct ne_mac mac;
    bool mac_is_ours; /* made by us: the engine waits for it in CreateEndpoint's answer */
    bool joined;      /* rules and port are wanted in the kernel */
    bool unsaved;     /* its record tells an older state, since writing it failed */
    char sandbox[NE_SANDBOX_SIZE]; /* SandboxKey of Join; empty if not joined */
    bool lacks_route;       /* a change since Join needs a route that the container was not given */
    bool quota_reached;     /* since Join; it was told */
    unsigned long revision; /* as a network's */
    /* In the model: its own, never NULL. They are kept apart since they are large, and few
     * endpoints are given any: ne_options_nothing serves all others. */
    const struct ne_options *options;
};

/* Owning, sorted arrays of pointers to records that begin with their id. */
struct ne_index {
    void **items;
    size_t count;
    size_t capacity;
};

struct ne_model {
    struct ne_index networks;  /* of struct ne_network *  */
    struct ne_index endpoints; /* of struct ne_endpoint * */
};

void ne_model_init(struct ne_model *model);
void ne_model_free(struct ne_model *model);

/* ne_model_network/endpoint() - Look up by id. Return: the record, owned by the model, or NULL. */
struct ne_network *ne_model_network(const struct ne_model *model, const char *id);
struct ne_endpoint *ne_model_endpoint(const struct ne_model *model, const char *id);

/* ne_model_network_at/endpoint_at() - By position, 0 to count - 1, in the order of ids. */
struct ne_network *ne_model_network_at(const struct ne_model *model, size_t position);
struct ne_endpoint *ne_model_endpoint_at(const struct ne_model *model, size_t position);

/* ne_model_network_position() - Where ne_model_network_at() has the network @id.
 * Return: whether it is known; else *@position stays as it was.
 */
bool ne_model_network_position(const struct ne_model *model, const char *id, size_t *position);

/* ne_model_add_network/endpoint() - Add a copy of @record, whose id must be new; also of an
 * endpoint's options, where NULL says nothing.
 * Return: the model's own record, or NULL with NE_NO_MEMORY in @err.
 */
struct ne_network *ne_model_add_network(struct ne_model *model, const struct ne_network *record,
                                        struct ne_error *err);
struct ne_endpoint *ne_model_add_endpoint(struct ne_model *model, const struct ne_endpoint *record,
                                          struct ne_error *err);

/* ne_model_own_options() - A copy of @options for an endpoint of the model; end it with
 * ne_model_free_options(). Return: NULL with NE_NO_MEMORY.
 */
const struct ne_options *ne_model_own_options(const struct ne_options *options,
                                              struct ne_error *err);
void ne_model_free_options(const struct ne_options *options);

/* ne_model_drop_network/endpoint() - Remove and free; an unknown id is nothing to do. */
void ne_model_drop_network(struct ne_model *model, const char *id);
void ne_model_drop_endpoint(struct ne_model *model, const char *id);

/* ne_options_check() - Whether @options fit the @network: proxies, name servers and allowances are
 * of a family that it has, none of them is a neighbour, and lists of names have a forwarder that
 * reads them. Pure. Return: 0, or -1 with NE_BAD_INPUT.
 */
int ne_options_check(const struct ne_network *network, const struct ne_options *options,
                     struct ne_error *err);

/* ne_mode_check() - Whether what holds for @endpoint of @network (NULL: for the network) fits its
 * mode: mode=transparent hands to one port of the bridge's own address. Pure. Return: 0, or -1 with
 * NE_BAD_INPUT.
 */
int ne_mode_check(const struct ne_network *network, const struct ne_endpoint *endpoint,
                  struct ne_error *err);

/* ne_role_check() - Whether @endpoint can be joined with @options: a network has NE_PROXY_MAX
 * members with role=proxy at most, since each is a rule of every policy that names them so. Pure.
 * Return: 0, or -1 with NE_CONFLICT.
 */
int ne_role_check(const struct ne_model *model, const struct ne_endpoint *endpoint,
                  const struct ne_options *options, struct ne_error *err);

/* ne_network_check() - Whether @network can be added to @model: gateways lie in their
 * pools, proxies are of a family that the network has, MTU fits IPv6, no pool,
 * bridge or id clashes with another network's. Pure.
 * Return: 0, or -1 with NE_BAD_INPUT or NE_CONFLICT.
 */
int ne_network_check(const struct ne_model *model, const struct ne_network *network,
                     struct ne_error *err);

/* ne_endpoint_check() - Whether @endpoint can be added to its @network: addresses lie in the pools
 * and are not the gateway's, the MAC address is a station's and is neither the
 * bridge's nor that of another endpoint with another address, there is a port left.
 * Endpoints that hold one of its addresses are no obstacle (they are superseded).
 * Return: 0, or -1 with NE_BAD_INPUT or NE_CONFLICT.
 */
int ne_endpoint_check(const struct ne_model *model, const struct ne_network *network,
                      const struct ne_endpoint *endpoint, struct ne_error *err);

/* ne_endpoint_clashes() - Whether two endpoints hold the same address on the same network. */
bool ne_endpoint_clashes(const struct ne_endpoint *a, const struct ne_endpoint *b);

/* ne_effective_options() - The options that hold for @endpoint (NULL: for the network): its own
 * where given, else the network's, else the defaults of docs/interface.md.
 */
struct ne_options ne_effective_options(const struct ne_network *network,
                                       const struct ne_endpoint *endpoint);

/* ne_model_fence() - Make the fence of the whole model in *@fence (initialised here).
 * Members are the endpoints that are joined. Also notes `near` and `proxied` of each network.
 * Return: 0, to be released with ne_fence_free(); or -1 with NE_NO_MEMORY and nothing to release.
 */
int ne_model_fence(const struct ne_model *model, struct ne_fence *fence, struct ne_error *err);

/* ne_is_member_address() - Whether @addr lies in a pool of @network and is not the bridge's: a
 * proxy there is the member that has it. */
bool ne_is_member_address(const struct ne_network *network, const struct ne_addr *addr);

/* ne_is_role_proxy() - Whether @endpoint is joined to @network with role=proxy: one of those that
 * proxy=container:PORT means there. */
bool ne_is_role_proxy(const struct ne_network *network, const struct ne_endpoint *endpoint);

/* ne_model_is_proxy() - Whether the policy of @endpoint's network, or of another member of it,
 * names @endpoint as a proxy, by its address or by its role. */
bool ne_model_is_proxy(const struct ne_model *model, const struct ne_endpoint *endpoint);

/* ne_routes() - The destinations that the container reaches by way of the bridge:
 * proxies, name servers and allowances outside of the pools, everything with mode=audit. Without a
 * gateway it needs a static route to them. Writes up to NE_ROUTES_MAX prefixes, each once. Return:
 * how many.
 */
#define NE_ROUTES_MAX (NE_PROXY_MAX + NE_DNS_MAX + 2 * NE_TARGETS_MAX + 4)
size_t ne_routes(const struct ne_network *network, const struct ne_endpoint *endpoint,
                 struct ne_prefix routes[static NE_ROUTES_MAX]);

#endif
