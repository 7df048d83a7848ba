/* print.h - what a table of ours holds, told apart by a hash.
 *
 * nf_tables counts its changes (the generation). While that number stands, nothing was changed. If
 * it moved, the table, its chains and rules are listed and compared with what was listed when they
 * were made: handles are never given twice within a table, so a rule or chain in its old place with
 * its old handle and content is the old one.
 */
#ifndef NETENFORCE_FIREWALL_NFTABLES_PRINT_H
#define NETENFORCE_FIREWALL_NFTABLES_PRINT_H

#include "nft.h"

struct nft_print {
    uint64_t hash;
    size_t rules;
};

/* nft_print_read() - What @table holds now, and the generation that it is of. */
enum nft_outcome nft_print_read(struct nft *nft, const char *table, struct nft_print *print,
                                uint32_t *generation, struct ne_error *err);

/* nft_names_table() - Whether a message about a chain, rule, object or element is about one of
 * @table's: NFTA_CHAIN_TABLE, NFTA_RULE_TABLE and all the others are 1.
 */
bool nft_names_table(const struct nlmsghdr *message, const char *table);

#endif
