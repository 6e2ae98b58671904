/* SPDX-License-Identifier: Apache-2.0 */
/* Who approved which plan of a campaign; an approval is worth nothing for another plan. */
#ifndef OTAD_STORE_APPROVAL_H
#define OTAD_STORE_APPROVAL_H

#include "store/store.h"

struct approval {
    int64_t campaign_row, at;
    uint8_t plan_hash[32];
    char operator[65], note[161];
    bool is_refusal;
};

/* The same person's later word replaces the earlier one. */
int approval_set(struct tx *tx, const struct approval *approval, struct error *err) MUST_CHECK;
/* Persons other than `author` who approved this very plan. */
int approval_count(struct tx *tx, int64_t campaign_row, const uint8_t plan_hash[32],
                   const char *author, int64_t *ret, struct error *err) MUST_CHECK;
/* All of them, of earlier plans too, oldest first; borrowed for the call. */
typedef int (*approval_fn)(const struct approval *approval, void *arg, struct error *err);
int approval_each(struct tx *tx, int64_t campaign_row, approval_fn each, void *arg,
                  struct error *err) MUST_CHECK;

#endif
