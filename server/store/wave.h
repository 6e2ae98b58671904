/* SPDX-License-Identifier: Apache-2.0 */
/* Waves of campaigns as rows. */
#ifndef OTAD_STORE_WAVE_H
#define OTAD_STORE_WAVE_H

#include "store/campaign.h"

/* What a wave is stands in the campaign's plan; this is how far it has come. */
struct wave {
    int64_t row_id, campaign_row, position;
    int64_t rank_limit; /* -1: none, or not known yet */
    char state[STATE_SIZE], state_reason[STATE_REASON_SIZE];
    int64_t members, active, counted_resolved;
    int64_t counted_at, opened_at, covered_at; /* 0: not yet */
    int64_t state_at;
    int64_t accepted;    /* of its failures, those operators took on */
    bool is_approved;    /* an operator passed its manual gate */
    char held_for[16];   /* operator, budget, short or approval; "" unless it is held */
    char *strata_limits; /* JSON, stratum to rank; NULL: none. Owned; when saved, NULL leaves it */
};
void waves_free(struct wave *waves, size_t count);

int wave_insert(struct tx *tx, struct wave *wave, struct error *err) MUST_CHECK;
/* All that changes: limit, state, counts, times. */
int wave_save(struct tx *tx, const struct wave *wave, struct error *err) MUST_CHECK;
/* Of a draft, before its plan is replaced. */
int waves_delete(struct tx *tx, int64_t campaign_row, struct error *err) MUST_CHECK;
/* In order of position; free with waves_free(). */
int waves_of(struct tx *tx, int64_t campaign_row, struct wave **ret, size_t *ret_count,
             struct error *err) MUST_CHECK;

#endif
