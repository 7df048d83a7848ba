/* turns.c - Join and Leave, several at once: see driver.h. */
#include "internal.h"

#include <string.h>

/* part() - The port down, what was counted told, and nothing wanted any more. Goes on after a
 * failure. */
static int part(struct ne_driver *driver, struct ne_endpoint *endpoint, struct ne_error *err) {
    int result = 0;
    const struct ne_network *network = ne_model_network(&driver->model, endpoint->network);
    if (network != NULL) {
        const struct ne_port port = port_of(network, endpoint);
        result = driver->link->ops->port_quench(driver->link, &port, err);
    }
    if (driver->on_parting != NULL)
        driver->on_parting(driver->on_context, endpoint->id);
    endpoint->joined = false;
    endpoint->sandbox[0] = '\0';
    return result;
}

static int follow_near_of(struct ne_driver *driver, const struct ne_endpoint *endpoint,
                          struct ne_error *err) {
    struct ne_network *network = ne_model_network(&driver->model, endpoint->network);
    return network == NULL ? 0 : follow_near(driver, network, err);
}

int put_out(struct ne_driver *driver, struct ne_endpoint *endpoint, struct ne_error *err) {
    struct ne_error late;
    int result = part(driver, endpoint, err);
    if (enforce(driver, NULL, &late) < 0 || follow_near_of(driver, endpoint, &late) < 0) {
        *err = late;
        result = -1;
    }
    return result;
}

static void undo_join(struct ne_driver *driver, const struct ne_network *network,
                      struct ne_endpoint *endpoint) {
    const struct ne_port port = port_of(network, endpoint);
    struct ne_error err;
    if (put_out(driver, endpoint, &err) < 0)
        not_undone(driver, "endpoint", endpoint->id, &err);
    if (driver->link->ops->remove(driver->link, port.name, endpoint->id, &err) < 0)
        not_undone(driver, "endpoint", endpoint->id, &err);
    if (write_record(driver, endpoint, &err) < 0)
        not_undone(driver, "endpoint", endpoint->id, &err);
}

/* ensure_port() - A bridge may be full of ports that only wait to be deleted. */
static int ensure_port(struct ne_driver *driver, const struct ne_port *port, struct ne_error *err) {
    if (driver->link->ops->port_ensure(driver->link, port, err) == 0)
        return 0;
    if (driver->retired == 0 || ne_driver_reap(driver, NULL) < 0)
        return -1;
    return driver->link->ops->port_ensure(driver->link, port, err);
}

/* A turn has two halves, and the commit between them: what waits for it is wanted by the model
 * already (Join), or no longer (Leave).
 */

static int begin_join(struct ne_driver *driver, struct ne_turn *turn, struct ne_error *err) {
    struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, turn->endpoint);
    if (endpoint == NULL || strcmp(endpoint->network, turn->network) != 0)
        return ne_fail(err, NE_NOT_FOUND, "endpoint %.12s is not known on network %.12s",
                       turn->endpoint, turn->network);
    struct ne_network *network = ne_model_network(&driver->model, endpoint->network);
    if (network == NULL)
        return ne_fail(err, NE_NOT_FOUND, "network %.12s is not known here", turn->network);

    if (check_resolver(driver, network, endpoint->id, err) < 0 ||
        ne_role_check(&driver->model, endpoint, endpoint->options, err) < 0)
        return ne_context(err, "endpoint %.12s", turn->endpoint);
    turn->again = endpoint->joined;
    endpoint->quota_reached = endpoint->quota_reached && turn->again; /* else it counts anew */
    endpoint->joined = true;
    endpoint->lacks_route = false; /* this answer tells them all */
    memcpy(endpoint->sandbox, turn->sandbox, sizeof(endpoint->sandbox));
    if (write_record(driver, endpoint, err) < 0) {
        undo_join(driver, network, endpoint);
        return ne_context(err, "endpoint %.12s", endpoint->id);
    }
    turn->waits = true;
    return 0;
}

static int finish_join(struct ne_driver *driver, struct ne_turn *turn, bool enforced) {
    struct ne_error *err = &turn->err;
    struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, turn->endpoint);
    struct ne_network *network = ne_model_network(&driver->model, turn->network);
    const struct ne_port port = port_of(network, endpoint);
    if (!enforced || follow_near(driver, network, err) < 0 || ensure_port(driver, &port, err) < 0) {
        undo_join(driver, network, endpoint);
        return ne_context(err, "endpoint %.12s", endpoint->id);
    }
    if (!turn->again)
        tell_of(endpoint->network, endpoint->id, "joined");
    return 0;
}

static int begin_leave(struct ne_driver *driver, struct ne_turn *turn, struct ne_error *err) {
    struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, turn->endpoint);
    if (endpoint == NULL || !endpoint->joined)
        return 0;
    turn->waits = true;
    return part(driver, endpoint, err);
}

static int finish_leave(struct ne_driver *driver, struct ne_turn *turn, bool enforced) {
    struct ne_error *err = &turn->err;
    struct ne_endpoint *endpoint = ne_model_endpoint(&driver->model, turn->endpoint);
    int result = enforced ? turn->result : -1;
    struct ne_error late;
    if (enforced && follow_near_of(driver, endpoint, &late) < 0) {
        *err = late;
        result = -1;
    }
    tell_of(endpoint->network, endpoint->id, "left");
    if (write_record(driver, endpoint, &late) < 0) {
        *err = late;
        result = -1;
    }
    if (result < 0) {
        driver->unsettled = true;
        return ne_context(err, "endpoint %.12s", endpoint->id);
    }
    return 0;
}

static bool is_join_that_waits(const struct ne_turn *turn) {
    return turn->waits && !turn->leaves;
}

static void begin(struct ne_driver *driver, struct ne_turn *turn) {
    turn->waits = turn->again = false;
    turn->result =
        turn->leaves ? begin_leave(driver, turn, &turn->err) : begin_join(driver, turn, &turn->err);
}

/* finish() - @failure: why the rules are not what @turn wants; NULL: they are. */
static void finish(struct ne_driver *driver, struct ne_turn *turn, const struct ne_error *failure) {
    if (failure != NULL)
        turn->err = *failure;
    turn->result = turn->leaves ? finish_leave(driver, turn, failure == NULL)
                                : finish_join(driver, turn, failure == NULL);
}

/* settle() - The commit for all that wait among @turns, and their second halves. */
static void settle(struct ne_driver *driver, struct ne_turn *turns, size_t count) {
    struct ne_error err;
    size_t waiting = 0;
    for (size_t i = 0; i < count; i++)
        waiting += turns[i].waits;
    if (waiting == 0)
        return;
    bool failed = enforce(driver, NULL, &err) < 0;
    if (!failed || waiting == 1) {
        for (size_t i = 0; i < count; i++) {
            if (turns[i].waits)
                finish(driver, &turns[i], failed ? &err : NULL);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_join_that_waits(&turns[i]))
            ne_model_endpoint(&driver->model, turns[i].endpoint)->joined = turns[i].again;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_join_that_waits(&turns[i]))
            ne_model_endpoint(&driver->model, turns[i].endpoint)->joined = true;
        settle(driver, &turns[i], 1);
    }
}

/* apart() - How many of the first turns are about endpoints of their own each. */
static size_t apart(const struct ne_turn *turns, size_t count) {
    for (size_t i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(turns[i].endpoint, turns[k].endpoint) == 0)
                return i;
        }
    }
    return count;
}

void ne_driver_take_turns(struct ne_driver *driver, struct ne_turn *turns, size_t count) {
    while (count > 0) {
        size_t together = apart(turns, count);
        for (size_t i = 0; i < together; i++)
            begin(driver, &turns[i]);
        settle(driver, turns, together);
        turns += together;
        count -= together;
    }
}

static int take_one(struct ne_driver *driver, struct ne_turn *turn, struct ne_error *err) {
    ne_driver_take_turns(driver, turn, 1);
    if (turn->result < 0 && err != NULL)
        *err = turn->err;
    return turn->result;
}

int ne_driver_join(struct ne_driver *driver, const char *network, const char *id,
                   const char *sandbox, struct ne_error *err) {
    struct ne_turn turn = {0};
    (void)strncpy(turn.network, network, sizeof(turn.network) - 1);
    (void)strncpy(turn.endpoint, id, sizeof(turn.endpoint) - 1);
    (void)strncpy(turn.sandbox, sandbox, sizeof(turn.sandbox) - 1);
    return take_one(driver, &turn, err);
}

int ne_driver_leave(struct ne_driver *driver, const char *id, struct ne_error *err) {
    struct ne_turn turn = {.leaves = true};
    (void)strncpy(turn.endpoint, id, sizeof(turn.endpoint) - 1);
    return take_one(driver, &turn, err);
}
