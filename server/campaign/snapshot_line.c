/* SPDX-License-Identifier: Apache-2.0 */
/* A product's line of releases, and images, as the resolver needs them. */
#include "campaign/engine.h"

#include "core/text.h"

#include <string.h>

/* -- images -- */

static int image_make(const struct target *target, struct image *image, struct error *err)
{
    json_auto_t *list = NULL;

    image->size = target->size;
    image->is_delta = text_ends_with(target->file, ".zck");
    if (json_read(target->hardware_ids, strlen(target->hardware_ids), &list, err))
        return -1;
    image->hardware = calloc(json_array_size(list) + 1, sizeof *image->hardware);
    if (!image->hardware)
        return fail_internal(err, "memory for hardware ids");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_array_get(list, i));

        image->hardware[i] = id ? strdup(id) : NULL;
        if (!image->hardware[i])
            return fail_internal(err, "hardware ids of target row %lld", (long long)target->row_id);
        image->hardware_count++;
    }
    return 0;
}

int images_load(struct tx *tx, int64_t release_row, struct image **ret, size_t *ret_count,
                struct error *err)
{
    struct target *targets = NULL;
    size_t count = 0;

    if (release_targets(tx, release_row, &targets, &count, err))
        return -1;
    struct image *images = calloc(count + 1, sizeof *images);
    int failed = images ? 0 : fail_internal(err, "memory for %zu images", count);
    for (size_t i = 0; i < count && !failed; i++)
        failed = image_make(&targets[i], &images[i], err);
    targets_free(&targets, count);
    if (failed) {
        images_free(images, count);
        return -1;
    }
    *ret = images;
    *ret_count = count;
    return 0;
}

/* -- lines -- */

static int add_release(const struct release *release, void *arg, struct error *err)
{
    struct line *line = arg;

    if (!(line->count & (line->count - 1))) { /* 0, or a power of two: full */
        size_t room = line->count ? 2 * line->count : 1;
        struct line_release *grown = realloc(line->releases, room * sizeof *grown);

        if (!grown)
            return fail_internal(err, "memory for %zu releases", room);
        line->releases = grown;
    }
    struct line_release *at = &line->releases[line->count++];
    *at = (struct line_release){
        .row_id = release->row_id,
        .counter = release->release_counter,
        .security_version = release->security_version,
        .security_floor = release->security_floor,
        .is_offered = release->state == RELEASE_PUBLISHED,
        .is_floor = release->is_floor,
    };
    snprintf(at->id, sizeof at->id, "%s", release->id);
    snprintf(at->version, sizeof at->version, "%s", release->version);
    snprintf(at->dead_end, sizeof at->dead_end, "%s", release->dead_end);
    return 0;
}

int line_load(struct tx *tx, int64_t product_row, struct line **ret, struct error *err)
{
    CLEANUP(line_free) struct line *line = calloc(1, sizeof *line);

    if (!line)
        return fail_internal(err, "memory for a product's releases");
    line->product_row = product_row;
    if (release_line(tx, product_row, add_release, line, err))
        return -1;
    for (size_t i = 0; i < line->count; i++) {
        struct line_release *release = &line->releases[i];

        if (release->is_floor &&
            images_load(tx, release->row_id, &release->images, &release->image_count, err))
            return -1;
    }
    if (line_index(line, err))
        return -1;
    *ret = MOVE(line);
    return 0;
}
