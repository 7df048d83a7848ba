/* querylog.c - see querylog.h. */
#include "querylog.h"

#include <string.h>

/* What is left of a line. */
struct rest {
    const char *at;
    size_t size;
};

static bool take(struct rest *rest, const char *word) {
    size_t size = strlen(word);
    if (rest->size < size || memcmp(rest->at, word, size) != 0)
        return false;
    rest->at += size;
    rest->size -= size;
    return true;
}

static bool take_number(struct rest *rest, unsigned *value) {
    size_t digits = 0;
    *value = 0;
    for (; digits < rest->size && digits < 9; digits++) {
        char c = rest->at[digits];
        if (c < '0' || c > '9')
            break;
        *value = *value * 10 + (unsigned)(c - '0');
    }
    rest->at += digits;
    rest->size -= digits;
    return digits > 0;
}

/* copy() - As much of @size bytes as fits. What no name or answer has is shown as '?'. */
static void copy(char *out, size_t room, const char *text, size_t size) {
    size_t length = size < room - 1 ? size : room - 1;
    memcpy(out, text, length);
    for (size_t i = 0; i < length; i++) {
        if (out[i] < ' ' || out[i] > '~')
            out[i] = '?';
    }
    out[length] = '\0';
}

/* take_until() - What stands before the next @end, which is passed over. */
static bool take_until(struct rest *rest, char end, struct rest *before) {
    const char *found = rest->size == 0 ? NULL : memchr(rest->at, end, rest->size);
    if (found == NULL)
        return false;
    *before = (struct rest){rest->at, (size_t)(found - rest->at)};
    rest->size -= before->size + 1;
    rest->at = found + 1;
    return true;
}

/* split_last() - Cut @rest at the last @word: names may hold it, what is behind may not. */
static bool split_last(const struct rest *rest, const char *word, struct rest *before,
                       struct rest *behind) {
    size_t size = strlen(word);
    for (size_t at = rest->size + 1 > size ? rest->size + 1 - size : 0; at-- > 0;) {
        if (memcmp(rest->at + at, word, size) != 0)
            continue;
        *before = (struct rest){rest->at, at};
        *behind = (struct rest){rest->at + at + size, rest->size - at - size};
        return true;
    }
    return false;
}

static bool begins(const struct rest *text, const char *with) {
    return text->size >= strlen(with) && memcmp(text->at, with, strlen(with)) == 0;
}

/* result_of() - What an answer of a server comes to. */
static enum ne_query_result result_of(const struct rest *name, const struct rest *answer) {
    if (begins(answer, "NXDOMAIN"))
        return NE_QUERY_NXDOMAIN;
    if (begins(answer, "NODATA"))
        return NE_QUERY_NODATA;
    return name->size == strlen("error") && begins(name, "error") ? NE_QUERY_FAILED
                                                                  : NE_QUERY_ANSWERED;
}

/* config_result() - Of an answer of dnsmasq's own. It has none to give but of a list: else it has
 * no server to ask, or does not know such questions. */
static enum ne_query_result config_result(const struct rest *answer) {
    return begins(answer, "NXDOMAIN") ? NE_QUERY_DENIED : NE_QUERY_FAILED;
}

static bool parse_query(struct rest rest, struct querylog_line *parsed) {
    struct rest type;
    struct rest name;
    struct rest from;
    if (!take(&rest, "query[") || !take_until(&rest, ']', &type) || !take(&rest, " ") ||
        !split_last(&rest, " from ", &name, &from))
        return false;
    copy(parsed->type, sizeof(parsed->type), type.at, type.size);
    copy(parsed->name, sizeof(parsed->name), name.at, name.size);
    parsed->kind = QUERYLOG_QUERY;
    return true;
}

static bool parse_answer(struct rest rest, struct querylog_line *parsed) {
    bool reply = take(&rest, "reply ");
    struct rest name;
    struct rest answer;
    if ((!reply && !take(&rest, "config ")) || !split_last(&rest, " is ", &name, &answer))
        return false;
    parsed->kind = QUERYLOG_ANSWER;
    parsed->result = reply ? result_of(&name, &answer) : config_result(&answer);
    if (reply && parsed->result == NE_QUERY_ANSWERED)
        copy(parsed->answer, sizeof(parsed->answer), answer.at, answer.size);
    return true;
}

/* parse_question() - SERIAL ADDR/PORT, and what happened. */
static bool parse_question(struct rest rest, struct querylog_line *parsed) {
    struct rest addr;
    char text[NE_ADDR_TEXT];
    if (!take_number(&rest, &parsed->serial) || !take(&rest, " ") ||
        !take_until(&rest, '/', &addr) || addr.size >= sizeof(text))
        return false;
    memcpy(text, addr.at, addr.size);
    text[addr.size] = '\0';
    if (strlen(text) != addr.size || !ne_addr_parse(text, &parsed->client) ||
        !take_number(&rest, &parsed->port) || !take(&rest, " "))
        return false;
    return parse_query(rest, parsed) || parse_answer(rest, parsed);
}

void querylog_parse(const char *line, size_t length, struct querylog_line *parsed) {
    struct rest rest = {line, length};
    *parsed = (struct querylog_line){.kind = QUERYLOG_OTHER};
    if (take(&rest, "dnsmasq: ")) {
        parsed->kind = QUERYLOG_WORDS;
        copy(parsed->name, sizeof(parsed->name), rest.at, rest.size);
        return;
    }
    if (!take(&rest, "dnsmasq[") || !take_number(&rest, &parsed->pid) || !take(&rest, "]: "))
        return;
    if (begins(&rest, "started, version"))
        parsed->kind = QUERYLOG_READY;
    else if (!parse_question(rest, parsed))
        parsed->kind = QUERYLOG_OTHER;
}
