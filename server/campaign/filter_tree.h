/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed filter, shared by what evaluates it (filter.c) and what translates it (filter_sql.c).
 *
 * The nodes lie in one array and each names its first child and its next sibling, so that a long
 * chain of "or" is flat. Node 0 is nobody: 0 means "none". */
#ifndef OTAD_CAMPAIGN_FILTER_TREE_H
#define OTAD_CAMPAIGN_FILTER_TREE_H

#include "campaign/filter.h"

enum filter_kind {
    FILTER_ALL,
    FILTER_OR,
    FILTER_AND,
    FILTER_NOT,
    FILTER_COMPARE, /* with one value */
    FILTER_IN,      /* any of the values, which ascend byte by byte */
};

enum filter_field {
    FILTER_ID,
    FILTER_MODEL,
    FILTER_HARDWARE,
    FILTER_SITE,
    FILTER_VERSION,
    FILTER_STATE,
    FILTER_TAG,
    FILTER_ATTRIBUTE,
};

enum filter_relation {
    FILTER_EQUAL,
    FILTER_UNEQUAL,
    FILTER_LESS,
    FILTER_LESS_EQUAL,
    FILTER_MORE,
    FILTER_MORE_EQUAL,
};

struct filter_node {
    enum filter_kind kind;
    enum filter_field field;
    enum filter_relation relation; /* of FILTER_COMPARE */
    const char *attribute;         /* its name; NULL for other fields */
    size_t value, value_count;     /* into values */
    size_t first_child, sibling;   /* into nodes */
};

struct filter {
    struct filter_node *nodes;
    size_t node_count, root;
    const char **values;
    size_t value_count;
    char *pool; /* the decoded texts */
};

#endif
