/* model.c - the tables of networks and endpoints: see model.h. */
#include <netenforce/model.h>

#include <stdlib.h>
#include <string.h>

void ne_model_init(struct ne_model *model) {
    *model = (struct ne_model){0};
}

const struct ne_options *ne_model_own_options(const struct ne_options *options,
                                              struct ne_error *err) {
    if (options == NULL || ne_options_equal(options, &ne_options_nothing))
        return &ne_options_nothing;
    struct ne_options *own = malloc(sizeof(*own));
    if (own == NULL)
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for options");
    else
        *own = *options;
    return own;
}

void ne_model_free_options(const struct ne_options *options) {
    void *own;
    if (options == &ne_options_nothing)
        return;
    memcpy(&own, &options, sizeof(own)); /* it was made here, and is constant to others alone */
    free(own);
}

static void index_free(struct ne_index *index) {
    for (size_t i = 0; i < index->count; i++)
        free(index->items[i]);
    free(index->items);
    *index = (struct ne_index){0};
}

void ne_model_free(struct ne_model *model) {
    for (size_t i = 0; i < model->endpoints.count; i++)
        ne_model_free_options(ne_model_endpoint_at(model, i)->options);
    index_free(&model->networks);
    index_free(&model->endpoints);
}

/* position_of() - Where @id is, or where it would have to be put. */
static size_t position_of(const struct ne_index *index, const char *id, bool *found) {
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp((const char *)index->items[middle], id);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

static void *index_get(const struct ne_index *index, const char *id) {
    bool found;
    size_t position = position_of(index, id, &found);
    return found ? index->items[position] : NULL;
}

static void *index_add(struct ne_index *index, const void *record, size_t size,
                       struct ne_error *err) {
    if (index->count == index->capacity) {
        size_t capacity = index->capacity == 0 ? 8 : index->capacity * 2;
        void **items = reallocarray(index->items, capacity, sizeof(*items));
        if (items == NULL) {
            (void)ne_fail(err, NE_NO_MEMORY, "no memory for %zu records", capacity);
            return NULL;
        }
        index->items = items;
        index->capacity = capacity;
    }
    void *copy = malloc(size);
    if (copy == NULL) {
        (void)ne_fail(err, NE_NO_MEMORY, "no memory for a record of %zu bytes", size);
        return NULL;
    }
    memcpy(copy, record, size);

    bool found;
    size_t position = position_of(index, copy, &found);
    memmove(index->items + position + 1, index->items + position,
            (index->count - position) * sizeof(*index->items));
    index->items[position] = copy;
    index->count++;
    return copy;
}

static void index_drop(struct ne_index *index, const char *id) {
    bool found;
    size_t position = position_of(index, id, &found);
    if (!found)
        return;
    free(index->items[position]);
    index->count--;
    memmove(index->items + position, index->items + position + 1,
            (index->count - position) * sizeof(*index->items));
}

struct ne_network *ne_model_network(const struct ne_model *model, const char *id) {
    return index_get(&model->networks, id);
}

struct ne_endpoint *ne_model_endpoint(const struct ne_model *model, const char *id) {
    return index_get(&model->endpoints, id);
}

struct ne_network *ne_model_network_at(const struct ne_model *model, size_t position) {
    return model->networks.items[position];
}

struct ne_endpoint *ne_model_endpoint_at(const struct ne_model *model, size_t position) {
    return model->endpoints.items[position];
}

bool ne_model_network_position(const struct ne_model *model, const char *id, size_t *position) {
    bool found;
    size_t at = position_of(&model->networks, id, &found);
    if (found)
        *position = at;
    return found;
}

struct ne_network *ne_model_add_network(struct ne_model *model, const struct ne_network *record,
                                        struct ne_error *err) {
    return index_add(&model->networks, record, sizeof(*record), err);
}

struct ne_endpoint *ne_model_add_endpoint(struct ne_model *model, const struct ne_endpoint *record,
                                          struct ne_error *err) {
    struct ne_endpoint own = *record;
    own.options = ne_model_own_options(record->options, err);
    if (own.options == NULL)
        return NULL;
    struct ne_endpoint *added = index_add(&model->endpoints, &own, sizeof(own), err);
    if (added == NULL)
        ne_model_free_options(own.options);
    return added;
}

void ne_model_drop_network(struct ne_model *model, const char *id) {
    index_drop(&model->networks, id);
}

void ne_model_drop_endpoint(struct ne_model *model, const char *id) {
    const struct ne_endpoint *endpoint = ne_model_endpoint(model, id);
    if (endpoint == NULL)
        return;
    const struct ne_options *options = endpoint->options;
    index_drop(&model->endpoints, id);
    ne_model_free_options(options);
}
