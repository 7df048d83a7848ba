/* names.c - ids and interface names: see names.h. */
#include <netenforce/names.h>

#include <stddef.h>
#include <string.h>

bool ne_id_valid(const char *id) {
    size_t length = 0;
    for (; id[length] != '\0'; length++) {
        char c = id[length];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if ((!letter && !digit) || length >= NE_ID_SIZE - 1)
            return false;
    }
    return length >= NE_NAME_ID_PART;
}

bool ne_ifname_valid(const char *name) {
    size_t length = strlen(name);
    if (length < 1 || length >= NE_IFNAME_SIZE)
        return false;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '/' || *c == ':' || *c == '+')
            return false;
    }
    return true;
}

static const char *derive(const char *prefix, const char *id, char out[static NE_IFNAME_SIZE]) {
    size_t used = strlen(prefix);
    memcpy(out, prefix, used);
    size_t part = strnlen(id, NE_NAME_ID_PART);
    memcpy(out + used, id, part);
    out[used + part] = '\0';
    return out;
}

const char *ne_bridge_name(const char *network_id, char out[static NE_IFNAME_SIZE]) {
    return derive(NE_BRIDGE_PREFIX, network_id, out);
}

const char *ne_port_name(const char *endpoint_id, char out[static NE_IFNAME_SIZE]) {
    return derive(NE_PORT_PREFIX, endpoint_id, out);
}

const char *ne_peer_name(const char *endpoint_id, char out[static NE_IFNAME_SIZE]) {
    return derive(NE_PEER_PREFIX, endpoint_id, out);
}
