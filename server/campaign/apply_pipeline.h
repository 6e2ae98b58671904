/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind campaigns and between them: baselines of channels and pins, each delivered by
 * a standing campaign; promotion from channel to channel; the way back after an abort. */
#ifndef OTAD_CAMPAIGN_APPLY_PIPELINE_H
#define OTAD_CAMPAIGN_APPLY_PIPELINE_H

#include "campaign/apply.h"
#include "campaign/promotion.h"
#include "store/channel.h"
#include "store/pin.h"

struct overview;

/* -- baselines: kind "baseline", one for each channel and product -- */

/* The release becomes what devices of the channel have without other campaigns: its standing
 * campaign starts, the one before is superseded. The same release again changes nothing. Where the
 * server asks for approvals, CONFLICT unless a campaign of the channel that had them brought it. */
struct new_baseline {
    int64_t channel_row, release_row;
    const char *reason; /* NULL: none */
    bool is_follow_up;  /* of a finished campaign whose plan said so */
    bool asks_consent;  /* as that one did */
};
int pipeline_set_baseline(struct tx *tx, struct campaigns *campaigns,
                          const struct new_baseline *wish, const struct actor *actor, int64_t now,
                          struct error *err) MUST_CHECK;
/* NOT_FOUND when the channel has none for the product. */
int pipeline_drop_baseline(struct tx *tx, struct campaigns *campaigns,
                           const struct channel *channel, int64_t product_row, int64_t now,
                           struct error *err) MUST_CHECK;
/* With its baselines. CONFLICT while it has a campaign that is not over. */
int pipeline_drop_channel(struct tx *tx, struct campaigns *campaigns, const struct channel *channel,
                          int64_t now, struct error *err) MUST_CHECK;

/* -- pins: kind "pin", one for each release and terms that devices are pinned to -- */

struct new_pin {
    int64_t tenant_row, device_row;
    int64_t release_row; /* 0: hold */
    int64_t expires_at;  /* 0: never */
    const char *reason;
    /* How it is delivered: any of the plan's members install, force_at, risk, consent, zone,
     * install_windows, download_windows and caps.transfer_rate. NULL: at once. */
    const json_t *terms;
};
int pipeline_pin(struct tx *tx, struct campaigns *campaigns, const struct new_pin *wish,
                 const struct actor *actor, int64_t now, struct error *err) MUST_CHECK;
/* NOT_FOUND when it has none. `cause` is "operator" or "timer". */
int pipeline_unpin(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                   const char *cause, int64_t now, struct error *err) MUST_CHECK;

/* -- promotion -- */

/* Called where a campaign becomes finished: its release becomes the channel's baseline. */
int pipeline_finished(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                      int64_t now, struct error *err) MUST_CHECK;
/* An operator promotes a release of the channel now. CONFLICT tells what its terms still lack. The
 * new campaign's row. */
struct promotion_wish {
    int64_t channel_row, release_row;
};
int pipeline_promote(struct tx *tx, struct campaigns *campaigns, const struct promotion_wish *wish,
                     const struct actor *actor, int64_t now, int64_t *ret_row,
                     struct error *err) MUST_CHECK;

/* -- the way back -- */

/* Called where a campaign becomes aborted: with on_abort "rollback" its devices go back to the last
 * good release. Without one an event says why. */
int pipeline_aborted(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                     int64_t now, struct error *err) MUST_CHECK;

/* -- the clock -- */

/* One round: promotions that are due, pins and memberships that ended, a bounded number of each.
 * Reads by index; writes only what is due. Not on the writer. */
int pipeline_tick(struct campaigns *campaigns, int64_t now, struct error *err) MUST_CHECK;

#endif
