/* internal.h - what the driver's files share. */
#ifndef NETENFORCE_DRIVER_INTERNAL_H
#define NETENFORCE_DRIVER_INTERNAL_H

#include <netenforce/driver.h>

/* enforce() - Put the model's fence in force. */
int enforce(struct ne_driver *driver, struct ne_firewall_report *report, struct ne_error *err);

/* bridge_of/port_of() - The links that a record wants. */
struct ne_bridge bridge_of(const struct ne_network *network);
struct ne_port port_of(const struct ne_network *network, const struct ne_endpoint *endpoint);

/* not_undone() - A step back failed: log @err under @what, repair later. */
void not_undone(struct ne_driver *driver, const char *what, const char *id,
                const struct ne_error *err);

/* random_mac() - A locally administered station's MAC address.
 * Return: 0, or -1 with NE_KERNEL if the kernel has no randomness to give.
 */
int random_mac(struct ne_mac *mac, struct ne_error *err);

/* check_proxies_local() - --internal means: nothing beyond this host. Refuse proxies that are. */
int check_proxies_local(struct ne_driver *driver, const struct ne_network *network,
                        const struct ne_options *options, struct ne_error *err);

#endif
