/* watch.c - hints that links or addresses of ours were changed: see link_watch.h. */
#include <netenforce/link_watch.h>

#include "rtnl.h"

#include <net/if.h>
#include <string.h>

int ne_link_watch_open(int *fd, struct ne_error *err) {
    return ne_watch_open(NETLINK_ROUTE,
                         RTMGRP_LINK | RTMGRP_TC | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                         "interfaces", fd, err);
}

static bool name_is_ours(const char *name) {
    return strncmp(name, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0 ||
           strncmp(name, NE_PORT_PREFIX, strlen(NE_PORT_PREFIX)) == 0;
}

static struct ne_link_change *find(struct ne_link_changes *changes, const char *name) {
    for (unsigned i = 0; i < changes->count; i++) {
        if (strcmp(changes->changed[i].name, name) == 0)
            return &changes->changed[i];
    }
    return NULL;
}

/* note() - Return: the change of the interface @name, a new one if need be; NULL where there is no
 * room. */
static struct ne_link_change *note(struct ne_link_changes *changes, const char *name) {
    struct ne_link_change *change = find(changes, name);
    if (change != NULL)
        return change;
    if (changes->count == NE_WATCH_NAMES) {
        changes->all = true;
        return NULL;
    }
    change = &changes->changed[changes->count++];
    *change = (struct ne_link_change){0};
    (void)strncpy(change->name, name, sizeof(change->name) - 1);
    return change;
}

static bool alias_is_ours(const struct nlattr *attr) {
    static const char mark[] = "netenforce ";
    char alias[NE_ALIAS_SIZE];
    return ne_attr_text(attr, alias, sizeof(alias)) && strncmp(alias, mark, sizeof(mark) - 1) == 0;
}

static void note_link(struct ne_link_changes *changes, const struct nlmsghdr *message, bool left) {
    const struct nlattr *attrs[IFLA_MAX + 1];
    char name[NE_IFNAME_SIZE];
    uint32_t group = 0;
    ne_attrs_of_message(message, sizeof(struct ifinfomsg), attrs, IFLA_MAX);
    if (!ne_attr_text(attrs[IFLA_IFNAME], name, sizeof(name))) {
        changes->all = changes->all || alias_is_ours(attrs[IFLA_IFALIAS]);
        return;
    }
    if (!name_is_ours(name) && !alias_is_ours(attrs[IFLA_IFALIAS]))
        return;
    struct ne_link_change *change = note(changes, name);
    if (change == NULL)
        return;
    change->gone = change->gone || left;
    if (ne_attr_u32(attrs[IFLA_GROUP], &group)) /* a bridge's own messages do not tell it */
        change->retired = group == NE_RETIRED_GROUP;
}

/* note_index() - An address or a guard of the interface @index was changed. If that is gone by now,
 * its own event says so. */
static void note_index(struct ne_link_changes *changes, unsigned index) {
    char name[IF_NAMESIZE];
    if (if_indextoname(index, name) != NULL && name_is_ours(name))
        (void)note(changes, name);
}

/* The kernel says that all flags of a link changed when it enters a namespace, newly made or moved
 * there (register_netdevice(), rtnl_configure_link(), dev_change_net_namespace()), and only then:
 * a link that goes up and down, as a container makes its own do, changes some.
 */
static bool link_came(const struct ifinfomsg *header) {
    return header->ifi_change == ~0U;
}

static const void *header_of(const struct nlmsghdr *message, size_t size) {
    return mnl_nlmsg_get_payload_len(message) < size ? NULL : mnl_nlmsg_get_payload(message);
}

static void note_message(struct ne_link_changes *changes, const struct nlmsghdr *message) {
    const struct ifinfomsg *link = header_of(message, sizeof(*link));
    const struct ifaddrmsg *address = header_of(message, sizeof(*address));
    const struct tcmsg *guard = header_of(message, sizeof(*guard));
    bool left;
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        if (link == NULL)
            break;
        /* A bridge tells its ports' flags in messages of its own family, and that one is no port of
         * it any more: no link came or went. */
        left = message->nlmsg_type == RTM_DELLINK && link->ifi_family == AF_UNSPEC;
        note_link(changes, message, left);
        if (left || (link->ifi_family == AF_UNSPEC && link_came(link)))
            changes->moved = true;
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        if (address != NULL)
            note_index(changes, address->ifa_index);
        break;
    case RTM_DELQDISC:
    case RTM_DELTFILTER: /* a guard that was taken away */
        if (guard != NULL)
            note_index(changes, (unsigned)guard->tcm_ifindex);
        break;
    default:
        break;
    }
}

void ne_link_note(void *to, const char *datagram, size_t size) {
    struct ne_link_changes *changes = to;
    size_t at = 0;
    const struct nlmsghdr *message;
    while ((message = ne_next_message(datagram, size, &at)) != NULL)
        note_message(changes, message);
}

void ne_link_watch_drain(int fd, struct ne_link_changes *changes) {
    if (!ne_watch_drain(fd, ne_link_note, changes))
        changes->all = changes->moved = true;
}
