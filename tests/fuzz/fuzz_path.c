/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: what path_split() lets through has no segment that a file system or another
 * parser could read otherwise; and what devices can ask for is found with all its parameters. */
#include "api/device/ddi.h"
#include "http/router.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct router *routes(void)
{
    static struct router *router;
    struct error err;

    if (!router && router_new(device_routes, &router, &err))
        abort();
    return router;
}

static void try_route(const struct path *path)
{
    struct routed routed = {0};
    unsigned i = 0;

    router_find(routes(), METHOD_GET, path, &routed);
    assert(!routed.route || routed.allow);
    for (const char *at = routed.route ? strstr(routed.route->path, "/:") : NULL; at;
         at = strstr(at + 1, "/:"))
        assert(routed.parameters[i] && *routed.parameters[i++]);
}

/* Errors are written for paths of any kind, also for those that are malformed. */
static void try_error(const char *path)
{
    static const struct error failure = {.problem = PROBLEM_BAD_REQUEST};
    CLEANUP(text_clear) struct text text = {0};
    const char *type = ddi_write_error(path, &failure, &text);

    assert(!type == !text.length);
    assert(!type || strstr(path, "/controller/v1"));
}

static void try_path(const char *text, char *room)
{
    struct path path;
    struct error err;

    if (path_split(text, room, &path, &err))
        return;
    unsigned count = path.count < PATH_SEGMENTS_MAX ? path.count : PATH_SEGMENTS_MAX;
    for (unsigned i = 0; i < count; i++) {
        const char *segment = path.segments[i];
        assert(strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0);
        assert(!strchr(segment, '/') && utf8_ok(segment, strlen(segment)));
        for (const char *at = segment; *at; at++)
            assert((unsigned char)*at >= 0x20 && *at != 0x7f);
    }
    try_route(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(free_string) char *text = strndup((const char *)data, size);
    CLEANUP(free_string) char *room = malloc(size + 1);
    struct query_values values;
    struct error err;

    if (!text || !room)
        return 0;
    try_error(text);
    try_path(text, room);
    if (query_split(text, &values, &err) == 0)
        assert(values.count <= QUERY_VALUES_MAX);
    return 0;
}
