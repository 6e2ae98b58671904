/* SPDX-License-Identifier: Apache-2.0 */
/* Eleven steps, in this order; whichever first says no is the answer. A campaign's own questions
 * are asked of one campaign after the other until one of them wants something of the device: that
 * one decides, also when it has nothing to give, unless all it has is for other hardware. */
#include "campaign/resolve.h"

#include <string.h>

/* clang-format off */
static const struct {
    int step;
    const char *code, *sentence;
} reasons[REASONS] = {
    [REASON_DEVICE_STATE]      = {1, "device_state", "The device is not active"},
    [REASON_HALTED]            = {2, "emergency_stop", "The emergency stop holds everything back"},
    [REASON_HOLD]              = {3, "hold", "The device is held at what it has"},
    [REASON_PINNED]            = {3, "pinned", "The device is pinned to one release"},
    [REASON_NO_CAMPAIGN]       = {3, "no_campaign", "No running campaign wants anything of this device"},
    [REASON_NOT_PINNED]        = {3, "not_pinned", "Only devices pinned to the release get it"},
    [REASON_NOT_RUNNING]       = {3, "not_running", "The campaign makes no offers now"},
    [REASON_CHANNEL]           = {3, "channel", "The device is not in the campaign's channel"},
    [REASON_NO_MATCH]          = {3, "no_match", "The device does not match the campaign's target"},
    [REASON_NEWCOMER]          = {3, "newcomer", "The device was registered after the campaign's start"},
    [REASON_SUPERSEDED]        = {3, "superseded", "A newer campaign has updated this device since"},
    [REASON_PRESTAGED]         = {3, "prestaged", "The device has downloaded the release, and no more was wanted"},
    [REASON_WAVE_NOT_OPEN]     = {3, "wave_not_open", "The device's wave is not open: its turn has not come, or it is held"},
    [REASON_TURN]              = {3, "turn", "The device's wave is open; its turn comes later"},
    [REASON_WAVE_FULL]         = {3, "wave_full", "The wave has its number of devices; late ones follow when it has passed"},
    [REASON_ALREADY]           = {4, "already", "The device runs this release already"},
    [REASON_RELEASE_WITHDRAWN] = {5, "release_withdrawn", "The release is not offered any more"},
    [REASON_HARDWARE_UNKNOWN]  = {5, "hardware_unknown", "Neither hardware nor model of the device is known"},
    [REASON_HARDWARE]          = {5, "hardware", "No image of the release is for the device's hardware"},
    [REASON_SECURITY_FLOOR]    = {5, "security_floor", "The release is below the device's security floor"},
    [REASON_DOWNGRADE]         = {5, "downgrade", "The device runs a later release; only a rollback or a pin leads back"},
    [REASON_UPGRADE]           = {5, "upgrade", "The device runs an earlier release; a rollback leads only back"},
    [REASON_DEAD_END]          = {6, "dead_end", "The release the device runs cannot be left"},
    [REASON_FLOOR]             = {6, "floor", "The device has passed a release that cannot be undone"},
    [REASON_FREEZE]            = {7, "freeze", "A freeze holds updates back"},
    [REASON_WINDOW]            = {7, "window", "It is outside the hours of the campaign"},
    [REASON_REFETCH]           = {8, "refetch", "The device fetches the update again and again and tells no outcome; it waits before it is shown it again"},
    [REASON_UNVERIFIED]        = {8, "unverified", "The device said that it was done without having fetched the update; it waits before it is shown it again"},
    [REASON_QUARANTINE]        = {8, "quarantine", "The device fell back from this release and is left in peace"},
    [REASON_CONFIRMED]         = {8, "confirmed", "The device has had this release confirmed"},
    [REASON_UNDER_WAY]         = {8, "under_way", "The update is on its way or being verified"},
    [REASON_BACK_OFF]          = {8, "back_off", "The last attempt failed; the next one waits"},
    [REASON_FAILED]            = {8, "failed", "The update failed and is not tried again"},
    [REASON_REVERTED]          = {8, "reverted", "The device fell back; it waits for another release"},
    [REASON_LOST]              = {8, "lost", "Nothing was heard of the device's update in time"},
    [REASON_TIMED_OUT]         = {8, "timed_out", "The device took too long"},
    [REASON_LEFT_OUT]          = {8, "left_out", "The device has left this campaign"},
    [REASON_START_RATE]        = {9, "start_rate", "The campaign's rate lets the device start later"},
    [REASON_CAPACITY_SERVER]   = {9, "capacity_server", "As many downloads run as the server may have"},
    [REASON_CAPACITY_SITE]     = {9, "capacity_site", "As many downloads run as the device's site may have"},
    [REASON_CAPACITY_CAMPAIGN] = {9, "capacity_campaign", "As many downloads run as the campaign may have"},
    [REASON_BYTES]             = {9, "capacity_bytes", "The bytes per second that downloads may have are taken"},
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

enum reason reason_of_admission(enum admission admission)
{
    return admission == ADMIT ? REASON_OFFER
                              : (enum reason)(REASON_START_RATE + (admission - ADMIT_LATER_RATE));
}

bool plan_is_standing(const struct plan *plan)
{
    return plan->rules.kind == KIND_BASELINE || plan->rules.kind == KIND_PIN;
}

/* A question on its way: what several campaigns ask for is found out once. */
struct inquest {
    const struct question *question;
    bool knows_channel;
    int64_t channel;
};

/* -- step 3: what is wanted -- */

static const struct past *past_in(const struct question *question, const struct plan *plan)
{
    for (size_t i = 0; i < question->past_count; i++)
        if (question->pasts[i].campaign_row == plan->row_id)
            return &question->pasts[i];
    return NULL;
}

/* The device runs what it was brought to, as far as we know. */
static bool still_runs(const struct question *question, const struct plan *plan,
                       const struct past *past)
{
    const struct line_release *release =
        plan->line ? line_release(plan->line, past->release_row) : NULL;

    return !release || !question->facts.version[0] ||
           strcmp(release->version, question->facts.version) == 0;
}

/* The later campaign is the one that was started later, whenever it was drafted; what a rollback
 * takes back never is. */
static bool is_later(const struct past *past, const struct plan *plan)
{
    if (plan->rules.kind == KIND_BASELINE)
        return past->state_at > plan->since;
    if (past->started_at != plan->started_at)
        return past->started_at > plan->started_at && past->campaign_row != plan->parent_row;
    return past->campaign_row > plan->row_id && plan->rules.kind != KIND_ROLLBACK;
}

/* What a baseline or a pin has brought is not further, it is where campaigns begin; and whoever is
 * pinned goes where the pin says. */
static bool went_further(const struct question *question, const struct plan *plan)
{
    if (plan->rules.kind == KIND_PIN)
        return false;
    for (size_t i = 0; i < question->past_count; i++) {
        const struct past *past = &question->pasts[i];

        if (past->state == DEPLOYMENT_CONFIRMED && past->campaign_row != plan->row_id &&
            !past->is_of_standing && is_later(past, plan) && still_runs(question, plan, past))
            return true;
    }
    return false;
}

static int is_in_channel(struct inquest *inquest, const struct plan *plan, bool *ret,
                         struct error *err)
{
    const struct question *question = inquest->question;

    if (plan->channel_row && !inquest->knows_channel) {
        inquest->channel = question->hand_channel;
        if (question->steering && steering_channel(question->steering, &question->facts,
                                                   question->hand_channel, &inquest->channel, err))
            return -1;
        inquest->knows_channel = true;
    }
    *ret = !plan->channel_row || plan->channel_row == inquest->channel;
    return 0;
}

/* REASON_OFFER when it is one of those the campaign is for. */
static int is_meant(struct inquest *inquest, const struct plan *plan, enum reason *ret,
                    struct error *err)
{
    bool is_in, matches;

    if (is_in_channel(inquest, plan, &is_in, err))
        return -1;
    *ret = REASON_CHANNEL;
    if (!is_in)
        return 0;
    if (filter_matches(plan->filter, &inquest->question->facts, &matches, err))
        return -1;
    *ret = matches ? REASON_OFFER : REASON_NO_MATCH;
    return 0;
}

/* Pins come first: a pinned device is only its pin's, and a pin's campaign only for those. */
static enum reason ask_pin(const struct question *question, const struct plan *plan)
{
    bool is_its_own = question->pin == PIN_RELEASE && plan->row_id == question->pin_campaign;

    if (question->pin == PIN_RELEASE && !is_its_own)
        return REASON_PINNED;
    return plan->rules.kind == KIND_PIN && !is_its_own ? REASON_NOT_PINNED : REASON_OFFER;
}

int resolve_matches(const struct question *question, const struct plan *plan, bool *ret,
                    struct error *err)
{
    struct inquest inquest = {.question = question};
    enum reason reason;

    if (is_meant(&inquest, plan, &reason, err))
        return -1;
    *ret = reason == REASON_OFFER && ask_pin(question, plan) == REASON_OFFER;
    return 0;
}

static int find_wave(const struct question *question, const struct plan *plan,
                     const struct past *past, int *ret_wave, enum reason *ret, struct error *err)
{
    struct place place = {past ? past->wave : -1, true};

    if (!past && wave_place(plan->bands, plan->band_count, &question->facts,
                            rank_of(plan->salt, question->facts.id), question->now, &place, err))
        return -1;
    *ret_wave = place.wave;
    const struct band *band = place.wave >= 0 ? &plan->bands[place.wave] : NULL;
    *ret = !band || !wave_offers(band, past != NULL) ? REASON_WAVE_NOT_OPEN
           : !place.has_turn                         ? REASON_TURN
           : !past && wave_is_full(band)             ? REASON_WAVE_FULL
                                                     : REASON_OFFER;
    return 0;
}

/* Whether this campaign is the one that says what the device should have; if so `ret` tells
 * REASON_OFFER, otherwise why not. Who was offered it once stays a member, also when an attribute
 * has changed since; where that is not wanted, and in standing campaigns, it must match anew. */
static int is_wanted(struct inquest *inquest, const struct plan *plan, const struct past *past,
                     int *ret_wave, enum reason *ret, struct error *err)
{
    const struct question *question = inquest->question;
    bool stays = past && plan->rules.is_sticky && !plan_is_standing(plan);

    *ret = REASON_NOT_RUNNING;
    if (plan->tenant_row != question->tenant_row || !campaign_makes_offers(plan->state))
        return 0;
    *ret = ask_pin(question, plan);
    if (*ret != REASON_OFFER)
        return 0;
    if (!stays && is_meant(inquest, plan, ret, err))
        return -1;
    if (*ret != REASON_OFFER)
        return 0;
    *ret = REASON_NEWCOMER;
    if (plan->rules.is_snapshot && !past && question->created_at > plan->started_at)
        return 0;
    *ret = REASON_SUPERSEDED;
    if (went_further(question, plan))
        return 0;
    *ret = REASON_PRESTAGED;
    if (past && past->is_prestaged)
        return 0;
    return find_wave(question, plan, past, ret_wave, ret, err);
}

/* -- steps 4 to 6: whether the device can take it, and by which way -- */

struct way {
    enum reason reason;
    int64_t release_row; /* the next release on the way */
    const char *text;
};

static enum reason is_fit(const struct plan *plan, const struct filter_subject *facts,
                          int64_t security)
{
    if (facts->version[0] && strcmp(facts->version, plan->version) == 0)
        return REASON_ALREADY;
    if (!plan->release_is_offered)
        return REASON_RELEASE_WITHDRAWN;
    if (resolve_hardware(facts)[0] == '\0')
        return REASON_HARDWARE_UNKNOWN;
    if (!images_have_one_for(plan->images, plan->image_count, facts))
        return REASON_HARDWARE;
    return plan->security_version < security ? REASON_SECURITY_FLOOR : REASON_OFFER;
}

static struct way find_way(const struct plan *plan, const struct filter_subject *facts,
                           int64_t floor)
{
    struct way way = {.release_row = plan->release_row};
    const struct line_release *runs =
        plan->line && plan->goal ? line_running(plan->line, facts->version) : NULL;
    int64_t security = runs && runs->security_floor > floor ? runs->security_floor : floor;

    way.reason = is_fit(plan, facts, security);
    if (way.reason != REASON_OFFER || !plan->line || !plan->goal)
        return way;
    bool leads_back = runs && plan->goal->counter < runs->counter;
    if (leads_back && plan->rules.kind != KIND_ROLLBACK && plan->rules.kind != KIND_PIN) {
        way.reason = REASON_DOWNGRADE;
    } else if (runs && !leads_back && plan->rules.kind == KIND_ROLLBACK) {
        way.reason = REASON_UPGRADE;
    } else if (runs && runs->dead_end[0]) {
        way.reason = REASON_DEAD_END;
        way.text = runs->dead_end;
    } else if (leads_back) {
        if (line_floor_above(plan->line, runs, plan->goal))
            way.reason = REASON_FLOOR;
    } else {
        const struct line_release *next =
            line_next_floor(plan->line, runs, plan->goal, facts, security);
        way.release_row = next ? next->row_id : plan->release_row;
        if (next && !next->is_offered) {
            way.reason = REASON_RELEASE_WITHDRAWN;
            way.text = next->id;
        }
    }
    return way;
}

enum reason resolve_fitness(const struct plan *plan, const struct filter_subject *facts,
                            int64_t floor)
{
    return find_way(plan, facts, floor).reason;
}

/* What it told, and what the releases confirmed on it have raised it to. */
static int64_t security_of(const struct question *question, const struct plan *plan)
{
    int64_t security = question->floor;

    for (size_t i = 0; plan->line && i < question->past_count; i++) {
        if (question->pasts[i].state != DEPLOYMENT_CONFIRMED)
            continue;
        const struct line_release *release =
            line_release(plan->line, question->pasts[i].release_row);
        if (release && release->security_floor > security)
            security = release->security_floor;
    }
    return security;
}

/* -- step 7: whether it is the time -- */

/* Where the device's clocks are: what is known of the nearest place. */
static const struct zone *zone_for(const struct question *question, const struct plan *plan)
{
    const struct site_rule *site = !question->zone && question->steering
                                       ? steering_site(question->steering, question->facts.site)
                                       : NULL;

    if (question->zone)
        return question->zone;
    return site && site->zone ? site->zone : plan->zone;
}

/* Install windows are about installing: outside them the image may come ahead. Only download
 * windows hold the offer. Who cannot fetch without installing is seen to where the asker is known.
 */
static void ask_windows(const struct question *question, const struct plan *plan,
                        struct resolution *ret)
{
    const struct windows *download = &plan->rules.download_windows;
    const struct windows *install = &plan->rules.install_windows;
    int64_t opens_at = 0;

    if (download->count == 0 && install->count == 0)
        return;
    const struct zone *zone = zone_for(question, plan);
    if (install->count > 0 && !windows_are_open(install, zone, question->now, &opens_at)) {
        ret->install = INSTALL_PRESTAGE;
        ret->install_wait = opens_at - question->now;
    }
    if (download->count > 0 && !windows_are_open(download, zone, question->now, &opens_at)) {
        ret->reason = REASON_WINDOW;
        ret->until = opens_at;
    }
}

int resolve_time(const struct question *question, const struct plan *plan, struct resolution *ret,
                 struct error *err)
{
    const struct rules *rules = &plan->rules;
    const struct freeze_rule *freeze = NULL;
    bool is_due =
        rules->install == INSTALL_OPTIONAL && rules->force_at && question->now >= rules->force_at;

    ret->reason = REASON_OFFER;
    ret->until = ret->install_wait = 0;
    ret->text = NULL;
    ret->install = is_due ? INSTALL_FORCED : rules->install;
    if (rules->is_expedited)
        return 0;
    if (question->steering && question->steering->freeze_count > 0 &&
        steering_freeze(question->steering, &question->facts, question->now, &freeze, err))
        return -1;
    if (freeze) {
        ret->reason = REASON_FREEZE;
        ret->until = freeze->until_at;
        ret->text = freeze->reason;
        return 0;
    }
    ask_windows(question, plan, ret);
    return 0;
}

/* -- step 8: what became of earlier offers -- */

static enum reason judge_retry(const struct past *past, enum reason otherwise, int64_t now)
{
    if (!past->retry_at)
        return otherwise;
    return now < past->retry_at ? REASON_BACK_OFF : REASON_OFFER;
}

static enum reason judge_past(const struct past *past, int64_t now)
{
    switch (past->state) {
    case DEPLOYMENT_WITHDRAWN:
    case DEPLOYMENT_SUPERSEDED: /* by a campaign that wants it no more */
        return REASON_OFFER;
    case DEPLOYMENT_FAILED:
        return judge_retry(past, REASON_FAILED, now);
    case DEPLOYMENT_TIMED_OUT:
        return judge_retry(past, REASON_TIMED_OUT, now);
    case DEPLOYMENT_REVERTED:
        return REASON_REVERTED;
    case DEPLOYMENT_LOST:
        return REASON_LOST;
    case DEPLOYMENT_CONFIRMED:
        return REASON_CONFIRMED;
    default:
        return deployment_outcome(past->state) == OUTCOME_UNCOUNTED ? REASON_LEFT_OUT
                                                                    : REASON_UNDER_WAY;
    }
}

/* A standing campaign wants its release to be there: what came of an earlier one is over, and so is
 * what the device had and lost again, or could not have then. */
static bool is_forgotten(const struct question *question, const struct plan *plan,
                         const struct past *past)
{
    if (!plan_is_standing(plan))
        return false;
    switch (past->state) {
    case DEPLOYMENT_CONFIRMED:
        if (question->facts.version[0] && strcmp(question->facts.version, plan->version) != 0)
            return true;
        break;
    case DEPLOYMENT_NOT_APPLICABLE:
    case DEPLOYMENT_ALREADY:
    case DEPLOYMENT_REMOVED:
        return true;
    default:
        break;
    }
    return plan->rules.kind == KIND_BASELINE && past->state_at < plan->since &&
           deployment_outcome(past->state) != OUTCOME_PENDING;
}

/* A device in quarantine does not get what it fell back from, by whichever campaign; another
 * release it does. */
static bool is_quarantined(const struct question *question, int64_t release_row)
{
    if (question->now >= question->quarantine_until)
        return false;
    for (size_t i = 0; i < question->past_count; i++)
        if (question->pasts[i].release_row == release_row &&
            (question->pasts[i].state == DEPLOYMENT_REVERTED ||
             (question->pasts[i].state == DEPLOYMENT_FAILED && !question->pasts[i].retry_at)))
            return true;
    return false;
}

static void ask_past(const struct question *question, const struct plan *plan,
                     const struct past *past, struct resolution *ret)
{
    if (past && !is_forgotten(question, plan, past))
        ret->reason = judge_past(past, question->now);
    if (ret->reason == REASON_BACK_OFF)
        ret->until = past->retry_at;
    if (ret->reason == REASON_OFFER && is_quarantined(question, ret->release_row)) {
        ret->reason = REASON_QUARANTINE;
        ret->until = question->quarantine_until;
    }
}

/* -- all of it -- */

static void ask_capacity(const struct question *question, const struct plan *plan,
                         struct resolution *ret)
{
    int64_t wait = 0;

    if (!question->look)
        return;
    ret->reason = reason_of_admission(question->look(question->look_arg, plan, &wait));
    ret->until = ret->reason == REASON_OFFER ? 0 : question->now + wait;
}

/* Steps 4 to 9 for the campaign that decides. The payload (10) is the images of the release that
 * are for the device; it takes of them what it has not got. */
static int decide(const struct question *question, const struct plan *plan, const struct past *past,
                  struct resolution *ret, struct error *err)
{
    const struct way way = find_way(plan, &question->facts, security_of(question, plan));
    bool had_it = past && past->state == DEPLOYMENT_CONFIRMED;

    ret->plan = plan;
    ret->reason = way.reason;
    ret->text = way.text;
    ret->release_row = way.release_row;
    if (had_it && !is_forgotten(question, plan, past))
        ret->reason = REASON_CONFIRMED;
    if (ret->reason != REASON_OFFER)
        return 0;
    if (resolve_time(question, plan, ret, err))
        return -1;
    if (ret->reason == REASON_OFFER)
        ask_past(question, plan, past, ret);
    if (ret->reason == REASON_OFFER)
        ask_capacity(question, plan, ret);
    return 0;
}

/* Steps 1 to 3 as far as they concern no campaign. */
static void ask_device(const struct question *question, struct resolution *ret)
{
    const struct steering *steering = question->steering;

    *ret = (struct resolution){.reason = REASON_NO_CAMPAIGN, .wave = -1};
    if (!question->is_active) {
        ret->reason = REASON_DEVICE_STATE;
    } else if (steering && steering->is_halted) {
        ret->reason = REASON_HALTED;
        ret->text = steering->halt_reason;
    } else if (question->pin == PIN_HOLD) {
        ret->reason = REASON_HOLD;
        ret->until = question->pin_until;
    } else if (question->pin == PIN_RELEASE) {
        ret->reason = REASON_PINNED;
    }
}

/* Its target takes the device in, but the product is another's: that is no answer as long as a
 * campaign of the device's own may have one. */
static bool is_of_other_product(const struct plan *plan, const struct filter_subject *facts)
{
    return resolve_hardware(facts)[0] &&
           !images_have_one_for(plan->images, plan->image_count, facts);
}

/* Asks one campaign. `ret` is changed by one that decides, and by the first of another product, to
 * which it comes down when none decides. */
static int ask_campaign(struct inquest *inquest, const struct plan *plan, struct resolution *ret,
                        bool *ret_decides, struct error *err)
{
    const struct question *question = inquest->question;
    const struct past *past = past_in(question, plan);
    enum reason reason;
    int wave = -1;

    if (is_wanted(inquest, plan, past, &wave, &reason, err))
        return -1;
    bool wants = reason == REASON_OFFER;
    *ret_decides = wants && !is_of_other_product(plan, &question->facts);
    if (*ret_decides && decide(question, plan, past, ret, err))
        return -1;
    if (*ret_decides) {
        ret->wave = wave;
        reason = ret->reason;
    } else if (wants) {
        reason = REASON_HARDWARE;
        if (!ret->plan) {
            ret->plan = plan;
            ret->reason = reason;
        }
    }
    return question->note ? question->note(question->note_arg, plan, reason, err) : 0;
}

int resolve(const struct question *question, struct resolution *ret, struct error *err)
{
    struct inquest inquest = {.question = question};
    bool is_decided = false;

    ask_device(question, ret);
    if (ret->reason != REASON_NO_CAMPAIGN && ret->reason != REASON_PINNED)
        return 0;
    for (size_t i = 0; i < question->plan_count && !is_decided; i++)
        if (ask_campaign(&inquest, question->plans[i], ret, &is_decided, err))
            return -1;
    return 0;
}
