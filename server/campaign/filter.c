/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent into the tree of filter_tree.h, and the walk that asks it about one device. */
#include "campaign/filter_tree.h"

#include "core/text.h"
#include "core/version.h"

#include <ctype.h>
#include <string.h>

#define VALUE_MAX 256

enum token {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_STRING,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_BRACKET_OPEN,
    TOKEN_BRACKET_CLOSE,
    TOKEN_COMMA,
    TOKEN_RELATION,
};

struct parser {
    struct filter *filter;
    const char *text, *at;
    char *pool_end;
    enum token token;
    const char *word;              /* of TOKEN_WORD and TOKEN_STRING */
    enum filter_relation relation; /* of TOKEN_RELATION */
    size_t position;               /* of the token, from 1 */
    int depth, terms;
};

/* -- tokens -- */

static int bad(const struct parser *parser, const char *what, struct error *err)
{
    return fail(err, PROBLEM_BAD_FILTER, "position %zu: %s", parser->position, what);
}

static int too_many(const struct parser *parser, const char *what, int most, struct error *err)
{
    return fail(err, PROBLEM_BAD_FILTER, "position %zu: more than %d %s", parser->position, most,
                what);
}

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("._+~:-", c));
}

static int take_string(struct parser *parser, struct error *err)
{
    char *start = parser->pool_end;

    for (parser->at++; *parser->at != '"'; parser->at++) {
        if (*parser->at == '\\' && (parser->at[1] == '"' || parser->at[1] == '\\'))
            parser->at++;
        else if (*parser->at == '\\')
            return bad(parser, "only \\\" and \\\\ are known in a string", err);
        if ((unsigned char)*parser->at < ' ')
            return bad(parser,
                       *parser->at ? "a control character in a string" : "the string has no end",
                       err);
        *parser->pool_end++ = *parser->at;
    }
    parser->at++;
    *parser->pool_end++ = '\0';
    parser->word = start;
    parser->token = TOKEN_STRING;
    return strlen(start) > VALUE_MAX ? bad(parser, "the string is too long", err) : 0;
}

static int take_word(struct parser *parser, struct error *err)
{
    char *start = parser->pool_end;

    while (is_word_byte(*parser->at))
        *parser->pool_end++ = *parser->at++;
    *parser->pool_end++ = '\0';
    parser->word = start;
    parser->token = TOKEN_WORD;
    return strlen(start) > VALUE_MAX ? bad(parser, "the word is too long", err) : 0;
}

static int take_sign(struct parser *parser, struct error *err)
{
    static const struct {
        const char *sign;
        enum token token;
        enum filter_relation relation;
    } signs[] = {
        {"!=", TOKEN_RELATION,      FILTER_UNEQUAL   },
        {"<=", TOKEN_RELATION,      FILTER_LESS_EQUAL},
        {">=", TOKEN_RELATION,      FILTER_MORE_EQUAL},
        {"=",  TOKEN_RELATION,      FILTER_EQUAL     },
        {"<",  TOKEN_RELATION,      FILTER_LESS      },
        {">",  TOKEN_RELATION,      FILTER_MORE      },
        {"(",  TOKEN_OPEN,          FILTER_EQUAL     },
        {")",  TOKEN_CLOSE,         FILTER_EQUAL     },
        {"[",  TOKEN_BRACKET_OPEN,  FILTER_EQUAL     },
        {"]",  TOKEN_BRACKET_CLOSE, FILTER_EQUAL     },
        {",",  TOKEN_COMMA,         FILTER_EQUAL     },
    };

    for (size_t i = 0; i < COUNT_OF(signs); i++)
        if (text_starts_with(parser->at, signs[i].sign)) {
            parser->token = signs[i].token;
            parser->relation = signs[i].relation;
            parser->at += strlen(signs[i].sign);
            return 0;
        }
    return bad(parser, "this character has no meaning here", err);
}

static int advance(struct parser *parser, struct error *err)
{
    while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n' || *parser->at == '\r')
        parser->at++;
    parser->position = (size_t)(parser->at - parser->text) + 1;
    parser->token = TOKEN_END;
    if (*parser->at == '\0')
        return 0;
    if (*parser->at == '"')
        return take_string(parser, err);
    if (is_word_byte(*parser->at))
        return take_word(parser, err);
    return take_sign(parser, err);
}

static bool is_keyword(const struct parser *parser, const char *keyword)
{
    return parser->token == TOKEN_WORD && text_same_ignoring_case(parser->word, keyword);
}

static bool is_any_keyword(const struct parser *parser)
{
    static const char *const keywords[] = {"and", "or", "not", "in", "all"};

    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (is_keyword(parser, keywords[i]))
            return true;
    return false;
}

/* -- the tree -- */

static size_t new_node(struct parser *parser, enum filter_kind kind)
{
    struct filter *filter = parser->filter;

    filter->nodes[filter->node_count] = (struct filter_node){.kind = kind};
    return filter->node_count++;
}

static int parse_expression(struct parser *parser, size_t *ret, struct error *err);

static int expect(struct parser *parser, enum token token, const char *what, struct error *err)
{
    if (parser->token != token)
        return bad(parser, what, err);
    return advance(parser, err);
}

static int parse_value(struct parser *parser, struct error *err)
{
    struct filter *filter = parser->filter;

    if ((parser->token != TOKEN_WORD && parser->token != TOKEN_STRING) || is_any_keyword(parser))
        return bad(parser, "a value is expected", err);
    if (filter->value_count == FILTER_VALUES_MAX)
        return too_many(parser, "values", FILTER_VALUES_MAX, err);
    filter->values[filter->value_count++] = parser->word;
    return advance(parser, err);
}

static int parse_attribute(struct parser *parser, struct filter_node *node, struct error *err)
{
    node->field = FILTER_ATTRIBUTE;
    if (advance(parser, err))
        return -1;
    if (parser->token != TOKEN_BRACKET_OPEN)
        return bad(parser, "'[' is expected after attribute", err);
    if (advance(parser, err))
        return -1;
    if (parser->token != TOKEN_STRING || parser->word[0] == '\0')
        return bad(parser, "the attribute's name in quotes is expected", err);
    node->attribute = parser->word;
    if (advance(parser, err))
        return -1;
    return expect(parser, TOKEN_BRACKET_CLOSE, "']' is expected", err);
}

static int parse_field(struct parser *parser, struct filter_node *node, struct error *err)
{
    static const char *const fields[] = {
        [FILTER_ID] = "id",     [FILTER_MODEL] = "model",     [FILTER_HARDWARE] = "hardware",
        [FILTER_SITE] = "site", [FILTER_VERSION] = "version", [FILTER_STATE] = "state",
        [FILTER_TAG] = "tag",
    };

    if (parser->token != TOKEN_WORD)
        return bad(parser, "a field, 'not', 'all' or '(' is expected", err);
    if (strcmp(parser->word, "attribute") == 0 || strcmp(parser->word, "attr") == 0)
        return parse_attribute(parser, node, err);
    if (text_starts_with(parser->word, "attr.") && parser->word[5]) {
        node->field = FILTER_ATTRIBUTE;
        node->attribute = parser->word + 5;
        return advance(parser, err);
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (strcmp(parser->word, fields[i]) == 0) {
            node->field = (enum filter_field)i;
            return advance(parser, err);
        }
    return bad(parser,
               "fields are id, model, hardware, site, version, state, tag and "
               "attribute[\"name\"]",
               err);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int parse_in(struct parser *parser, struct filter_node *node, struct error *err)
{
    node->kind = FILTER_IN;
    node->value = parser->filter->value_count;
    if (advance(parser, err) || expect(parser, TOKEN_OPEN, "'(' is expected after in", err))
        return -1;
    for (;;) {
        if (parse_value(parser, err))
            return -1;
        if (parser->token != TOKEN_COMMA)
            break;
        if (advance(parser, err))
            return -1;
    }
    node->value_count = parser->filter->value_count - node->value;
    qsort(parser->filter->values + node->value, node->value_count, sizeof(char *), by_bytes);
    return expect(parser, TOKEN_CLOSE, "',' or ')' is expected", err);
}

static int parse_relation(struct parser *parser, struct filter_node *node, struct error *err)
{
    if (parser->token != TOKEN_RELATION)
        return bad(parser, "one of = != < <= > >= in is expected", err);
    bool has_order = node->field != FILTER_TAG && node->field != FILTER_STATE;
    if (!has_order && parser->relation > FILTER_UNEQUAL)
        return bad(parser, "tags and states have no order", err);
    node->relation = parser->relation;
    node->value = parser->filter->value_count;
    node->value_count = 1;
    return advance(parser, err) || parse_value(parser, err) ? -1 : 0;
}

/* "x not in (…)" becomes a NOT above the IN. */
static int parse_comparison(struct parser *parser, size_t *ret, struct error *err)
{
    size_t at = new_node(parser, FILTER_COMPARE);
    struct filter_node *node = &parser->filter->nodes[at];

    *ret = at;
    if (parse_field(parser, node, err))
        return -1;
    if (is_keyword(parser, "in"))
        return parse_in(parser, node, err);
    if (!is_keyword(parser, "not"))
        return parse_relation(parser, node, err);
    if (advance(parser, err))
        return -1;
    if (!is_keyword(parser, "in"))
        return bad(parser, "'in' is expected after 'not'", err);
    *ret = new_node(parser, FILTER_NOT);
    parser->filter->nodes[*ret].first_child = at;
    return parse_in(parser, node, err);
}

static int parse_leaf(struct parser *parser, size_t *ret, struct error *err)
{
    if (++parser->terms > FILTER_TERMS_MAX)
        return too_many(parser, "comparisons; \"in\" takes many values as one", FILTER_TERMS_MAX,
                        err);
    if (!is_keyword(parser, "all"))
        return parse_comparison(parser, ret, err);
    *ret = new_node(parser, FILTER_ALL);
    return advance(parser, err);
}

static int parse_term(struct parser *parser, size_t *ret, struct error *err);

static int parse_not(struct parser *parser, size_t *ret, struct error *err)
{
    size_t child;

    *ret = new_node(parser, FILTER_NOT);
    if (advance(parser, err) || parse_term(parser, &child, err))
        return -1;
    parser->filter->nodes[*ret].first_child = child;
    return 0;
}

static int parse_term(struct parser *parser, size_t *ret, struct error *err)
{
    bool is_not = is_keyword(parser, "not");

    if (!is_not && parser->token != TOKEN_OPEN)
        return parse_leaf(parser, ret, err);
    if (++parser->depth > FILTER_DEPTH_MAX)
        return bad(parser, "too deeply nested", err);
    if (is_not ? parse_not(parser, ret, err)
               : advance(parser, err) || parse_expression(parser, ret, err) ||
                     expect(parser, TOKEN_CLOSE, "'and', 'or' or ')' is expected", err))
        return -1;
    parser->depth--;
    return 0;
}

typedef int (*parse_fn)(struct parser *parser, size_t *ret, struct error *err);

/* One operand stays as it is; more become the children of a group. */
static int parse_group(struct parser *parser, const char *keyword, enum filter_kind kind,
                       parse_fn operand, size_t *ret, struct error *err)
{
    size_t last;

    if (operand(parser, &last, err))
        return -1;
    *ret = last;
    if (!is_keyword(parser, keyword))
        return 0;
    *ret = new_node(parser, kind);
    parser->filter->nodes[*ret].first_child = last;
    while (is_keyword(parser, keyword)) {
        size_t next;

        if (advance(parser, err) || operand(parser, &next, err))
            return -1;
        parser->filter->nodes[last].sibling = next;
        last = next;
    }
    return 0;
}

static int parse_conjunction(struct parser *parser, size_t *ret, struct error *err)
{
    return parse_group(parser, "and", FILTER_AND, parse_term, ret, err);
}

static int parse_expression(struct parser *parser, size_t *ret, struct error *err)
{
    return parse_group(parser, "or", FILTER_OR, parse_conjunction, ret, err);
}

/* Node 0 stays empty, so that 0 can mean "none". Every other node and every value takes at least
 * one byte of the text, and a decoded text is at most one NUL longer than what stood there. */
static struct filter *filter_new(size_t length)
{
    struct filter *filter = calloc(1, sizeof *filter);

    if (!filter)
        return NULL;
    filter->nodes = calloc(length + 2, sizeof *filter->nodes);
    filter->values = calloc(length + 1, sizeof *filter->values);
    filter->pool = malloc(2 * length + 2);
    filter->node_count = 1;
    if (!filter->nodes || !filter->values || !filter->pool)
        filter_free(&filter);
    return filter;
}

/* Gives back what the text turned out not to need; keeping all of it would be no harm. */
static void shrink(struct filter *filter)
{
    struct filter_node *nodes = realloc(filter->nodes, filter->node_count * sizeof *nodes);
    const char **values = realloc(filter->values, (filter->value_count + 1) * sizeof *values);

    filter->nodes = nodes ? nodes : filter->nodes;
    filter->values = values ? values : filter->values;
}

int filter_parse(const char *text, struct filter **ret, struct error *err)
{
    size_t length = strlen(text);

    if (length > FILTER_TEXT_MAX)
        return fail(err, PROBLEM_BAD_FILTER, "longer than %d bytes", FILTER_TEXT_MAX);
    CLEANUP(filter_free) struct filter *filter = filter_new(length);
    struct parser parser = {.filter = filter, .text = text, .at = text};
    if (!filter)
        return fail_internal(err, "memory for a filter");
    parser.pool_end = filter->pool;
    if (advance(&parser, err))
        return -1;
    if (parser.token == TOKEN_END)
        return bad(&parser, "the filter is empty; write \"all\" to mean every device", err);
    if (parse_expression(&parser, &filter->root, err))
        return -1;
    if (parser.token != TOKEN_END)
        return bad(&parser, "'and', 'or' or the end is expected", err);
    shrink(filter);
    *ret = MOVE(filter);
    return 0;
}

void filter_free(struct filter **filter)
{
    if (!*filter)
        return;
    free((*filter)->nodes);
    free((*filter)->values);
    free((*filter)->pool);
    free(*filter);
    *filter = NULL;
}

/* -- asking -- */

static const char *field_of(const struct filter_subject *subject, enum filter_field field)
{
    switch (field) {
    case FILTER_ID:
        return subject->id;
    case FILTER_MODEL:
        return subject->model;
    case FILTER_HARDWARE:
        return subject->hardware;
    case FILTER_SITE:
        return subject->site;
    case FILTER_VERSION:
        return subject->version;
    default:
        return subject->state;
    }
}

static bool compare(enum filter_relation relation, const char *have, const char *value)
{
    switch (relation) {
    case FILTER_EQUAL:
        return strcmp(have, value) == 0;
    case FILTER_UNEQUAL:
        return strcmp(have, value) != 0;
    case FILTER_LESS:
        return version_compare(have, value) < 0;
    case FILTER_LESS_EQUAL:
        return version_compare(have, value) <= 0;
    case FILTER_MORE:
        return version_compare(have, value) > 0;
    default:
        return version_compare(have, value) >= 0;
    }
}

static int has_any_tag(const struct filter *filter, const struct filter_node *node,
                       const struct filter_subject *subject, bool *ret, struct error *err)
{
    *ret = false;
    for (size_t i = 0; i < node->value_count && !*ret; i++)
        if (subject->has_tag(subject->arg, filter->values[node->value + i], ret, err))
            return -1;
    if (node->kind == FILTER_COMPARE && node->relation == FILTER_UNEQUAL)
        *ret = !*ret;
    return 0;
}

static int matches_leaf(const struct filter *filter, const struct filter_node *node,
                        const struct filter_subject *subject, bool *ret, struct error *err)
{
    char attribute[FILTER_ATTRIBUTE_SIZE];
    const char *have = attribute;
    bool is_known = true;

    if (node->field == FILTER_TAG)
        return has_any_tag(filter, node, subject, ret, err);
    if (node->field != FILTER_ATTRIBUTE)
        have = field_of(subject, node->field);
    else if (subject->attribute(subject->arg, node->attribute, attribute, sizeof attribute,
                                &is_known, err))
        return -1;
    if (!is_known) {
        *ret = node->kind == FILTER_COMPARE && node->relation == FILTER_UNEQUAL;
        return 0;
    }
    if (node->kind == FILTER_COMPARE) {
        *ret = compare(node->relation, have, filter->values[node->value]);
        return 0;
    }
    *ret = bsearch(&have, filter->values + node->value, node->value_count, sizeof(char *),
                   by_bytes) != NULL;
    return 0;
}

static int matches(const struct filter *filter, size_t at, const struct filter_subject *subject,
                   bool *ret, struct error *err)
{
    const struct filter_node *node = &filter->nodes[at];

    switch (node->kind) {
    case FILTER_ALL:
        *ret = true;
        return 0;
    case FILTER_NOT:
        if (matches(filter, node->first_child, subject, ret, err))
            return -1;
        *ret = !*ret;
        return 0;
    case FILTER_AND:
    case FILTER_OR:
        for (size_t child = node->first_child; child; child = filter->nodes[child].sibling) {
            if (matches(filter, child, subject, ret, err))
                return -1;
            if (*ret == (node->kind == FILTER_OR))
                return 0;
        }
        return 0;
    default:
        return matches_leaf(filter, node, subject, ret, err);
    }
}

int filter_matches(const struct filter *filter, const struct filter_subject *subject, bool *ret,
                   struct error *err)
{
    return matches(filter, filter->root, subject, ret, err);
}
