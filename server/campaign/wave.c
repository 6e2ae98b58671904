/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/wave.h"

#include <string.h>

static int by_stratum(const void *key, const void *element)
{
    const struct stratum_limit *limit = element;

    return strcmp(key, limit->stratum);
}

/* A stratum that had no active device at the opening has no place in the wave. */
static int64_t limit_for(const struct band *band, const struct filter_subject *facts)
{
    char stratum[STRATUM_SIZE];

    if (!band->strata || band->limit_count == 0)
        return band->limit;
    stratum_of(band->strata, facts->model, facts->version, facts->site, stratum);
    const struct stratum_limit *found =
        bsearch(stratum, band->limits, band->limit_count, sizeof *band->limits, by_stratum);
    return found ? found->limit : -1;
}

static int covers(const struct band *band, const struct filter_subject *facts, int64_t rank,
                  bool *ret, struct error *err)
{
    *ret = false;
    switch (band->kind) {
    case WAVE_TAG:
        return facts->has_tag ? facts->has_tag(facts->arg, band->text, ret, err) : 0;
    case WAVE_LIST:
        return facts->in_list ? facts->in_list(facts->arg, band->text, ret, err) : 0;
    case WAVE_FILTER:
        return filter_matches(band->filter, facts, ret, err);
    default:
        *ret = rank <= limit_for(band, facts);
        return 0;
    }
}

/* The upper rank moves linearly from where the bands before end to the band's own limit. Who is
 * late to a wave that has passed waits no longer. */
static bool has_turn(const struct band *band, int64_t rank, int64_t now)
{
    int64_t elapsed = now - band->opened_at;

    if (band->ramp == 0 || band->state == WAVE_PASSED || elapsed >= band->ramp)
        return true;
    if (elapsed < 0 || !band->opened_at)
        return false;
    double width = (double)band->limit - (double)band->below;
    return (double)rank - (double)band->below <= width * ((double)elapsed / (double)band->ramp);
}

int wave_place(const struct band *bands, size_t count, const struct filter_subject *facts,
               int64_t rank, int64_t now, struct place *ret, struct error *err)
{
    *ret = (struct place){.wave = -1};
    for (size_t i = 0; i < count; i++) {
        bool is_member;

        if (covers(&bands[i], facts, rank, &is_member, err))
            return -1;
        if (!is_member)
            continue;
        *ret = (struct place){(int)i, has_turn(&bands[i], rank, now)};
        return 0;
    }
    return 0;
}

bool wave_is_full(const struct band *band)
{
    return band->places > 0 && atomic_load_explicit(&band->is_full, memory_order_relaxed);
}

bool wave_keeps_back(enum wave_state state, const char *held_for)
{
    return state == WAVE_HELD && strcmp(held_for, HELD_FOR_SHORT) != 0 &&
           strcmp(held_for, HELD_FOR_APPROVAL) != 0;
}

bool wave_offers(const struct band *band, bool has_begun)
{
    return band->state != WAVE_PENDING && (has_begun || !band->is_kept_back);
}
