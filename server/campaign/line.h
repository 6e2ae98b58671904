/* SPDX-License-Identifier: Apache-2.0 */
/* A product's releases in the order of their counters, and the way from one to another: over the
 * floors that every device must pass through, and out of none that cannot be left. */
#ifndef OTAD_CAMPAIGN_LINE_H
#define OTAD_CAMPAIGN_LINE_H

#include "campaign/filter.h"

#include <stdbool.h>
#include <stdint.h>

/* What of an image matters here. */
struct image {
    int64_t size;
    bool is_delta;   /* *.zck: devices fetch those ranges of it that they have not got */
    char **hardware; /* identifiers it is for */
    size_t hardware_count;
};
bool image_is_for(const struct image *image, const struct filter_subject *facts);
bool images_have_one_for(const struct image *images, size_t count,
                         const struct filter_subject *facts);
void images_free(struct image *images, size_t count); /* NULL is harmless */
/* The hardware a device has; its model where it never told. "" when neither is known. */
const char *resolve_hardware(const struct filter_subject *facts);

struct line_release {
    int64_t row_id, counter, security_version, security_floor;
    bool is_offered; /* published: neither withdrawn nor quarantined */
    bool is_floor;
    char id[98], version[65], dead_end[161];
    struct image *images; /* of floors alone */
    size_t image_count;
};

/* Constant once indexed. Withdrawn releases are on it too: devices may run them. */
struct line {
    int64_t product_row;
    struct line_release *releases; /* in order of counter */
    size_t count;
    const struct line_release **by_version; /* as line_index() makes them */
    const struct line_release **floors;
    size_t floor_count;
};
int line_index(struct line *line, struct error *err) MUST_CHECK;
void line_free(struct line **line);

/* NULL when the version is none of the product's, or the row. */
const struct line_release *line_running(const struct line *line, const char *version);
const struct line_release *line_release(const struct line *line, int64_t release_row);

/* The floor a device must get next on its way to `goal`; NULL: it may go there directly. One that
 * is not offered any more is a floor still: nobody gets past it. `runs` is NULL where that is not
 * known: then it is taken to be older than all. `security` is what the device has reached: it has
 * passed, one way or another, the floors it would refuse. */
const struct line_release *line_next_floor(const struct line *line, const struct line_release *runs,
                                           const struct line_release *goal,
                                           const struct filter_subject *facts, int64_t security);
/* The floor that stands between `runs` and an older goal; NULL: none. */
const struct line_release *line_floor_above(const struct line *line,
                                            const struct line_release *runs,
                                            const struct line_release *goal);

#endif
