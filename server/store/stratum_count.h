/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes of a campaign per stratum (model, version, site), for budgets of their own. */
#ifndef OTAD_STORE_STRATUM_COUNT_H
#define OTAD_STORE_STRATUM_COUNT_H

#include "store/store.h"

struct stratum_count {
    const char *stratum; /* borrowed for the call */
    int64_t confirmed, failed;
    int64_t accepted; /* of the failures, those operators took on; not of stratum_count_add() */
};
/* Adds to what is there; below zero takes away. */
int stratum_count_add(struct tx *tx, int64_t campaign_row, const struct stratum_count *more,
                      struct error *err) MUST_CHECK;
/* Takes the failures of every stratum on, `most` of each. */
int stratum_counts_accept(struct tx *tx, int64_t campaign_row, int64_t most,
                          struct error *err) MUST_CHECK;
/* After corrections: no more are taken on than there are. */
int stratum_counts_clamp(struct tx *tx, int64_t campaign_row, struct error *err) MUST_CHECK;
typedef int (*stratum_count_fn)(const struct stratum_count *count, void *arg, struct error *err);
int stratum_counts(struct tx *tx, int64_t campaign_row, stratum_count_fn each, void *arg,
                   struct error *err) MUST_CHECK;

#endif
