/* meter_read.c - what the meter's table holds in the kernel: see meter.h. */
#include "attrs.h"
#include "meter.h"
#include "print.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

static uint32_t number32(const struct nlattr *attr) {
    return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U32) == 0
               ? ntohl(mnl_attr_get_u32(attr))
               : 0;
}

static uint64_t number64(const struct nlattr *attr) {
    return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U64) == 0
               ? be64toh(mnl_attr_get_u64(attr))
               : 0;
}

#define DATA_ATTRS 8 /* more than the three kinds of objects have */
_Static_assert(NFTA_COUNTER_PACKETS < DATA_ATTRS && NFTA_LIMIT_FLAGS < DATA_ATTRS &&
                   NFTA_QUOTA_CONSUMED < DATA_ATTRS,
               "DATA_ATTRS");

static void read_data(const struct nlattr *data, struct meter_found *found) {
    const struct nlattr *attrs[DATA_ATTRS] = {NULL};
    struct attrs parsed = {.by_type = attrs, .size = DATA_ATTRS};
    struct meter_object *object = &found->object;
    (void)mnl_attr_parse_nested(data, attrs_note, &parsed);
    switch (object->type) {
    case NFT_OBJECT_COUNTER:
        found->count.bytes = number64(attrs[NFTA_COUNTER_BYTES]);
        found->count.packets = number64(attrs[NFTA_COUNTER_PACKETS]);
        break;
    case NFT_OBJECT_LIMIT:
        object->amount = number64(attrs[NFTA_LIMIT_RATE]);
        object->seconds = number64(attrs[NFTA_LIMIT_UNIT]);
        object->burst = number32(attrs[NFTA_LIMIT_BURST]);
        object->unit = number32(attrs[NFTA_LIMIT_TYPE]);
        object->flags = number32(attrs[NFTA_LIMIT_FLAGS]);
        break;
    case NFT_OBJECT_QUOTA:
        object->amount = number64(attrs[NFTA_QUOTA_BYTES]);
        object->flags = number32(attrs[NFTA_QUOTA_FLAGS]) & NFT_QUOTA_F_INV;
        found->count.bytes = number64(attrs[NFTA_QUOTA_CONSUMED]);
        break;
    default:
        break;
    }
}

bool meter_parse_object(const struct nlmsghdr *message, struct meter_found *found) {
    const struct nlattr *attrs[NFTA_OBJ_MAX + 1] = {NULL};
    struct attrs parsed = {.by_type = attrs, .size = NFTA_OBJ_MAX + 1};
    if (!nft_names_table(message, METER_TABLE))
        return false;
    (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), attrs_note, &parsed);
    *found = (struct meter_found){
        .name = attrs_text(attrs[NFTA_OBJ_NAME]),
        .object.type = number32(attrs[NFTA_OBJ_TYPE]),
    };
    if (attrs[NFTA_OBJ_DATA] != NULL &&
        mnl_attr_validate(attrs[NFTA_OBJ_DATA], MNL_TYPE_NESTED) == 0)
        read_data(attrs[NFTA_OBJ_DATA], found);
    return found->name != NULL;
}

struct objects {
    void (*take)(void *context, const struct meter_found *found);
    void *context;
};

static void take_object(void *context, const struct nlmsghdr *message) {
    const struct objects *objects = context;
    struct meter_found found;
    if (message == NULL)
        objects->take(objects->context, NULL);
    else if (meter_parse_object(message, &found))
        objects->take(objects->context, &found);
}

enum nft_outcome meter_read_objects(struct nft *nft, uint32_t type,
                                    void (*take)(void *context, const struct meter_found *found),
                                    void *context, struct ne_error *err) {
    const struct nft_where where = {.table = METER_TABLE, .object_type = type};
    struct objects objects = {.take = take, .context = context};
    return nft_dump(nft, NFT_MSG_GETOBJ, &where, take_object, &objects, err);
}

enum nft_outcome meter_read_object(struct nft *nft, enum meter_kind kind, const char *id,
                                   void (*take)(void *context, const struct meter_found *found),
                                   void *context, struct ne_error *err) {
    char name[METER_NAME_SIZE];
    const struct nft_where where = {.table = METER_TABLE,
                                    .object = meter_object_name(kind, id, name),
                                    .object_type = meter_kind_object(kind)};
    struct objects objects = {.take = take, .context = context};
    return nft_get_object(nft, &where, take_object, &objects, err);
}

/* A sum that begins anew with its dump. */
struct sum {
    uint64_t start, digest;
    const char *set; /* of a list of elements */
};

static void add_object(void *context, const struct meter_found *found) {
    struct sum *sum = context;
    if (found == NULL)
        sum->digest = sum->start;
    else
        sum->digest += meter_digest_object(found->name, &found->object);
}

static int add_element(const struct nlattr *element, void *context) {
    const struct nlattr *attrs[NFTA_SET_ELEM_MAX + 1] = {NULL};
    struct attrs parsed = {.by_type = attrs, .size = NFTA_SET_ELEM_MAX + 1};
    const struct nlattr *value[NFTA_DATA_VALUE + 1] = {NULL};
    struct attrs key = {.by_type = value, .size = NFTA_DATA_VALUE + 1};
    struct sum *sum = context;
    (void)mnl_attr_parse_nested(element, attrs_note, &parsed);
    if (attrs[NFTA_SET_ELEM_KEY] != NULL)
        (void)mnl_attr_parse_nested(attrs[NFTA_SET_ELEM_KEY], attrs_note, &key);
    const char *object = attrs_text(attrs[NFTA_SET_ELEM_OBJREF]);
    const struct nlattr *data = value[NFTA_DATA_VALUE];
    if (data != NULL)
        sum->digest +=
            meter_digest_element(sum->set, mnl_attr_get_payload(data),
                                 mnl_attr_get_payload_len(data), object != NULL ? object : "");
    return MNL_CB_OK;
}

static void add_elements(void *context, const struct nlmsghdr *message) {
    const struct nlattr *attrs[NFTA_SET_ELEM_LIST_MAX + 1] = {NULL};
    struct attrs parsed = {.by_type = attrs, .size = NFTA_SET_ELEM_LIST_MAX + 1};
    struct sum *sum = context;
    if (message == NULL) {
        sum->digest = sum->start;
        return;
    }
    if (!nft_names_table(message, METER_TABLE))
        return;
    (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), attrs_note, &parsed);
    if (attrs[NFTA_SET_ELEM_LIST_ELEMENTS] != NULL)
        (void)mnl_attr_parse_nested(attrs[NFTA_SET_ELEM_LIST_ELEMENTS], add_element, sum);
}

enum nft_outcome meter_read_digest(struct nft *nft, uint64_t *digest, struct ne_error *err) {
    struct sum sum = {0};
    enum nft_outcome outcome = meter_read_objects(nft, NFT_OBJECT_UNSPEC, add_object, &sum, err);
    for (size_t i = 0; i < METER_KINDS * METER_FAMILIES && outcome == NFT_DONE; i++) {
        char set[METER_NAME_SIZE];
        sum.start = sum.digest;
        sum.set = meter_set_name((enum meter_kind)(i / METER_FAMILIES), i % METER_FAMILIES, set);
        const struct nft_where where = {.table = METER_TABLE, .set = set};
        outcome = nft_dump(nft, NFT_MSG_GETSETELEM, &where, add_elements, &sum, err);
    }
    *digest = sum.digest;
    return outcome;
}
