/* resolver.h - does the engine pass on containers' names from the host's namespace?
 *
 * DOC: the way of a name past every driver
 *
 * The engine answers names inside each container (127.0.0.11) and passes on what it does not know
 * to the servers of the host's resolv.conf. Up to 20.10, 23.0.10, 24.0.9 and 25.0.4 it asks a
 * server at 127.0.0.0/8 from the *host's* namespace (moby: HostLoopback in libnetwork/resolver.go):
 * such a question never crosses the bridge, and on the host nothing tells it from the engine's own.
 * So all that can be done is to refuse while the host is like that.
 *
 * What those engines read for a container on a network that a user made: /etc/resolv.conf as it is,
 * also where its only server is systemd-resolved's stub at 127.0.0.53 (moby:
 * setupPathsAndSandboxOptions() in daemon/container_operations_unix.go;
 * tests/hosts/test_resolved.py saw it); of its servers the IPv4 addresses only, so ::1 is asked by
 * none of them. The file that systemd-resolved keeps beside the stub's is for the default bridge.
 *
 * Which engines are mended cannot be seen before 28: the calls of 24.0.9 and 27.5 are the same, and
 * so are their headers (an empty Host stands for many old ones, but not for 24.0.5 to 25.0.4).
 */
#ifndef NETENFORCE_RESOLVER_H
#define NETENFORCE_RESOLVER_H

#include <netenforce/addr.h>
#include <netenforce/error.h>
#include <stdbool.h>
#include <stddef.h>

#define NE_RESOLVER_TEXT 48

/* What a resolv.conf says, as far as it matters here. */
struct ne_resolv_conf {
    char loopback[NE_RESOLVER_TEXT]; /* the first server at 127.0.0.0/8; empty: there is none */
};

/* ne_resolv_conf_parse() - Read @size bytes of a resolv.conf. Any bytes are accepted.
 * In doubt a line counts as one that the engine would use.
 */
void ne_resolv_conf_parse(const char *text, size_t size, struct ne_resolv_conf *conf);

struct ne_resolver {
    char
        server[NE_RESOLVER_TEXT]; /* the engine may ask it from the host's namespace; empty: none */
    const char *path;             /* the file that was read, as the host sees it; static */
};

/* How the host's resolver is looked up: ne_resolver_look(), or a test's own. */
typedef int (*ne_resolver_looker)(const char *root, struct ne_resolver *found,
                                  struct ne_error *err);

/* ne_resolver_look() - Read the host's resolv.conf as the engine would.
 * @root is where the host's /etc and /run lie ("" for the host itself); links are followed within.
 * Return: 0 and *@found filled, or -1 with NE_STATE if the file is there and cannot be read.
 */
int ne_resolver_look(const char *root, struct ne_resolver *found, struct ne_error *err);

#define NE_RESOLVER_SERVERS 4 /* the C library takes 3 (MAXNS, resolv.h) */

struct ne_servers {
    unsigned count;
    struct ne_addr items[NE_RESOLVER_SERVERS];
};

/* ne_resolv_conf_servers() - The servers that @size bytes of a resolv.conf name, as the C library
 * reads it, each once, the first ones where there are more. An address with a zone is left out.
 */
void ne_resolv_conf_servers(const char *text, size_t size, struct ne_servers *servers);

/* ne_resolver_servers() - The servers that the host itself asks; @root as above. None if the file
 * is not there. Return: 0, or -1 with NE_STATE if it cannot be read.
 */
int ne_resolver_servers(const char *root, struct ne_servers *servers, struct ne_error *err);

#endif
