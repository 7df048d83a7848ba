/* explain.c - what would happen to a packet, judged by the fence that the rules are made of. */
#include "internal.h"
#include "view.h"

#include <netenforce/reason.h>
#include <netinet/in.h>
#include <string.h>

/* handed_json() - Where the packet is led: "10.88.0.1:8080"; null where it is not. */
static json_t *handed_json(const struct ne_network *network, const struct ne_target *target,
                           const struct ne_judgement *judgement) {
    const struct ne_rule *rule = judgement->rule;
    const bool v6 = target->to.addr.family == NE_V6;
    const struct ne_proxy to = {.addr = v6 ? network->gateway6.addr : network->gateway4.addr,
                                .port = rule != NULL ? rule->handed_to : 0};
    char text[NE_PROXY_TEXT];
    return to.port == 0 ? json_null() : json_string(ne_proxy_format(&to, text));
}

static json_t *explanation(const struct ne_network *network, const struct ne_endpoint *endpoint,
                           const struct ne_target *target, const struct ne_judgement *judgement) {
    bool own = judgement->policy != NULL && strcmp(judgement->policy->id, endpoint->id) == 0;
    const struct ne_reason words = ne_reason_of(judgement);
    char text[NE_TARGET_TEXT];
    return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:o, s:s, s:b, s:b, s:b, s:o}", "endpoint",
                     endpoint->id, "to", ne_target_format(target, text), "verdict", words.verdict,
                     "reason", words.reason, "option", words.option, "rule",
                     words.rule[0] != '\0' ? json_string(words.rule) : json_null(), "policy_of",
                     own ? "endpoint" : "network", "lacks_route", endpoint->lacks_route, "audited",
                     judgement->audited, "replies", judgement->replies, "handed_to",
                     handed_json(network, target, judgement));
}

void get_explanation(struct ne_control *control, const char *id,
                     const struct ne_http_request *request, struct ne_http_response *response) {
    static const char accepted[] =
        "accepted is one address, as in 10.0.0.5:5432/tcp, [2001:db8::1]:443/udp, 192.0.2.1/icmp";
    const struct ne_model *model = &control->driver->model;
    struct ne_error err = {0};
    struct ne_fence fence;
    struct ne_target target;
    const struct ne_endpoint *endpoint = find_endpoint(model, id, &err);
    if (endpoint == NULL) {
        answer_failure(response, &err);
        return;
    }
    const char *text = strstr(request->path, "/explain/") + strlen("/explain/");
    if (!ne_target_parse(text, &target) || target.port_low != target.port_high ||
        target.to.len != ne_addr_bits(target.to.addr.family)) {
        answer_error(response, 400, ne_code_name(NE_BAD_INPUT), accepted);
        return;
    }
    const struct ne_network *network = ne_model_network(model, endpoint->network);
    const struct ne_addr *from =
        target.to.addr.family == NE_V6 ? &endpoint->addr6 : &endpoint->addr4;
    if (network == NULL || ne_model_fence(model, &fence, &err) < 0) {
        if (network == NULL)
            (void)ne_fail(&err, NE_NOT_FOUND, "the endpoint's network is not known here");
        answer_failure(response, &err);
        return;
    }
    const struct ne_packet packet = {
        .interface = network->bridge,
        .mac = endpoint->mac,
        .from = *from,
        .to = target.to.addr,
        .proto = target.proto,
        .port = target.port_low,
        .icmp_type = target.proto == IPPROTO_ICMPV6 ? 128 : 8, /* an echo request */
    };
    const struct ne_judgement judgement = ne_fence_verdict(&fence, &packet);
    json_body_write(response, 200, JSON_TYPE, explanation(network, endpoint, &target, &judgement));
    ne_fence_free(&fence);
}
