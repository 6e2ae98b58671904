/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent into a tree of nodes in one array; a node names its first child and its next
 * sibling, so that a chain of a thousand "or" is flat. */
#include "campaign/filter.h"

#include "campaign/version.h"
#include "core/text.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 32
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
    TOKEN_EQUAL,
    TOKEN_UNEQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_MORE,
    TOKEN_MORE_EQUAL,
};

enum node_kind { NODE_ALL, NODE_OR, NODE_AND, NODE_NOT, NODE_COMPARE, NODE_IN };

enum field {
    FIELD_ID,
    FIELD_MODEL,
    FIELD_HARDWARE,
    FIELD_SITE,
    FIELD_VERSION,
    FIELD_STATE,
    FIELD_TAG,
    FIELD_ATTRIBUTE,
};

struct node {
    enum node_kind kind;
    enum field field;
    enum token relation;
    const char *attribute;
    size_t value, value_count;   /* into values */
    size_t first_child, sibling; /* into nodes; 0: none, as nobody has the root as a child */
};

struct filter {
    struct node *nodes;
    size_t node_count, root;
    const char **values;
    size_t value_count;
    char *pool; /* the decoded texts */
};

struct parser {
    struct filter *filter;
    const char *text, *at;
    char *pool_end;
    enum token token;
    const char *word; /* of TOKEN_WORD and TOKEN_STRING */
    size_t position;  /* of the token, from 1 */
    int depth;
};

/* -- tokens -- */

static int bad(const struct parser *parser, const char *what, struct error *err)
{
    return fail(err, PROBLEM_BAD_FILTER, "position %zu: %s", parser->position, what);
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
    } signs[] = {
        {"!=", TOKEN_UNEQUAL      },
        {"<=", TOKEN_LESS_EQUAL   },
        {">=", TOKEN_MORE_EQUAL   },
        {"=",  TOKEN_EQUAL        },
        {"<",  TOKEN_LESS         },
        {">",  TOKEN_MORE         },
        {"(",  TOKEN_OPEN         },
        {")",  TOKEN_CLOSE        },
        {"[",  TOKEN_BRACKET_OPEN },
        {"]",  TOKEN_BRACKET_CLOSE},
        {",",  TOKEN_COMMA        },
    };

    for (size_t i = 0; i < COUNT_OF(signs); i++)
        if (text_starts_with(parser->at, signs[i].sign)) {
            parser->token = signs[i].token;
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

static size_t new_node(struct parser *parser, enum node_kind kind)
{
    struct filter *filter = parser->filter;

    filter->nodes[filter->node_count] = (struct node){.kind = kind};
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
    filter->values[filter->value_count++] = parser->word;
    return advance(parser, err);
}

static int parse_attribute(struct parser *parser, struct node *node, struct error *err)
{
    node->field = FIELD_ATTRIBUTE;
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

static int parse_field(struct parser *parser, struct node *node, struct error *err)
{
    static const char *const fields[] = {
        [FIELD_ID] = "id",     [FIELD_MODEL] = "model",     [FIELD_HARDWARE] = "hardware",
        [FIELD_SITE] = "site", [FIELD_VERSION] = "version", [FIELD_STATE] = "state",
        [FIELD_TAG] = "tag",
    };

    if (parser->token != TOKEN_WORD)
        return bad(parser, "a field, 'not', 'all' or '(' is expected", err);
    if (strcmp(parser->word, "attribute") == 0 || strcmp(parser->word, "attr") == 0)
        return parse_attribute(parser, node, err);
    if (text_starts_with(parser->word, "attr.") && parser->word[5]) {
        node->field = FIELD_ATTRIBUTE;
        node->attribute = parser->word + 5;
        return advance(parser, err);
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (strcmp(parser->word, fields[i]) == 0) {
            node->field = (enum field)i;
            return advance(parser, err);
        }
    return bad(parser,
               "fields are id, model, hardware, site, version, state, tag and "
               "attribute[\"name\"]",
               err);
}

static int parse_in(struct parser *parser, struct node *node, struct error *err)
{
    node->kind = NODE_IN;
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
    return expect(parser, TOKEN_CLOSE, "',' or ')' is expected", err);
}

static int parse_operator(struct parser *parser, struct node *node, struct error *err)
{
    if (parser->token < TOKEN_EQUAL)
        return bad(parser, "one of = != < <= > >= in is expected", err);
    bool has_order = node->field != FIELD_TAG && node->field != FIELD_STATE;
    if (!has_order && parser->token > TOKEN_UNEQUAL)
        return bad(parser, "tags and states have no order", err);
    node->relation = parser->token;
    node->value = parser->filter->value_count;
    node->value_count = 1;
    return advance(parser, err) || parse_value(parser, err) ? -1 : 0;
}

/* "x not in (…)" becomes a NOT above the IN. */
static int parse_comparison(struct parser *parser, size_t *ret, struct error *err)
{
    size_t at = new_node(parser, NODE_COMPARE);
    struct node *node = &parser->filter->nodes[at];

    *ret = at;
    if (parse_field(parser, node, err))
        return -1;
    if (is_keyword(parser, "in"))
        return parse_in(parser, node, err);
    if (!is_keyword(parser, "not"))
        return parse_operator(parser, node, err);
    if (advance(parser, err))
        return -1;
    if (!is_keyword(parser, "in"))
        return bad(parser, "'in' is expected after 'not'", err);
    *ret = new_node(parser, NODE_NOT);
    parser->filter->nodes[*ret].first_child = at;
    return parse_in(parser, node, err);
}

static int parse_term(struct parser *parser, size_t *ret, struct error *err)
{
    if (is_keyword(parser, "not")) {
        if (++parser->depth > DEPTH_MAX)
            return bad(parser, "too deeply nested", err);
        size_t at = new_node(parser, NODE_NOT), child;
        if (advance(parser, err) || parse_term(parser, &child, err))
            return -1;
        parser->filter->nodes[at].first_child = child;
        parser->depth--;
        *ret = at;
        return 0;
    }
    if (is_keyword(parser, "all")) {
        *ret = new_node(parser, NODE_ALL);
        return advance(parser, err);
    }
    if (parser->token != TOKEN_OPEN)
        return parse_comparison(parser, ret, err);
    if (++parser->depth > DEPTH_MAX)
        return bad(parser, "too deeply nested", err);
    if (advance(parser, err) || parse_expression(parser, ret, err))
        return -1;
    parser->depth--;
    return expect(parser, TOKEN_CLOSE, "'and', 'or' or ')' is expected", err);
}

typedef int (*parse_fn)(struct parser *parser, size_t *ret, struct error *err);

/* One operand stays as it is; more become the children of a group. */
static int parse_group(struct parser *parser, const char *keyword, enum node_kind kind,
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
    return parse_group(parser, "and", NODE_AND, parse_term, ret, err);
}

static int parse_expression(struct parser *parser, size_t *ret, struct error *err)
{
    return parse_group(parser, "or", NODE_OR, parse_conjunction, ret, err);
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
    struct node *nodes = realloc(filter->nodes, filter->node_count * sizeof *nodes);
    const char **values = realloc(filter->values, (filter->value_count + 1) * sizeof *values);

    filter->nodes = nodes ? nodes : filter->nodes;
    filter->values = values ? values : filter->values;
}

int filter_parse(const char *text, struct filter **ret, struct error *err)
{
    CLEANUP(filter_free) struct filter *filter = filter_new(strlen(text));
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

static const char *field_of(const struct filter_subject *subject, enum field field)
{
    switch (field) {
    case FIELD_ID:
        return subject->id;
    case FIELD_MODEL:
        return subject->model;
    case FIELD_HARDWARE:
        return subject->hardware;
    case FIELD_SITE:
        return subject->site;
    case FIELD_VERSION:
        return subject->version;
    default:
        return subject->state;
    }
}

static bool compare(enum token relation, const char *have, const char *value)
{
    switch (relation) {
    case TOKEN_EQUAL:
        return strcmp(have, value) == 0;
    case TOKEN_UNEQUAL:
        return strcmp(have, value) != 0;
    case TOKEN_LESS:
        return version_compare(have, value) < 0;
    case TOKEN_LESS_EQUAL:
        return version_compare(have, value) <= 0;
    case TOKEN_MORE:
        return version_compare(have, value) > 0;
    default:
        return version_compare(have, value) >= 0;
    }
}

static int has_any_tag(const struct filter *filter, const struct node *node,
                       const struct filter_subject *subject, bool *ret, struct error *err)
{
    *ret = false;
    for (size_t i = 0; i < node->value_count && !*ret; i++)
        if (subject->has_tag(subject->arg, filter->values[node->value + i], ret, err))
            return -1;
    if (node->kind == NODE_COMPARE && node->relation == TOKEN_UNEQUAL)
        *ret = !*ret;
    return 0;
}

static int matches_leaf(const struct filter *filter, const struct node *node,
                        const struct filter_subject *subject, bool *ret, struct error *err)
{
    char attribute[FILTER_ATTRIBUTE_SIZE];
    const char *have = attribute;
    bool is_known = true;

    if (node->field == FIELD_TAG)
        return has_any_tag(filter, node, subject, ret, err);
    if (node->field != FIELD_ATTRIBUTE)
        have = field_of(subject, node->field);
    else if (subject->attribute(subject->arg, node->attribute, attribute, sizeof attribute,
                                &is_known, err))
        return -1;
    if (!is_known) {
        *ret = node->kind == NODE_COMPARE && node->relation == TOKEN_UNEQUAL;
        return 0;
    }
    if (node->kind == NODE_COMPARE) {
        *ret = compare(node->relation, have, filter->values[node->value]);
        return 0;
    }
    *ret = false;
    for (size_t i = 0; i < node->value_count && !*ret; i++)
        *ret = strcmp(have, filter->values[node->value + i]) == 0;
    return 0;
}

static int matches(const struct filter *filter, size_t at, const struct filter_subject *subject,
                   bool *ret, struct error *err)
{
    const struct node *node = &filter->nodes[at];

    switch (node->kind) {
    case NODE_ALL:
        *ret = true;
        return 0;
    case NODE_NOT:
        if (matches(filter, node->first_child, subject, ret, err))
            return -1;
        *ret = !*ret;
        return 0;
    case NODE_AND:
    case NODE_OR:
        for (size_t child = node->first_child; child; child = filter->nodes[child].sibling) {
            if (matches(filter, child, subject, ret, err))
                return -1;
            if (*ret == (node->kind == NODE_OR))
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
