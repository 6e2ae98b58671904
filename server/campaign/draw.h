/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing a wave of N devices: the smallest ranks of all shown, taken in turn from each stratum, so
 * that no model and no site carries the first risk alone. */
#ifndef OTAD_CAMPAIGN_DRAW_H
#define OTAD_CAMPAIGN_DRAW_H

#include "campaign/wave.h"

struct draw; /* as large as places × strata, not as the fleet */
int draw_new(size_t places, struct draw **ret, struct error *err) MUST_CHECK;
void draw_free(struct draw **draw);
/* Without strata all are of stratum "". */
int draw_show(struct draw *draw, const char *stratum, int64_t rank, struct error *err) MUST_CHECK;

struct drawn {
    struct stratum_limit *limits; /* in order of stratum; those that got no place are left out */
    size_t count;
    int64_t devices;
    int64_t highest; /* of all limits; -1: nobody was drawn */
};
/* The k-th smallest of each stratum in order of its name, k = 1, 2, …, until all places are taken.
 */
int draw_end(struct draw *draw, struct drawn *ret, struct error *err) MUST_CHECK;
void drawn_clear(struct drawn *drawn);

#endif
