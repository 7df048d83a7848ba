/* proxied.h - a policy whose proxy is a member of the network itself. */
#ifndef NETENFORCE_TESTS_PROXIED_H
#define NETENFORCE_TESTS_PROXIED_H

#include "unit.h"

#include <netenforce/fence.h>
#include <netinet/in.h>

/* add_proxy() - Port 3128 of @proxy passes, and what it answers into @pool may come back. */
static void add_proxy(struct ne_policy *policy, const struct ne_addr *proxy, const char *pool) {
    struct ne_error err;
    const struct ne_rule to = {.kind = NE_RULE_PROXY,
                               .to = ne_prefix_host(proxy),
                               .proto = IPPROTO_TCP,
                               .port_low = 3128,
                               .port_high = 3128,
                               .icmp_type = NE_ICMP_TYPE_ANY,
                               .option = "proxy"};
    struct ne_rule back = {.kind = NE_RULE_BACK,
                           .proto = IPPROTO_TCP,
                           .port_high = UINT16_MAX,
                           .icmp_type = NE_ICMP_TYPE_ANY,
                           .verdict = NE_REJECT};
    assert_true(ne_prefix_parse(pool, &back.to));
    assert_int_equal(ne_policy_add_rule(policy, &to, &err), 0);
    assert_int_equal(ne_policy_add_rule(policy, &back, &err), 0);
}

#endif
