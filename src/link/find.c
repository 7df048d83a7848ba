/* find.c - which links there are, and whose: see rtnl.h. */
#include "rtnl.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char network_alias[] = "netenforce network ";
static const char endpoint_alias[] = "netenforce endpoint ";

void alias_write(char alias[static NE_ALIAS_SIZE], enum ne_link_kind kind, const char *owner) {
    (void)snprintf(alias, NE_ALIAS_SIZE, "%s%s",
                   kind == NE_LINK_BRIDGE ? network_alias : endpoint_alias, owner);
}

enum ne_link_kind alias_read(const char *alias, char owner[static NE_ID_SIZE]) {
    enum ne_link_kind kind = NE_LINK_OTHER;
    const char *id = "";
    if (strncmp(alias, network_alias, sizeof(network_alias) - 1) == 0) {
        kind = NE_LINK_BRIDGE;
        id = alias + sizeof(network_alias) - 1;
    } else if (strncmp(alias, endpoint_alias, sizeof(endpoint_alias) - 1) == 0) {
        kind = NE_LINK_PORT;
        id = alias + sizeof(endpoint_alias) - 1;
    }
    if (!ne_id_valid(id))
        return NE_LINK_OTHER;
    memcpy(owner, id, strlen(id) + 1);
    return kind;
}

static void copy_text(const struct nlattr *attr, char *out, size_t size) {
    if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
        return;
    const char *text = mnl_attr_get_str(attr);
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

static void read_kind(const struct nlattr *info, struct found_link *found) {
    const struct nlattr *attr;
    for_each_nested_attr (attr, info) {
        if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
            copy_text(attr, found->kind, sizeof(found->kind));
    }
}

void found_link_read(const struct nlmsghdr *message, struct found_link *found) {
    *found = (struct found_link){0};
    if (message->nlmsg_type != RTM_NEWLINK ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg))
        return;
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
    found->index = (unsigned)link->ifi_index;
    found->up = (link->ifi_flags & IFF_UP) != 0;

    const struct nlattr *attr;
    for_each_attr (attr, message, sizeof(*link)) {
        switch (mnl_attr_get_type(attr)) {
        case IFLA_IFNAME:
            copy_text(attr, found->name, sizeof(found->name));
            break;
        case IFLA_IFALIAS:
            copy_text(attr, found->alias, sizeof(found->alias));
            break;
        case IFLA_LINKINFO:
            read_kind(attr, found);
            break;
        default:
            break;
        }
    }
}

static int take_found(void *context, const struct nlmsghdr *message, struct ne_error *err) {
    (void)err;
    found_link_read(message, context);
    return 0;
}

int rtnl_find(struct rtnl *rtnl, const char *name, struct found_link *found, struct ne_error *err) {
    char buffer[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETLINK;
    request->nlmsg_flags = NLM_F_REQUEST;
    (void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(request, IFLA_IFNAME, name);

    int refused = 0;
    *found = (struct found_link){0};
    if (rtnl_talk(rtnl, request, take_found, found, &refused, "look for a link", err) < 0)
        return ne_context(err, "%s", name);
    if (refused != 0 && refused != ENODEV)
        return ne_fail_errno(err, NE_KERNEL, refused, "%s: cannot look for it", name);
    return 0;
}

int link_remove(struct ne_link *link, const char *name, const char *owner, struct ne_error *err) {
    struct rtnl *rtnl = rtnl_of(link);
    struct found_link found;
    char found_owner[NE_ID_SIZE];
    if (rtnl_find(rtnl, name, &found, err) < 0)
        return -1;
    if (found.index == 0 || alias_read(found.alias, found_owner) == NE_LINK_OTHER ||
        strcmp(found_owner, owner) != 0)
        return 0; /* gone, or somebody else's by now */

    struct batch batch;
    batch_begin(&batch);
    (void)batch_link(&batch, RTM_DELLINK, 0, AF_UNSPEC, NULL, found.index, "remove the link");
    batch_tolerate(&batch);
    if (batch_send(rtnl, &batch, name, err) < 0)
        return -1;
    int refused = batch.results[0];
    if (refused != 0 && refused != ENODEV) /* ENODEV: it went with its container meanwhile */
        return ne_fail_errno(err, NE_KERNEL, refused, "%s: cannot remove the link", name);
    return 0;
}

/* A survey hands out links only once the kernel's list is complete: a list that is
 * begun anew must not tell of a link twice. */
#define SURVEY_STEP 64

struct survey {
    struct ne_link_found *found;
    size_t count;
    size_t room;
};

static void survey_restart(void *context) {
    struct survey *survey = context;
    survey->count = 0;
}

static int survey_take(void *context, const struct nlmsghdr *message, struct ne_error *err) {
    struct survey *survey = context;
    struct found_link link;
    struct ne_link_found found = {0};
    found_link_read(message, &link);
    found.kind = alias_read(link.alias, found.owner);
    if (found.kind == NE_LINK_OTHER)
        return 0;
    if (survey->count == survey->room) {
        size_t room = survey->room + SURVEY_STEP;
        void *grown = reallocarray(survey->found, room, sizeof(*survey->found));
        if (grown == NULL)
            return ne_fail(err, NE_NO_MEMORY, "no memory for %zu links", room);
        survey->found = grown;
        survey->room = room;
    }
    memcpy(found.name, link.name, sizeof(found.name));
    survey->found[survey->count++] = found;
    return 0;
}

int link_survey(struct ne_link *link, ne_link_visit visit, void *context, struct ne_error *err) {
    char buffer[256];
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_GETLINK;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    (void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));

    struct survey survey = {0};
    int result = rtnl_dump(rtnl_of(link), request, survey_take, survey_restart, &survey,
                           "list the links", err);
    for (size_t i = 0; result == 0 && i < survey.count; i++)
        result = visit(context, &survey.found[i], err);
    free(survey.found);
    return result;
}
