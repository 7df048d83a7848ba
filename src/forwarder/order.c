/* order.c - orders, read with suspicion: see order.h. */
#include "order.h"

#include <string.h>

/* A name that never stands in an error: nobody reads it. */
#define KEY "names"

/* is_addr() - Whether the bytes of @addr are an address. The enumeration came from outside, so it
 * is looked at as the number that it is. */
static bool is_addr(const struct ne_addr *addr) {
    static const uint8_t zero[sizeof(addr->bytes)];
    unsigned family;
    _Static_assert(sizeof(family) == sizeof(addr->family), "an enumeration is an int here");
    memcpy(&family, &addr->family, sizeof(family));
    size_t used = family == NE_V4 ? 4 : 16;
    return (family == NE_V4 || family == NE_V6) &&
           memcmp(addr->bytes + used, zero, sizeof(zero) - used) == 0;
}

static bool is_absent(const struct ne_addr *addr) {
    static const struct ne_addr none;
    return memcmp(addr, &none, sizeof(none)) == 0;
}

/* is_list() - Whether @list is in its usual form, as ne_domains_parse() makes it. */
static bool is_list(const struct ne_domains *list) {
    struct ne_domains again;
    struct ne_error err;
    return memchr(list->text, '\0', sizeof(list->text)) != NULL &&
           ne_domains_parse(&again, KEY, list->text, &err) == 0 &&
           strcmp(again.text, list->text) == 0;
}

static bool is_config(const struct forwarder_config *config) {
    size_t listening = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct ne_addr *addr = &config->listen[i];
        if (is_absent(addr))
            continue;
        if (!is_addr(addr) || !ne_addr_is_host(addr))
            return false;
        listening++;
    }
    bool ended = false;
    for (size_t i = 0; i < NE_RESOLVER_SERVERS; i++) {
        bool absent = is_absent(&config->upstream[i]);
        if (!absent && (ended || !is_addr(&config->upstream[i])))
            return false;
        ended = ended || absent;
    }
    return listening > 0 && config->has_allow <= 1 && is_list(&config->allow) &&
           is_list(&config->deny);
}

bool order_read(const void *bytes, size_t size, struct launcher_order *order) {
    if (size != sizeof(*order))
        return false;
    memcpy(order, bytes, size);
    if (memchr(order->network, '\0', sizeof(order->network)) == NULL ||
        !ne_id_valid(order->network))
        return false;
    return order->kind == ORDER_STOP || (order->kind == ORDER_START && is_config(&order->config));
}

bool config_equal(const struct forwarder_config *a, const struct forwarder_config *b) {
    for (size_t i = 0; i < 2; i++) {
        if (!ne_addr_equal(&a->listen[i], &b->listen[i]))
            return false;
    }
    for (size_t i = 0; i < NE_RESOLVER_SERVERS; i++) {
        if (!ne_addr_equal(&a->upstream[i], &b->upstream[i]))
            return false;
    }
    return a->has_allow == b->has_allow && strcmp(a->allow.text, b->allow.text) == 0 &&
           strcmp(a->deny.text, b->deny.text) == 0;
}
