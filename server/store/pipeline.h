/* SPDX-License-Identifier: Apache-2.0 */
/* What campaigns hand on: a release to the next channel, or their devices back to an older one. */
#ifndef OTAD_STORE_PIPELINE_H
#define OTAD_STORE_PIPELINE_H

#include "store/store.h"

/* Updates of channels that are past their last wave and wait for their promotion; at most `room`.
 */
int pipeline_waiting(struct tx *tx, int64_t *ret_rows, size_t room, size_t *ret_count,
                     struct error *err) MUST_CHECK;
/* It went on, or has no need to; the first time stands. */
int pipeline_set_promoted(struct tx *tx, int64_t campaign_row, int64_t now,
                          struct error *err) MUST_CHECK;
/* Older ones of the channel and product wait no more. */
int pipeline_overtake(struct tx *tx, int64_t campaign_row, int64_t channel_row, int64_t product_row,
                      int64_t now, struct error *err) MUST_CHECK;
/* The channel's newest update with this release that is past its last wave. */
enum step pipeline_source(struct tx *tx, int64_t channel_row, int64_t release_row, int64_t *ret,
                          struct error *err) MUST_CHECK;
/* A campaign of the channel that is not over, standing ones among them; with this release unless
 * that is 0. */
enum step pipeline_open_campaign(struct tx *tx, int64_t channel_row, int64_t release_row,
                                 int64_t *ret, struct error *err) MUST_CHECK;
/* The release that devices of a campaign of `release_row` can go back to: `only` when that is
 * possible, any when `only` is 0. Counts the campaign's deployments. */
enum step pipeline_last_good(struct tx *tx, int64_t campaign_row, int64_t release_row, int64_t only,
                             int64_t *ret, struct error *err) MUST_CHECK;

#endif
