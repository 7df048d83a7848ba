/* print.c - what a table of ours holds: see print.h. */
#include "print.h"

#include "hash.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

struct search {
    const char *table;
    bool found;
};

static int find_table(const struct nlattr *attr, void *context) {
    struct search *search = context;
    if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
        search->found = strcmp(mnl_attr_get_str(attr), search->table) == 0;
    return MNL_CB_OK;
}

bool nft_names_table(const struct nlmsghdr *message, const char *table) {
    struct search search = {.table = table};
    if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg))
        (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), find_table, &search);
    return search.found;
}

struct listing {
    const char *table;
    struct nft_print *print;
    struct nft_print start; /* where the dump began, to begin again there */
    uint16_t type;
};

/* add_attribute() - All counts but how much a table holds and how much leads to a chain (elements
 * come and go), and the header, whose res_id is the
 * generation's. */
static int add_attribute(const struct nlattr *attr, void *context) {
    const struct listing *listing = context;
    uint16_t type = mnl_attr_get_type(attr);
    if ((listing->type != NFT_MSG_GETTABLE || type != NFTA_TABLE_USE) &&
        (listing->type != NFT_MSG_GETCHAIN || type != NFTA_CHAIN_USE))
        listing->print->hash = hash_more(listing->print->hash, attr, mnl_attr_get_len(attr));
    return MNL_CB_OK;
}

static void take(void *context, const struct nlmsghdr *message) {
    struct listing *listing = context;
    if (message == NULL) {
        *listing->print = listing->start;
        return;
    }
    if (!nft_names_table(message, listing->table))
        return;
    listing->print->rules += listing->type == NFT_MSG_GETRULE;
    (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), add_attribute, listing);
}

enum nft_outcome nft_print_read(struct nft *nft, const char *table, struct nft_print *print,
                                uint32_t *generation, struct ne_error *err) {
    static const uint16_t lists[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE};
    const struct nft_where where = {.table = table};
    enum nft_outcome outcome = nft_generation(nft, generation, err);
    *print = (struct nft_print){.hash = HASH_START};
    for (size_t i = 0; i < 3 && outcome == NFT_DONE; i++) {
        struct listing listing = {
            .table = table, .print = print, .start = *print, .type = lists[i]};
        outcome = nft_dump(nft, lists[i], lists[i] == NFT_MSG_GETRULE ? &where : NULL, take,
                           &listing, err);
    }
    return outcome;
}
