/* policy.c - a policy that changes while containers run: see ne_driver_set_policy(). */
#include "internal.h"

#include <netenforce/log.h>
#include <string.h>

/* Whose policy it is: an endpoint's, or its network's if @endpoint is NULL. */
struct subject {
    struct ne_network *network;
    struct ne_endpoint *endpoint;
};

static const struct ne_options *options_of(const struct subject *subject) {
    return subject->endpoint != NULL ? subject->endpoint->options : &subject->network->options;
}

static unsigned long *revision_of(const struct subject *subject) {
    return subject->endpoint != NULL ? &subject->endpoint->revision : &subject->network->revision;
}

static int save(struct ne_driver *driver, const struct subject *subject, struct ne_error *err) {
    return subject->endpoint != NULL ? write_record(driver, subject->endpoint, err)
                                     : write_network(driver, subject->network, err);
}

static int find(const struct ne_driver *driver, const char *network, const char *endpoint,
                struct subject *subject, struct ne_error *err) {
    if (endpoint != NULL) {
        subject->endpoint = ne_model_endpoint(&driver->model, endpoint);
        if (subject->endpoint == NULL)
            return ne_fail(err, NE_NOT_FOUND, "no endpoint has the id %.12s", endpoint);
        network = subject->endpoint->network;
    }
    subject->network = ne_model_network(&driver->model, network);
    if (subject->network == NULL)
        return ne_fail(err, NE_NOT_FOUND, "no network has the id %.12s", network);
    return 0;
}

/* check_links() - The engine has told its user these, and containers have them. */
static int check_links(const struct ne_options *old, const struct ne_options *new,
                       struct ne_error *err) {
    if (old->has_mtu != new->has_mtu || (old->has_mtu && old->mtu != new->mtu))
        return ne_fail(err, NE_BAD_INPUT,
                       "option com.docker.network.driver.mtu cannot change while the network is "
                       "there: create it anew");
    if (old->has_bridge != new->has_bridge ||
        (old->has_bridge && strcmp(old->bridge, new->bridge) != 0))
        return ne_fail(err, NE_BAD_INPUT,
                       "option com.docker.network.bridge.name cannot change while the network is "
                       "there: create it anew");
    return 0;
}

/* has_routes() - Whether what @endpoint needs with the new options was told to it with the old. */
static bool has_routes(const struct ne_network *old_network, const struct ne_endpoint *old,
                       const struct ne_network *new_network, const struct ne_endpoint *new) {
    struct ne_prefix told[NE_ROUTES_MAX];
    struct ne_prefix needed[NE_ROUTES_MAX];
    size_t told_count = ne_routes(old_network, old, told);
    size_t needed_count = ne_routes(new_network, new, needed);
    for (size_t i = 0; i < needed_count; i++) {
        bool known = false;
        for (size_t k = 0; k < told_count; k++)
            known = known || ne_prefix_equal(&told[k], &needed[i]);
        if (!known)
            return false;
    }
    return true;
}

/* lacks_now() - Whether @endpoint lacks a route after a change, which @had_routes before it had all
 * of. One that lacked one still does, since what an earlier change needed was not told either,
 * unless the policy needs none any more. */
static bool lacks_now(const struct ne_network *network, const struct ne_endpoint *endpoint,
                      bool had_routes) {
    struct ne_prefix needed[NE_ROUTES_MAX];
    return (endpoint->lacks_route || !had_routes) && ne_routes(network, endpoint, needed) > 0;
}

/* note_routes() - Mark the joined endpoints that lack a route under the changed policy.
 * Return: how many endpoints of the subject lack one.
 */
static unsigned note_routes(struct ne_driver *driver, const struct subject *subject,
                            const struct ne_options *old) {
    struct ne_network before = *subject->network;
    if (subject->endpoint == NULL)
        before.options = *old;
    unsigned count = 0;
    for (size_t i = 0; i < driver->model.endpoints.count; i++) {
        struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        if (!endpoint->joined || strcmp(endpoint->network, subject->network->id) != 0 ||
            (subject->endpoint != NULL && endpoint != subject->endpoint))
            continue;
        struct ne_endpoint was = *endpoint;
        if (subject->endpoint != NULL)
            was.options = old;
        bool lacks = lacks_now(subject->network, endpoint,
                               has_routes(&before, &was, subject->network, endpoint));
        bool is_new = lacks != endpoint->lacks_route;
        struct ne_error err;
        endpoint->lacks_route = lacks;
        count += lacks;
        /* Of no weight for what passes: the change holds, the record follows. */
        if (is_new && write_record(driver, endpoint, &err) < 0)
            not_undone(driver, "endpoint", endpoint->id, &err);
    }
    return count;
}

/* The options of a subject that it does not have: before swap() the new ones, then the old. */
struct change {
    struct ne_options of_network;
    const struct ne_options *of_endpoint; /* the model's kind */
};

static int prepare(const struct subject *subject, const struct ne_options *options,
                   struct change *change, struct ne_error *err) {
    if (subject->endpoint == NULL) {
        change->of_network = *options;
        return 0;
    }
    change->of_endpoint = ne_model_own_options(options, err);
    return change->of_endpoint == NULL ? -1 : 0;
}

static void swap(const struct subject *subject, struct change *change) {
    if (subject->endpoint == NULL) {
        const struct ne_options other = subject->network->options;
        subject->network->options = change->of_network;
        change->of_network = other;
    } else {
        const struct ne_options *other = subject->endpoint->options;
        subject->endpoint->options = change->of_endpoint;
        change->of_endpoint = other;
    }
}

static void end(const struct subject *subject, struct change *change) {
    if (subject->endpoint != NULL)
        ne_model_free_options(change->of_endpoint);
}

static void put_back(struct ne_driver *driver, const struct subject *subject,
                     struct change *change) {
    struct ne_error err;
    swap(subject, change);
    (*revision_of(subject))--;
    if (save(driver, subject, &err) < 0)
        not_undone(driver, "policy of", subject->network->id, &err);
    if (enforce(driver, NULL, &err) < 0 || follow_near(driver, subject->network, &err) < 0 ||
        follow_icc(driver, subject->network, &err) < 0)
        not_undone(driver, "policy of", subject->network->id, &err);
}

/* check_mode() - Of the subject and of all whose options are in part its own, as if it had
 * @options. */
static int check_mode(const struct ne_driver *driver, const struct subject *subject,
                      const struct ne_options *options, struct ne_error *err) {
    struct ne_network network = *subject->network;
    if (subject->endpoint != NULL) {
        struct ne_endpoint endpoint = *subject->endpoint;
        endpoint.options = options;
        return ne_mode_check(&network, &endpoint, err);
    }
    network.options = *options;
    if (ne_mode_check(&network, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < driver->model.endpoints.count; i++) {
        const struct ne_endpoint *endpoint = ne_model_endpoint_at(&driver->model, i);
        if (strcmp(endpoint->network, network.id) == 0 &&
            ne_options_own_policy(endpoint->options) && ne_mode_check(&network, endpoint, err) < 0)
            return ne_context(err, "endpoint %.12s", endpoint->id);
    }
    return 0;
}

/* judge() - Everything that can be wrong with @options for @subject. */
static int judge(struct ne_driver *driver, const struct subject *subject,
                 const struct ne_options *options, struct ne_error *err) {
    if (check_links(options_of(subject), options, err) < 0 ||
        ne_options_check(subject->network, options, err) < 0 ||
        check_mode(driver, subject, options, err) < 0)
        return -1;
    if (subject->endpoint != NULL && subject->endpoint->joined &&
        ne_role_check(&driver->model, subject->endpoint, options, err) < 0)
        return -1;
    /* Where names were logged dnsmasq was there once: without it they fail, and other options can
     * change. */
    if (!ne_options_log_names(options_of(subject)) && check_forwarder(driver, options, err) < 0)
        return -1;
    return check_local(driver, subject->network, options, err);
}

int ne_driver_check_policy(struct ne_driver *driver, const char *network, const char *endpoint,
                           const struct ne_options *options, struct ne_error *err) {
    struct subject subject = {0};
    if (find(driver, network, endpoint, &subject, err) < 0)
        return -1;
    return judge(driver, &subject, options, err);
}

int ne_driver_set_policy(struct ne_driver *driver, const char *network, const char *endpoint,
                         const struct ne_options *options, struct ne_policy_change *change,
                         struct ne_error *err) {
    struct subject subject = {0};
    if (find(driver, network, endpoint, &subject, err) < 0)
        return -1;
    const struct ne_options old = *options_of(&subject);
    *change = (struct ne_policy_change){.revision = *revision_of(&subject)};
    if (judge(driver, &subject, options, err) < 0)
        return -1;
    if (ne_options_equal(&old, options))
        return 0;

    struct change others = {0};
    if (prepare(&subject, options, &others, err) < 0)
        return -1;
    swap(&subject, &others);
    (*revision_of(&subject))++;
    bool icc = old.has_icc != options->has_icc || old.icc != options->icc;
    if (save(driver, &subject, err) < 0 || enforce(driver, NULL, err) < 0 ||
        follow_near(driver, subject.network, err) < 0 ||
        (icc && follow_icc(driver, subject.network, err) < 0)) {
        put_back(driver, &subject, &others);
        end(&subject, &others);
        return ne_context(err, "the policy stays as it was");
    }
    /* A larger quota may be reached anew. What cannot be read now is read later. */
    struct ne_error late;
    if (ne_driver_note_use(driver, &late) < 0)
        ne_warn("%s", late.text);
    change->changed = true;
    change->revision = *revision_of(&subject);
    change->no_route = note_routes(driver, &subject, &old);
    end(&subject, &others);
    ne_info("policy of %s %.12s: revision %lu", endpoint != NULL ? "endpoint" : "network",
            endpoint != NULL ? endpoint : network, change->revision);
    return 0;
}
