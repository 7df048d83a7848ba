/* wanted.h - which forwarders the model asks for. Pure. */
#ifndef NETENFORCE_FORWARDER_WANTED_H
#define NETENFORCE_FORWARDER_WANTED_H

#include "order.h"

#include <netenforce/model.h>

/* forwarder_wanted() - Whether @network, or an endpoint of it, has dns=log; then *@config is what
 * its forwarder does, with @upstreams to ask. An address that it listens on itself is not asked.
 */
bool forwarder_wanted(const struct ne_model *model, const struct ne_network *network,
                      const struct ne_servers *upstreams, struct forwarder_config *config);

#endif
