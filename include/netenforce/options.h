/* options.h - the driver's options: one parser for networks and endpoints.
 *
 * docs/interface.md, "Network options". Values are read without regard to
 * case, lists take commas or spaces, an empty list allows nothing. An unknown key
 * or a bad value is an error that names the key, what came and what is
 * accepted.
 */
#ifndef NETENFORCE_OPTIONS_H
#define NETENFORCE_OPTIONS_H

#include <netenforce/addr.h>
#include <netenforce/domains.h>
#include <netenforce/error.h>
#include <netenforce/names.h>
#include <netenforce/rules.h>
#include <netenforce/units.h>

#define NE_PROXY_MAX  16 /* most proxies of one list */
#define NE_PROXY_PORT 8080
#define NE_DNS_MAX    4  /* most name servers of one list */
#define NE_MTU_MIN    68 /* RFC 791; with IPv6 1280 (RFC 8200), checked with the network */
#define NE_MTU_MAX    65535

/* What stands for an address where the members with role=proxy are meant: "container:8080". */
#define NE_PROXY_BY_ROLE "container"

struct ne_proxy {
    struct ne_addr addr; /* NE_NONE: the bridge's own address, unless @by_role */
    uint16_t port;
    bool by_role; /* the network's members that have role=proxy, whichever addresses they have */
};

struct ne_proxies {
    uint8_t count;
    struct ne_proxy items[NE_PROXY_MAX];
};

enum ne_refuse { NE_REFUSE_REJECT = 0, NE_REFUSE_DROP };
enum ne_mode {
    NE_MODE_ENFORCE = 0,
    NE_MODE_AUDIT,
    NE_MODE_TRANSPARENT, /* the proxy is handed what the container sends elsewhere */
};

enum ne_dns_kind {
    NE_DNS_OFF = 0,
    NE_DNS_LOG,     /* the logging forwarder on the bridge's addresses */
    NE_DNS_SERVERS, /* those that are named */
};

struct ne_dns {
    enum ne_dns_kind kind;
    uint8_t count; /* of @servers; 0 unless they are named */
    struct ne_addr servers[NE_DNS_MAX];
};

enum ne_option_scope { NE_SCOPE_NETWORK, NE_SCOPE_ENDPOINT };

/* An option's value means something only where its presence bit is set; a zeroed one says nothing.
 */
struct ne_options {
    bool has_proxy;
    bool has_dns;
    bool has_allow;
    bool has_deny;
    bool has_icc;
    bool has_inbound;
    bool has_mode;
    bool has_refuse;
    bool has_rate;
    bool has_conn_rate;
    bool has_quota;
    bool has_log;
    bool has_role;      /* endpoints only; it has one value, proxy */
    bool has_dns_allow; /* this one and what follows: networks only */
    bool has_dns_deny;
    bool has_mtu;
    bool has_bridge;
    bool icc;
    bool inbound;
    enum ne_mode mode;
    enum ne_refuse refuse;
    struct ne_proxies proxy;
    struct ne_dns dns;
    struct ne_targets allow;
    struct ne_targets deny;   /* wins over @allow and @proxy */
    uint64_t rate;            /* bits a second; 0: no limit */
    struct ne_pace conn_rate; /* new connections */
    uint64_t quota;           /* bytes; 0: no limit */
    struct ne_pace log;       /* events; a count of 0: off */
    bool role;
    struct ne_domains dns_allow;
    struct ne_domains dns_deny; /* wins over @dns_allow */
    unsigned mtu;               /* bytes */
    char bridge[NE_IFNAME_SIZE];
};

/* ne_options_nothing - What gives no option. */
extern const struct ne_options ne_options_nothing;

/* The text that an option was read from, in its usual form: the longest is a list of rules. */
#define NE_OPTION_TEXT NE_TARGETS_TEXT

/* ne_options_get() - The option number @position (0, 1, ...) of those that are given in @options:
 * its key, and its value in @text as ne_options_set() reads it.
 * Return: the key, static; NULL behind the last one.
 */
const char *ne_options_get(const struct ne_options *options, size_t position,
                           char text[static NE_OPTION_TEXT]);

/* ne_options_complete() - Set the presence bit of every option that a network and an endpoint may
 * give: for who shows what holds, be it given or a default.
 */
void ne_options_complete(struct ne_options *options);

/* ne_options_clear() - Take the option @key back, as if it had never been given.
 * Return: 0, or -1 as ne_options_set() for a key that is not accepted.
 */
int ne_options_clear(struct ne_options *options, enum ne_option_scope scope, const char *key,
                     struct ne_error *err);

/* ne_options_own_policy() - Whether @options say anything that makes a policy another one. */
bool ne_options_own_policy(const struct ne_options *options);

/* ne_options_log_names() - Whether @options ask by themselves for the logging forwarder:
 * mode=transparent does so where dns is not given. */
bool ne_options_log_names(const struct ne_options *options);

/* ne_options_default() - What holds where nothing is given (docs/interface.md). No presence bit is
 * set. */
struct ne_options ne_options_default(void);

/* ne_options_override() - Replace the values of @options by those that @by gives, option by option;
 * no presence bit changes. Only what an endpoint may give is taken if @scope is the endpoint's.
 */
void ne_options_override(struct ne_options *options, enum ne_option_scope scope,
                         const struct ne_options *by);

/* ne_options_set() - Take one KEY=VALUE into @options.
 *
 * A key given twice is refused. On failure @options may hold a part of the value;
 * callers throw it away.
 *
 * Return: 0, or -1 with NE_BAD_INPUT in @err.
 */
int ne_options_set(struct ne_options *options, enum ne_option_scope scope, const char *key,
                   const char *value, struct ne_error *err);

/* ne_proxy_format() - Write one proxy as ne_options_set() reads it. Return: @out. */
#define NE_PROXY_TEXT (NE_ADDR_TEXT + 9)
const char *ne_proxy_format(const struct ne_proxy *proxy, char out[static NE_PROXY_TEXT]);

/* ne_options_equal() - Whether two sets of options say the same. ne_options_difference() - The key
 * of the first that they do not; NULL if they do.
 */
bool ne_options_equal(const struct ne_options *a, const struct ne_options *b);
const char *ne_options_difference(const struct ne_options *a, const struct ne_options *b);

/* ne_refuse_name() - "reject" or "drop". ne_mode_name() - "enforce", "audit" or "transparent". */
const char *ne_refuse_name(enum ne_refuse refuse);
const char *ne_mode_name(enum ne_mode mode);

#endif
