/* SPDX-License-Identifier: Apache-2.0 */
/* Which wave a device belongs to and whether its turn has come: decided from its facts and its rank
 * alone, so that no membership is ever stored. */
#ifndef OTAD_CAMPAIGN_WAVE_H
#define OTAD_CAMPAIGN_WAVE_H

#include "campaign/filter.h"
#include "campaign/rules.h"
#include "campaign/state.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The highest rank of one stratum in a count wave. */
struct stratum_limit {
    char *stratum;
    int64_t limit;
};

/* A wave, compiled; texts are borrowed from the rules. */
struct band {
    enum wave_kind kind;
    enum wave_state state;
    bool is_kept_back;     /* held in a way that no member may begin */
    const char *text;      /* the tag or the list's id */
    struct filter *filter; /* of a filter wave */
    int64_t limit;         /* the highest rank in it; -1: not known before it opens (a count) */
    int64_t below;         /* where the bands before it end; -1: nowhere */
    unsigned strata;       /* of a count wave drawn in strata: the limits are these */
    struct stratum_limit *limits; /* in order of stratum */
    size_t limit_count;
    int64_t ramp, opened_at;
    /* A wave of N devices: N, while it has not passed; 0: no such bound. The limit was drawn among
     * the devices active at its opening; when more come back, they must not make it larger. */
    int64_t places;
    atomic_bool is_full; /* noted when a place was asked for in vain: no later poll asks again */
};
bool wave_is_full(const struct band *band);

struct place {
    int wave;      /* -1: in none (yet) */
    bool has_turn; /* false: the ramp of its wave has not come to it */
};
/* The first wave that matches: explicit waves stand first, the others are cumulative bands of
 * ranks. Fails only when a lookup does. */
int wave_place(const struct band *bands, size_t count, const struct filter_subject *facts,
               int64_t rank, int64_t now, struct place *ret, struct error *err) MUST_CHECK;

/* Members get offers from the moment their wave opens, also when it has passed: late ones follow.
 * While a wave is kept back, only those who have begun (`has_begun`) go on. */
bool wave_offers(const struct band *band, bool has_begun);

/* What a wave is held for. One that lacks confirmations, or only its operator's word, goes on
 * offering to its members. */
#define HELD_FOR_OPERATOR "operator"
#define HELD_FOR_BUDGET "budget"
#define HELD_FOR_SHORT "short"
#define HELD_FOR_APPROVAL "approval"
bool wave_keeps_back(enum wave_state state, const char *held_for);

/* snapshot_bands.c: the waves of a plan with how far they have come; `waves` NULL: none of them has
 * begun, and there are as many as the rules have. The rules must live as long. */
struct wave;
int bands_make(const struct rules *rules, const struct wave *waves, size_t count, struct band **ret,
               struct error *err) MUST_CHECK;
void bands_free(struct band *bands, size_t count); /* NULL is harmless */
/* As a wave's strata_limits: JSON, yours. */
int stratum_limits_text(const struct stratum_limit *limits, size_t count, char **ret,
                        struct error *err) MUST_CHECK;
void stratum_limits_free(struct stratum_limit *limits, size_t count);

#endif
