/* SPDX-License-Identifier: Apache-2.0 */
/* From method and path to the row of a route table: a tree of segments, built once at start. */
#ifndef OTAD_HTTP_ROUTER_H
#define OTAD_HTTP_ROUTER_H

#include "http/head.h"
#include "http/server.h"
#include "http/uri.h"

#define ROUTE_PARAMETERS_MAX 8

struct router;

struct routed {
    const struct route *route;                    /* NULL: nothing here has this method */
    const char *allow;                            /* the methods there are; NULL: no such path */
    const char *parameters[ROUTE_PARAMETERS_MAX]; /* in the order of the row's path; from `path` */
};

/* Builds the tree and then asks it for every row. Refuses malformed paths, repeated rows, unknown
 * methods and rows that another one hides. `tables` ends with NULL. */
int router_new(const struct routes *const *tables, struct router **ret,
               struct error *err) MUST_CHECK;
void router_free(struct router **router);

/* Segments written out win over `:name` at the same place. HEAD finds GET. */
void router_find(const struct router *router, enum method method, const struct path *path,
                 struct routed *ret);

/* The same checks without keeping the tree: for unit tests of the tables. */
int routes_check(const struct routes *const *tables, struct error *err) MUST_CHECK;

#endif
