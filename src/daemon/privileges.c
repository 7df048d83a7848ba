/* privileges.c - the daemon keeps what it uses: see privileges.h. */
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>

int privileges_check(struct ne_error *err) {
    unsigned long inside = 0;
    unsigned long outside = 0;
    unsigned long count = 0;
    /* A kernel without user namespaces does not have the file. */
    FILE *file = fopen("/proc/self/uid_map", "re");
    if (file == NULL)
        return 0;
    int read = fscanf(file, "%lu %lu %lu", &inside, &outside, &count); /* NOLINT(cert-err34-c) */
    (void)fclose(file);
    if (read == 3 && inside == 0 && outside == 0 && count == UINT32_MAX)
        return 0;
    return ne_fail(
        err, NE_UNSUPPORTED,
        "this is a user namespace, as rootless Docker runs in: its network is not the host's, "
        "and whoever started it can change every rule there. Run dockerd, and netenforce "
        "with it, as root (docs/hosts.md)");
}

int privileges_drop(struct ne_error *err) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot forbid new privileges");
    if (capng_get_caps_process() < 0 || !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) ||
        !capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW))
        return ne_fail(err, NE_KERNEL,
                       "the daemon lacks CAP_NET_ADMIN or CAP_NET_RAW: run it as root");

    /* Dropping the bounding set takes CAP_SETPCAP; without it there is nothing to gain by exec
     * either, since no_new_privs is set. */
    bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_NET_ADMIN,
                      CAP_NET_RAW, -1) < 0 ||
        capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0)
        return ne_fail_errno(err, NE_KERNEL, errno, "cannot give up capabilities");
    return 0;
}
