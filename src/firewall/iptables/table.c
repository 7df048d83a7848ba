/* table.c - libiptc's and libip6tc's functions as one table: see table.h. */
#include "table.h"

#include <net/if.h>

#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>

/* The two libraries differ in the prefix and in the entry's type alone. */
#define TWIN(lib, entry_type)                                                                      \
    static const void *lib##_first(const char *chain, struct xtc_handle *handle) {                 \
        return lib##_first_rule(chain, handle);                                                    \
    }                                                                                              \
    static const void *lib##_next(const void *rule, struct xtc_handle *handle) {                   \
        return lib##_next_rule(rule, handle);                                                      \
    }                                                                                              \
    static const char *lib##_target(const void *rule, struct xtc_handle *handle) {                 \
        return lib##_get_target(rule, handle);                                                     \
    }                                                                                              \
    static int lib##_append(const char *chain, const void *entry, struct xtc_handle *handle) {     \
        return lib##_append_entry(chain, (const entry_type *)entry, handle);                       \
    }                                                                                              \
    static int lib##_insert(const char *chain, const void *entry, unsigned position,               \
                            struct xtc_handle *handle) {                                           \
        return lib##_insert_entry(chain, (const entry_type *)entry, position, handle);             \
    }                                                                                              \
    static int lib##_remove(const char *chain, unsigned position, struct xtc_handle *handle) {     \
        return lib##_delete_num_entry(chain, position, handle);                                    \
    }                                                                                              \
    static const struct xtc lib##_functions = {                                                    \
        .family = sizeof(entry_type) == sizeof(struct ipt_entry) ? NE_V4 : NE_V6,                  \
        .init = lib##_init,                                                                        \
        .free = lib##_free,                                                                        \
        .commit = lib##_commit,                                                                    \
        .first_chain = lib##_first_chain,                                                          \
        .next_chain = lib##_next_chain,                                                            \
        .is_chain = lib##_is_chain,                                                                \
        .create_chain = lib##_create_chain,                                                        \
        .delete_chain = lib##_delete_chain,                                                        \
        .flush = lib##_flush_entries,                                                              \
        .references = lib##_get_references,                                                        \
        .first_rule = lib##_first,                                                                 \
        .next_rule = lib##_next,                                                                   \
        .target = lib##_target,                                                                    \
        .append = lib##_append,                                                                    \
        .insert = lib##_insert,                                                                    \
        .remove = lib##_remove,                                                                    \
        .words = lib##_strerror,                                                                   \
    };

TWIN(iptc, struct ipt_entry)
TWIN(ip6tc, struct ip6t_entry)

const struct xtc *xtc_of(enum ne_family family) {
    return family == NE_V6 ? &ip6tc_functions : &iptc_functions;
}
