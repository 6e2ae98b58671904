/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

#include "core/text.h"

#include <string.h>

struct node {
    char *segment;     /* NULL for a `:name` */
    struct node *next; /* sibling: among the written-out ones */
    struct node *children, *parameter;
    const struct route *rows[METHOD_UNKNOWN];
    char *allow;
};

struct router {
    struct node root;
};

static void node_free(struct node *node)
{
    if (!node)
        return;
    for (struct node *child = node->children, *next; child; child = next) {
        next = child->next;
        node_free(child);
    }
    node_free(node->parameter);
    free(node->segment);
    free(node->allow);
    free(node);
}

void router_free(struct router **router)
{
    struct router *old = MOVE(*router);

    if (!old)
        return;
    for (struct node *child = old->root.children, *next; child; child = next) {
        next = child->next;
        node_free(child);
    }
    node_free(old->root.parameter);
    free(old);
}

static struct node *child_of(const struct node *node, const char *segment, size_t length)
{
    struct node *child = node->children;

    while (child && (strncmp(child->segment, segment, length) != 0 || child->segment[length]))
        child = child->next;
    return child;
}

static struct node *add_child(struct node *node, const char *segment, size_t length)
{
    struct node *child = calloc(1, sizeof *child);

    if (!child)
        return NULL;
    if (*segment == ':') {
        node->parameter = child;
        return child;
    }
    child->segment = strndup(segment, length);
    if (!child->segment) {
        free(child);
        return NULL;
    }
    child->next = node->children;
    node->children = child;
    return child;
}

/* The node of a row's path, made where it does not exist. */
static int grow(struct node *root, const struct route *row, struct node **ret, struct error *err)
{
    struct node *node = root;
    unsigned segments = 0, parameters = 0;

    for (const char *at = row->path; *at;) {
        const char *segment = at + 1;
        size_t length = strcspn(segment, "/");
        bool is_parameter = *segment == ':';

        if (*at != '/' || (length == 0 && segment[0]) || (is_parameter && length < 2))
            return fail_internal(err, "route %s %s: malformed path", row->method, row->path);
        if (++segments > PATH_SEGMENTS_MAX || (parameters += is_parameter) > ROUTE_PARAMETERS_MAX)
            return fail_internal(err, "route %s %s: too long", row->method, row->path);
        struct node *child = is_parameter ? node->parameter : child_of(node, segment, length);
        if (!child && !(child = add_child(node, segment, length)))
            return fail_internal(err, "out of memory");
        node = child;
        at = segment + length;
    }
    if (node == root)
        return fail_internal(err, "route %s without a path", row->method);
    *ret = node;
    return 0;
}

static int write_allow(struct node *node, struct error *err)
{
    CLEANUP(text_clear) struct text allow = {0};

    for (enum method method = METHOD_GET; method < METHOD_UNKNOWN; method++) {
        bool is_there = node->rows[method == METHOD_HEAD ? METHOD_GET : method] != NULL;
        if (is_there)
            text_format(&allow, "%s%s", allow.length ? ", " : "", method_text(method));
    }
    free(node->allow);
    node->allow = text_take(&allow);
    return node->allow ? 0 : fail_internal(err, "out of memory");
}

static int add_row(struct router *router, const struct route *row, struct error *err)
{
    enum method method = method_from_text(row->method);
    struct node *node = NULL;

    if (method == METHOD_UNKNOWN || method == METHOD_HEAD || !row->handle)
        return fail_internal(err, "route %s %s: no such method, or no handler", row->method,
                             row->path);
    if (row->body == FILE_BODY && !row->open_body)
        return fail_internal(err, "route %s %s: no open_body", row->method, row->path);
    if (grow(&router->root, row, &node, err))
        return -1;
    if (node->rows[method])
        return fail_internal(err, "route %s %s: there twice, as %s", row->method, row->path,
                             node->rows[method]->path);
    node->rows[method] = row;
    return write_allow(node, err);
}

/* Parameters are taken down on the way back, when it is known which way was right. */
static const struct node *descend(const struct node *node, const struct path *path, unsigned depth,
                                  unsigned parameters, struct routed *ret)
{
    if (depth == path->count)
        return node->allow ? node : NULL;

    const char *segment = path->segments[depth];
    const struct node *child = child_of(node, segment, strlen(segment));
    const struct node *found = child ? descend(child, path, depth + 1, parameters, ret) : NULL;
    if (found || !node->parameter || !*segment)
        return found;
    found = descend(node->parameter, path, depth + 1, parameters + 1, ret);
    if (found)
        ret->parameters[parameters] = segment;
    return found;
}

void router_find(const struct router *router, enum method method, const struct path *path,
                 struct routed *ret)
{
    const struct node *node = NULL;

    if (path->count <= PATH_SEGMENTS_MAX)
        node = descend(&router->root, path, 0, 0, ret);
    ret->allow = node ? node->allow : NULL;
    ret->route = node ? node->rows[method == METHOD_HEAD ? METHOD_GET : method] : NULL;
}

/* Looks the row up by a path it stands for: its own, with a value in place of each name. */
static int find_itself(const struct router *router, const struct route *row, struct error *err)
{
    char example[PATH_LENGTH_MAX + 1], decoded[PATH_LENGTH_MAX + 1], *to = example;
    struct path path;
    struct routed routed = {0};

    if (strlen(row->path) > PATH_LENGTH_MAX)
        return fail_internal(err, "route %s %s: too long", row->method, row->path);
    for (const char *at = row->path; *at; at++)
        *to++ = *at == ':' && at[-1] == '/' ? '~' : *at;
    *to = '\0';
    if (path_split(example, decoded, &path, err))
        return fail_internal(err, "route %s %s: not a path clients can send", row->method,
                             row->path);
    router_find(router, method_from_text(row->method), &path, &routed);
    if (routed.route != row)
        return fail_internal(err, "route %s %s: hidden by %s", row->method, row->path,
                             routed.route ? routed.route->path : "a row of another method");
    return 0;
}

int router_new(const struct routes *const *tables, struct router **ret, struct error *err)
{
    CLEANUP(router_free) struct router *router = calloc(1, sizeof *router);

    if (!router)
        return fail_internal(err, "out of memory");
    for (const struct routes *const *table = tables; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++)
            if (add_row(router, &(*table)->at[i], err))
                return -1;
    for (const struct routes *const *table = tables; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++)
            if (find_itself(router, &(*table)->at[i], err))
                return -1;
    *ret = MOVE(router);
    return 0;
}

int routes_check(const struct routes *const *tables, struct error *err)
{
    CLEANUP(router_free) struct router *router = NULL;

    return router_new(tables, &router, err);
}
