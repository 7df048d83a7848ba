/* parse.c - a resolv.conf as old engines read it: see resolver.h.
 *
 * Their pattern (moby: GetNameservers() in libnetwork/resolvconf): a line, cut at '#', is
 * "nameserver" and an address, with blanks around, and none are needed between. An address that
 * begins with 127. is taken for a loopback one whatever follows, so that nothing is overlooked
 * which another version reads more kindly.
 */
#include <netenforce/resolver.h>

#include <string.h>

#define KEYWORD "nameserver"

struct span {
    const char *at;
    size_t size;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct span trim(struct span text) {
    while (text.size > 0 && is_blank(text.at[0])) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.at[text.size - 1]))
        text.size--;
    return text;
}

static bool begins(struct span text, const char *with) {
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.at, with, size) == 0;
}

/* cut() - What stands before the first @end; @text goes on behind it. */
static struct span cut(struct span *text, char end) {
    const char *found = text->size == 0 ? NULL : memchr(text->at, end, text->size);
    struct span before = {text->at, found == NULL ? text->size : (size_t)(found - text->at)};
    size_t gone = found == NULL ? text->size : before.size + 1;
    text->at += gone;
    text->size -= gone;
    return before;
}

void ne_resolv_conf_parse(const char *text, size_t size, struct ne_resolv_conf *conf) {
    struct span rest = {text, size};
    *conf = (struct ne_resolv_conf){0};
    while (rest.size > 0) {
        struct span line = cut(&rest, '\n');
        line = trim(cut(&line, '#'));
        if (!begins(line, KEYWORD))
            continue;
        const struct span address =
            trim((struct span){line.at + strlen(KEYWORD), line.size - strlen(KEYWORD)});
        if (!begins(address, "127.") || conf->loopback[0] != '\0')
            continue;
        /* Only what an address is made of: it is shown to people. */
        size_t length = 0;
        while (
            length < address.size && length < sizeof(conf->loopback) - 1 &&
            ((address.at[length] >= '0' && address.at[length] <= '9') || address.at[length] == '.'))
            length++;
        memcpy(conf->loopback, address.at, length);
    }
}

static bool has(const struct ne_servers *servers, const struct ne_addr *addr) {
    for (unsigned i = 0; i < servers->count; i++) {
        if (ne_addr_equal(&servers->items[i], addr))
            return true;
    }
    return false;
}

/* server_of() - The address of a line "nameserver ADDRESS", whatever stands behind it. */
static bool server_of(struct span line, struct ne_addr *addr) {
    char text[NE_ADDR_TEXT];
    size_t size = 0;
    line = trim(line);
    if (!begins(line, KEYWORD) || line.size == strlen(KEYWORD) ||
        !is_blank(line.at[strlen(KEYWORD)]))
        return false;
    line = trim((struct span){line.at + strlen(KEYWORD), line.size - strlen(KEYWORD)});
    while (size < line.size && !is_blank(line.at[size]))
        size++;
    if (size >= sizeof(text))
        return false;
    memcpy(text, line.at, size);
    text[size] = '\0';
    return strlen(text) == size && ne_addr_parse(text, addr);
}

void ne_resolv_conf_servers(const char *text, size_t size, struct ne_servers *servers) {
    struct span rest = {text, size};
    *servers = (struct ne_servers){0};
    while (rest.size > 0 && servers->count < NE_RESOLVER_SERVERS) {
        struct ne_addr addr;
        if (server_of(cut(&rest, '\n'), &addr) && !has(servers, &addr))
            servers->items[servers->count++] = addr;
    }
}
