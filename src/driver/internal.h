/* internal.h - what the driver's files share. */
#ifndef NETENFORCE_DRIVER_INTERNAL_H
#define NETENFORCE_DRIVER_INTERNAL_H

#include <netenforce/driver.h>

/* enforce() - Put the model's fence in force. As long as nobody knows what links an earlier daemon
 * left
 * (`surveyed`), its rules are not taken away for want of networks. */
int enforce(struct ne_driver *driver, struct ne_firewall_report *report, struct ne_error *err);

/* Bridges and ports of ours that belong to nobody and are still there: each fence closes them, as
 * bridges that have no members. note_stray() - One that could not be removed; without memory for it
 * the driver is as before its first survey. forget_strays() - They are looked for anew.
 * close_strays() - To @fence, before it is put in force. */
void note_stray(struct ne_driver *driver, const char *link);
void forget_strays(struct ne_driver *driver);
int close_strays(const struct ne_driver *driver, struct ne_fence *fence, struct ne_error *err);

/* bridge_of/port_of() - The links that a record wants. */
struct ne_bridge bridge_of(const struct ne_network *network);
struct ne_port port_of(const struct ne_network *network, const struct ne_endpoint *endpoint);

/* retire() - Take an endpoint's port out of use; ne_driver_reap() deletes it. */
int retire(struct ne_driver *driver, const char *name, const char *owner, struct ne_error *err);

/* put_out() - The way back of Join: the port down, then the rules gone. Goes on after a failure;
 * returns the last. */
int put_out(struct ne_driver *driver, struct ne_endpoint *endpoint, struct ne_error *err);

/* ensure_bridge() - Bring @network's bridge into line with it. */
int ensure_bridge(struct ne_driver *driver, struct ne_network *network, struct ne_error *err);

/* follow_near() - Tell @network's bridge whether members may reach each other, and its ports
 * whether a proxy is among them, as the last fence says, if they were told otherwise. follow_icc()
 * - Tell the ports of @network whose endpoints the bridge is to answer for.
 */
int follow_near(struct ne_driver *driver, struct ne_network *network, struct ne_error *err);
int follow_icc(struct ne_driver *driver, const struct ne_network *network, struct ne_error *err);

/* not_undone() - A step back failed: log @err under @what, repair later. */
void not_undone(struct ne_driver *driver, const char *what, const char *id,
                const struct ne_error *err);

/* write_record/write_network() - Write an endpoint's or a network's record, and note whether it
 * tells the present state: what could not be written is written by a repair. */
int write_network(struct ne_driver *driver, struct ne_network *network, struct ne_error *err);
int write_record(struct ne_driver *driver, struct ne_endpoint *endpoint, struct ne_error *err);

/* random_mac() - A locally administered station's MAC address.
 * Return: 0, or -1 with NE_KERNEL if the kernel has no randomness to give.
 */
int random_mac(struct ne_mac *mac, struct ne_error *err);

/* tell_of() - An event of type "network" (@endpoint is NULL) or "endpoint": @what came of it. */
void tell_of(const char *network, const char *endpoint, const char *what);

/* check_local() - --internal means: nothing beyond this host. Refuse proxies and allowances that
 * are. */
int check_local(struct ne_driver *driver, const struct ne_network *network,
                const struct ne_options *options, struct ne_error *err);

/* check_forwarder() - Refuse dns=log where its program is not there. */
int check_forwarder(const struct ne_driver *driver, const struct ne_options *options,
                    struct ne_error *err);

/* check_resolver() - Refuse what lets names leak, or warn of it if that is allowed.
 * @endpoint is NULL for the network as such.
 */
int check_resolver(const struct ne_driver *driver, const struct ne_network *network,
                   const char *endpoint, struct ne_error *err);

#endif
