/* edge.c - the rtnetlink edge as link.h's table of functions. */
#include "rtnl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ne_rtnl *ne_rtnl_of(struct ne_link *link) {
    return (struct ne_rtnl *)(void *)link;
}

void ne_mended(struct ne_rtnl *rtnl, const char *device, const char *what) {
    struct ne_link_mended *mended = &rtnl->link.mended;
    if (mended->count++ == 0)
        (void)snprintf(mended->first, sizeof(mended->first), "interface %s %s", device, what);
}

static void edge_close(struct ne_link *link) {
    if (link == NULL)
        return;
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    if (rtnl->socket != NULL)
        (void)mnl_socket_close(rtnl->socket);
    free(rtnl->ipv6_conf);
    free(rtnl->answer);
    free(rtnl);
}

static const struct ne_link_ops rtnl_ops = {
    .bridge_check = ne_rtnl_bridge_check,
    .bridge_whole = ne_rtnl_bridge_whole,
    .bridge_ensure = ne_rtnl_bridge_ensure,
    .port_ensure = ne_rtnl_port_ensure,
    .port_quench = ne_rtnl_port_quench,
    .remove = ne_rtnl_remove,
    .retire = ne_rtnl_retire,
    .reap = ne_rtnl_reap,
    .survey = ne_rtnl_survey,
    .others = ne_rtnl_others,
    .drops = ne_rtnl_drops,
    .traffic = ne_rtnl_traffic,
    .overlap = ne_rtnl_overlap,
    .is_local = ne_rtnl_is_local,
    .forwards = ne_rtnl_forwards,
    .close = edge_close,
};

struct ne_link *ne_rtnl_open(const char *ipv6_conf, struct ne_error *err) {
    struct ne_rtnl *rtnl = calloc(1, sizeof(*rtnl));
    if (rtnl == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the link edge");
        return NULL;
    }
    rtnl->link.ops = &rtnl_ops;
    rtnl->answer = malloc(NE_ANSWER_SIZE);
    rtnl->ipv6_conf = ipv6_conf == NULL ? NULL : strdup(ipv6_conf);
    if (rtnl->answer == NULL || (ipv6_conf != NULL && rtnl->ipv6_conf == NULL)) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for the link edge");
        edge_close(&rtnl->link);
        return NULL;
    }
    if (ne_rtnl_connect(rtnl, err) != 0) {
        edge_close(&rtnl->link);
        return NULL;
    }
    return &rtnl->link;
}
