/* accounts.c - what was counted, seen and told of each endpoint, and sums: see internal.h. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* place_for() - Where @key is among sorted elements that begin with their text, or would be. */
static size_t place_for(const void *list, size_t count, size_t size, const char *key, bool *found) {
    size_t low = 0;
    size_t high = count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp((const char *)list + middle * size, key);
        *found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

/* insert() - Room for one element at @at, zeroed. Return: it, or NULL without memory. */
static void *insert(void **list, size_t *count, size_t *room, size_t size, size_t at) {
    if (*count == *room) {
        size_t more = *room == 0 ? 16 : *room * 2;
        void *grown = reallocarray(*list, more, size);
        if (grown == NULL)
            return NULL;
        *list = grown;
        *room = more;
    }
    char *slot = (char *)*list + at * size;
    memmove(slot + size, slot, (*count - at) * size);
    memset(slot, 0, size);
    (*count)++;
    return slot;
}

struct account *account_of(struct accounts *accounts, const char *id) {
    bool found;
    size_t at = place_for(accounts->list, accounts->count, sizeof(*accounts->list), id, &found);
    if (found)
        return &accounts->list[at];
    void *list = accounts->list;
    struct account *account =
        insert(&list, &accounts->count, &accounts->room, sizeof(*accounts->list), at);
    accounts->list = list;
    if (account != NULL)
        memcpy(account->id, id, strnlen(id, NE_ID_SIZE - 1));
    return account;
}

uint64_t account_untold(const struct account *account) {
    uint64_t known = account->seen + account->told;
    return account->counted > known ? account->counted - known : 0;
}

/* The labels of the metrics: a value that is not here is counted as the last one. */
static const char *const reasons[SUM_REASONS] = {"policy", "into-network", "conn_rate", "rate",
                                                 "quota",  "inbound",      "source",    "changed",
                                                 UNLOGGED, "other"};
static const char *const protos[SUM_PROTOS] = {"tcp", "udp", "icmp", "icmpv6", ANY_PROTO, "other"};

static size_t label(const char *const *labels, size_t count, const char *text) {
    for (size_t i = 0; i + 1 < count; i++) {
        if (strcmp(labels[i], text) == 0)
            return i;
    }
    return count - 1;
}

void sums_add(struct sums *sums, const char *network, const char *reason, const char *proto,
              uint64_t packets) {
    bool found;
    size_t at = place_for(sums->list, sums->count, sizeof(*sums->list), network, &found);
    struct sum *sum = found ? &sums->list[at] : NULL;
    if (!found) {
        void *list = sums->list;
        sum = insert(&list, &sums->count, &sums->room, sizeof(*sums->list), at);
        sums->list = list;
    }
    if (sum == NULL)
        return;
    if (!found)
        memcpy(sum->network, network, strnlen(network, NE_ID_SIZE - 1));
    sum->packets[label(reasons, SUM_REASONS, reason)][label(protos, SUM_PROTOS, proto)] += packets;
}

void sums_forget(struct sums *sums, const struct ne_model *model) {
    size_t kept = 0;
    for (size_t i = 0; i < sums->count; i++) {
        const char *network = sums->list[i].network;
        if (network[0] == '\0' || ne_model_network(model, network) != NULL)
            sums->list[kept++] = sums->list[i];
    }
    sums->count = kept;
}

int sums_visit(const struct sums *sums,
               int (*visit)(void *context, const char *network, const char *reason,
                            const char *proto, uint64_t count),
               void *context) {
    for (size_t i = 0; i < sums->count; i++) {
        for (size_t r = 0; r < SUM_REASONS; r++) {
            for (size_t p = 0; p < SUM_PROTOS; p++) {
                const struct sum *sum = &sums->list[i];
                int result = sum->packets[r][p] == 0 ? 0
                                                     : visit(context, sum->network, reasons[r],
                                                             protos[p], sum->packets[r][p]);
                if (result != 0)
                    return result;
            }
        }
    }
    return 0;
}
