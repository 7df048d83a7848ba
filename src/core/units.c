/* units.c - quantities as people write them: see units.h. */
#include <netenforce/units.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct unit {
    const char *name;
    uint64_t size;
};

/* In the order in which the writers try them: the largest first. */
static const struct unit rate_units[] = {
    {"gbit", 1000000000u},
    {"mbit", 1000000u},
    {"kbit", 1000u},
};

static const struct unit byte_units[] = {
    {"TiB", UINT64_C(1) << 40},
    {"TB", UINT64_C(1000000000000)},
    {"GiB", UINT64_C(1) << 30},
    {"GB", 1000000000u},
    {"MiB", UINT64_C(1) << 20},
    {"MB", 1000000u},
    {"KiB", UINT64_C(1) << 10},
    {"kB", 1000u},
    {"B", 1},
};

static const struct unit periods[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}};

static bool is_none(const char *text) {
    return strcasecmp(text, "none") == 0;
}

/* number() - Decimal digits at the start of @text. Return: where they end; NULL: none, or too many.
 */
static const char *number(const char *text, uint64_t *value) {
    size_t digits = strspn(text, "0123456789");
    *value = 0;
    if (digits == 0 || digits > 18)
        return NULL;
    for (size_t i = 0; i < digits; i++)
        *value = *value * 10 + (uint64_t)(text[i] - '0');
    return text + digits;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

/* quantity() - A number and one of @units, from @low to @high. */
static bool quantity(const char *text, const struct unit *units, size_t count, uint64_t low,
                     uint64_t high, uint64_t *value) {
    uint64_t n;
    const char *name = number(text, &n);
    const struct unit *unit = name == NULL ? NULL : find_unit(units, count, name);
    if (unit == NULL || n > high / unit->size || n * unit->size < low)
        return false;
    *value = n * unit->size;
    return true;
}

/* write_quantity() - With the first of @units that divides it. */
static const char *write_quantity(uint64_t value, const struct unit *units, size_t count,
                                  char out[static NE_UNIT_TEXT]) {
    size_t i = 0;
    while (i + 1 < count && value % units[i].size != 0)
        i++;
    (void)snprintf(out, NE_UNIT_TEXT, "%" PRIu64 "%s", value / units[i].size, units[i].name);
    return out;
}

static const char *write_none(char out[static NE_UNIT_TEXT]) {
    memcpy(out, "none", sizeof("none"));
    return out;
}

bool ne_rate_parse(const char *text, uint64_t *bits_per_second) {
    if (is_none(text)) {
        *bits_per_second = 0;
        return true;
    }
    return quantity(text, rate_units, COUNT(rate_units), NE_RATE_MIN, NE_RATE_MAX, bits_per_second);
}

const char *ne_rate_format(uint64_t bits_per_second, char out[static NE_UNIT_TEXT]) {
    if (bits_per_second == 0)
        return write_none(out);
    return write_quantity(bits_per_second, rate_units, COUNT(rate_units), out);
}

bool ne_bytes_parse(const char *text, uint64_t *bytes) {
    if (is_none(text)) {
        *bytes = 0;
        return true;
    }
    /* A number alone is of bytes. */
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && text[digits] == '\0') {
        uint64_t n;
        if (number(text, &n) == NULL || n < 1 || n > NE_BYTES_MAX)
            return false;
        *bytes = n;
        return true;
    }
    return quantity(text, byte_units, COUNT(byte_units), 1, NE_BYTES_MAX, bytes);
}

const char *ne_bytes_format(uint64_t bytes, char out[static NE_UNIT_TEXT]) {
    if (bytes == 0)
        return write_none(out);
    return write_quantity(bytes, byte_units, COUNT(byte_units), out);
}

bool ne_pace_parse(const char *text, struct ne_pace *pace) {
    if (is_none(text)) {
        *pace = (struct ne_pace){0};
        return true;
    }
    uint64_t n;
    const char *name = number(text, &n);
    const struct unit *period = name == NULL ? NULL : find_unit(periods, COUNT(periods), name);
    if (period == NULL || n < 1 || n > NE_PACE_MAX)
        return false;
    *pace = (struct ne_pace){.count = (uint32_t)n, .seconds = (uint32_t)period->size};
    return true;
}

const char *ne_pace_format(struct ne_pace pace, char out[static NE_UNIT_TEXT]) {
    if (pace.count == 0)
        return write_none(out);
    const char *name = pace.seconds == 1 ? "/s" : pace.seconds == 60 ? "/m" : "/h";
    (void)snprintf(out, NE_UNIT_TEXT, "%u%s", pace.count, name);
    return out;
}

bool ne_pace_equal(struct ne_pace a, struct ne_pace b) {
    return a.count == b.count && a.seconds == b.seconds;
}
