/* SPDX-License-Identifier: Apache-2.0 */
/* The request target: path segments and query values, checked and decoded once. */
#ifndef OTAD_HTTP_URI_H
#define OTAD_HTTP_URI_H

#include "core/error.h"

#include <stdbool.h>

#define PATH_LENGTH_MAX 1024
#define PATH_SEGMENTS_MAX 16
#define QUERY_VALUES_MAX 24

struct path {
    unsigned count; /* of segments; PATH_SEGMENTS_MAX + 1 when there are more: no row has so many */
    const char *segments[PATH_SEGMENTS_MAX];
};
struct query_value {
    const char *name, *value;
};
struct query_values {
    unsigned count;
    struct query_value at[QUERY_VALUES_MAX];
};

/* Splits and decodes an absolute path. `decoded` has room for it with its NUL and holds the
 * segments. Refuses what no honest client sends and some parser reads otherwise: empty inner
 * segments, dot segments, encoded slashes, NUL, control characters, double encoding, bytes that are
 * not UTF-8. */
int path_split(const char *path, char *decoded, struct path *ret, struct error *err) MUST_CHECK;

/* Splits and decodes "a=1&b=2" in place. A repeated name is refused. */
int query_split(char *query, struct query_values *ret, struct error *err) MUST_CHECK;

#endif
