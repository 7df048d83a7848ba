/* fence_read.c - what the fence's table holds in the kernel: see fence.h. */
#include "attrs.h"
#include "fence.h"
#include "print.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* A sum that begins anew with its dump. */
struct sum {
    uint64_t start, digest;
    const char *set;
};

/* verdict_chain() - Where an element leads: only by goto. */
static const char *verdict_chain(const struct nlattr *verdict) {
    const struct nlattr *by_type[NFTA_VERDICT_MAX + 1] = {NULL};
    struct attrs attrs = {.by_type = by_type, .size = NFTA_VERDICT_MAX + 1};
    (void)mnl_attr_parse_nested(verdict, attrs_note, &attrs);
    const struct nlattr *code = by_type[NFTA_VERDICT_CODE];
    bool goes = code != NULL && mnl_attr_validate(code, MNL_TYPE_U32) == 0 &&
                ntohl(mnl_attr_get_u32(code)) == (uint32_t)NFT_GOTO;
    const char *chain = goes ? attrs_text(by_type[NFTA_VERDICT_CHAIN]) : NULL;
    return chain != NULL ? chain : "?";
}

static int add_element(const struct nlattr *element, void *context) {
    const struct nlattr *by_type[NFTA_SET_ELEM_MAX + 1] = {NULL};
    const struct nlattr *keys[NFTA_DATA_MAX + 1] = {NULL};
    const struct nlattr *values[NFTA_DATA_MAX + 1] = {NULL};
    struct attrs attrs = {.by_type = by_type, .size = NFTA_SET_ELEM_MAX + 1};
    struct attrs key = {.by_type = keys, .size = NFTA_DATA_MAX + 1};
    struct attrs value = {.by_type = values, .size = NFTA_DATA_MAX + 1};
    struct sum *sum = context;
    const char *target = "";
    (void)mnl_attr_parse_nested(element, attrs_note, &attrs);
    if (by_type[NFTA_SET_ELEM_KEY] != NULL)
        (void)mnl_attr_parse_nested(by_type[NFTA_SET_ELEM_KEY], attrs_note, &key);
    if (by_type[NFTA_SET_ELEM_DATA] != NULL)
        (void)mnl_attr_parse_nested(by_type[NFTA_SET_ELEM_DATA], attrs_note, &value);
    if (by_type[NFTA_SET_ELEM_DATA] != NULL)
        target = values[NFTA_DATA_VERDICT] != NULL ? verdict_chain(values[NFTA_DATA_VERDICT]) : "?";
    const struct nlattr *of = keys[NFTA_DATA_VALUE];
    /* One without a key, such as a catch-all, is none of ours. */
    sum->digest += of == NULL ? 1
                              : fence_digest_element(sum->set, mnl_attr_get_payload(of),
                                                     mnl_attr_get_payload_len(of), target);
    return MNL_CB_OK;
}

static void add_elements(void *context, const struct nlmsghdr *message) {
    const struct nlattr *by_type[NFTA_SET_ELEM_LIST_MAX + 1] = {NULL};
    struct attrs attrs = {.by_type = by_type, .size = NFTA_SET_ELEM_LIST_MAX + 1};
    struct sum *sum = context;
    if (message == NULL) {
        sum->digest = sum->start;
        return;
    }
    if (!nft_names_table(message, FENCE_TABLE))
        return;
    (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), attrs_note, &attrs);
    if (by_type[NFTA_SET_ELEM_LIST_ELEMENTS] != NULL)
        (void)mnl_attr_parse_nested(by_type[NFTA_SET_ELEM_LIST_ELEMENTS], add_element, sum);
}

enum nft_outcome fence_read_digest(struct nft *nft, uint64_t *digest, struct ne_error *err) {
    struct sum sum = {0};
    enum nft_outcome outcome = NFT_DONE;
    for (size_t i = 0; i < FENCE_SETS * FENCE_FAMILIES && outcome == NFT_DONE; i++) {
        char set[FENCE_NAME];
        sum.start = sum.digest;
        sum.set = fence_set_name((enum fence_set)(i / FENCE_FAMILIES), i % FENCE_FAMILIES, set);
        const struct nft_where where = {.table = FENCE_TABLE, .set = set};
        outcome = nft_dump(nft, NFT_MSG_GETSETELEM, &where, add_elements, &sum, err);
    }
    *digest = sum.digest;
    return outcome;
}

static void find(void *context, const struct nlmsghdr *message) {
    bool *found = context;
    if (message == NULL)
        *found = false;
    else if (nft_names_table(message, FENCE_TABLE))
        *found = true;
}

enum nft_outcome fence_stands(struct nft *nft, bool *stands, struct ne_error *err) {
    *stands = false;
    return nft_dump(nft, NFT_MSG_GETTABLE, NULL, find, stands, err);
}
