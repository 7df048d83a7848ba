/* attr.c - netlink attributes, written and read within bounds: see rtnl.h. */
#include "rtnl.h"

#include <string.h>

static struct nlmsghdr *header_of(struct ne_request *request) {
    return (struct nlmsghdr *)(void *)request->buffer;
}

/* MNL_ALIGN() would mix signed and unsigned. */
static size_t aligned_size(size_t size) {
    return (size + MNL_ALIGNTO - 1) / MNL_ALIGNTO * MNL_ALIGNTO;
}

void *ne_request_header(struct ne_request *request) {
    return mnl_nlmsg_get_payload(header_of(request));
}

void ne_request_tolerate(struct ne_request *request, int sys_errno) {
    for (size_t i = 0; i < NE_TOLERATED_MAX; i++) {
        if (request->tolerated[i] == 0) {
            request->tolerated[i] = sys_errno;
            return;
        }
    }
    request->overflow = true;
}

void ne_put(struct ne_request *request, uint16_t type, size_t size, const void *data) {
    if (!mnl_attr_put_check(header_of(request), NE_REQUEST_SIZE, type, size, data))
        request->overflow = true;
}

void ne_put_u8(struct ne_request *request, uint16_t type, uint8_t value) {
    ne_put(request, type, sizeof(value), &value);
}

void ne_put_u32(struct ne_request *request, uint16_t type, uint32_t value) {
    ne_put(request, type, sizeof(value), &value);
}

void ne_put_text(struct ne_request *request, uint16_t type, const char *text) {
    ne_put(request, type, strlen(text) + 1, text);
}

void ne_put_space(struct ne_request *request, size_t size) {
    struct nlmsghdr *header = header_of(request);
    uint32_t aligned = (uint32_t)aligned_size(size);
    if (aligned > NE_REQUEST_SIZE - header->nlmsg_len) {
        request->overflow = true;
        return;
    }
    memset(request->buffer + header->nlmsg_len, 0, aligned);
    header->nlmsg_len += aligned;
}

struct nlattr *ne_nest(struct ne_request *request, uint16_t type) {
    struct nlattr *nest = mnl_attr_nest_start_check(header_of(request), NE_REQUEST_SIZE, type);
    if (nest == NULL)
        request->overflow = true;
    return nest;
}

void ne_nest_end(struct ne_request *request, struct nlattr *nest) {
    if (nest != NULL)
        mnl_attr_nest_end(header_of(request), nest);
}

struct attr_table {
    const struct nlattr **entries;
    uint16_t max;
};

/* mnl_attr_cb_t. Attributes that this build doesn't know come from newer kernels. */
static int keep(const struct nlattr *attr, void *context) {
    const struct attr_table *table = context;
    uint16_t type = mnl_attr_get_type(attr);
    if (type <= table->max)
        table->entries[type] = attr;
    return MNL_CB_OK;
}

void ne_attrs_of_message(const struct nlmsghdr *message, size_t header_size,
                         const struct nlattr **table, uint16_t max) {
    struct attr_table into = {.entries = table, .max = max};
    for (unsigned i = 0; i <= max; i++)
        table[i] = NULL;
    /* mnl_attr_parse() would take a length that is no multiple of four as rounded up. */
    size_t size = mnl_nlmsg_get_payload_len(message);
    size_t skip = aligned_size(header_size);
    if (size > skip)
        (void)mnl_attr_parse_payload(mnl_nlmsg_get_payload_offset(message, header_size),
                                     size - skip, keep, &into);
}

void ne_attrs_of_nest(const struct nlattr *nest, const struct nlattr **table, uint16_t max) {
    struct attr_table into = {.entries = table, .max = max};
    for (unsigned i = 0; i <= max; i++)
        table[i] = NULL;
    if (nest != NULL)
        (void)mnl_attr_parse_nested(nest, keep, &into);
}

bool ne_attr_u8(const struct nlattr *attr, uint8_t *value) {
    if (attr == NULL || mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
        return false;
    *value = mnl_attr_get_u8(attr);
    return true;
}

bool ne_attr_u32(const struct nlattr *attr, uint32_t *value) {
    if (attr == NULL || mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
        return false;
    *value = mnl_attr_get_u32(attr);
    return true;
}

bool ne_attr_index(const struct nlattr *attr, int *value) {
    uint32_t index;
    if (!ne_attr_u32(attr, &index) || index > INT32_MAX)
        return false;
    *value = (int)index;
    return true;
}

bool ne_attr_text(const struct nlattr *attr, char *out, size_t size) {
    if (attr == NULL)
        return false;
    const char *text = mnl_attr_get_payload(attr);
    size_t length = strnlen(text, mnl_attr_get_payload_len(attr));
    if (length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

bool ne_attr_mac(const struct nlattr *attr, struct ne_mac *mac) {
    if (attr == NULL || mnl_attr_get_payload_len(attr) != sizeof(mac->bytes))
        return false;
    memcpy(mac->bytes, mnl_attr_get_payload(attr), sizeof(mac->bytes));
    return true;
}

bool ne_attr_addr(const struct nlattr *attr, enum ne_family family, struct ne_addr *addr) {
    size_t size = ne_addr_bits(family) / 8;
    if (attr == NULL || size == 0 || mnl_attr_get_payload_len(attr) != size)
        return false;
    *addr = (struct ne_addr){.family = family};
    memcpy(addr->bytes, mnl_attr_get_payload(attr), size);
    return true;
}
