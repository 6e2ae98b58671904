/* SPDX-License-Identifier: Apache-2.0 */
/* Waves opened, judged and passed. What is due is asked on a reader; counting the fleet happens
 * there too. Only when something is to change does a job go to the writer, which asks again and
 * acts on its own answer. */
#include "campaign/engine.h"

#include "core/log.h"

#include <string.h>

#define RECOUNT_EVERY 600
#define FIRST_WAIT 2 /* between two looks for a fleet that has not shown up yet */

#define HELD_SHORT "short: "     /* too few could be confirmed */
#define HELD_APPROVAL "approval" /* an operator is to pass it */

enum due {
    DUE_NOTHING,
    DUE_COUNT, /* the fleet must be counted for the current wave */
    DUE_MOVE,  /* the current wave moves */
    DUE_WITHDRAWN,
    DUE_FINISH,
};

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
        return (decides && age > 0) || age >= min_of(RECOUNT_EVERY, overview->campaign.stale_after);
    return age >= overview->campaign.stale_after;
}

static struct gate_verdict judge(const struct overview *overview, const struct wave *wave,
                                 int64_t now)
{
    const struct gate gate = wave_gate(wave);
    int64_t covered_at = wave_state_in(wave) == WAVE_SOAKING ? wave->covered_at : 0;

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
                                                               : WAVE_SOAKING;
    case WAVE_HELD: /* later evidence may have made up for what was short */
        return strncmp(wave->state_reason, HELD_SHORT, strlen(HELD_SHORT)) == 0 &&
                       answer != GATE_HOLD
                   ? WAVE_OPEN
                   : WAVE_HELD;
    default:
        return state;
    }
}

static enum due what_is_due(const struct overview *overview, int64_t now)
{
    const struct campaign *campaign = &overview->campaign;
    enum campaign_state state = campaign_state_in(campaign);

    if (state == CAMPAIGN_FINISHING)
        return DUE_FINISH;
    if (state != CAMPAIGN_RUNNING)
        return DUE_NOTHING;
    if (!campaign->release_is_published)
        return DUE_WITHDRAWN;
    const struct wave *wave = overview_current(overview);
    if (!wave)
        return DUE_FINISH;
    if (wave_state_in(wave) == WAVE_PENDING)
        return is_count_due_before_opening(overview, wave, now) ? DUE_COUNT : DUE_NOTHING;
    enum gate_answer answer = judge(overview, wave, now).answer;
    if (is_recount_due(overview, wave, answer, now))
        return DUE_COUNT;
    return next_state(wave, answer) != wave_state_in(wave) ? DUE_MOVE : DUE_NOTHING;
}

/* -- on the writer -- */

struct step_on {
    struct campaigns *campaigns;
    int64_t campaign_row, now;
    bool has_count;
    int64_t counted_row; /* of the wave that was counted */
    struct headcount count;
};

static struct move timer_move(const struct step_on *step, const struct overview *overview,
                              const char *detail)
{
    return (struct move){.now = step->now,
                         .tenant_row = overview->campaign.tenant_row,
                         .cause = "timer",
                         .detail = detail};
}

/* Opens it, skips it when nobody in it is active, or leaves it when nobody at all is there yet. */
static int open_wave(struct tx *tx, const struct step_on *step, const struct overview *overview,
                     struct wave *wave, struct error *err)
{
    const struct headcount *count = &step->count;

    if (count->present == 0) {
        snprintf(wave->state_reason, sizeof wave->state_reason, "waits for an active device");
        return wave_save(tx, wave, err);
    }
    bool is_empty = count->active == 0;
    const struct move move = timer_move(step, overview, is_empty ? "no active member" : NULL);
    wave->rank_limit = count->limit;
    return wave_move(tx, step->campaigns, wave, is_empty ? WAVE_SKIPPED : WAVE_OPEN, &move, err);
}

static int apply_count(struct tx *tx, const struct step_on *step, struct overview *overview,
                       struct error *err)
{
    struct wave *wave = overview_current(overview);

    if (!wave || wave->row_id != step->counted_row)
        return 0;
    struct tally *tally = &overview->tallies[index_of(overview, wave)];
    int64_t most = wave->is_count ? (int64_t)wave->amount : INT64_MAX;
    wave->members = min_of(step->count.members, most);
    wave->active = tally->active = min_of(step->count.active, most);
    wave->counted_at = step->now;
    wave->counted_resolved = tally->confirmed + tally->failed + tally->uncounted;
    if (wave_state_in(wave) == WAVE_PENDING)
        return open_wave(tx, step, overview, wave, err);
    return wave_save(tx, wave, err);
}

static int move_wave(struct tx *tx, const struct step_on *step, struct overview *overview,
                     struct error *err)
{
    struct wave *wave = overview_current(overview);
    const struct gate_verdict verdict = judge(overview, wave, step->now);
    enum wave_state to = next_state(wave, verdict.answer);
    char reason[STATE_REASON_SIZE] = "", text[GATE_TEXT_SIZE];

    if (verdict.answer == GATE_APPROVE)
        snprintf(reason, sizeof reason, HELD_APPROVAL);
    else if (verdict.answer == GATE_HOLD)
        snprintf(reason, sizeof reason, HELD_SHORT "%.140s", gate_text(&verdict, text));
    else if (verdict.answer == GATE_SKIP)
        snprintf(reason, sizeof reason, "no active member");
    const struct move move = timer_move(step, overview, reason[0] ? reason : NULL);
    return wave_move(tx, step->campaigns, wave, to, &move, err);
}

static int finish(struct tx *tx, const struct step_on *step, struct overview *overview,
                  struct error *err)
{
    const struct move move = timer_move(step, overview, NULL);
    bool is_running = campaign_state_in(&overview->campaign) == CAMPAIGN_RUNNING;
    enum campaign_state to = is_running ? CAMPAIGN_FINISHING : CAMPAIGN_FINISHED;

    return campaign_move(tx, step->campaigns, &overview->campaign, to, &move, err);
}

static int work(struct tx *tx, void *arg, struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};
    const struct step_on *step = arg;
    enum due due = DUE_MOVE;

    if (overview_load(tx, step->campaign_row, &overview, err))
        return -1;
    if (step->has_count && campaign_state_in(&overview.campaign) == CAMPAIGN_RUNNING &&
        apply_count(tx, step, &overview, err))
        return -1;
    while (due != DUE_NOTHING && due != DUE_COUNT) {
        const struct move withdrawn = timer_move(step, &overview, "release withdrawn");
        int failed = 0;

        due = what_is_due(&overview, step->now);
        if (due == DUE_MOVE)
            failed = move_wave(tx, step, &overview, err);
        else if (due == DUE_FINISH)
            failed = finish(tx, step, &overview, err);
        else if (due == DUE_WITHDRAWN)
            failed = campaign_move(tx, step->campaigns, &overview.campaign, CAMPAIGN_PAUSED,
                                   &withdrawn, err);
        if (failed)
            return -1;
    }
    return 0;
}

/* -- on a reader -- */

static int look(struct step_on *step, enum due *ret, struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};
    CLEANUP(tx_end) struct tx tx = {0};

    step->has_count = false;
    if (tx_read(&tx, step->campaigns->store, err) ||
        overview_load(&tx, step->campaign_row, &overview, err))
        return -1;
    *ret = what_is_due(&overview, step->now);
    if (*ret != DUE_COUNT)
        return 0;
    const struct wave *wave = overview_current(&overview);
    if (headcount_take(&tx, &overview, index_of(&overview, wave), step->now, &step->count, err))
        return -1;
    step->has_count = true;
    step->counted_row = wave->row_id;
    return 0;
}

int waves_advance(struct campaigns *campaigns, int64_t campaign_row, int64_t now, struct error *err)
{
    struct step_on step = {.campaigns = campaigns, .campaign_row = campaign_row, .now = now};

    for (int round = 0; round < 2 * WISH_WAVES_MAX; round++) {
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
