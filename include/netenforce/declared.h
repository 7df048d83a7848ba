/* declared.h - policies that the operator wrote into a file: docs/policy.schema.json.
 *
 *   {"version": 1, "networks": {"10.88.0.0/24": {"allow": ["10.0.0.5:5432/tcp"], "refuse":
 * "drop"}}}
 *
 * A network is named by its id, its bridge or one of its pools, and what stands there is its whole
 * policy: an option that is left out has its default, whatever `docker network create -o` gave.
 * What belongs to the links (MTU, the bridge's name) is no part of a policy. Other networks keep
 * theirs.
 */
#ifndef NETENFORCE_DECLARED_H
#define NETENFORCE_DECLARED_H

#include <jansson.h>
#include <netenforce/error.h>
#include <netenforce/model.h>

#define NE_DECLARED_NAME 128
#define NE_DECLARED_SIZE (1u << 20) /* most bytes of a file */

struct ne_declared {
    char network[NE_DECLARED_NAME]; /* as it is written */
    struct ne_options options;
    bool late; /* not in force yet where its network is there: the driver's */
};

/* Owning. */
struct ne_declarations {
    struct ne_declared *items;
    size_t count;
};

/* ne_declarations_parse() - Read a whole file's @text. Pure. On failure nothing is to be released,
 * and @err names the line, or the network and the option.
 */
int ne_declarations_parse(struct ne_declarations *declarations, const char *text, size_t size,
                          struct ne_error *err);

/* ne_declarations_load() - The same from the file at @path, which is only read. */
int ne_declarations_load(struct ne_declarations *declarations, const char *path,
                         struct ne_error *err);

void ne_declarations_free(struct ne_declarations *declarations);

/* ne_declared_names() - Whether @declared is about @network. */
bool ne_declared_names(const struct ne_declared *declared, const struct ne_network *network);

/* ne_declaration_of() - What is declared of @network, or NULL: nothing. */
const struct ne_declared *ne_declaration_of(const struct ne_declarations *declarations,
                                            const struct ne_network *network);

/* ne_declared_options() - What @network is to have: what is declared, and of its own, @given, what
 * belongs to the links.
 */
struct ne_options ne_declared_options(const struct ne_declared *declared,
                                      const struct ne_options *given);

/* ne_option_text() - An option's value in JSON, a text or a list of texts, as one text that
 * ne_options_set() reads. @key names it in an error. Return: 0, or -1 with NE_BAD_INPUT.
 */
int ne_option_text(const char *key, const json_t *value, char out[static NE_OPTION_TEXT],
                   struct ne_error *err);

#endif
