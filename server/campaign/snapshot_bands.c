/* SPDX-License-Identifier: Apache-2.0 */
/* Waves compiled for wave_place(): rules and rows together. */
#include "campaign/wave.h"

#include "campaign/rank.h"
#include "core/json.h"
#include "store/wave.h"

#include <assert.h>
#include <string.h>

void stratum_limits_free(struct stratum_limit *limits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(limits[i].stratum);
    free(limits);
}

void bands_free(struct band *bands, size_t count)
{
    for (size_t i = 0; bands && i < count; i++) {
        filter_free(&bands[i].filter);
        stratum_limits_free(bands[i].limits, bands[i].limit_count);
    }
    free(bands);
}

static int by_stratum(const void *a, const void *b)
{
    const struct stratum_limit *x = a, *y = b;

    return strcmp(x->stratum, y->stratum);
}

static int read_limits(const char *text, struct band *band, struct error *err)
{
    json_auto_t *json = NULL;
    const char *stratum;
    json_t *limit;

    if (json_read(text, strlen(text), &json, err))
        return -1;
    band->limits = calloc(json_object_size(json) + 1, sizeof *band->limits);
    if (!band->limits)
        return fail_internal(err, "memory for strata");
    json_object_foreach(json, stratum, limit)
    {
        struct stratum_limit *at = &band->limits[band->limit_count];

        *at = (struct stratum_limit){strdup(stratum), json_integer_value(limit)};
        if (!at->stratum)
            return fail_internal(err, "memory for a stratum");
        band->limit_count++;
    }
    qsort(band->limits, band->limit_count, sizeof *band->limits, by_stratum);
    return 0;
}

int stratum_limits_text(const struct stratum_limit *limits, size_t count, char **ret,
                        struct error *err)
{
    json_auto_t *json = json_object();

    for (size_t i = 0; i < count; i++)
        if (json_object_set_new(json, limits[i].stratum, json_integer(limits[i].limit)))
            return fail_internal(err, "memory for strata");
    *ret = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    return *ret ? 0 : fail_internal(err, "memory for strata");
}

static int64_t limit_in_rules(const struct wave_rule *rule)
{
    return rule->kind == WAVE_PERCENT ? rank_limit(rule->amount) : -1;
}

/* What the row knows: its state, the limit drawn at its opening. */
static int take_course(const struct wave *wave, struct band *band, struct error *err)
{
    enum wave_state state = WAVE_PENDING;
    bool is_known = wave_state_of(wave->state, &state);

    assert(is_known); /* the schema has the same list */
    band->state = state;
    band->is_kept_back = wave_keeps_back(state, wave->held_for);
    band->limit = wave->rank_limit;
    band->opened_at = wave->opened_at;
    return wave->strata_limits ? read_limits(wave->strata_limits, band, err) : 0;
}

static int make(const struct wave_rule *rule, const struct wave *wave, struct band *band,
                struct error *err)
{
    band->kind = rule->kind;
    band->state = WAVE_PENDING;
    band->text = rule->text;
    band->limit = limit_in_rules(rule);
    band->strata = rule->strata;
    band->ramp = rule->ramp;
    if (rule->kind == WAVE_FILTER && filter_parse(rule->text, &band->filter, err))
        return -1;
    if (wave && take_course(wave, band, err))
        return -1;
    if (rule->kind == WAVE_COUNT && band->state != WAVE_PASSED && band->state != WAVE_SKIPPED)
        band->places = (int64_t)rule->amount;
    return 0;
}

int bands_make(const struct rules *rules, const struct wave *waves, size_t count, struct band **ret,
               struct error *err)
{
    size_t made = waves ? count : rules->wave_count;
    struct band *bands = calloc(made + 1, sizeof *bands);
    int64_t below = -1;
    bool is_reached = true;

    if (!bands)
        return fail_internal(err, "memory for %zu waves", made);
    for (size_t i = 0; i < made; i++) {
        if (make(&rules->waves[i], waves ? &waves[i] : NULL, &bands[i], err)) {
            bands_free(bands, made);
            return -1;
        }
        enum wave_state state = bands[i].state;
        if (state == WAVE_SKIPPED && !is_reached) /* ahead of its turn: not yet */
            bands[i].state = WAVE_PENDING;
        is_reached = is_reached && (state == WAVE_PASSED || state == WAVE_SKIPPED);
        bands[i].below = below;
        if (bands[i].limit > below)
            below = bands[i].limit;
    }
    *ret = bands;
    return 0;
}
