/* SPDX-License-Identifier: Apache-2.0 */
/* Explicit waves are known as a device is shown. All others stand in a line, sorted by rank at the
 * end, from which one wave after the other takes its own. What strata are made of is kept once for
 * all devices that have it in common. */
#include "campaign/forecast.h"

#include "campaign/draw.h"
#include "campaign/rank.h"

#include <assert.h>
#include <string.h>

#define KINDS_FIRST 64
#define NO_KIND UINT32_MAX

/* Devices alike as far as strata go. */
struct kind {
    char *model, *version, *site;
    uint64_t hash;
    uint32_t next;              /* in its bucket */
    char stratum[STRATUM_SIZE]; /* in the wave that draws now */
};

struct waiting {
    int64_t rank;
    uint32_t kind;
    bool is_taken;
};

struct forecast {
    const struct rules *rules;
    struct band *bands;
    size_t explicit_count; /* bands that stand before the line */
    unsigned strata;       /* of all waves together */
    int64_t devices[RULES_WAVES_MAX];
    struct waiting *line;
    size_t count, room;
    struct kind *kinds;
    uint32_t *buckets;
    size_t kind_count, bucket_count;
};

static int make_buckets(struct forecast *forecast, size_t count, struct error *err)
{
    uint32_t *buckets = malloc(count * sizeof *buckets);
    struct kind *kinds = realloc(forecast->kinds, count * sizeof *kinds);

    if (kinds)
        forecast->kinds = kinds;
    if (!buckets || !kinds) {
        free(buckets);
        return fail_internal(err, "memory for %zu strata", count);
    }
    memset(buckets, 0xff, count * sizeof *buckets); /* NO_KIND */
    for (uint32_t i = 0; i < forecast->kind_count; i++) {
        uint32_t *bucket = &buckets[kinds[i].hash & (count - 1)];

        kinds[i].next = *bucket;
        *bucket = i;
    }
    free(forecast->buckets);
    forecast->buckets = buckets;
    forecast->bucket_count = count;
    return 0;
}

int forecast_new(const struct rules *rules, struct forecast **ret, struct error *err)
{
    CLEANUP(forecast_free) struct forecast *forecast = calloc(1, sizeof *forecast);

    if (!forecast)
        return fail_internal(err, "memory for a forecast");
    forecast->rules = rules;
    if (bands_make(rules, NULL, 0, &forecast->bands, err) ||
        make_buckets(forecast, KINDS_FIRST, err))
        return -1;
    for (size_t i = 0; i < rules->wave_count; i++) {
        forecast->explicit_count += wave_kind_is_explicit(rules->waves[i].kind);
        forecast->strata |= rules->waves[i].strata;
    }
    *ret = MOVE(forecast);
    return 0;
}

static void kind_clear(struct kind *kind)
{
    free(kind->model);
    free(kind->version);
    free(kind->site);
}

void forecast_free(struct forecast **held)
{
    struct forecast *forecast = *held;

    if (!forecast)
        return;
    for (size_t i = 0; i < forecast->kind_count; i++)
        kind_clear(&forecast->kinds[i]);
    bands_free(forecast->bands, forecast->rules->wave_count);
    free(forecast->line);
    free(forecast->kinds);
    free(forecast->buckets);
    free(forecast);
    *held = NULL;
}

/* -- kinds of devices -- */

static uint64_t add_to_hash(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static int add_kind(struct forecast *forecast, const char *const parts[3], uint64_t hash,
                    uint32_t *ret, struct error *err)
{
    if (forecast->kind_count == forecast->bucket_count &&
        make_buckets(forecast, 2 * forecast->bucket_count, err))
        return -1;
    uint32_t *bucket = &forecast->buckets[hash & (forecast->bucket_count - 1)];
    struct kind *kind = &forecast->kinds[forecast->kind_count];

    *kind = (struct kind){strdup(parts[0]), strdup(parts[1]), strdup(parts[2]), hash, *bucket, ""};
    if (!kind->model || !kind->version || !kind->site) {
        kind_clear(kind);
        return fail_internal(err, "memory for a stratum");
    }
    *ret = *bucket = (uint32_t)forecast->kind_count++;
    return 0;
}

/* What no wave draws by is left out, so that there are few kinds. */
static int find_kind(struct forecast *forecast, const struct filter_subject *facts, uint32_t *ret,
                     struct error *err)
{
    const char *const parts[] = {
        forecast->strata & STRATUM_MODEL ? facts->model : "",
        forecast->strata & STRATUM_VERSION ? facts->version : "",
        forecast->strata & STRATUM_SITE ? facts->site : "",
    };
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < COUNT_OF(parts); i++)
        hash = add_to_hash(hash, parts[i]);
    uint32_t at = forecast->buckets[hash & (forecast->bucket_count - 1)];
    for (; at != NO_KIND; at = forecast->kinds[at].next) {
        const struct kind *kind = &forecast->kinds[at];

        if (kind->hash == hash && strcmp(kind->model, parts[0]) == 0 &&
            strcmp(kind->version, parts[1]) == 0 && strcmp(kind->site, parts[2]) == 0) {
            *ret = at;
            return 0;
        }
    }
    return add_kind(forecast, parts, hash, ret, err);
}

/* -- the line -- */

int forecast_add(struct forecast *forecast, const struct filter_subject *facts, int64_t rank,
                 struct error *err)
{
    struct waiting waiting = {.rank = rank};
    struct place place;

    if (wave_place(forecast->bands, forecast->explicit_count, facts, rank, 0, &place, err))
        return -1;
    if (place.wave >= 0) {
        forecast->devices[place.wave]++;
        return 0;
    }
    if (find_kind(forecast, facts, &waiting.kind, err))
        return -1;
    if (forecast->count == forecast->room) {
        size_t room = forecast->room ? 2 * forecast->room : 1024;
        struct waiting *line = realloc(forecast->line, room * sizeof *line);

        if (!line)
            return fail_internal(err, "memory for %zu devices", room);
        forecast->line = line;
        forecast->room = room;
    }
    forecast->line[forecast->count++] = waiting;
    return 0;
}

static int by_rank(const void *a, const void *b)
{
    const struct waiting *x = a, *y = b;

    return (x->rank > y->rank) - (x->rank < y->rank);
}

static void name_strata(struct forecast *forecast, unsigned strata)
{
    for (size_t i = 0; i < forecast->kind_count; i++) {
        struct kind *kind = &forecast->kinds[i];

        if (strata)
            stratum_of(strata, kind->model, kind->version, kind->site, kind->stratum);
        else
            kind->stratum[0] = '\0';
    }
}

static int by_stratum(const void *key, const void *element)
{
    const struct stratum_limit *limit = element;

    return strcmp(key, limit->stratum);
}

static bool is_drawn(const struct drawn *drawn, const char *stratum, int64_t rank)
{
    const struct stratum_limit *limit =
        bsearch(stratum, drawn->limits, drawn->count, sizeof *drawn->limits, by_stratum);

    return limit && rank <= limit->limit;
}

static int draw_wave(struct forecast *forecast, size_t wave, struct error *err)
{
    const struct wave_rule *rule = &forecast->rules->waves[wave];
    CLEANUP(draw_free) struct draw *draw = NULL;
    CLEANUP(drawn_clear) struct drawn drawn = {0};

    name_strata(forecast, rule->strata);
    if (draw_new((size_t)rule->amount, &draw, err))
        return -1;
    for (size_t i = 0; i < forecast->count; i++) {
        const struct waiting *at = &forecast->line[i];

        if (!at->is_taken && draw_show(draw, forecast->kinds[at->kind].stratum, at->rank, err))
            return -1;
    }
    if (draw_end(draw, &drawn, err))
        return -1;
    for (size_t i = 0; i < forecast->count && forecast->line[i].rank <= drawn.highest; i++) {
        struct waiting *at = &forecast->line[i];

        at->is_taken |= is_drawn(&drawn, forecast->kinds[at->kind].stratum, at->rank);
    }
    forecast->devices[wave] = drawn.devices;
    return 0;
}

static void take_band(struct forecast *forecast, size_t wave)
{
    int64_t limit = forecast->bands[wave].limit;

    for (size_t i = 0; i < forecast->count && forecast->line[i].rank <= limit; i++) {
        forecast->devices[wave] += !forecast->line[i].is_taken;
        forecast->line[i].is_taken = true;
    }
}

int forecast_end(struct forecast *forecast, int64_t ret_devices[RULES_WAVES_MAX], struct error *err)
{
    if (forecast->count)
        qsort(forecast->line, forecast->count, sizeof *forecast->line, by_rank);
    for (size_t i = forecast->explicit_count; i < forecast->rules->wave_count; i++) {
        if (forecast->rules->waves[i].kind == WAVE_PERCENT)
            take_band(forecast, i);
        else if (draw_wave(forecast, i, err))
            return -1;
    }
    memcpy(ret_devices, forecast->devices, sizeof forecast->devices);
    return 0;
}
