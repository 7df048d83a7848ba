/* view.h - networks and endpoints as the API shows them, and found as its users name them. */
#ifndef NETENFORCE_CONTROL_VIEW_H
#define NETENFORCE_CONTROL_VIEW_H

#include <jansson.h>
#include <netenforce/driver.h>

/* network_json/endpoint_json() - Return: a new object, or NULL without memory. */
json_t *network_json(const struct ne_model *model, const struct ne_network *network);
json_t *endpoint_json(const struct ne_driver *driver, const struct ne_endpoint *endpoint);

/* uses_json() - What endpoints have used, by their ids; of those alone that are counted. */
json_t *uses_json(const struct ne_driver *driver);

/* multi_homed_json() - The endpoints whose containers have another way out. */
json_t *multi_homed_json(const struct ne_driver *driver);

/* options_json() - What is given in @options, as texts: {"proxy": "8080"}. */
json_t *options_json(const struct ne_options *options);

/* find_network/find_endpoint() - By its id, or the only one whose id begins so, as the engine's
 * commands do. Return: the record, or NULL with NE_NOT_FOUND or NE_BAD_INPUT.
 */
const struct ne_network *find_network(const struct ne_model *model, const char *id,
                                      struct ne_error *err);
const struct ne_endpoint *find_endpoint(const struct ne_model *model, const char *id,
                                        struct ne_error *err);

#endif
