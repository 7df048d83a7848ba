/* retire.c - ports whose endpoints are gone: out of use at once, deleted later and together.
 *
 * When a veth pair is deleted the caller waits for rcu_barrier() (netdev_run_todo(),
 * net/core/dev.c): some 16 ms for one pair, and hardly more for many that go in one message. So a
 * port is only set down and put into an interface group of ours; one message deletes the group
 * (rtnl_group_dellink(), net/core/rtnetlink.c). A daemon that dies in between leaves ports that are
 * down and bear our mark: the next start finds them.
 */
#include "rtnl.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

int ne_rtnl_retire(struct ne_link *link, const char *name, const char *owner, bool *retired,
                   struct ne_error *err) {
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    struct ne_link_state state;
    struct ne_batch batch;
    *retired = false;
    if (ne_link_get(rtnl, 0, name, &state, err) != 0)
        return -1;
    if (!state.found)
        return 0;
    if (!ne_link_is(&state, name, NE_LINK_PORT, owner))
        return ne_link_conflict(&state, "of the endpoint that is to go", err);
    if (state.group == NE_RETIRED_GROUP && (state.flags & IFF_UP) == 0) {
        *retired = true;
        return 0;
    }

    ne_batch_init(&batch, name);
    struct ne_request *request =
        ne_request_link(&batch, RTM_NEWLINK, 0, state.index, NULL, "take it out of use");
    ne_request_flags(request, 0, IFF_UP);
    ne_put_u32(request, IFLA_GROUP, NE_RETIRED_GROUP);
    ne_request_tolerate(request, ENODEV);
    if (ne_batch_send(rtnl, &batch, err) != 0)
        return -1;
    *retired = request->error == 0;
    return 0;
}

/* What stands in the group. */
struct group {
    unsigned ours;
    unsigned others; /* somebody else's, or up: not to be deleted with it */
};

static void take_grouped(void *context, const struct nlmsghdr *message) {
    struct group *group = context;
    struct ne_link_state state;
    char owner[NE_ID_SIZE];
    if (message == NULL) {
        *group = (struct group){0};
        return;
    }
    if (!ne_link_parse(message, &state) || state.group != NE_RETIRED_GROUP)
        return;
    if (ne_link_owner(&state, owner) == NE_LINK_PORT && (state.flags & IFF_UP) == 0)
        group->ours++;
    else
        group->others++;
}

int ne_rtnl_reap(struct ne_link *link, struct ne_error *err) {
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    struct group group = {0};
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg), "list the interfaces");
    ne_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request->answer = take_grouped;
    request->context = &group;
    if (ne_rtnl_dump(rtnl, &batch, err) != 0)
        return -1;
    if (group.others > 0)
        return ne_fail(err, NE_CONFLICT,
                       "%u interfaces that are not retired ports stand in the interface group %d, "
                       "which netenforce deletes as a whole: ip link set dev NAME group default",
                       group.others, NE_RETIRED_GROUP);
    if (group.ours == 0)
        return 0;

    ne_batch_init(&batch, NULL);
    request = ne_request_link(&batch, RTM_DELLINK, 0, 0, NULL, "delete the retired ports");
    ne_put_u32(request, IFLA_GROUP, NE_RETIRED_GROUP);
    ne_request_tolerate(request, ENODEV); /* they have gone meanwhile, with their namespaces */
    return ne_batch_send(rtnl, &batch, err);
}
