/* launcher.h - the process that starts dnsmasq, since the daemon can start nothing. */
#ifndef NETENFORCE_FORWARDER_LAUNCHER_H
#define NETENFORCE_FORWARDER_LAUNCHER_H

/* launcher_serve() - Carry out the orders that come by @fd until its other end is closed; then end
 * every dnsmasq and return. @null is /dev/null.
 */
void launcher_serve(const char *program, int fd, int null);

#endif
