/* meter_sync.h - from what stands to what is wanted, as messages of one transaction. */
#ifndef NETENFORCE_FIREWALL_NFTABLES_METER_SYNC_H
#define NETENFORCE_FIREWALL_NFTABLES_METER_SYNC_H

#include "meter.h"

struct metered_list {
    struct metered *items; /* in the order of ids */
    size_t count;
};

/* metered_find() - The one of that id, or NULL. */
struct metered *metered_find(const struct metered_list *list, const char *id);

/* sync_count() - How many endpoints differ between two lists: come, gone or changed. */
size_t sync_count(const struct metered_list *old, const struct metered_list *new);

/* sync_difference() - Put what leads from @old to @new, which differ in @count endpoints. @digest,
 * of what stands, is brought up. */
void sync_difference(struct writer *w, const struct metered_list *old,
                     const struct metered_list *new, size_t count, uint64_t *digest);

/* Objects that the kernel has, whoever made them. */
struct meter_known {
    char name[METER_NAME_SIZE];
    struct meter_object object;
    struct meter_count count;
};

struct known_list {
    struct meter_known *items; /* in the order of names, once sync_read_known() has returned */
    size_t count;
    bool failed; /* no memory */
};

/* sync_read_known() - List what is there. Return: NFT_DONE and a list to be released with
 * free(known->items). */
enum nft_outcome sync_read_known(struct nft *nft, struct known_list *known, struct ne_error *err);

/* sync_whole() - Put what brings the table into line with @new and @shape, whatever it holds:
 * objects of @known that are as wanted stay, unless @anew, which removes the table first and makes
 * them again with what they had counted. */
void sync_whole(struct writer *w, const struct metered_list *new, const struct meter_shape *shape,
                const struct known_list *known, bool anew);

#endif
