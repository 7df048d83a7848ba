/* survey.c - which links are ours, and their removal: see link.h. */
#include "rtnl.h"

#include <stdlib.h>
#include <string.h>

static bool parse_ours(const struct nlmsghdr *message, void *item) {
    struct ne_link_found *found = item;
    struct ne_link_state state;
    *found = (struct ne_link_found){.kind = NE_LINK_OTHER};
    if (!ne_link_parse(message, &state))
        return false;
    found->kind = ne_link_owner(&state, found->owner);
    found->retired = found->kind == NE_LINK_PORT && state.group == NE_RETIRED_GROUP;
    memcpy(found->name, state.name, sizeof(found->name));
    return found->kind != NE_LINK_OTHER;
}

int ne_rtnl_survey(struct ne_link *link, ne_link_visit visit, void *context, struct ne_error *err) {
    struct ne_link_found found;
    struct ne_gathered list = {.parse = parse_ours, .item = &found, .size = sizeof(found)};
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg), "list the interfaces");
    ne_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    int status = ne_gather(ne_rtnl_of(link), &batch, &list, "the list of interfaces", err);
    const struct ne_link_found *all = list.items;
    for (size_t i = 0; status == 0 && i < list.count; i++)
        status = visit(context, &all[i], err);
    free(list.items);
    return status;
}

int ne_rtnl_remove(struct ne_link *link, const char *name, const char *owner,
                   struct ne_error *err) {
    struct ne_rtnl *rtnl = ne_rtnl_of(link);
    struct ne_link_state state;
    if (ne_link_get(rtnl, 0, name, &state, err) != 0)
        return -1;
    if (!state.found)
        return 0;
    if (!ne_link_is(&state, name, NE_LINK_BRIDGE, owner) &&
        !ne_link_is(&state, name, NE_LINK_PORT, owner))
        return ne_link_conflict(&state, "of the network or endpoint that is to go", err);
    return ne_link_delete(rtnl, state.index, name, err);
}
