/* wanted.c - see wanted.h. */
#include "wanted.h"

#include <string.h>

static bool is_asked_for(const struct ne_model *model, const struct ne_network *network) {
    if (ne_effective_options(network, NULL).dns.kind == NE_DNS_LOG)
        return true;
    for (size_t i = 0; i < model->endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(model, i);
        if (strcmp(endpoint->network, network->id) == 0 &&
            ne_options_log_names(endpoint->options) &&
            ne_effective_options(network, endpoint).dns.kind == NE_DNS_LOG)
            return true;
    }
    return false;
}

bool forwarder_wanted(const struct ne_model *model, const struct ne_network *network,
                      const struct ne_servers *upstreams, struct forwarder_config *config) {
    const struct ne_options *options = &network->options;
    size_t used = 0;
    if (!is_asked_for(model, network))
        return false;
    memset(config, 0, sizeof(*config)); /* it is sent as it lies there */
    config->listen[0] = network->gateway4.addr;
    config->listen[1] = network->gateway6.addr;
    for (unsigned i = 0; i < upstreams->count; i++) {
        if (!ne_addr_equal(&upstreams->items[i], &config->listen[0]) &&
            !ne_addr_equal(&upstreams->items[i], &config->listen[1]))
            config->upstream[used++] = upstreams->items[i];
    }
    config->has_allow = options->has_dns_allow ? 1 : 0;
    if (options->has_dns_allow)
        config->allow = options->dns_allow;
    if (options->has_dns_deny)
        config->deny = options->dns_deny;
    return true;
}
