/* SPDX-License-Identifier: Apache-2.0 */
/* Each stratum keeps its N smallest ranks in a heap; more of one could never be taken. */
#include "campaign/draw.h"

#include <assert.h>
#include <string.h>

#define BUCKETS_FIRST 64

struct stratum {
    char *name;
    uint64_t hash;
    struct stratum *next; /* in its bucket */
    int64_t *ranks;       /* a heap, the largest on top; sorted at the end */
    size_t count, room;
};

struct draw {
    size_t places;
    struct stratum **buckets;
    size_t bucket_count, count;
};

int draw_new(size_t places, struct draw **ret, struct error *err)
{
    struct draw *draw = calloc(1, sizeof *draw);

    assert(places > 0);
    if (!draw)
        return fail_internal(err, "memory for a draw");
    draw->places = places;
    draw->bucket_count = BUCKETS_FIRST;
    draw->buckets = calloc(draw->bucket_count, sizeof(struct stratum *));
    if (!draw->buckets) {
        free(draw);
        return fail_internal(err, "memory for strata");
    }
    *ret = draw;
    return 0;
}

static void stratum_free(struct stratum *stratum)
{
    free(stratum->name);
    free(stratum->ranks);
    free(stratum);
}

void draw_free(struct draw **draw)
{
    if (!*draw)
        return;
    for (size_t i = 0; i < (*draw)->bucket_count; i++)
        for (struct stratum *at = (*draw)->buckets[i], *next; at; at = next) {
            next = at->next;
            stratum_free(at);
        }
    free((*draw)->buckets);
    free(*draw);
    *draw = NULL;
}

/* -- finding a stratum -- */

static uint64_t hash_of(const char *name) /* FNV-1a: names are the operator's, nobody attacks */
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return hash;
}

static void put(struct stratum **buckets, size_t bucket_count, struct stratum *stratum)
{
    struct stratum **bucket = &buckets[stratum->hash & (bucket_count - 1)];

    stratum->next = *bucket;
    *bucket = stratum;
}

static int grow(struct draw *draw, struct error *err)
{
    size_t wider = 2 * draw->bucket_count;
    struct stratum **buckets = calloc(wider, sizeof(struct stratum *));

    if (!buckets)
        return fail_internal(err, "memory for %zu strata", wider);
    for (size_t i = 0; i < draw->bucket_count; i++)
        for (struct stratum *at = draw->buckets[i], *next; at; at = next) {
            next = at->next;
            put(buckets, wider, at);
        }
    free(draw->buckets);
    draw->buckets = buckets;
    draw->bucket_count = wider;
    return 0;
}

static int add_stratum(struct draw *draw, const char *name, uint64_t hash, struct stratum **ret,
                       struct error *err)
{
    struct stratum *stratum;

    if (draw->count == draw->bucket_count && grow(draw, err))
        return -1;
    stratum = calloc(1, sizeof *stratum);
    if (!stratum || !(stratum->name = strdup(name))) {
        free(stratum);
        return fail_internal(err, "memory for a stratum");
    }
    stratum->hash = hash;
    put(draw->buckets, draw->bucket_count, stratum);
    draw->count++;
    *ret = stratum;
    return 0;
}

static int find_stratum(struct draw *draw, const char *name, struct stratum **ret,
                        struct error *err)
{
    uint64_t hash = hash_of(name);

    for (*ret = draw->buckets[hash & (draw->bucket_count - 1)]; *ret; *ret = (*ret)->next)
        if ((*ret)->hash == hash && strcmp((*ret)->name, name) == 0)
            return 0;
    return add_stratum(draw, name, hash, ret, err);
}

/* -- the smallest ranks of one -- */

static void swap(int64_t *a, int64_t *b)
{
    int64_t kept = *a;

    *a = *b;
    *b = kept;
}

static void sink(int64_t *ranks, size_t count)
{
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;

        if (child >= count)
            return;
        if (child + 1 < count && ranks[child + 1] > ranks[child])
            child++;
        if (ranks[at] >= ranks[child])
            return;
        swap(&ranks[at], &ranks[child]);
        at = child;
    }
}

static void rise(int64_t *ranks, size_t at)
{
    for (; at > 0 && ranks[(at - 1) / 2] < ranks[at]; at = (at - 1) / 2)
        swap(&ranks[at], &ranks[(at - 1) / 2]);
}

static int make_room(struct stratum *stratum, struct error *err)
{
    size_t room = stratum->room ? 2 * stratum->room : 8;
    int64_t *ranks;

    if (stratum->count < stratum->room)
        return 0;
    ranks = realloc(stratum->ranks, room * sizeof *ranks);
    if (!ranks)
        return fail_internal(err, "memory for %zu ranks", room);
    stratum->ranks = ranks;
    stratum->room = room;
    return 0;
}

int draw_show(struct draw *draw, const char *name, int64_t rank, struct error *err)
{
    struct stratum *stratum;

    if (find_stratum(draw, name, &stratum, err))
        return -1;
    if (stratum->count == draw->places) {
        if (rank >= stratum->ranks[0])
            return 0;
        stratum->ranks[0] = rank;
        sink(stratum->ranks, stratum->count);
        return 0;
    }
    if (make_room(stratum, err))
        return -1;
    stratum->ranks[stratum->count] = rank;
    rise(stratum->ranks, stratum->count++);
    return 0;
}

/* -- the end -- */

static int by_name(const void *a, const void *b)
{
    const struct stratum *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int by_rank(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static struct stratum **sorted(const struct draw *draw)
{
    struct stratum **strata = calloc(draw->count + 1, sizeof *strata);
    size_t count = 0;

    if (!strata)
        return NULL;
    for (size_t i = 0; i < draw->bucket_count; i++)
        for (struct stratum *at = draw->buckets[i]; at; at = at->next) {
            qsort(at->ranks, at->count, sizeof *at->ranks, by_rank);
            strata[count++] = at;
        }
    qsort(strata, count, sizeof(struct stratum *), by_name);
    return strata;
}

/* How many each stratum gives: `taken` has a number for each, `live` room for as many. */
static int64_t take_turns(const struct draw *draw, struct stratum *const *strata, size_t *taken,
                          size_t *live)
{
    size_t left = draw->places, lives = draw->count;

    for (size_t i = 0; i < lives; i++)
        live[i] = i;
    while (left > 0 && lives > 0) {
        size_t still = 0;

        for (size_t i = 0; i < lives && left > 0; i++) {
            size_t at = live[i];

            taken[at]++;
            left--;
            if (taken[at] < strata[at]->count)
                live[still++] = at;
        }
        lives = still;
    }
    return (int64_t)(draw->places - left);
}

static int note_limits(const struct draw *draw, struct stratum *const *strata, const size_t *taken,
                       struct drawn *ret, struct error *err)
{
    for (size_t i = 0; i < draw->count; i++) {
        struct stratum_limit *limit = &ret->limits[ret->count];

        if (taken[i] == 0)
            continue;
        *limit = (struct stratum_limit){strdup(strata[i]->name), strata[i]->ranks[taken[i] - 1]};
        if (!limit->stratum)
            return fail_internal(err, "memory for a stratum");
        ret->count++;
        if (limit->limit > ret->highest)
            ret->highest = limit->limit;
    }
    return 0;
}

int draw_end(struct draw *draw, struct drawn *ret, struct error *err)
{
    CLEANUP(drawn_clear) struct drawn drawn = {.highest = -1};
    CLEANUP(free_memory) struct stratum **strata = sorted(draw);
    CLEANUP(free_memory) size_t *taken = calloc(2 * draw->count + 1, sizeof *taken);

    drawn.limits = calloc(draw->count + 1, sizeof *drawn.limits);
    if (!strata || !taken || !drawn.limits)
        return fail_internal(err, "memory for %zu strata", draw->count);
    drawn.devices = take_turns(draw, strata, taken, taken + draw->count);
    if (note_limits(draw, strata, taken, &drawn, err))
        return -1;
    *ret = drawn;
    drawn = (struct drawn){0};
    return 0;
}

void drawn_clear(struct drawn *drawn)
{
    stratum_limits_free(drawn->limits, drawn->count);
    *drawn = (struct drawn){.highest = -1};
}
