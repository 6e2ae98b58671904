/* SPDX-License-Identifier: Apache-2.0 */
/* Which wave a rank belongs to, and where a wave of N devices ends. */
#ifndef OTAD_CAMPAIGN_WAVE_H
#define OTAD_CAMPAIGN_WAVE_H

#include "campaign/state.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct band {
    int64_t limit; /* the highest rank in it; -1: not known before it opens (a count) */
    enum wave_state state;
    /* A wave of N devices: N, while it has not passed; 0: no such bound. The limit was drawn among
     * the devices active at its opening; when more come back, they must not make it larger. */
    int64_t places;
    atomic_bool is_full; /* noted when a place was asked for in vain: no later poll asks again */
};
bool wave_is_full(const struct band *band);

/* Bands are cumulative: the first whose limit covers the rank is the device's wave; -1 when none
 * does. */
int wave_of(const struct band *bands, size_t count, int64_t rank);

/* Members get offers from the moment their wave opens, also when it has passed: late ones follow.
 */
bool wave_offers(enum wave_state state);

/* The N smallest of all ranks shown to it, in memory of N. */
struct smallest {
    int64_t *ranks; /* a heap, the largest on top */
    size_t count, room;
};
int smallest_init(struct smallest *smallest, size_t room, struct error *err) MUST_CHECK;
void smallest_add(struct smallest *smallest, int64_t rank);
/* The largest of them: the limit of a count wave; -1 when there was none. */
int64_t smallest_limit(const struct smallest *smallest);
void smallest_clear(struct smallest *smallest);

#endif
