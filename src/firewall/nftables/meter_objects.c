/* meter_objects.c - an endpoint's objects and elements, as values and as messages: see meter.h. */
#include "hash.h"
#include "meter.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

/* A limit of bytes holds what may come in one second and this: two packets of the largest size
 * that the kernel hands over undivided (64 KiB), or else a low rate would never let one pass. */
#define RATE_BURST (128u << 10)

/* Who has been quiet may have this many refusals logged at once, if the log counts by the second:
 * what a single program tries at its start is seen whole. */
#define LOG_BURST 10u

static const struct {
    const char *name;
    uint32_t object;
} kinds[METER_KINDS] = {
    [METER_PASSED] = {"passed", NFT_OBJECT_COUNTER},
    [METER_REFUSED] = {"refused", NFT_OBJECT_COUNTER},
    [METER_LIMITED] = {"limited", NFT_OBJECT_COUNTER},
    [METER_LOG] = {"log", NFT_OBJECT_LIMIT},
    [METER_CONNECTIONS] = {"connections", NFT_OBJECT_LIMIT},
    [METER_UP] = {"up", NFT_OBJECT_LIMIT},
    [METER_DOWN] = {"down", NFT_OBJECT_LIMIT},
    [METER_QUOTA] = {"quota", NFT_OBJECT_QUOTA},
    [METER_SILENT] = {"silent", NFT_OBJECT_UNSPEC},
};

uint32_t meter_kind_object(enum meter_kind kind) {
    return kinds[kind].object;
}

const char *meter_set_name(enum meter_kind kind, size_t family, char out[static METER_NAME_SIZE]) {
    (void)snprintf(out, METER_NAME_SIZE, "%s%c", kinds[kind].name, family == 0 ? '4' : '6');
    return out;
}

const char *meter_object_name(enum meter_kind kind, const char *id,
                              char out[static METER_NAME_SIZE]) {
    (void)snprintf(out, METER_NAME_SIZE, "%s-%s", kinds[kind].name, id);
    return out;
}

bool meter_parse_name(const char *name, enum meter_kind *kind, const char **id) {
    const char *dash = strchr(name, '-');
    if (dash == NULL || strlen(dash + 1) >= NE_ID_SIZE)
        return false;
    for (size_t k = 0; k < METER_KINDS; k++) {
        size_t length = strlen(kinds[k].name);
        if (length != (size_t)(dash - name) || memcmp(kinds[k].name, name, length) != 0)
            continue;
        *kind = (enum meter_kind)k;
        *id = dash + 1;
        return true;
    }
    return false;
}

static void set_pace(struct meter_object *object, struct ne_pace pace, uint32_t flags) {
    object->amount = pace.count;
    object->seconds = pace.seconds;
    object->burst = pace.count;
    object->unit = NFT_LIMIT_PKTS;
    object->flags = flags;
}

bool meter_object_of(const struct metered *endpoint, enum meter_kind kind,
                     struct meter_object *object) {
    const struct ne_meter *meter = &endpoint->meter;
    bool limited = meter->rate != 0 || meter->conn_rate.count != 0 || meter->quota != 0;
    *object = (struct meter_object){.type = kinds[kind].object};
    switch (kind) {
    case METER_PASSED:
    case METER_REFUSED:
        return true;
    case METER_LIMITED:
        return limited;
    case METER_LOG:
        set_pace(object, meter->log, 0);
        if (meter->log.seconds == 1 && object->burst < LOG_BURST)
            object->burst = LOG_BURST;
        return meter->log.count != 0;
    case METER_CONNECTIONS:
        set_pace(object, meter->conn_rate, NFT_LIMIT_F_INV);
        return meter->conn_rate.count != 0;
    case METER_UP:
    case METER_DOWN:
        object->amount = meter->rate / 8;
        object->seconds = 1;
        object->burst = RATE_BURST;
        object->unit = NFT_LIMIT_PKT_BYTES;
        object->flags = NFT_LIMIT_F_INV;
        return meter->rate != 0;
    case METER_QUOTA:
        object->amount = meter->quota;
        object->flags = NFT_QUOTA_F_INV;
        return meter->quota != 0;
    case METER_SILENT:
        return meter->silent && (limited || meter->hands);
    case METER_KINDS:
        break;
    }
    return false;
}

bool meter_object_equal(const struct meter_object *a, const struct meter_object *b) {
    return a->type == b->type && a->amount == b->amount && a->seconds == b->seconds &&
           a->burst == b->burst && a->unit == b->unit && a->flags == b->flags;
}

uint64_t meter_digest_object(const char *name, const struct meter_object *object) {
    const uint64_t fields[] = {object->type,  object->amount, object->seconds,
                               object->burst, object->unit,   object->flags};
    uint64_t hash = hash_text(HASH_START, name);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        hash = hash_number(hash, fields[i]);
    return hash;
}

uint64_t meter_digest_element(const char *set, const void *key, size_t size, const char *object) {
    uint64_t hash = hash_text(HASH_START, set);
    hash = hash_more(hash, key, size);
    return hash_text(hash, object);
}

static size_t key_size(size_t family) {
    return family == 0 ? 4 : 16;
}

uint64_t meter_digest_of(const struct metered *endpoint) {
    uint64_t sum = 0;
    for (size_t k = 0; k < METER_KINDS; k++) {
        char set[METER_NAME_SIZE];
        char name[METER_NAME_SIZE] = "";
        struct meter_object object;
        if (!meter_object_of(endpoint, (enum meter_kind)k, &object))
            continue;
        if (object.type != NFT_OBJECT_UNSPEC) {
            meter_object_name((enum meter_kind)k, endpoint->meter.id, name);
            sum += meter_digest_object(name, &object);
        }
        for (size_t f = 0; f < METER_FAMILIES; f++) {
            if (endpoint->addr[f].family != NE_NONE)
                sum += meter_digest_element(meter_set_name((enum meter_kind)k, f, set),
                                            endpoint->addr[f].bytes, key_size(f), name);
        }
    }
    return sum;
}

static void put_set(struct writer *w, enum meter_kind kind, size_t family) {
    /* What nft(8) takes the keys for: its TYPE_IPADDR and TYPE_IP6ADDR. */
    const uint32_t key_type = family == 0 ? 7 : 8;
    char name[METER_NAME_SIZE];
    struct nlmsghdr *message = nft_batch_header(w->nft, w->batch, NFT_MSG_NEWSET, NLM_F_CREATE);
    meter_set_name(kind, family, name);
    mnl_attr_put_strz(message, NFTA_SET_TABLE, w->table);
    mnl_attr_put_strz(message, NFTA_SET_NAME, name);
    mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(key_type));
    mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl((uint32_t)key_size(family)));
    mnl_attr_put_u32(message, NFTA_SET_ID,
                     htonl((uint32_t)((size_t)kind * METER_FAMILIES + family + 1)));
    if (kinds[kind].object != NFT_OBJECT_UNSPEC) {
        mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(NFT_SET_OBJECT));
        mnl_attr_put_u32(message, NFTA_SET_OBJ_TYPE, htonl(kinds[kind].object));
    }
    nft_batch_next(w->batch);

    /* No element named: all of them. */
    message = nft_batch_header(w->nft, w->batch, NFT_MSG_DELSETELEM, 0);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, w->table);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, name);
    nft_batch_next(w->batch);
}

void meter_put_sets(struct writer *w) {
    for (size_t k = 0; k < METER_KINDS; k++) {
        for (size_t f = 0; f < METER_FAMILIES; f++)
            put_set(w, (enum meter_kind)k, f);
    }
}

static void put_object_data(struct nlmsghdr *message, const struct meter_object *object,
                            struct meter_count count) {
    switch (object->type) {
    case NFT_OBJECT_COUNTER:
        mnl_attr_put_u64(message, NFTA_COUNTER_BYTES, htobe64(count.bytes));
        mnl_attr_put_u64(message, NFTA_COUNTER_PACKETS, htobe64(count.packets));
        break;
    case NFT_OBJECT_LIMIT:
        mnl_attr_put_u64(message, NFTA_LIMIT_RATE, htobe64(object->amount));
        mnl_attr_put_u64(message, NFTA_LIMIT_UNIT, htobe64(object->seconds));
        mnl_attr_put_u32(message, NFTA_LIMIT_BURST, htonl(object->burst));
        mnl_attr_put_u32(message, NFTA_LIMIT_TYPE, htonl(object->unit));
        mnl_attr_put_u32(message, NFTA_LIMIT_FLAGS, htonl(object->flags));
        break;
    case NFT_OBJECT_QUOTA:
        mnl_attr_put_u64(message, NFTA_QUOTA_BYTES, htobe64(object->amount));
        mnl_attr_put_u64(message, NFTA_QUOTA_CONSUMED, htobe64(count.bytes));
        mnl_attr_put_u32(message, NFTA_QUOTA_FLAGS, htonl(object->flags));
        break;
    default:
        break;
    }
}

void meter_put_object(struct writer *w, const struct metered *endpoint, enum meter_kind kind,
                      const struct meter_object *object, struct meter_count count) {
    char name[METER_NAME_SIZE];
    if (object->type == NFT_OBJECT_UNSPEC)
        return;
    struct nlmsghdr *message = nft_batch_header(w->nft, w->batch, NFT_MSG_NEWOBJ, NLM_F_CREATE);
    mnl_attr_put_strz(message, NFTA_OBJ_TABLE, w->table);
    mnl_attr_put_strz(message, NFTA_OBJ_NAME, meter_object_name(kind, endpoint->meter.id, name));
    mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(object->type));
    struct nlattr *data = mnl_attr_nest_start(message, NFTA_OBJ_DATA);
    put_object_data(message, object, count);
    mnl_attr_nest_end(message, data);
    nft_batch_next(w->batch);
}

void meter_put_no_object(struct writer *w, uint32_t type, const char *name) {
    if (type == NFT_OBJECT_UNSPEC)
        return;
    struct nlmsghdr *message = nft_batch_header(w->nft, w->batch, NFT_MSG_DELOBJ, 0);
    mnl_attr_put_strz(message, NFTA_OBJ_TABLE, w->table);
    mnl_attr_put_strz(message, NFTA_OBJ_NAME, name);
    mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(type));
    nft_batch_next(w->batch);
}

void meter_put_elements(struct writer *w, const struct metered *endpoint, enum meter_kind kind,
                        uint16_t type) {
    for (size_t f = 0; f < METER_FAMILIES; f++) {
        char name[METER_NAME_SIZE];
        if (endpoint->addr[f].family == NE_NONE)
            continue;
        struct nlmsghdr *message =
            nft_batch_header(w->nft, w->batch, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, w->table);
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, meter_set_name(kind, f, name));
        struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
        struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
        struct nlattr *key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
        mnl_attr_put(message, NFTA_DATA_VALUE, key_size(f), endpoint->addr[f].bytes);
        mnl_attr_nest_end(message, key);
        if (kinds[kind].object != NFT_OBJECT_UNSPEC)
            mnl_attr_put_strz(message, NFTA_SET_ELEM_OBJREF,
                              meter_object_name(kind, endpoint->meter.id, name));
        mnl_attr_nest_end(message, element);
        mnl_attr_nest_end(message, list);
        nft_batch_next(w->batch);
    }
}
