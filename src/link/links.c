/* links.c - links as the kernel reports them, and whose they are: see rtnl.h. */
#include "rtnl.h"

#include <errno.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <string.h>

static const char network_mark[] = "netenforce network ";
static const char endpoint_mark[] = "netenforce endpoint ";

/* Where IPv6 is off on the interface itself there is nothing to switch off: not built in,
 * ipv6.disable=1, or an MTU below 1280 (addrconf_notify(), net/ipv6/addrconf.c). inet6's part of
 * rtnl_link_ops then answers EAFNOSUPPORT.
 */
#define NO_INET6_HERE EAFNOSUPPORT

static void parse_bridge(const struct nlattr *data, struct ne_link_state *state) {
    const struct nlattr *attrs[IFLA_BR_MCAST_SNOOPING + 1];
    uint8_t snooping = 0;
    uint32_t stp = 0;
    ne_attrs_of_nest(data, attrs, IFLA_BR_MCAST_SNOOPING);
    state->snooping = ne_attr_u8(attrs[IFLA_BR_MCAST_SNOOPING], &snooping) && snooping != 0;
    state->stp = ne_attr_u32(attrs[IFLA_BR_STP_STATE], &stp) && stp != 0;
}

static void parse_port_flags(const struct nlattr *data, struct ne_link_state *state) {
    const struct nlattr *attrs[NE_PORT_FLAGS];
    ne_attrs_of_nest(data, attrs, IFLA_BRPORT_MAX);
    for (size_t i = 0; i < NE_PORT_FLAGS; i++)
        state->has_port_flag[i] = ne_attr_u8(attrs[i], &state->port_flag[i]);
}

static void parse_kind(const struct nlattr *info, struct ne_link_state *state) {
    const struct nlattr *attrs[IFLA_INFO_MAX + 1];
    char slave_kind[NE_KIND_SIZE];
    ne_attrs_of_nest(info, attrs, IFLA_INFO_MAX);
    if (!ne_attr_text(attrs[IFLA_INFO_KIND], state->kind, sizeof(state->kind)))
        state->kind[0] = '\0';
    if (strcmp(state->kind, "bridge") == 0)
        parse_bridge(attrs[IFLA_INFO_DATA], state);
    if (ne_attr_text(attrs[IFLA_INFO_SLAVE_KIND], slave_kind, sizeof(slave_kind)) &&
        strcmp(slave_kind, "bridge") == 0)
        parse_port_flags(attrs[IFLA_INFO_SLAVE_DATA], state);
}

/* The kernel sends the settings as an array of 32-bit values. For IPv4, the setting n is at n-1
 * (inet_fill_link_af(), net/ipv4/devinet.c), for IPv6 at n (ipv6_store_devconf()).
 */
static void parse_settings(const struct nlattr *spec, struct ne_link_state *state) {
    const struct nlattr *families[AF_INET6 + 1];
    const struct nlattr *inet[IFLA_INET_MAX + 1];
    const struct nlattr *inet6[IFLA_INET6_MAX + 1];
    ne_attrs_of_nest(spec, families, AF_INET6);

    ne_attrs_of_nest(families[AF_INET], inet, IFLA_INET_MAX);
    if (inet[IFLA_INET_CONF] != NULL) {
        const char *values = mnl_attr_get_payload(inet[IFLA_INET_CONF]);
        size_t count = mnl_attr_get_payload_len(inet[IFLA_INET_CONF]) / sizeof(uint32_t);
        for (size_t i = 0; i < count && i + 1 < NE_INET_CONF; i++) {
            memcpy(&state->inet[i + 1], values + i * sizeof(uint32_t), sizeof(uint32_t));
            state->has_inet[i + 1] = true;
        }
    }

    state->has_inet6 = families[AF_INET6] != NULL;
    ne_attrs_of_nest(families[AF_INET6], inet6, IFLA_INET6_MAX);
    uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    state->makes_addresses =
        ne_attr_u8(inet6[IFLA_INET6_ADDR_GEN_MODE], &mode) && mode != IN6_ADDR_GEN_MODE_NONE;
    if (inet6[IFLA_INET6_CONF] != NULL) {
        const char *values = mnl_attr_get_payload(inet6[IFLA_INET6_CONF]);
        size_t count = mnl_attr_get_payload_len(inet6[IFLA_INET6_CONF]) / sizeof(uint32_t);
        if (count > DEVCONF_ACCEPT_RA)
            memcpy(&state->accept_ra, values + DEVCONF_ACCEPT_RA * sizeof(uint32_t),
                   sizeof(uint32_t));
        if (count > DEVCONF_DISABLE_IPV6)
            memcpy(&state->disable_ipv6, values + DEVCONF_DISABLE_IPV6 * sizeof(uint32_t),
                   sizeof(uint32_t));
        if (count > DEVCONF_PROXY_NDP)
            memcpy(&state->proxy_ndp, values + DEVCONF_PROXY_NDP * sizeof(uint32_t),
                   sizeof(uint32_t));
        if (count > DEVCONF_FORWARDING)
            memcpy(&state->forwarding6, values + DEVCONF_FORWARDING * sizeof(uint32_t),
                   sizeof(uint32_t));
    }
}

bool ne_link_parse(const struct nlmsghdr *message, struct ne_link_state *state) {
    const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[IFLA_MAX + 1];
    memset(state, 0, sizeof(*state));
    if (message->nlmsg_type != RTM_NEWLINK ||
        mnl_nlmsg_get_payload_len(message) < sizeof(*header) || header->ifi_family != AF_UNSPEC)
        return false;
    ne_attrs_of_message(message, sizeof(*header), attrs, IFLA_MAX);
    if (!ne_attr_text(attrs[IFLA_IFNAME], state->name, sizeof(state->name)))
        return false;

    state->index = header->ifi_index;
    state->flags = header->ifi_flags;
    if (!ne_attr_text(attrs[IFLA_IFALIAS], state->alias, sizeof(state->alias)))
        state->alias[0] = '\0';
    (void)ne_attr_u32(attrs[IFLA_MTU], &state->mtu);
    (void)ne_attr_u32(attrs[IFLA_GROUP], &state->group);
    (void)ne_attr_mac(attrs[IFLA_ADDRESS], &state->mac);
    (void)ne_attr_index(attrs[IFLA_MASTER], &state->master);
    (void)ne_attr_index(attrs[IFLA_LINK], &state->peer);
    state->peer_is_apart = attrs[IFLA_LINK_NETNSID] != NULL;
    state->peer_space = state->space = -1;
    (void)ne_attr_index(attrs[IFLA_LINK_NETNSID], &state->peer_space);
    (void)ne_attr_index(attrs[IFLA_TARGET_NETNSID], &state->space);
    parse_kind(attrs[IFLA_LINKINFO], state);
    parse_settings(attrs[IFLA_AF_SPEC], state);
    state->found = true;
    return true;
}

static void take_link(void *context, const struct nlmsghdr *message) {
    struct ne_link_state *state = context;
    (void)ne_link_parse(message, state);
}

struct ne_request *ne_request_link(struct ne_batch *batch, uint16_t type, uint16_t flags, int index,
                                   const char *name, const char *doing) {
    struct ne_request *request = ne_batch_add(batch, type, flags, sizeof(struct ifinfomsg), doing);
    struct ifinfomsg *header = ne_request_header(request);
    header->ifi_index = index;
    /* With an index, a name would be a wish to rename. */
    if (index == 0 && name != NULL)
        ne_put_text(request, IFLA_IFNAME, name);
    return request;
}

void ne_request_get_link(struct ne_batch *batch, int index, const char *name,
                         struct ne_link_state *state) {
    memset(state, 0, sizeof(*state));
    struct ne_request *request = ne_request_link(batch, RTM_GETLINK, 0, index, name, "read it");
    ne_request_tolerate(request, ENODEV);
    request->answer = take_link;
    request->context = state;
}

void ne_request_flags(struct ne_request *request, unsigned flags, unsigned mask) {
    struct ifinfomsg *header = ne_request_header(request);
    header->ifi_flags = (header->ifi_flags & ~mask) | (flags & mask);
    header->ifi_change |= mask;
}

void ne_request_no_ipv6_addresses(struct ne_batch *batch, int index, const char *name) {
    struct ne_request *request =
        ne_request_link(batch, RTM_SETLINK, 0, index, name, "keep IPv6 from making addresses");
    ne_request_tolerate(request, NO_INET6_HERE);
    struct nlattr *spec = ne_nest(request, IFLA_AF_SPEC);
    struct nlattr *inet6 = ne_nest(request, AF_INET6);
    ne_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    ne_nest_end(request, inet6);
    ne_nest_end(request, spec);
}

/* A setting that the kernel doesn't report, it would refuse with EINVAL: it is left out. */
static bool setting_differs(const struct ne_link_state *state, const struct ne_setting *setting) {
    return state->has_inet[setting->id] && state->inet[setting->id] != setting->value;
}

bool ne_inet_differs(const struct ne_link_state *state, const struct ne_setting *settings,
                     size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (setting_differs(state, &settings[i]))
            return true;
    }
    return false;
}

bool ne_put_inet(struct ne_request *request, const struct ne_link_state *state,
                 const struct ne_setting *settings, size_t count) {
    if (state != NULL && !ne_inet_differs(state, settings, count))
        return false;
    struct nlattr *spec = ne_nest(request, IFLA_AF_SPEC);
    struct nlattr *inet = ne_nest(request, AF_INET);
    struct nlattr *conf = ne_nest(request, IFLA_INET_CONF);
    for (size_t i = 0; i < count; i++) {
        if (state == NULL || setting_differs(state, &settings[i]))
            ne_put_u32(request, settings[i].id, settings[i].value);
    }
    ne_nest_end(request, conf);
    ne_nest_end(request, inet);
    ne_nest_end(request, spec);
    return true;
}

int ne_link_get(struct ne_rtnl *rtnl, int index, const char *name, struct ne_link_state *state,
                struct ne_error *err) {
    struct ne_batch batch;
    ne_batch_init(&batch, name);
    ne_request_get_link(&batch, index, name, state);
    return ne_batch_send(rtnl, &batch, err);
}

int ne_link_delete(struct ne_rtnl *rtnl, int index, const char *name, struct ne_error *err) {
    struct ne_batch batch;
    ne_batch_init(&batch, name);
    struct ne_request *request = ne_request_link(&batch, RTM_DELLINK, 0, index, name, "delete it");
    ne_request_tolerate(request, ENODEV);
    return ne_batch_send(rtnl, &batch, err);
}

const char *ne_alias(enum ne_link_kind kind, const char *owner, char out[static NE_ALIAS_SIZE]) {
    const char *mark = kind == NE_LINK_BRIDGE ? network_mark : endpoint_mark;
    size_t used = strlen(mark);
    size_t length = strnlen(owner, NE_ID_SIZE - 1);
    memcpy(out, mark, used);
    memcpy(out + used, owner, length);
    out[used + length] = '\0';
    return out;
}

void ne_link_undo(struct ne_rtnl *rtnl, const struct ne_request *creation, const char *name,
                  enum ne_link_kind kind, const char *owner) {
    struct ne_link_state state;
    if (creation->answered && creation->error != 0)
        return;
    if (ne_link_get(rtnl, 0, name, &state, NULL) != 0 || !state.found)
        return;
    if (creation->answered || ne_link_is(&state, name, kind, owner))
        (void)ne_link_delete(rtnl, state.index, name, NULL);
}

/* What stands behind @mark in @alias, if it is an id; else NULL. */
static const char *marked(const char *alias, const char *mark) {
    size_t length = strlen(mark);
    if (strncmp(alias, mark, length) != 0 || !ne_id_valid(alias + length))
        return NULL;
    return alias + length;
}

/* The alias of a veth says nothing alone: a container with NET_ADMIN may set one on its own end,
 * which the engine moves back to the host's namespace under the peer's name. So a port's name
 * counts too.
 */
enum ne_link_kind ne_link_owner(const struct ne_link_state *state, char owner[static NE_ID_SIZE]) {
    enum ne_link_kind kind = NE_LINK_OTHER;
    const char *id = NULL;
    if (strcmp(state->kind, "bridge") == 0) {
        kind = NE_LINK_BRIDGE;
        id = marked(state->alias, network_mark);
    } else if (strcmp(state->kind, "veth") == 0 &&
               strncmp(state->name, NE_PEER_PREFIX, strlen(NE_PEER_PREFIX)) != 0) {
        kind = NE_LINK_PORT;
        id = marked(state->alias, endpoint_mark);
    }
    if (id == NULL)
        return NE_LINK_OTHER;
    memcpy(owner, id, strlen(id) + 1);
    return kind;
}

bool ne_link_is(const struct ne_link_state *state, const char *name, enum ne_link_kind kind,
                const char *owner) {
    char id[NE_ID_SIZE];
    return strcmp(state->name, name) == 0 && ne_link_owner(state, id) == kind &&
           strcmp(id, owner) == 0;
}

int ne_link_conflict(const struct ne_link_state *state, const char *wanted, struct ne_error *err) {
    return ne_fail(err, NE_CONFLICT,
                   "interface %s exists already and is not %s (kind \"%s\", alias \"%s\"): if "
                   "nothing uses it, delete it with \"ip link delete %s\" and try again",
                   state->name, wanted, state->kind[0] != '\0' ? state->kind : "none", state->alias,
                   state->name);
}
