/* attrs.h - the attributes of what the kernel lists. */
#ifndef NETENFORCE_FIREWALL_NFTABLES_ATTRS_H
#define NETENFORCE_FIREWALL_NFTABLES_ATTRS_H

#include <libmnl/libmnl.h>

/* The attributes of one nest by their types, from 1 to @size - 1; of a type that comes twice, the
 * last. */
struct attrs {
    const struct nlattr **by_type;
    size_t size;
};

/* attrs_note() - For mnl_attr_parse() and mnl_attr_parse_nested(), with a struct attrs. */
static inline int attrs_note(const struct nlattr *attr, void *context) {
    const struct attrs *attrs = context;
    if (mnl_attr_get_type(attr) < attrs->size)
        attrs->by_type[mnl_attr_get_type(attr)] = attr;
    return MNL_CB_OK;
}

/* attrs_text() - A text, or NULL if there is none. */
static inline const char *attrs_text(const struct nlattr *attr) {
    return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0
               ? mnl_attr_get_str(attr)
               : NULL;
}

#endif
