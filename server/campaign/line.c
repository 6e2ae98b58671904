/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/line.h"

#include <string.h>

/* -- images -- */

const char *resolve_hardware(const struct filter_subject *facts)
{
    return facts->hardware[0] ? facts->hardware : facts->model;
}

bool image_is_for(const struct image *image, const struct filter_subject *facts)
{
    const char *hardware = resolve_hardware(facts);

    for (size_t i = 0; i < image->hardware_count; i++)
        if (strcmp(image->hardware[i], hardware) == 0)
            return true;
    return false;
}

bool images_have_one_for(const struct image *images, size_t count,
                         const struct filter_subject *facts)
{
    for (size_t i = 0; i < count; i++)
        if (image_is_for(&images[i], facts))
            return true;
    return false;
}

void images_free(struct image *images, size_t count)
{
    for (size_t i = 0; images && i < count; i++) {
        for (size_t h = 0; h < images[i].hardware_count; h++)
            free(images[i].hardware[h]);
        free(images[i].hardware);
    }
    free(images);
}

/* -- lines -- */

static int by_version(const void *a, const void *b)
{
    const struct line_release *const *x = a, *const *y = b;

    return strcmp((*x)->version, (*y)->version);
}

int line_index(struct line *line, struct error *err)
{
    line->by_version = calloc(line->count + 1, sizeof *line->by_version);
    line->floors = calloc(line->count + 1, sizeof *line->floors);
    if (!line->by_version || !line->floors)
        return fail_internal(err, "memory for %zu releases", line->count);
    for (size_t i = 0; i < line->count; i++) {
        line->by_version[i] = &line->releases[i];
        if (line->releases[i].is_floor)
            line->floors[line->floor_count++] = &line->releases[i];
    }
    qsort(line->by_version, line->count, sizeof *line->by_version, by_version);
    return 0;
}

void line_free(struct line **line)
{
    struct line *old = *line;

    *line = NULL;
    if (!old)
        return;
    for (size_t i = 0; i < old->count; i++)
        images_free(old->releases[i].images, old->releases[i].image_count);
    free(old->releases);
    free(old->by_version);
    free(old->floors);
    free(old);
}

static int compare_version(const void *key, const void *element)
{
    const struct line_release *const *release = element;

    return strcmp(key, (*release)->version);
}

const struct line_release *line_running(const struct line *line, const char *version)
{
    const struct line_release **found = version[0]
                                            ? bsearch(version, line->by_version, line->count,
                                                      sizeof *line->by_version, compare_version)
                                            : NULL;

    return found ? *found : NULL;
}

const struct line_release *line_release(const struct line *line, int64_t release_row)
{
    for (size_t i = 0; i < line->count; i++)
        if (line->releases[i].row_id == release_row)
            return &line->releases[i];
    return NULL;
}

const struct line_release *line_next_floor(const struct line *line, const struct line_release *runs,
                                           const struct line_release *goal,
                                           const struct filter_subject *facts, int64_t security)
{
    for (size_t i = 0; i < line->floor_count; i++) {
        const struct line_release *floor = line->floors[i];

        if (floor->counter >= goal->counter)
            return NULL;
        if ((!runs || floor->counter > runs->counter) && floor->security_version >= security &&
            images_have_one_for(floor->images, floor->image_count, facts))
            return floor;
    }
    return NULL;
}

const struct line_release *line_floor_above(const struct line *line,
                                            const struct line_release *runs,
                                            const struct line_release *goal)
{
    for (size_t i = 0; i < line->floor_count; i++)
        if (line->floors[i]->counter > goal->counter && line->floors[i]->counter <= runs->counter)
            return line->floors[i];
    return NULL;
}
