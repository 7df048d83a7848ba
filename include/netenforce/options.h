/* options.h - the driver's options: one parser for networks and endpoints.
 *
 * docs/interface.md, "Network options". Values are read without regard to
 * case, lists take commas or spaces, an empty list allows nothing. An unknown key
 * or a bad value is an error that names the key, what came and what is
 * accepted. Keys of the interface that this version does not have yet are
 * refused as such, never ignored.
 */
#ifndef NETENFORCE_OPTIONS_H
#define NETENFORCE_OPTIONS_H

#include <netenforce/addr.h>
#include <netenforce/error.h>
#include <netenforce/names.h>

#define NE_PROXY_MAX  16 /* most proxies of one list */
#define NE_PROXY_PORT 8080
#define NE_MTU_MIN    68 /* RFC 791; with IPv6 1280 (RFC 8200), checked with the network */
#define NE_MTU_MAX    65535

struct ne_proxy {
    struct ne_addr addr; /* NE_NONE: the bridge's own address */
    uint16_t port;
};

enum ne_refuse { NE_REFUSE_REJECT = 0, NE_REFUSE_DROP };

enum ne_option_scope { NE_SCOPE_NETWORK, NE_SCOPE_ENDPOINT };

struct ne_options {
    bool has_proxy;
    bool has_refuse;
    bool has_mtu;    /* networks only */
    bool has_bridge; /* networks only */
    uint8_t proxy_count;
    struct ne_proxy proxy[NE_PROXY_MAX];
    enum ne_refuse refuse;
    unsigned mtu; /* bytes */
    char bridge[NE_IFNAME_SIZE];
};

/* ne_options_set() - Take one KEY=VALUE into @options.
 *
 * A key given twice is refused. On failure @options may hold a part of the value;
 * callers throw it away.
 *
 * Return: 0, or -1 with NE_BAD_INPUT or NE_UNSUPPORTED in @err.
 */
int ne_options_set(struct ne_options *options, enum ne_option_scope scope, const char *key,
                   const char *value, struct ne_error *err);

/* ne_options_format_proxy() - Write the proxy list as ne_options_set() reads it.
 * @out is NUL-terminated; NE_PROXY_LIST_TEXT bytes always suffice.
 */
#define NE_PROXY_LIST_TEXT ((size_t)NE_PROXY_MAX * (NE_ADDR_TEXT + 9))
const char *ne_options_format_proxy(const struct ne_options *options,
                                    char out[static NE_PROXY_LIST_TEXT]);

/* ne_options_equal() - Whether two sets of options say the same. */
bool ne_options_equal(const struct ne_options *a, const struct ne_options *b);

/* ne_refuse_name() - "reject" or "drop". */
const char *ne_refuse_name(enum ne_refuse refuse);

#endif
