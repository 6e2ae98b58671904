/* SPDX-License-Identifier: Apache-2.0 */
/* Waves of campaigns as rows. */
#ifndef OTAD_STORE_WAVE_H
#define OTAD_STORE_WAVE_H

#include "store/campaign.h"

struct wave {
    int64_t row_id, campaign_row, position;
    bool is_count;
    double amount;
    int64_t rank_limit;
    char state[STATE_SIZE], state_reason[STATE_REASON_SIZE];
    int64_t min_confirmed;
    double coverage;
    int64_t soak;
    bool is_manual;
    int64_t members, active, counted_resolved;
    int64_t counted_at, opened_at, covered_at; /* 0: not yet */
    int64_t state_at;
};

int wave_insert(struct tx *tx, struct wave *wave, struct error *err) MUST_CHECK;
/* All that changes: limit, state, counts, times. */
int wave_save(struct tx *tx, const struct wave *wave, struct error *err) MUST_CHECK;
/* In order of position; an array to free(). */
int waves_of(struct tx *tx, int64_t campaign_row, struct wave **ret, size_t *ret_count,
             struct error *err) MUST_CHECK;

#endif
