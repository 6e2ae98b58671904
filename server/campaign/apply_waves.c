/* SPDX-License-Identifier: Apache-2.0 */
/* Waves opened, judged and passed; campaigns ended, and paused when nothing is heard. What is due
 * is asked on a reader; counting the fleet happens there too. Only when something is to change does
 * a job go to the writer, which asks again and acts on its own answer. */
#include "campaign/engine.h"

#include "campaign/apply_pipeline.h"
#include "core/log.h"
#include "store/freeze.h"

#include <string.h>

#define RECOUNT_EVERY 600
#define FIRST_WAIT 2 /* between two looks for a fleet that has not shown up yet */

enum due {
    DUE_NOTHING,
    DUE_COUNT, /* the fleet must be counted for the current wave */
    DUE_OPEN,  /* the one wave of a standing campaign */
    DUE_MOVE,  /* the current wave moves */
    DUE_WITHDRAWN,
    DUE_SILENCE,
    DUE_PATIENCE, /* nobody can be heard of while all stand still: the time counts anew */
    DUE_EXPIRE,
    DUE_COVERED, /* no wave is left: the watch begins */
    DUE_FINISH,
};

/* What a campaign is judged on. */
struct sight {
    struct overview overview;
    bool is_still; /* everybody is frozen or stopped: waves neither open nor pass */
    int64_t now;
};

static void sight_clear(struct sight *sight)
{
    overview_clear(&sight->overview);
}

static int note_freeze(const struct freeze *freeze, void *arg, struct error *err)
{
    struct sight *sight = arg;

    (void)err;
    sight->is_still |= freeze->target[0] == '\0' && freeze->from_at <= sight->now;
    return 0;
}

static int sight_take(struct tx *tx, int64_t campaign_row, int64_t now, struct sight *ret,
                      struct error *err)
{
    struct halt halt;

    ret->now = now;
    if (overview_load(tx, campaign_row, &ret->overview, err))
        return -1;
    int64_t tenant_row = ret->overview.campaign.tenant_row;
    enum step step = halt_of(tx, tenant_row, &halt, err);
    ret->is_still = step == STEP_ROW;
    if (step == STEP_FAILED)
        return -1;
    return ret->overview.rules.is_expedited
               ? 0
               : freeze_each(tx, tenant_row, now, note_freeze, ret, err);
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static size_t index_of(const struct overview *overview, const struct wave *wave)
{
    return (size_t)(wave - overview->waves);
}

/* Nobody was there at the last look: look again, less and less often. */
static bool is_count_due_before_opening(const struct overview *overview, const struct wave *wave,
                                        int64_t now)
{
    int64_t waited = wave->counted_at - overview->campaign.started_at;
    int64_t wait = waited / 4 < FIRST_WAIT ? FIRST_WAIT : min_of(waited / 4, RECOUNT_EVERY);

    return !wave->counted_at || now - wave->counted_at >= wait;
}

/* New outcomes ask for a count when they could decide the gate, otherwise now and then; without any
 * it is repeated only as devices grow stale. */
static bool is_recount_due(const struct overview *overview, const struct wave *wave,
                           enum gate_answer answer, int64_t now)
{
    const struct tally *tally = &overview->tallies[index_of(overview, wave)];
    int64_t known = tally->confirmed + tally->failed + tally->uncounted;
    int64_t age = now - wave->counted_at;
    bool decides = known >= wave->active ||
                   (answer != GATE_WAIT && wave_state_in(wave) == WAVE_OPEN) || answer == GATE_PASS;

    if (known != wave->counted_resolved)
        return (decides && age > 0) || age >= min_of(RECOUNT_EVERY, overview->rules.stale_after);
    return age >= overview->rules.stale_after;
}

static struct gate_verdict judge(const struct overview *overview, const struct wave *wave,
                                 int64_t now)
{
    struct gate gate = overview->rules.waves[wave->position].gate;
    int64_t covered_at = wave_state_in(wave) == WAVE_SOAKING ? wave->covered_at : 0;

    gate.is_manual &= !wave->is_approved;
    return gate_judge(&gate, &overview->tallies[index_of(overview, wave)], covered_at, now);
}

/* Where the verdict leads from here; the same state when nowhere. */
static enum wave_state next_state(const struct wave *wave, enum gate_answer answer)
{
    enum wave_state state = wave_state_in(wave);

    switch (state) {
    case WAVE_OPEN:
        return answer == GATE_SKIP   ? WAVE_SKIPPED
               : answer == GATE_HOLD ? WAVE_HELD
               : answer == GATE_WAIT ? WAVE_OPEN
                                     : WAVE_SOAKING;
    case WAVE_SOAKING:
        return answer == GATE_PASS                             ? WAVE_PASSED
               : answer == GATE_APPROVE || answer == GATE_HOLD ? WAVE_HELD
               : answer == GATE_WAIT                           ? WAVE_OPEN
                                                               : WAVE_SOAKING;
    case WAVE_HELD: /* later evidence may have made up for what was short */
        return strcmp(wave->held_for, HELD_FOR_SHORT) == 0 && answer != GATE_HOLD ? WAVE_OPEN
                                                                                  : WAVE_HELD;
    default:
        return state;
    }
}

/* Many were offered it and for a long time nobody had an outcome. Where most have one, the rest is
 * the usual tail of devices that are switched off. */
static bool is_too_silent(const struct overview *overview, int64_t now)
{
    const struct rules *rules = &overview->rules;
    int64_t since = overview->campaign.progress_at;

    return rules->dead_man && since && now - since >= rules->dead_man &&
           overview->silent >= rules->pause.sample &&
           2 * overview->silent >= overview->whole.offered;
}

static enum due what_is_due_of_wave(const struct sight *sight, const struct wave *wave)
{
    const struct overview *overview = &sight->overview;
    bool is_standing = overview->rules.kind == KIND_BASELINE || overview->rules.kind == KIND_PIN;
    enum wave_state state = wave_state_in(wave);

    if (sight->is_still)
        return DUE_NOTHING;
    if (is_standing)
        return state == WAVE_PENDING ? DUE_OPEN : DUE_NOTHING;
    if (state == WAVE_PENDING) {
        if (overview->rules.waves[wave->position].not_before > sight->now)
            return DUE_NOTHING;
        return is_count_due_before_opening(overview, wave, sight->now) ? DUE_COUNT : DUE_NOTHING;
    }
    enum gate_answer answer = judge(overview, wave, sight->now).answer;
    if (is_recount_due(overview, wave, answer, sight->now))
        return DUE_COUNT;
    return next_state(wave, answer) != state ? DUE_MOVE : DUE_NOTHING;
}

static enum due what_is_due(const struct sight *sight)
{
    const struct overview *overview = &sight->overview;
    const struct campaign *campaign = &overview->campaign;
    const struct rules *rules = &overview->rules;
    enum campaign_state state = campaign_state_in(campaign);

    if (state == CAMPAIGN_FINISHING)
        return sight->now - campaign->covered_at >= rules->watch ? DUE_FINISH : DUE_NOTHING;
    if ((state == CAMPAIGN_RUNNING || state == CAMPAIGN_PAUSED) && rules->end_at &&
        rules->end_at <= sight->now)
        return DUE_EXPIRE;
    if (state != CAMPAIGN_RUNNING)
        return DUE_NOTHING;
    if (!campaign->release_is_published)
        return DUE_WITHDRAWN;
    if (is_too_silent(overview, sight->now))
        return sight->is_still ? DUE_PATIENCE : DUE_SILENCE;
    const struct wave *wave = overview_current(overview);
    return wave ? what_is_due_of_wave(sight, wave) : DUE_COVERED;
}

/* -- on the writer -- */

struct step_on {
    struct campaigns *campaigns;
    int64_t campaign_row, now;
    bool has_count;
    int64_t counted_row;   /* of the wave that was counted, */
    int64_t counted_limit; /* with this limit */
    struct headcount count;
};

static void step_clear(struct step_on *step)
{
    headcount_clear(&step->count);
    step->has_count = false;
}

static struct move timer_move(const struct step_on *step, const struct overview *overview,
                              const char *detail)
{
    return (struct move){.now = step->now,
                         .tenant_row = overview->campaign.tenant_row,
                         .cause = "timer",
                         .detail = detail};
}

/* The limits of those drawn; without strata there is only one. */
static int take_limits(const struct step_on *step, struct wave *wave, unsigned strata,
                       struct error *err)
{
    const struct drawn *drawn = &step->count.drawn;

    if (!step->count.is_drawn)
        return 0;
    wave->rank_limit = drawn->highest;
    if (!strata)
        return 0;
    free(wave->strata_limits);
    wave->strata_limits = NULL;
    return stratum_limits_text(drawn->limits, drawn->count, &wave->strata_limits, err);
}

/* Opens it, skips it when nobody in it is active, or leaves it when nobody at all is there yet. */
static int open_wave(struct tx *tx, const struct step_on *step, struct overview *overview,
                     struct wave *wave, struct error *err)
{
    const struct headcount *count = &step->count;

    if (count->present == 0) {
        snprintf(wave->state_reason, sizeof wave->state_reason, "waits for an active device");
        return wave_save(tx, wave, err);
    }
    bool is_empty = count->active == 0;
    const struct move move = timer_move(step, overview, is_empty ? "no active member" : NULL);
    if (take_limits(step, wave, overview->rules.waves[wave->position].strata, err))
        return -1;
    return is_empty ? wave_move(tx, step->campaigns, wave, WAVE_SKIPPED, &move, err)
                    : wave_open(tx, step->campaigns, overview, wave, &move, err);
}

/* What was counted is of the wave as it was then: no more when it has got another limit since. */
static int apply_count(struct tx *tx, const struct step_on *step, struct sight *sight,
                       struct error *err)
{
    struct overview *overview = &sight->overview;
    struct wave *wave = overview_current(overview);

    if (!wave || wave->row_id != step->counted_row || wave->rank_limit != step->counted_limit)
        return 0;
    struct tally *tally = &overview->tallies[index_of(overview, wave)];
    const struct wave_rule *rule = &overview->rules.waves[wave->position];
    int64_t most = rule->kind == WAVE_COUNT ? (int64_t)rule->amount : INT64_MAX;
    wave->members = min_of(step->count.members, most);
    wave->active = tally->active = min_of(step->count.active, most);
    wave->counted_at = step->now;
    wave->counted_resolved = tally->confirmed + tally->failed + tally->uncounted;
    if (wave_state_in(wave) == WAVE_PENDING && !sight->is_still)
        return open_wave(tx, step, overview, wave, err);
    return wave_save(tx, wave, err);
}

static int open_standing(struct tx *tx, const struct step_on *step, struct overview *overview,
                         struct error *err)
{
    const struct move move = timer_move(step, overview, NULL);

    return wave_open(tx, step->campaigns, overview, overview_current(overview), &move, err);
}

static int move_wave(struct tx *tx, const struct step_on *step, struct overview *overview,
                     struct error *err)
{
    struct wave *wave = overview_current(overview);
    const struct gate_verdict verdict = judge(overview, wave, step->now);
    enum wave_state to = next_state(wave, verdict.answer);
    char reason[STATE_REASON_SIZE] = "", text[GATE_TEXT_SIZE];

    if (verdict.answer == GATE_APPROVE)
        snprintf(reason, sizeof reason, "approval");
    else if (verdict.answer == GATE_HOLD)
        snprintf(reason, sizeof reason, "short: %.140s", gate_text(&verdict, text));
    else if (verdict.answer == GATE_SKIP)
        snprintf(reason, sizeof reason, "no active member");
    else if (wave_state_in(wave) == WAVE_SOAKING && to == WAVE_OPEN)
        snprintf(reason, sizeof reason, "short again: %.140s", gate_text(&verdict, text));
    const struct move move = timer_move(step, overview, reason[0] ? reason : NULL);
    if (to == WAVE_OPEN)
        return wave_open(tx, step->campaigns, overview, wave, &move, err);
    if (to == WAVE_HELD)
        snprintf(wave->held_for, sizeof wave->held_for, "%s",
                 verdict.answer == GATE_APPROVE ? HELD_FOR_APPROVAL : HELD_FOR_SHORT);
    return wave_move(tx, step->campaigns, wave, to, &move, err);
}

/* -- campaigns -- */

static int pause_for(struct tx *tx, const struct step_on *step, struct overview *overview,
                     const char *what_for, const char *reason, struct error *err)
{
    const struct move move = timer_move(step, overview, reason);
    struct campaign *campaign = &overview->campaign;

    snprintf(campaign->paused_for, sizeof campaign->paused_for, "%s", what_for);
    return campaign_move(tx, step->campaigns, campaign, CAMPAIGN_PAUSED, &move, err);
}

static int pause_for_silence(struct tx *tx, const struct step_on *step, struct overview *overview,
                             struct error *err)
{
    char reason[STATE_REASON_SIZE];

    snprintf(reason, sizeof reason,
             "telemetry: %lld devices are under way and none was heard of for %lld s",
             (long long)overview->silent, (long long)(step->now - overview->campaign.progress_at));
    return pause_for(tx, step, overview, "telemetry", reason, err);
}

/* Also when what is under way may go on, nobody begins any more. */
static int expire(struct tx *tx, const struct step_on *step, struct overview *overview,
                  struct error *err)
{
    const struct move move = timer_move(step, overview, "end_at has come");
    struct campaign *campaign = &overview->campaign;

    campaign->stops_transfers |= overview->rules.end_cancels;
    return campaign_move(tx, step->campaigns, campaign, CAMPAIGN_EXPIRED, &move, err) ||
                   campaign_stop_offers(tx, step->campaigns, campaign, &move, err)
               ? -1
               : 0;
}

/* The watch counts from the last wave's end, also when it was paused in between. */
static int begin_watch(struct tx *tx, const struct step_on *step, struct overview *overview,
                       struct error *err)
{
    const struct move move = timer_move(step, overview, NULL);

    overview->campaign.covered_at = 0;
    for (size_t i = 0; i < overview->wave_count; i++)
        if (overview->waves[i].state_at > overview->campaign.covered_at)
            overview->campaign.covered_at = overview->waves[i].state_at;
    return campaign_move(tx, step->campaigns, &overview->campaign, CAMPAIGN_FINISHING, &move, err);
}

static int finish(struct tx *tx, const struct step_on *step, struct overview *overview,
                  struct error *err)
{
    const struct move move = timer_move(step, overview, NULL);

    if (campaign_move(tx, step->campaigns, &overview->campaign, CAMPAIGN_FINISHED, &move, err))
        return -1;
    return pipeline_finished(tx, step->campaigns, overview, step->now, err);
}

static int act_on(struct tx *tx, const struct step_on *step, struct overview *overview,
                  enum due due, struct error *err)
{
    switch (due) {
    case DUE_OPEN:
        return open_standing(tx, step, overview, err);
    case DUE_MOVE:
        return move_wave(tx, step, overview, err);
    case DUE_WITHDRAWN:
        return pause_for(tx, step, overview, "release", "release withdrawn", err);
    case DUE_SILENCE:
        return pause_for_silence(tx, step, overview, err);
    case DUE_PATIENCE:
        overview->campaign.progress_at = step->now;
        return campaign_note_progress(tx, step->campaign_row, step->now, false, err);
    case DUE_EXPIRE:
        return expire(tx, step, overview, err);
    case DUE_COVERED:
        return begin_watch(tx, step, overview, err);
    case DUE_FINISH:
        return finish(tx, step, overview, err);
    default:
        return 0;
    }
}

static int work(struct tx *tx, void *arg, struct error *err)
{
    CLEANUP(sight_clear) struct sight sight = {0};
    const struct step_on *step = arg;
    enum due due = DUE_MOVE;

    if (sight_take(tx, step->campaign_row, step->now, &sight, err))
        return -1;
    if (step->has_count && campaign_state_in(&sight.overview.campaign) == CAMPAIGN_RUNNING &&
        apply_count(tx, step, &sight, err))
        return -1;
    while (due != DUE_NOTHING && due != DUE_COUNT) {
        due = what_is_due(&sight);
        if (act_on(tx, step, &sight.overview, due, err))
            return -1;
    }
    return 0;
}

/* -- on a reader -- */

static int look(struct step_on *step, enum due *ret, struct error *err)
{
    CLEANUP(sight_clear) struct sight sight = {0};
    CLEANUP(tx_end) struct tx tx = {0};

    step_clear(step);
    if (tx_read(&tx, step->campaigns->store, err) ||
        sight_take(&tx, step->campaign_row, step->now, &sight, err))
        return -1;
    *ret = what_is_due(&sight);
    if (*ret != DUE_COUNT)
        return 0;
    const struct wave *wave = overview_current(&sight.overview);
    if (headcount_take(&tx, &sight.overview, index_of(&sight.overview, wave), step->now,
                       &step->count, err))
        return -1;
    step->has_count = true;
    step->counted_row = wave->row_id;
    step->counted_limit = wave->rank_limit;
    return 0;
}

int waves_advance(struct campaigns *campaigns, int64_t campaign_row, int64_t now, struct error *err)
{
    CLEANUP(step_clear)
    struct step_on step = {.campaigns = campaigns, .campaign_row = campaign_row, .now = now};

    for (int round = 0; round < 2 * RULES_WAVES_MAX; round++) {
        enum due due;

        if (look(&step, &due, err))
            return -1;
        if (due == DUE_NOTHING)
            return 0;
        if (store_write(campaigns->store, work, &step, err))
            return -1;
    }
    return 0;
}
