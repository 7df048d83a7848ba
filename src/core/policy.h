/* policy.h - what the rules of a policy are put together from: core/build.c calls it. Pure.
 *
 * All return 0, or -1 with NE_NO_MEMORY in @err.
 */
#ifndef NETENFORCE_POLICY_H
#define NETENFORCE_POLICY_H

#include <netenforce/model.h>

#define DNS_PORT 53

/* A joined endpoint with role=proxy, the model's own. */
struct role_proxy {
    const struct ne_endpoint *endpoint;
};

struct role_proxies {
    struct role_proxy *items; /* owned; of all networks, in the order of their networks' ids */
    size_t count;
};

/* add_policy() - The policy @id: the rules that @options mean on @network. */
int add_policy(struct ne_fence *fence, const char *id, const struct ne_network *network,
               const struct ne_options *options, const struct role_proxies *proxies,
               struct ne_error *err);

/* pass_tcp() - To @port of @to, for the option "proxy". @to of no family is nothing to do. */
int pass_tcp(struct ne_policy *policy, const struct ne_addr *to, uint16_t port,
             struct ne_error *err);

/* proxies.c */

/* gather_proxies() - Fill @proxies from @model; to be freed by free(@proxies->items). */
int gather_proxies(const struct ne_model *model, struct role_proxies *proxies,
                   struct ne_error *err);

/* names_member() - Whether @options name a proxy in the pool of @network, by address or by role. */
bool names_member(const struct ne_network *network, const struct ne_options *options);

/* pass_members() - To the proxies that are members of @network. */
int pass_members(struct ne_policy *policy, const struct ne_network *network,
                 const struct ne_options *options, const struct role_proxies *proxies,
                 struct ne_error *err);

/* pass_proxies() - To those on the bridge's own addresses, or (@here false) those beyond the
 * network. */
int pass_proxies(struct ne_fence *fence, struct ne_policy *policy, const struct ne_network *network,
                 const struct ne_options *options, bool here, struct ne_error *err);

/* handing.c: mode=transparent */

/* close_proxy() - The port of @bridge that is handed to is reached by no other way: a proxy that
 * was connected to itself would go round in circles. */
int close_proxy(struct ne_policy *policy, const struct ne_options *options,
                const struct ne_addr *bridge, struct ne_error *err);

/* add_handing() - What goes to 80 and 443 of any address of @bridge's family is handed to the
 * proxy, and questions to the forwarder, while that listens. */
int add_handing(struct ne_policy *policy, const struct ne_network *network,
                const struct ne_options *options, const struct ne_addr *bridge,
                struct ne_error *err);

/* add_hands() - Where @options lead what their policy hands, for @endpoint or (NULL) the network.
 */
int add_hands(struct ne_fence *fence, const struct ne_network *network,
              const struct ne_endpoint *endpoint, const struct ne_options *options,
              struct ne_error *err);

#endif
