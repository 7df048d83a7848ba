/* state.h - what must outlive the daemon, as a table of functions.
 *
 * The engine never repeats CreateNetwork for a network that exists, so the
 * driver keeps its own record: one JSON file for each network and each endpoint, in
 * DIR/networks/ID.json and DIR/endpoints/ID.json. A file is written aside and renamed: after a
 * crash of the daemon it holds the old record or the new one. A network's is synced, too, with its
 * folder, and so outlives a power cut; an endpoint's belongs to one boot of the host.
 */
#ifndef NETENFORCE_STATE_H
#define NETENFORCE_STATE_H

#include <netenforce/error.h>
#include <netenforce/model.h>

struct ne_store;

struct ne_store_ops {
    /* save_network/endpoint - Write the record: whoever reads it from now on finds the new one. */
    int (*save_network)(struct ne_store *store, const struct ne_network *network,
                        struct ne_error *err);
    int (*save_endpoint)(struct ne_store *store, const struct ne_endpoint *endpoint,
                         struct ne_error *err);

    /* forget_network/endpoint - Remove the record; an absent one is success. */
    int (*forget_network)(struct ne_store *store, const char *id, struct ne_error *err);
    int (*forget_endpoint)(struct ne_store *store, const char *id, struct ne_error *err);

    /* load - Add all records to @model. A record that cannot be read is named in
     * the log, kept beside as ID.json.damaged, and left out: what belongs to it stays
     * refused by the fence. Endpoints of an earlier boot, or of no known network, are forgotten.
     */
    int (*load)(struct ne_store *store, struct ne_model *model, struct ne_error *err);

    /* sweep - Remove the records of what @model does not have: what forget could not. */
    int (*sweep)(struct ne_store *store, struct ne_model *model, struct ne_error *err);

    void (*close)(struct ne_store *store);
};

struct ne_store {
    const struct ne_store_ops *ops;
};

/* ne_file_store_open() - The store in the folder @dir, which is made if missing, and locked:
 * a second daemon on the same folder is refused with NE_CONFLICT.
 * Return: the store, to be ended with ops->close(), or NULL.
 */
struct ne_store *ne_file_store_open(const char *dir, struct ne_error *err);

#endif
