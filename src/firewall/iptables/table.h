/* table.h - libiptc and libip6tc behind one face, and iptables' lock. */
#ifndef NETENFORCE_IPTABLES_TABLE_H
#define NETENFORCE_IPTABLES_TABLE_H

#include <netenforce/addr.h>
#include <netenforce/error.h>

struct xtc_handle;

/* A snapshot of a kernel table. Functions that return int give 1 for success and 0 for
 * failure with errno set, as libiptc does; xtc_words() explains such an errno.
 */
struct xtc {
    enum ne_family family;
    struct xtc_handle *(*init)(const char *table);
    void (*free)(struct xtc_handle *handle);
    int (*commit)(struct xtc_handle *handle);
    const char *(*first_chain)(struct xtc_handle *handle);
    const char *(*next_chain)(struct xtc_handle *handle);
    int (*is_chain)(const char *chain, struct xtc_handle *handle);
    int (*create_chain)(const char *chain, struct xtc_handle *handle);
    int (*delete_chain)(const char *chain, struct xtc_handle *handle);
    int (*flush)(const char *chain, struct xtc_handle *handle);
    int (*references)(unsigned *count, const char *chain, struct xtc_handle *handle);
    const void *(*first_rule)(const char *chain, struct xtc_handle *handle);
    const void *(*next_rule)(const void *rule, struct xtc_handle *handle);
    const char *(*target)(const void *rule, struct xtc_handle *handle);
    int (*append)(const char *chain, const void *entry, struct xtc_handle *handle);
    int (*insert)(const char *chain, const void *entry, unsigned position,
                  struct xtc_handle *handle);
    int (*remove)(const char *chain, unsigned position, struct xtc_handle *handle);
    const char *(*words)(int cause);
};

/* xtc_of() - The functions for @family. */
const struct xtc *xtc_of(enum ne_family family);

/* xtables_lock() - Take iptables' lock as iptables takes it (iptables/xshared.c: flock() on
 * the file, made if missing). The kernel notices a stale copy of a table only by its number of
 * entries, so all who edit must hold it from reading the table until it is written back.
 * Waits up to 5 s. Return: a descriptor whose close() lets go, or -1 with NE_KERNEL.
 */
int xtables_lock(const char *path, struct ne_error *err);

#endif
