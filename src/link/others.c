/* others.c - interfaces by which a container gets past its ports: see link.h. */
#include "rtnl.h"

#include <netenforce/grow.h>
#include <netenforce/log.h>

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* A container with NET_ADMIN can make any number of interfaces; no honest one has so many. */
#define LOOKED_AT_MAX 1024

/* A link of this namespace. */
struct host_link {
    int space; /* the namespace of its other end or of what lies below it; -1: this one */
    int index;
    int peer;
    bool is_port;
    char name[NE_IFNAME_SIZE];
    char kind[NE_KIND_SIZE];
    char owner[NE_ID_SIZE];
};

struct host {
    struct host_link *links;
    size_t count;
    bool failed;
    struct ne_error *err;
};

/* One other namespace: those of the host's links that lead to it, and what was seen inside. */
struct inside {
    const struct host *host;
    const struct host_link *links;
    size_t link_count;
    struct ne_request *request;
    unsigned seen;
    bool target_ignored; /* the kernel listed this namespace instead */
    bool is_there;       /* an end of ours was seen */
    int here;            /* what the answers call this namespace; -1: not known */
    struct ne_link_others found;
    /* Where the listed ones lead to. */
    int index[NE_OTHERS_MAX];
    int peer[NE_OTHERS_MAX];
    int peer_space[NE_OTHERS_MAX];
};

static void take_host_link(void *context, const struct nlmsghdr *message) {
    struct host *host = context;
    struct ne_link_state state;
    if (message == NULL) {
        host->count = 0;
        return;
    }
    if (host->failed || !ne_link_parse(message, &state))
        return;
    void *room = ne_grow(host->links, host->count, sizeof(*host->links), host->err);
    if (room == NULL) {
        host->failed = true;
        return;
    }
    host->links = room;
    struct host_link *link = &host->links[host->count++];
    *link = (struct host_link){
        .space = state.peer_space, .index = state.index, .peer = state.peer, .owner = ""};
    memcpy(link->name, state.name, sizeof(link->name));
    memcpy(link->kind, state.kind, sizeof(link->kind));
    /* The engine brings back a container's end of any pair, with an alias of the container's. */
    link->is_port = strncmp(state.name, NE_PORT_PREFIX, strlen(NE_PORT_PREFIX)) == 0 &&
                    ne_link_owner(&state, link->owner) == NE_LINK_PORT;
}

/* For qsort(): what leads to the same namespace stands together, ports first. */
static int compare(const void *a, const void *b) {
    const struct host_link *one = a;
    const struct host_link *other = b;
    if (one->space != other->space)
        return one->space < other->space ? -1 : 1;
    return (int)other->is_port - (int)one->is_port;
}

/* Whether the interface leads nowhere but to others of its own namespace. These kinds have nothing
 * below them, or they say so when it is elsewhere (rtnl_link_ops.get_link_net). Of others that
 * is not known: they had better be named for nothing than passed over.
 */
static bool stays_within(const struct ne_link_state *state) {
    static const char *const kinds[] = {
        "bond",   "bridge",    "dummy",     "erspan", "geneve", "gre",    "gretap", "ifb",
        "ip6gre", "ip6erspan", "ip6gretap", "ip6tnl", "ipip",   "ipvlan", "macsec", "macvlan",
        "netkit", "nlmon",     "sit",       "team",   "tun",    "vcan",   "veth",   "vlan",
        "vrf",    "vti",       "vti6",      "vxcan",  "vxlan",  "xfrm",
    };
    if ((state->flags & IFF_LOOPBACK) != 0)
        return true;
    if (state->peer_is_apart)
        return false;
    for (size_t i = 0; i < NE_COUNT_OF(kinds); i++) {
        if (strcmp(state->kind, kinds[i]) == 0)
            return true;
    }
    return false;
}

static bool is_peer_of_ours(const struct inside *inside, const struct ne_link_state *state) {
    for (size_t i = 0; i < inside->link_count && inside->links[i].is_port; i++) {
        if (inside->links[i].peer == state->index && inside->links[i].index == state->peer)
            return true;
    }
    return false;
}

/* A container may put an escape sequence in a name (dev_valid_name() only refuses blanks, '/' and
 * ':'), for whoever reads the log, or what is no UTF-8, for whoever writes JSON.
 */
static void copy_printable(char out[static NE_IFNAME_SIZE], const char *name) {
    size_t length = strnlen(name, NE_IFNAME_SIZE - 1);
    memcpy(out, name, length);
    out[length] = '\0';
    for (char *at = out; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~')
            *at = '?';
    }
}

static struct ne_link_other *add(struct ne_link_others *found, const char *name,
                                 const char kind[static NE_KIND_SIZE]) {
    static const char no_kind[NE_KIND_SIZE] = "device";
    if (found->count++ >= NE_OTHERS_MAX)
        return NULL;
    struct ne_link_other *other = &found->listed[found->count - 1];
    copy_printable(other->name, name);
    memcpy(other->kind, kind[0] != '\0' ? kind : no_kind, NE_KIND_SIZE);
    other->host[0] = '\0';
    return other;
}

static void take_inside(void *context, const struct nlmsghdr *message) {
    struct inside *inside = context;
    struct ne_link_state state;
    if (message == NULL) {
        inside->seen = 0;
        inside->is_there = false;
        inside->here = -1;
        inside->found.count = 0;
        return;
    }
    if (inside->request->enough || !ne_link_parse(message, &state))
        return;
    inside->target_ignored = state.space != inside->links[0].space;
    if (inside->target_ignored || ++inside->seen > LOOKED_AT_MAX) {
        inside->request->enough = true;
        return;
    }
    if (is_peer_of_ours(inside, &state)) {
        inside->is_there = true;
        inside->here = state.peer_space;
        return;
    }
    if (stays_within(&state))
        return;
    unsigned at = inside->found.count;
    if (add(&inside->found, state.name, state.kind) != NULL) {
        inside->index[at] = state.index;
        inside->peer[at] = state.peer;
        inside->peer_space[at] = state.peer_space;
    }
}

/* Whether the listed interface number @at leads to @link. Some kinds that have nothing to say there
 * name their own index (rtnl_fill_ifinfo()), which may be another link's here by chance.
 */
static bool leads_to(const struct inside *inside, size_t at, const struct host_link *link) {
    bool back = link->space == inside->links[0].space && link->peer == inside->index[at];
    return link->index == inside->peer[at] && (back || inside->index[at] != inside->peer[at]);
}

/* Name the links of this namespace that the listed ones lead to. */
static void name_host_ends(struct inside *inside) {
    for (size_t i = 0; i < inside->found.count && i < NE_OTHERS_MAX; i++) {
        if (inside->peer_space[i] < 0 || inside->peer_space[i] != inside->here)
            continue;
        for (size_t k = 0; k < inside->host->count; k++) {
            if (leads_to(inside, i, &inside->host->links[k]))
                copy_printable(inside->found.listed[i].host, inside->host->links[k].name);
        }
    }
}

/* Ask the namespace itself. Return: 0, or -1 if it does not tell. */
static int look_inside(struct ne_rtnl *rtnl, struct inside *inside, struct ne_error *err) {
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request = ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg),
                                              "list the interfaces of a container");
    /* Without IFLA_EXT_MASK: for its sake the kernel would go through all links of this namespace
     * to find the room that one takes (rtnl_calcit()), each time.
     */
    ne_put_u32(request, IFLA_TARGET_NETNSID, (uint32_t)inside->links[0].space);
    request->answer = take_inside;
    request->context = inside;
    inside->request = request;
    if (ne_rtnl_dump(rtnl, &batch, err) != 0)
        return -1;
    if (request->enough)
        return ne_fail(err, NE_UNSUPPORTED, "%s",
                       inside->target_ignored ? "the kernel doesn't list a container's interfaces"
                                              : "a container has too many interfaces");
    name_host_ends(inside);
    return 0;
}

/* What can be said from this namespace alone. */
static void look_from_here(struct inside *inside) {
    inside->found.count = 0;
    for (size_t i = 0; i < inside->link_count; i++) {
        struct ne_link_other *other;
        if (inside->links[i].is_port)
            continue;
        other = add(&inside->found, "?", inside->links[i].kind);
        if (other != NULL)
            copy_printable(other->host, inside->links[i].name);
    }
}

/* @links, of which the first is a port of ours, lead to one namespace. */
static int look_at(struct ne_rtnl *rtnl, struct inside *inside, ne_others_visit visit,
                   void *context, struct ne_error *err) {
    struct ne_error why;
    int status = 0;
    if (look_inside(rtnl, inside, &why) != 0) {
        ne_debug("%s: judged by the host's links alone", why.text);
        look_from_here(inside);
    } else if (!inside->is_there) {
        /* None of our ends is there: the namespace has ended meanwhile, its number may be
         * another's by now. The links that went with it call for another look. */
        return 0;
    }
    for (size_t i = 0; i < inside->link_count && inside->links[i].is_port; i++) {
        if (inside->found.count == 0 || status != 0)
            break;
        memcpy(inside->found.owner, inside->links[i].owner, sizeof(inside->found.owner));
        status = visit(context, &inside->found, err);
    }
    return status;
}

int ne_rtnl_others(struct ne_link *link, ne_others_visit visit, void *context,
                   struct ne_error *err) {
    struct host host = {.err = err};
    struct ne_batch batch;
    ne_batch_init(&batch, NULL);
    struct ne_request *request =
        ne_batch_add(&batch, RTM_GETLINK, 0, sizeof(struct ifinfomsg), "list the interfaces");
    ne_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request->answer = take_host_link;
    request->context = &host;

    int status = ne_rtnl_dump(ne_rtnl_of(link), &batch, err);
    if (status == 0 && host.failed)
        status = -1;
    if (status == 0 && host.count > 0)
        qsort(host.links, host.count, sizeof(*host.links), compare);
    for (size_t i = 0, next; status == 0 && i < host.count; i = next) {
        for (next = i + 1; next < host.count && host.links[next].space == host.links[i].space;)
            next++;
        struct inside inside = {.host = &host, .links = &host.links[i], .link_count = next - i};
        if (host.links[i].is_port && host.links[i].space >= 0)
            status = look_at(ne_rtnl_of(link), &inside, visit, context, err);
    }
    free(host.links);
    return status;
}
