/* SPDX-License-Identifier: Apache-2.0 */
/* Who approved which plan of a campaign; an approval is worth nothing for another plan. */
#ifndef OTAD_STORE_APPROVAL_H
#define OTAD_STORE_APPROVAL_H

#include "store/campaign.h"

struct approval {
    int64_t campaign_row, at;
    uint8_t plan_hash[32];
    char operator[65], note[161];
    bool is_refusal;
};

/* The same person's later word replaces the earlier one. */
int approval_set(struct tx *tx, const struct approval *approval, struct error *err) MUST_CHECK;
/* Persons who approved the campaign's very plan; neither who made the campaign nor who wrote the
 * plan. */
int approval_count(struct tx *tx, const struct campaign *campaign, int64_t *ret,
                   struct error *err) MUST_CHECK;
/* Those persons' word holds for the child's plan as well. */
int approval_hand_on(struct tx *tx, const struct campaign *parent, const struct campaign *child,
                     const char *note, int64_t now, struct error *err) MUST_CHECK;
/* All of them: the plan is another one, and would not be approved if it became this one again. */
int approval_drop(struct tx *tx, int64_t campaign_row, struct error *err) MUST_CHECK;
/* Oldest first; borrowed for the call. */
typedef int (*approval_fn)(const struct approval *approval, void *arg, struct error *err);
int approval_each(struct tx *tx, int64_t campaign_row, approval_fn each, void *arg,
                  struct error *err) MUST_CHECK;

#endif
