/* survey.c - which links are ours, and their removal: see link.h. */
#include "rtnl.h"

#include <stdlib.h>
#include <string.h>

/* All that a dump found: the visitor may use the edge itself, so it is called afterwards. */
struct harvest {
    struct ne_link_found *links;
    size_t count, room;
    bool no_memory;
};

static void take_ours(void *context, const struct nlmsghdr *message) {
    struct harvest *harvest = context;
    struct ne_link_state state;
    struct ne_link_found found = {.kind = NE_LINK_OTHER};
    if (message == NULL) {
        harvest->count = 0;
        return;
    }
    if (harvest->no_memory || !ne_link_parse(message, &state))
        return;
    found.kind = ne_link_owner(&state, found.owner);
    if (found.kind == NE_LINK_OTHER)
        return;
    found.retired = found.kind == NE_LINK_PORT && state.group == NE_RETIRED_GROUP;
    memcpy(found.name, state.name, sizeof(found.name));
    if (harvest->count == harvest->room) {
        size_t room = harvest->room == 0 ? 64 : harvest->room * 2;
        struct ne_link_found *links = reallocarray(harvest->links, room, sizeof(*links));
        if (links == NULL) {
            harvest->no_memory = true;
            return;
        }
        harvest->links = links;
        harvest->room = room;
    }
    harvest->links[harvest->count++] = found;
}

int ne_rtnl_survey(struct ne_link *link, ne_link_visit visit, void *context, struct ne_error *err) {
    struct harvest harvest = {0};
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg), "list the interfaces");
    ne_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request->answer = take_ours;
    request->context = &harvest;

    int status = ne_rtnl_dump(ne_rtnl_of(link), &batch, err);
    if (status == 0 && harvest.no_memory)
        status = ne_fail(err, NE_NO_MEMORY, "no memory for the list of interfaces");
    for (size_t i = 0; status == 0 && i < harvest.count; i++)
        status = visit(context, &harvest.links[i], err);
    free(harvest.links);
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
