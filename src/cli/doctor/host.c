/* host.c - kernel, marks, the state folder: see findings.h. */
#include "findings.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FREE_MIN (64ull << 20) /* bytes: records are small, but they have to be written */

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

void look_at_kernel(json_t *findings) {
    struct utsname system;
    struct version version;
    if (uname(&system) < 0 || !version_read(system.release, &version)) {
        finding(findings, LEVEL_LOOK, "kernel", NULL, "its version cannot be read");
        return;
    }
    if (version_before(&version, 4, 18, 0))
        finding(findings, LEVEL_LOOK, "kernel", "use Linux 4.18 or later", "Linux %s is too old",
                system.release);
    else if (version_before(&version, 5, 18, 0))
        finding(findings, LEVEL_LOOK, "kernel",
                "the guard on each port does the same; Linux 5.18 has both",
                "Linux %s has no locked bridge ports", system.release);
    else
        finding(findings, LEVEL_GOOD, "kernel", NULL, "Linux %s", system.release);

    /* Only there once the module is loaded, which the daemon's first network does. */
    if (exists("/proc/net/ip_tables_names") && exists("/proc/net/ip6_tables_names"))
        finding(findings, LEVEL_GOOD, "tables", NULL, "the legacy tables are there");
    else
        finding(findings, LEVEL_LOOK, "tables",
                "nothing, unless --firewall iptables is wanted: modprobe ip_tables ip6_tables",
                "the legacy tables are not loaded: the fence is written in nf_tables");
    if (exists("/proc/sys/net/bridge/bridge-nf-call-iptables"))
        finding(findings, LEVEL_GOOD, "br_netfilter", NULL,
                "loaded: bridged frames pass iptables as well, which changes nothing here");
    else
        finding(findings, LEVEL_GOOD, "br_netfilter", NULL, "not loaded, and not needed");
}

/* touches() - Whether @line, of iptables-save or of nft, sets or tests one of @bits of the mark. */
static bool touches(const char *line, uint32_t bits) {
    const char *mark = strstr(line, "mark");
    if (mark == NULL || strstr(line, "NETENFORCE") != NULL)
        return false;
    for (const char *at = strstr(mark, "0x"); at != NULL; at = strstr(at + 2, "0x")) {
        unsigned long long value = strtoull(at, NULL, 16);
        if ((value & bits) != 0)
            return true;
    }
    /* nft: "meta mark set 0x1" replaces all of it. */
    const char *set = strstr(mark, "mark set 0x");
    return set != NULL && strncmp(line, "-A", 2) != 0;
}

/* is_permission() - Whether nft's @line is the daemon's own permission to forward, in a table that
 * is iptables-nft's: nft does not show the comment by which that tool knows it.
 */
static bool is_permission(const char *line, uint32_t mark) {
    char test[32];
    (void)snprintf(test, sizeof(test), "0x%x == 0x%x", mark | mark << 1, mark);
    return strstr(line, test) != NULL && strstr(line, "accept") != NULL &&
           strstr(line, "mark set") == NULL;
}

/* scan() - Look through what @command prints for the bits of @mark. Return: whether it could be
 * run.
 */
static bool scan(json_t *findings, const char *command, uint32_t mark, unsigned *found) {
    const uint32_t bits = mark | mark << 1 | mark << 2;
    char line[1024];
    bool ours = false;
    FILE *output = popen(command, "re"); /* NOLINT(cert-env33-c): a fixed text */
    if (output == NULL)
        return false;
    while (fgets(line, sizeof(line), output) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "table ", 6) == 0)
            ours = strncmp(line, "table inet netenforce", strlen("table inet netenforce")) == 0;
        if (ours || !touches(line, bits) || is_permission(line, mark) || (*found)++ > 0)
            continue;
        finding(findings, LEVEL_LOOK, "mark",
                "give the daemon another bit (--mark), or the other program; until then that rule "
                "may let pass what is refused, or refuse what passes",
                "another rule uses the bits 0x%08x of the packet mark: %.200s", bits,
                line + strspn(line, " \t"));
    }
    return pclose(output) == 0;
}

void look_at_marks(json_t *findings, const json_t *status) {
    const uint32_t mark = (uint32_t)number_of(status, "mark");
    const uint32_t bits = mark | mark << 1 | mark << 2;
    unsigned found = 0;
    if (status == NULL)
        return;
    bool nft = scan(findings, "nft list ruleset 2>/dev/null", mark, &found);
    bool legacy = scan(findings, "iptables-legacy-save 2>/dev/null", mark, &found);
    bool legacy6 = scan(findings, "ip6tables-legacy-save 2>/dev/null", mark, &found);
    if (found == 0 && nft && legacy && legacy6)
        finding(findings, LEVEL_GOOD, "mark", NULL, "nothing else uses the bits 0x%08x", bits);
    else if (found == 0)
        finding(findings, LEVEL_GOOD, "mark", NULL,
                "nothing else is seen to use the bits 0x%08x (without nft or iptables-legacy-save "
                "not everything is seen)",
                bits);
}

void look_at_state(json_t *findings, const json_t *status) {
    const char *path = text_of(status, "state_directory");
    struct stat st;
    struct statvfs fs;
    if (status == NULL)
        return;
    if (stat(path, &st) < 0 || statvfs(path, &fs) < 0) {
        finding(findings, LEVEL_LOOK, "state", "if the plugin keeps it elsewhere, look there",
                "%s: %s", path, strerror(errno));
        return;
    }
    const unsigned long long left = (unsigned long long)fs.f_bavail * fs.f_frsize;
    if ((fs.f_flag & ST_RDONLY) != 0)
        finding(findings, LEVEL_LOOK, "state", "mount it for writing",
                "%s is read-only: nothing new can be made", path);
    else if (left < FREE_MIN || (fs.f_files > 0 && fs.f_favail == 0))
        finding(findings, LEVEL_LOOK, "state", "make room",
                "%s has %llu MiB left: when it is full, nothing new can be made", path, left >> 20);
    else if (st.st_uid != 0 || (st.st_mode & 022) != 0)
        finding(findings, LEVEL_LOOK, "state", "chown root, chmod 0700",
                "others than root can change %s, and so the policies", path);
    else
        finding(findings, LEVEL_GOOD, "state", NULL, "%s, %llu MiB left", path, left >> 20);
}
