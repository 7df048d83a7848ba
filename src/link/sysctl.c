/* sysctl.c - the switches of IPv6 that netlink cannot set: see rtnl.h.
 *
 * A managed plugin sees /proc/sys read-only, so those that close something are a second layer only:
 * the address generation mode (netlink) keeps the kernel from making addresses, the fence drops the
 * packets. Without those that open something (proxy_ndp) neighbours don't find each other by IPv6.
 */
#include "rtnl.h"

#include <netenforce/log.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ne_ipv6_switch(struct ne_rtnl *rtnl, const char *device, const char *key, bool value) {
    rtnl->switches_fixed |= rtnl->ipv6_conf == NULL;
    if (rtnl->ipv6_conf == NULL)
        return;
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s/%s", rtnl->ipv6_conf, device, key);
    if (length < 0 || (size_t)length >= sizeof(path))
        return;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        rtnl->switches_fixed = true;
        ne_debug("interface %s: %s is left as it is: %s", device, key, strerror(errno));
        return;
    }
    if (write(fd, value ? "1" : "0", 1) != 1) {
        rtnl->switches_fixed = true;
        ne_debug("interface %s: %s is left as it is: %s", device, key, strerror(errno));
    }
    (void)close(fd);
}
