/* SPDX-License-Identifier: Apache-2.0 */
/* Every change of state goes through one of three functions: table asked, row saved, counts moved,
 * event appended, all in the caller's transaction. What follows in memory waits for the commit. */
#include "campaign/engine.h"

#include "campaign/apply_pipeline.h"
#include "campaign/failure.h"
#include "core/log.h"
#include "store/event.h"
#include "store/stratum_count.h"

#include <assert.h>
#include <string.h>

#define RETRYING "retrying"   /* failed, but to be tried again before it counts */
#define PRESTAGED "prestaged" /* downloaded, and nothing else was wanted */
#define ACTION_FLOOR 11

enum deployment_state deployment_state_in(const struct deployment *deployment)
{
    enum deployment_state state = DEPLOYMENT_OFFERED;
    bool is_known = deployment_state_of(deployment->state, &state);

    assert(is_known); /* the schema has the same list */
    return state;
}

enum campaign_state campaign_state_in(const struct campaign *campaign)
{
    enum campaign_state state = CAMPAIGN_DRAFT;
    bool is_known = campaign_state_of(campaign->state, &state);

    assert(is_known);
    return state;
}

enum wave_state wave_state_in(const struct wave *wave)
{
    enum wave_state state = WAVE_PENDING;
    bool is_known = wave_state_of(wave->state, &state);

    assert(is_known);
    return state;
}

int campaign_need(struct tx *tx, int64_t campaign_row, struct campaign *ret, struct error *err)
{
    enum step step = campaign_by_row(tx, campaign_row, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_CAMPAIGN, "the campaign is gone");
    return step == STEP_ROW ? 0 : -1;
}

/* -- effects after the commit -- */

struct effect {
    struct campaigns *campaigns;
    int64_t row, release_row;
};

static int after_commit(struct tx *tx, void (*run)(struct store *store, void *arg),
                        const struct effect *effect, struct error *err)
{
    struct effect *kept = malloc(sizeof *kept);

    if (!kept)
        return fail_internal(err, "memory for an effect");
    *kept = *effect;
    tx_after_commit(tx, run, kept);
    return 0;
}

static void forget_transfers(struct store *store, void *arg)
{
    const struct effect *effect = arg;

    (void)store;
    transfers_forget(effect->campaigns, effect->row);
}

static void sever_transfers(struct store *store, void *arg)
{
    const struct effect *effect = arg;

    (void)store;
    if (effect->campaigns->sever)
        effect->campaigns->sever(effect->campaigns->sever_arg, effect->row, effect->release_row);
}

/* -- campaigns and waves -- */

/* The dead-man rule does not count the time it stood still. */
static void note_times(struct campaign *campaign, enum campaign_state from, enum campaign_state to,
                       int64_t now)
{
    if (to == CAMPAIGN_RUNNING && !campaign->started_at)
        campaign->started_at = now;
    if (to == CAMPAIGN_RUNNING && from == CAMPAIGN_PAUSED && campaign->progress_at)
        campaign->progress_at = now;
    if (to == CAMPAIGN_FINISHING && !campaign->covered_at)
        campaign->covered_at = now;
}

/* Whoever pauses says what for; without a word it was an operator. */
static void note_pause(struct campaign *campaign, enum campaign_state to)
{
    if (to != CAMPAIGN_PAUSED)
        campaign->paused_for[0] = '\0';
    else if (!campaign->paused_for[0])
        snprintf(campaign->paused_for, sizeof campaign->paused_for, "operator");
}

int campaign_move(struct tx *tx, struct campaigns *campaigns, struct campaign *campaign,
                  enum campaign_state to, const struct move *move, struct error *err)
{
    enum campaign_state from = campaign_state_in(campaign);
    const struct event event = {
        .at = move->now,
        .tenant_row = campaign->tenant_row,
        .kind = "campaign.state",
        .campaign_row = campaign->row_id,
        .from_state = campaign_state_name(from),
        .to_state = campaign_state_name(to),
        .cause = move->cause,
        .detail = move->detail,
    };
    const struct effect effect = {campaigns, campaign->row_id, 0};

    assert(campaign_may_move(from, to));
    snprintf(campaign->state, sizeof campaign->state, "%s", campaign_state_name(to));
    snprintf(campaign->state_reason, sizeof campaign->state_reason, "%s",
             move->detail ? move->detail : "");
    campaign->state_at = move->now;
    if (to == CAMPAIGN_ABORTED)
        campaign->stops_transfers = true;
    note_times(campaign, from, to, move->now);
    note_pause(campaign, to);
    if (campaign_save(tx, campaign, err) || event_append(tx, &event, err))
        return -1;
    log_info("campaign.state", TEXT("campaign", campaign->id), TEXT("from", event.from_state),
             TEXT("to", event.to_state), TEXT("reason", campaign->state_reason));
    if (campaign_touch(tx, campaigns, err))
        return -1;
    return campaign->stops_transfers ? after_commit(tx, sever_transfers, &effect, err) : 0;
}

int campaign_sever(struct tx *tx, struct campaigns *campaigns, struct campaign *campaign,
                   const struct move *move, struct error *err)
{
    const struct effect effect = {campaigns, campaign->row_id, 0};
    const struct event event = {
        .at = move->now,
        .tenant_row = campaign->tenant_row,
        .kind = "campaign.state",
        .campaign_row = campaign->row_id,
        .from_state = campaign->state,
        .to_state = campaign->state,
        .cause = move->cause,
        .detail = "its transfers are refused from now on",
    };

    campaign->stops_transfers = true;
    return campaign_save(tx, campaign, err) || event_append(tx, &event, err) ||
                   campaign_touch(tx, campaigns, err) ||
                   after_commit(tx, sever_transfers, &effect, err)
               ? -1
               : 0;
}

/* Whoever holds says what for; without a word it was an operator. */
static void note_hold(struct wave *wave, enum wave_state to)
{
    if (to != WAVE_HELD)
        wave->held_for[0] = '\0';
    else if (!wave->held_for[0])
        snprintf(wave->held_for, sizeof wave->held_for, HELD_FOR_OPERATOR);
}

int wave_move(struct tx *tx, struct campaigns *campaigns, struct wave *wave, enum wave_state to,
              const struct move *move, struct error *err)
{
    enum wave_state from = wave_state_in(wave);
    char detail[STATE_REASON_SIZE + 32];
    const struct event event = {
        .at = move->now,
        .tenant_row = move->tenant_row,
        .kind = "wave.state",
        .campaign_row = wave->campaign_row,
        .from_state = wave_state_name(from),
        .to_state = wave_state_name(to),
        .cause = move->cause,
        .detail = detail,
    };

    assert(wave_may_move(from, to));
    snprintf(wave->state, sizeof wave->state, "%s", wave_state_name(to));
    snprintf(wave->state_reason, sizeof wave->state_reason, "%s", move->detail ? move->detail : "");
    snprintf(detail, sizeof detail, "wave %lld%s%s", (long long)wave->position + 1,
             wave->state_reason[0] ? ": " : "", wave->state_reason);
    note_hold(wave, to);
    wave->state_at = move->now;
    if (to == WAVE_OPEN && !wave->opened_at)
        wave->opened_at = move->now;
    wave->covered_at = to == WAVE_SOAKING ? move->now : to == WAVE_OPEN ? 0 : wave->covered_at;
    if (wave_save(tx, wave, err) || event_append(tx, &event, err))
        return -1;
    return campaign_touch(tx, campaigns, err);
}

/* The dead-man rule does not count the time before: during a soak nobody was asked. */
int wave_open(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
              struct wave *wave, const struct move *move, struct error *err)
{
    struct campaign *campaign = &overview->campaign;

    if (wave_move(tx, campaigns, wave, WAVE_OPEN, move, err))
        return -1;
    if (!campaign->progress_at) /* nobody was offered anything yet */
        return 0;
    campaign->progress_at = move->now;
    return campaign_note_progress(tx, campaign->row_id, move->now, false, err);
}

/* -- the brake -- */

static const struct wave *wave_at(const struct overview *overview, int position)
{
    for (size_t i = 0; i < overview->wave_count; i++)
        if (overview->waves[i].position == position)
            return &overview->waves[i];
    return NULL;
}

static int hold_current_wave(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
                             const struct move *move, struct error *err)
{
    struct wave *wave = overview_current(overview);

    if (!wave || !wave_may_move(wave_state_in(wave), WAVE_HELD))
        return 0;
    snprintf(wave->held_for, sizeof wave->held_for, HELD_FOR_BUDGET);
    return wave_move(tx, campaigns, wave, WAVE_HELD, move, err);
}

/* "failure budget: 3 of 20 resolved have failed in wave 2, 4 in all": the scope that tripped. */
static void brake_reason(const struct overview *overview, const struct deployment *deployment,
                         enum brake tripped, char ret[STATE_REASON_SIZE])
{
    const struct wave *wave = wave_at(overview, deployment->wave);
    const struct tally *tally = &overview->tallies[wave ? wave->position : 0];
    char where[64];

    if (overview->strata_brake == tripped &&
        overview_brake_of_wave(overview, deployment->wave) < tripped) {
        tally = &overview->worst;
        snprintf(where, sizeof where, "%.60s", overview->worst_stratum);
    } else {
        snprintf(where, sizeof where, "wave %d", deployment->wave + 1);
    }
    snprintf(ret, STATE_REASON_SIZE,
             "failure budget: %lld of %lld resolved have failed in %s, %lld in all",
             (long long)tally->failed, (long long)(tally->failed + tally->confirmed), where,
             (long long)overview->whole.failed);
}

/* Looked at when a failure is added, which is the only thing that can trip it: with each success
 * the limits only rise. A campaign whose waves have all passed is watched in the same way. */
static int brake(struct tx *tx, struct campaigns *campaigns, const struct deployment *deployment,
                 const struct move *move, struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};
    char reason[STATE_REASON_SIZE];

    if (overview_load(tx, deployment->campaign_row, &overview, err))
        return -1;
    enum campaign_state state = campaign_state_in(&overview.campaign);
    enum brake tripped = overview_brake(&overview, deployment->wave);
    enum campaign_state to = tripped == BRAKE_ABORT ? CAMPAIGN_ABORTED : CAMPAIGN_PAUSED;
    if (tripped == BRAKE_NONE || state == CAMPAIGN_SCHEDULED || !campaign_may_move(state, to))
        return 0;
    brake_reason(&overview, deployment, tripped, reason);
    const struct move braked = {.now = move->now,
                                .tenant_row = overview.campaign.tenant_row,
                                .cause = "server",
                                .detail = reason};
    snprintf(overview.campaign.paused_for, sizeof overview.campaign.paused_for, "budget");
    if (hold_current_wave(tx, campaigns, &overview, &braked, err) ||
        campaign_move(tx, campaigns, &overview.campaign, to, &braked, err))
        return -1;
    return to == CAMPAIGN_ABORTED ? pipeline_aborted(tx, campaigns, &overview, move->now, err) : 0;
}

/* The same failure on two devices speaks of the release, not of them. */
static int raise_alarm(struct tx *tx, const struct deployment *deployment, const struct move *move,
                       struct error *err)
{
    int64_t others;
    const struct event event = {
        .at = move->now,
        .tenant_row = move->tenant_row,
        .kind = "campaign.alarm",
        .campaign_row = deployment->campaign_row,
        .cause = "server",
        .detail = deployment->class,
    };

    if (!failure_alarms(failure_of(deployment->class)))
        return 0;
    if (deployment_failed_alike(tx, deployment, &others, err))
        return -1;
    if (others != 1)
        return 0;
    log_warning("campaign.alarm", NUMBER("campaign_row", deployment->campaign_row),
                TEXT("class", deployment->class));
    return event_append(tx, &event, err);
}

/* -- deployments -- */

struct passage {
    const char *kind, *from, *to;
};

static int append_event(struct tx *tx, const struct deployment *deployment,
                        const struct passage *passage, const struct move *move, struct error *err)
{
    const struct event event = {
        .at = move->now,
        .tenant_row = move->tenant_row,
        .kind = passage->kind,
        .device_row = deployment->device_row,
        .campaign_row = deployment->campaign_row,
        .deployment_row = deployment->row_id,
        .attempt = deployment->attempt,
        .message_hash = move->message_hash,
        .from_state = passage->from,
        .to_state = passage->to,
        .cause = move->cause,
        .detail = move->detail,
        .told = move->told,
    };

    return event_append(tx, &event, err);
}

int deployment_tell(struct tx *tx, const struct deployment *deployment, const char *kind,
                    const char *to, const struct move *move, struct error *err)
{
    return append_event(tx, deployment, &(struct passage){kind, NULL, to}, move, err);
}

static int tell_state(struct tx *tx, const struct deployment *deployment, const char *from,
                      const struct move *move, struct error *err)
{
    return append_event(tx, deployment,
                        &(struct passage){"deployment.state", from, deployment->state}, move, err);
}

static const char *counted_as(const struct deployment *deployment, enum deployment_state state)
{
    bool is_retried = state == DEPLOYMENT_FAILED && deployment->retry_at &&
                      failure_counts_late(failure_of(deployment->class));
    bool is_prestaged = state == DEPLOYMENT_DOWNLOADED && !deployment->is_open;

    return is_retried ? RETRYING : is_prestaged ? PRESTAGED : deployment_state_name(state);
}

enum outcome outcome_counted(const char *counted_as)
{
    enum deployment_state state = DEPLOYMENT_OFFERED; /* "retrying" is on its way too */

    if (strcmp(counted_as, PRESTAGED) == 0)
        return OUTCOME_CONFIRMED;
    (void)deployment_state_of(counted_as, &state);
    return deployment_outcome(state);
}

/* With the stratum it was in when it was first offered. */
static int recount_stratum(struct tx *tx, const struct deployment *deployment, enum outcome before,
                           enum outcome after, struct error *err)
{
    const struct stratum_count more = {
        .stratum = deployment->stratum,
        .confirmed = (after == OUTCOME_CONFIRMED) - (before == OUTCOME_CONFIRMED),
        .failed = (after == OUTCOME_FAILED) - (before == OUTCOME_FAILED),
    };

    if (!deployment->stratum[0] || (!more.confirmed && !more.failed))
        return 0;
    return stratum_count_add(tx, deployment->campaign_row, &more, err);
}

static int recount(struct tx *tx, struct deployment *deployment, const char *now_as, int64_t now,
                   struct error *err)
{
    enum outcome before = outcome_counted(deployment->counted_as), after = outcome_counted(now_as);
    bool is_taken_back = before == OUTCOME_FAILED && after != OUTCOME_FAILED;
    bool is_progress = before != after && (after == OUTCOME_CONFIRMED || after == OUTCOME_FAILED);

    if (strcmp(deployment->counted_as, now_as) == 0)
        return 0;
    if (deployment_count_add(tx, deployment->campaign_row, deployment->wave, deployment->counted_as,
                             -1, err) ||
        deployment_count_add(tx, deployment->campaign_row, deployment->wave, now_as, 1, err) ||
        recount_stratum(tx, deployment, before, after, err) ||
        (is_progress && campaign_note_progress(tx, deployment->campaign_row, now, false, err)) ||
        (is_taken_back && overview_clamp_accepted(tx, deployment->campaign_row, err)))
        return -1;
    snprintf(deployment->counted_as, sizeof deployment->counted_as, "%s", now_as);
    return 0;
}

/* Which deployment has brought what the device runs. */
static int note_installed(struct tx *tx, const struct deployment *deployment,
                          enum deployment_state to, struct error *err)
{
    int64_t device_row = deployment->device_row, action = deployment->action;

    if (to == DEPLOYMENT_VERIFYING || to == DEPLOYMENT_CONFIRMED)
        return device_set_installed(tx, device_row, action, err);
    return to == DEPLOYMENT_REVERTED || to == DEPLOYMENT_FAILED
               ? device_drop_installed(tx, device_row, action, err)
               : 0;
}

int deployment_move(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                    enum deployment_state to, const struct move *move, struct error *err)
{
    enum deployment_state from = deployment_state_in(deployment);
    bool was_failed = outcome_counted(deployment->counted_as) == OUTCOME_FAILED;

    assert(deployment_may_move(from, to) ||
           (from == to && to == DEPLOYMENT_DOWNLOADED && !deployment->is_open));
    deployment->is_cancelling &= deployment->is_open;
    if (strcmp(deployment->class, LEFT) == 0 ||
        (to != DEPLOYMENT_INSTALLING && strcmp(deployment->class, SILENT) == 0))
        deployment->class[0] = '\0';
    if (!deployment->is_open && /* the ticker comes too late for it */
        transfers_add(tx, deployment, transfers_covered(campaigns, deployment->row_id), err))
        return -1;
    if (recount(tx, deployment, counted_as(deployment, to), move->now, err))
        return -1;
    snprintf(deployment->state, sizeof deployment->state, "%s", deployment_state_name(to));
    deployment->state_at = move->now;
    bool has_words = move->detail && move->detail[0];
    if (deployment_save(tx, deployment, has_words ? move->detail : NULL, err) ||
        tell_state(tx, deployment, deployment_state_name(from), move, err) ||
        note_installed(tx, deployment, to, err))
        return -1;
    if (!deployment->is_open &&
        after_commit(tx, forget_transfers, &(struct effect){campaigns, deployment->row_id, 0}, err))
        return -1;
    if (leases_follow(tx, campaigns, deployment, err))
        return -1;
    if (was_failed || outcome_counted(deployment->counted_as) != OUTCOME_FAILED)
        return 0;
    if (raise_alarm(tx, deployment, move, err))
        return -1;
    return brake(tx, campaigns, deployment, move, err);
}

/* Action ids grow for ever and are never given twice; Zephyr's client takes d·10^n for something
 * else, and DDI clients read them as 32 bits. */
static bool is_round(int64_t number)
{
    while (number % 10 == 0)
        number /= 10;
    return number < 10;
}

static int next_action(struct tx *tx, int64_t *ret, struct error *err)
{
    int64_t action;

    do
        if (store_next_number(tx, "action", &action, err))
            return -1;
    while (action < ACTION_FLOOR || is_round(action));
    if (action > INT32_MAX)
        return fail_internal(err, "action ids are used up");
    *ret = action;
    return 0;
}

static int offer_again(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                       const struct move *move, struct error *err)
{
    deployment->attempt++;
    deployment->is_open = true;
    deployment->is_cancelling = deployment->is_unproven = deployment->has_final = false;
    deployment->retry_at = deployment->bytes_served = deployment->polls_since = 0;
    deployment->boots_since = deployment->boots_from = 0;
    deployment->fetches = deployment->held_until_at = 0;
    deployment->class[0] = '\0';
    deployment->offered_at = move->now;
    return deployment_move(tx, campaigns, deployment, DEPLOYMENT_OFFERED, move, err);
}

/* Where its outcome will be counted, whatever becomes of its version or site meanwhile. */
static int find_stratum(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                        struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    const struct plan *plan = snapshot_find(snapshot, deployment->campaign_row);
    struct device device;

    if (deployment->stratum[0] || !plan || !plan->rules.strata)
        return 0;
    enum step step = device_by_row(tx, deployment->device_row, &device, err);
    if (step == STEP_ROW)
        stratum_of(plan->rules.strata, device.model, device.version, device.site,
                   deployment->stratum);
    return step == STEP_FAILED ? -1 : 0;
}

int deployment_offer(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                     const struct move *move, struct error *err)
{
    int64_t before = deployment->action;

    if (next_action(tx, &deployment->action, err))
        return -1;
    if (deployment->row_id && device_drop_installed(tx, deployment->device_row, before, err))
        return -1;
    if (deployment->row_id)
        return offer_again(tx, campaigns, deployment, move, err);
    if (find_stratum(tx, campaigns, deployment, err) ||
        campaign_note_progress(tx, deployment->campaign_row, move->now, true, err))
        return -1;
    snprintf(deployment->state, sizeof deployment->state, "%s",
             deployment_state_name(DEPLOYMENT_OFFERED));
    deployment->offered_at = deployment->state_at = move->now;
    if (deployment_insert(tx, deployment, err) ||
        deployment_count_add(tx, deployment->campaign_row, deployment->wave, deployment->state, 1,
                             err))
        return -1;
    return tell_state(tx, deployment, "", move, err);
}

int deployment_ask_to_cancel(struct tx *tx, struct deployment *deployment, const struct move *move,
                             struct error *err)
{
    const struct passage passage = {"deployment.cancelling", deployment->state, deployment->state};

    deployment->is_cancelling = true;
    if (deployment_save(tx, deployment, NULL, err))
        return -1;
    return append_event(tx, deployment, &passage, move, err);
}

enum deployment_state deployment_cancelled_as(const struct deployment *deployment)
{
    return strcmp(deployment->class, LEFT) == 0 ? DEPLOYMENT_REMOVED : DEPLOYMENT_CANCELLED;
}

bool deployment_is_untouched(struct campaigns *campaigns, const struct deployment *deployment)
{
    bool was_let_go = deployment_state_in(deployment) != DEPLOYMENT_OFFERED &&
                      !deployment_awaits_consent(deployment);

    return !was_let_go && !deployment->bytes_served &&
           !transfers_have(campaigns, deployment->row_id);
}

int deployment_stop(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                    bool is_hard, const struct move *move, struct error *err)
{
    enum deployment_state state = deployment_state_in(deployment);

    if (!deployment_is_stoppable(state) || deployment->is_cancelling)
        return 0;
    if (deployment_is_untouched(campaigns, deployment)) {
        deployment->is_open = false;
        return deployment_move(tx, campaigns, deployment, DEPLOYMENT_CANCELLED, move, err);
    }
    return is_hard ? deployment_ask_to_cancel(tx, deployment, move, err) : 0;
}
