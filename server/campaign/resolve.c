/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/resolve.h"

#include <string.h>

/* clang-format off */
static const struct {
    int step;
    const char *code, *sentence;
} reasons[REASONS] = {
    [REASON_DEVICE_STATE]      = {1, "device_state", "The device is not active"},
    [REASON_NO_CAMPAIGN]       = {3, "no_campaign", "No running campaign wants anything of this device"},
    [REASON_NOT_RUNNING]       = {3, "not_running", "The campaign makes no offers now"},
    [REASON_NO_MATCH]          = {3, "no_match", "The device does not match the campaign's target"},
    [REASON_SUPERSEDED]        = {3, "superseded", "A newer campaign has updated this device since"},
    [REASON_WAVE_NOT_OPEN]     = {3, "wave_not_open", "The device's wave has not been opened yet"},
    [REASON_WAVE_FULL]         = {3, "wave_full", "The wave has its number of devices; late ones follow when it has passed"},
    [REASON_ALREADY]           = {4, "already", "The device runs this release already"},
    [REASON_RELEASE_WITHDRAWN] = {5, "release_withdrawn", "The release is not offered any more"},
    [REASON_HARDWARE_UNKNOWN]  = {5, "hardware_unknown", "Neither hardware nor model of the device is known"},
    [REASON_HARDWARE]          = {5, "hardware", "No image of the release is for the device's hardware"},
    [REASON_SECURITY_FLOOR]    = {5, "security_floor", "The release is below the device's security floor"},
    [REASON_CONFIRMED]         = {8, "confirmed", "The device has had this release confirmed"},
    [REASON_UNDER_WAY]         = {8, "under_way", "The update is installed and being verified"},
    [REASON_BACK_OFF]          = {8, "back_off", "The last attempt failed; the next one waits"},
    [REASON_FAILED]            = {8, "failed", "The update failed and is not tried again"},
    [REASON_REVERTED]          = {8, "reverted", "The device fell back; it waits for another release"},
    [REASON_LOST]              = {8, "lost", "Nothing was heard of the device's update in time"},
    [REASON_TIMED_OUT]         = {8, "timed_out", "The device took too long"},
    [REASON_LEFT_OUT]          = {8, "left_out", "The device has left this campaign"},
    [REASON_OFFER]             = {11, "offer", "The release is offered"},
};
/* clang-format on */

const char *reason_code(enum reason reason)
{
    return reasons[reason].code;
}

const char *reason_sentence(enum reason reason)
{
    return reasons[reason].sentence;
}

int reason_step(enum reason reason)
{
    return reasons[reason].step;
}

const char *resolve_hardware(const struct filter_subject *facts)
{
    return facts->hardware[0] ? facts->hardware : facts->model;
}

bool image_is_for(const struct image *image, const struct filter_subject *facts)
{
    const char *hardware = resolve_hardware(facts);

    for (size_t i = 0; i < image->hardware_count; i++)
        if (strcmp(image->hardware[i], hardware) == 0)
            return true;
    return false;
}

enum reason resolve_fitness(const struct plan *plan, const struct filter_subject *facts,
                            int64_t floor)
{
    bool is_for_it = false;

    if (facts->version[0] && strcmp(facts->version, plan->version) == 0)
        return REASON_ALREADY;
    if (!plan->release_is_offered)
        return REASON_RELEASE_WITHDRAWN;
    if (resolve_hardware(facts)[0] == '\0')
        return REASON_HARDWARE_UNKNOWN;
    for (size_t i = 0; i < plan->image_count && !is_for_it; i++)
        is_for_it = image_is_for(&plan->images[i], facts);
    if (!is_for_it)
        return REASON_HARDWARE;
    return plan->security_version < floor ? REASON_SECURITY_FLOOR : REASON_OFFER;
}

static const struct past *past_in(const struct question *question, const struct plan *plan)
{
    for (size_t i = 0; i < question->past_count; i++)
        if (question->pasts[i].campaign_row == plan->row_id)
            return &question->pasts[i];
    return NULL;
}

/* Rows grow with time: a higher one is a later campaign. */
static bool went_further(const struct question *question, const struct plan *plan)
{
    for (size_t i = 0; i < question->past_count; i++)
        if (question->pasts[i].campaign_row > plan->row_id &&
            question->pasts[i].state == DEPLOYMENT_CONFIRMED)
            return true;
    return false;
}

/* Step 8: what became of the earlier offer. */
static enum reason judge_past(const struct past *past, int64_t now)
{
    switch (past->state) {
    case DEPLOYMENT_WITHDRAWN:
        return REASON_OFFER;
    case DEPLOYMENT_FAILED:
        if (!past->retry_at)
            return REASON_FAILED;
        return now < past->retry_at ? REASON_BACK_OFF : REASON_OFFER;
    case DEPLOYMENT_REVERTED:
        return REASON_REVERTED;
    case DEPLOYMENT_LOST:
        return REASON_LOST;
    case DEPLOYMENT_TIMED_OUT:
        return REASON_TIMED_OUT;
    case DEPLOYMENT_CONFIRMED:
        return REASON_CONFIRMED;
    default:
        return deployment_outcome(past->state) == OUTCOME_UNCOUNTED ? REASON_LEFT_OUT
                                                                    : REASON_UNDER_WAY;
    }
}

/* Whether this campaign is the one that says what the device should have (step 3); if so `ret`
 * tells REASON_OFFER, otherwise why not. Who was offered it once stays a member, also when an
 * attribute has changed since. */
static int is_wanted(const struct question *question, const struct plan *plan,
                     const struct past *past, int *ret_wave, enum reason *ret, struct error *err)
{
    bool matches = past != NULL;

    *ret = REASON_NOT_RUNNING;
    if (plan->tenant_row != question->tenant_row || plan->state != CAMPAIGN_RUNNING)
        return 0;
    if (!past && filter_matches(plan->filter, &question->facts, &matches, err))
        return -1;
    *ret = REASON_NO_MATCH;
    if (!matches)
        return 0;
    *ret = REASON_SUPERSEDED;
    if (went_further(question, plan))
        return 0;
    *ret_wave =
        past ? past->wave
             : wave_of(plan->bands, plan->band_count, rank_of(plan->salt, question->facts.id));
    bool is_open = *ret_wave >= 0 && wave_offers(plan->bands[*ret_wave].state);
    *ret = !is_open                                         ? REASON_WAVE_NOT_OPEN
           : !past && wave_is_full(&plan->bands[*ret_wave]) ? REASON_WAVE_FULL
                                                            : REASON_OFFER;
    return 0;
}

static enum reason decide(const struct question *question, const struct plan *plan,
                          const struct past *past)
{
    enum reason reason = resolve_fitness(plan, &question->facts, question->floor);

    if (past && (reason == REASON_OFFER || past->state == DEPLOYMENT_CONFIRMED))
        return judge_past(past, question->now);
    return reason;
}

int resolve(const struct question *question, struct resolution *ret, struct error *err)
{
    *ret = (struct resolution){.reason = REASON_NO_CAMPAIGN, .wave = -1};
    if (!question->is_active) {
        ret->reason = REASON_DEVICE_STATE;
        return 0;
    }
    for (size_t i = 0; i < question->plan_count; i++) {
        const struct plan *plan = question->plans[i];
        const struct past *past = past_in(question, plan);
        enum reason reason;

        if (is_wanted(question, plan, past, &ret->wave, &reason, err))
            return -1;
        bool is_winner = reason == REASON_OFFER;
        if (is_winner)
            reason = decide(question, plan, past);
        if (question->note && question->note(question->note_arg, plan, reason, err))
            return -1;
        if (is_winner) {
            ret->reason = reason;
            ret->plan = plan;
            ret->until = reason == REASON_BACK_OFF ? past->retry_at : 0;
            return 0;
        }
    }
    return 0;
}
