/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: what path_split() lets through has no segment that a file system or another
 * parser could read otherwise. */
#include "core/text.h"
#include "http/uri.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(free_string) char *text = strndup((const char *)data, size);
    CLEANUP(free_string) char *room = malloc(size + 1);
    struct query_values values;
    struct error err;

    if (!text || !room)
        return 0;
    try_path(text, room);
    if (query_split(text, &values, &err) == 0)
        assert(values.count <= QUERY_VALUES_MAX);
    return 0;
}
