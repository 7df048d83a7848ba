/* firewalls.c - ufw and firewalld, and what each has to be told: see findings.h and docs/hosts.md.
 */
#include "findings.h"

#include <netenforce/names.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A name that only an active one has among its rules, in what prints them. */
static const struct mark {
    const char *text;
    bool ufw;
} marks[] = {
    {"chain ufw-user-input ", true}, {":ufw-user-input ", true}, {"table inet firewalld ", false},
    {"chain INPUT_ZONES ", false},   {":INPUT_ZONES ", false},
};

static void scan(const char *command, struct firewalls *found) {
    char line[1024];
    FILE *output = popen(command, "re"); /* NOLINT(cert-env33-c): a fixed text */
    if (output == NULL)
        return;
    while (fgets(line, sizeof(line), output) != NULL) {
        const char *text = line + strspn(line, " \t");
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
            if (strncmp(text, marks[i].text, strlen(marks[i].text)) == 0)
                *(marks[i].ufw ? &found->ufw : &found->firewalld) = true;
        }
    }
    (void)pclose(output);
}

void look_at_firewalls(json_t *findings, struct firewalls *found) {
    *found = (struct firewalls){0};
    scan("nft list ruleset 2>/dev/null", found);
    scan("iptables-legacy-save 2>/dev/null", found);
    if (found->ufw)
        finding(findings, LEVEL_GOOD, "firewall", NULL, "ufw is active");
    if (found->firewalld)
        finding(findings, LEVEL_GOOD, "firewall", NULL, "firewalld is active");
}

/* add() - Append to @text; what does not fit is cut off. */
static void __attribute__((format(printf, 2, 3)))
add(char text[static ADVICE_SIZE], const char *fmt, ...) {
    size_t used = strlen(text);
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(text + used, ADVICE_SIZE - used, fmt, list);
    va_end(list);
}

void firewall_advice(const struct firewalls *found, const char *bridge,
                     const struct proxy_seen *seen, char text[static ADVICE_SIZE]) {
    /* One rule for all networks, also those to come. */
    const bool usual = strncmp(bridge, NE_BRIDGE_PREFIX, strlen(NE_BRIDGE_PREFIX)) == 0;
    const char *interface = usual ? NE_BRIDGE_PREFIX "+" : bridge;
    const unsigned port = seen->target.port_low;
    char addr[NE_ADDR_TEXT];
    (void)ne_addr_format(&seen->target.to.addr, addr);
    text[0] = '\0';
    if (found->ufw && seen->here)
        add(text, "ufw allow in on %s to any port %u%s", interface, port,
            port == NAMES_PORT ? "" : " proto tcp");
    else if (found->ufw)
        add(text, "ufw route allow in on %s to %s port %u proto tcp", interface, addr, port);
    if (!found->firewalld) {
        if (text[0] == '\0')
            add(text,
                "see nft list ruleset and iptables-save for what refuses %s port %u from interface "
                "%s, and accept it there",
                addr, port, interface);
        return;
    }
    if (text[0] != '\0')
        add(text, "; and ");
    add(text,
        "firewall-cmd --permanent --new-zone=netenforce; firewall-cmd --permanent "
        "--zone=netenforce --add-interface=%s; ",
        interface);
    if (seen->here && port == NAMES_PORT)
        add(text, "firewall-cmd --permanent --zone=netenforce --add-service=dns; ");
    else if (seen->here)
        add(text, "firewall-cmd --permanent --zone=netenforce --add-port=%u/tcp; ", port);
    else
        add(text, "firewall-cmd --permanent --new-policy=netenforce-out; "
                  "firewall-cmd --permanent --policy=netenforce-out --add-ingress-zone=netenforce; "
                  "firewall-cmd --permanent --policy=netenforce-out --add-egress-zone=ANY; "
                  "firewall-cmd --permanent --policy=netenforce-out --set-target=ACCEPT; ");
    add(text, "firewall-cmd --reload");
}
