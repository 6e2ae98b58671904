/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's parser keeps at most 100 things in mind, and every operand before an open parenthesis is
 * some of them. So the operand that needs most is written first, when nothing is open yet: then it
 * takes two operands of equal need to make one that needs more, and 500 comparisons at a depth of
 * 32 come to about 50. The order of operands has no meaning. */
#include "campaign/filter_sql.h"

#include "campaign/filter_tree.h"
#include "core/text.h"

struct writer {
    const struct filter *filter;
    struct text text;
    const char **values;
    size_t count;
};

/* -- comparisons -- */

static void write_value(struct writer *writer, const char *value)
{
    text_append(&writer->text, "?");
    writer->values[writer->count++] = value;
}

static void write_list(struct writer *writer, const struct filter_node *node)
{
    for (size_t i = 0; i < node->value_count; i++) {
        text_append(&writer->text, i ? ", " : "");
        write_value(writer, writer->filter->values[node->value + i]);
    }
}

static void write_test(struct writer *writer, const struct filter_node *node, const char *column,
                       enum filter_relation relation)
{
    static const char *const signs[] = {
        [FILTER_EQUAL] = "=",       [FILTER_UNEQUAL] = "<>", [FILTER_LESS] = "<",
        [FILTER_LESS_EQUAL] = "<=", [FILTER_MORE] = ">",     [FILTER_MORE_EQUAL] = ">=",
    };
    const char *value = writer->filter->values[node->value];

    if (node->kind == FILTER_IN) {
        text_format(&writer->text, "%s IN (", column);
        write_list(writer, node);
        text_append(&writer->text, ")");
    } else if (relation <= FILTER_UNEQUAL) {
        text_format(&writer->text, "%s %s ", column, signs[relation]);
        write_value(writer, value);
    } else {
        text_format(&writer->text, "version_order(%s, ", column);
        write_value(writer, value);
        text_format(&writer->text, ") %s 0", signs[relation]);
    }
}

/* Tags and attributes lie in tables of their own. "!=" asks that no row is equal, so that it is
 * true of a device without one; everything else asks for a row. */
static void write_existence(struct writer *writer, const struct filter_node *node)
{
    bool is_not = node->kind == FILTER_COMPARE && node->relation == FILTER_UNEQUAL;
    enum filter_relation relation = is_not ? FILTER_EQUAL : node->relation;

    text_append(&writer->text, is_not ? "NOT EXISTS (SELECT 1 FROM " : "EXISTS (SELECT 1 FROM ");
    if (node->field == FILTER_TAG) {
        text_append(&writer->text, "device_tag AS t WHERE t.device_row = d.row_id AND ");
        write_test(writer, node, "t.tag", relation);
    } else {
        text_append(&writer->text,
                    "device_attribute AS a WHERE a.device_row = d.row_id AND a.name = ");
        write_value(writer, node->attribute);
        text_append(&writer->text, " AND ");
        write_test(writer, node, "a.value", relation);
    }
    text_append(&writer->text, ")");
}

static void write_comparison(struct writer *writer, const struct filter_node *node)
{
    static const char *const columns[] = {
        [FILTER_ID] = "d.id",     [FILTER_MODEL] = "d.model",     [FILTER_HARDWARE] = "d.hardware",
        [FILTER_SITE] = "d.site", [FILTER_VERSION] = "d.version", [FILTER_STATE] = "d.state",
    };

    if (node->field == FILTER_TAG || node->field == FILTER_ATTRIBUTE)
        write_existence(writer, node);
    else
        write_test(writer, node, columns[node->field], node->relation);
}

/* -- groups -- */

static bool is_group(enum filter_kind kind)
{
    return kind == FILTER_AND || kind == FILTER_OR;
}

/* "not" binds closer than "and", and that closer than "or". */
static bool has_parentheses(enum filter_kind kind, enum filter_kind parent)
{
    return parent == FILTER_NOT ? is_group(kind) : parent == FILTER_AND && kind == FILTER_OR;
}

/* What SQLite's parser has to keep in mind while it reads this node. */
static size_t need_of(const struct filter *filter, size_t at, enum filter_kind parent)
{
    const struct filter_node *node = &filter->nodes[at];
    size_t most = 0, second = 0, operators = 0;

    for (size_t child = node->first_child; child; child = filter->nodes[child].sibling) {
        size_t need = need_of(filter, child, node->kind);

        if (need > most) {
            second = most;
            most = need;
        } else if (need > second) {
            second = need;
        }
        operators = child == node->first_child ? 0 : 2; /* the operand before, and its operator */
    }
    size_t inner = most > second + operators ? most : second + operators;
    return inner + (node->kind == FILTER_NOT) + has_parentheses(node->kind, parent);
}

static size_t neediest_child(const struct filter *filter, const struct filter_node *node)
{
    size_t neediest = node->first_child, most = 0;

    for (size_t child = node->first_child; child; child = filter->nodes[child].sibling) {
        size_t need = need_of(filter, child, node->kind);

        if (need > most) {
            most = need;
            neediest = child;
        }
    }
    return neediest;
}

static void write_node(struct writer *writer, size_t at, enum filter_kind parent);

static void write_group(struct writer *writer, const struct filter_node *node)
{
    const struct filter *filter = writer->filter;
    size_t first = neediest_child(filter, node);

    write_node(writer, first, node->kind);
    for (size_t child = node->first_child; child; child = filter->nodes[child].sibling) {
        if (child == first)
            continue;
        text_append(&writer->text, node->kind == FILTER_AND ? " AND " : " OR ");
        write_node(writer, child, node->kind);
    }
}

static void write_node(struct writer *writer, size_t at, enum filter_kind parent)
{
    const struct filter_node *node = &writer->filter->nodes[at];
    bool is_enclosed = has_parentheses(node->kind, parent);

    text_append(&writer->text, is_enclosed ? "(" : "");
    if (node->kind == FILTER_ALL) {
        text_append(&writer->text, "1 = 1");
    } else if (node->kind == FILTER_NOT) {
        text_append(&writer->text, "NOT ");
        write_node(writer, node->first_child, node->kind);
    } else if (is_group(node->kind)) {
        write_group(writer, node);
    } else {
        write_comparison(writer, node);
    }
    text_append(&writer->text, is_enclosed ? ")" : "");
}

int filter_to_sql(const struct filter *filter, struct filter_sql *ret, struct error *err)
{
    struct writer writer = {.filter = filter};
    /* Names of attributes are values too: at most one in every node. */
    CLEANUP(free_memory)
    const char **values = calloc(filter->value_count + filter->node_count, sizeof *values);

    if (!values)
        return fail_internal(err, "memory for the values of a filter");
    writer.values = values;
    write_node(&writer, filter->root, FILTER_OR);
    char *condition = text_take(&writer.text);
    if (!condition)
        return fail_internal(err, "memory for a filter as SQL");
    *ret = (struct filter_sql){condition, MOVE(values), writer.count};
    return 0;
}

void filter_sql_clear(struct filter_sql *sql)
{
    free(sql->condition);
    free(sql->values);
    *sql = (struct filter_sql){0};
}
