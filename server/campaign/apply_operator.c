/* SPDX-License-Identifier: Apache-2.0 */
/* What operators do to campaigns: submit, approve, start, pause, resume, abort, cancel. Each is one
 * transaction with its events and its line in the audit log. */
#include "campaign/engine.h"

#include "campaign/apply_pipeline.h"
#include "core/text.h"
#include "store/approval.h"

#include <string.h>

struct act {
    struct campaigns *campaigns;
    struct overview overview;
    const json_t *arguments;
    const struct actor *actor;
    struct move move;
};

static int wrong_state(const struct act *act, const char *what, struct error *err)
{
    return fail(err, PROBLEM_WRONG_STATE, "campaign %s is %s; it cannot be %s",
                act->overview.campaign.id, act->overview.campaign.state, what);
}

static int move_campaign(struct tx *tx, struct act *act, enum campaign_state to, const char *what,
                         struct error *err)
{
    struct campaign *campaign = &act->overview.campaign;

    if (!campaign_may_move(campaign_state_in(campaign), to))
        return wrong_state(act, what, err);
    return campaign_move(tx, act->campaigns, campaign, to, &act->move, err);
}

/* -- before it runs -- */

/* Nobody is to be asked when nobody is needed. */
static int submit(struct tx *tx, struct act *act, struct error *err)
{
    if (campaign_state_in(&act->overview.campaign) != CAMPAIGN_DRAFT)
        return wrong_state(act, "submitted", err);
    if (!act->overview.rules.approvals)
        return campaign_schedule(tx, act->campaigns, &act->overview, &act->move, err);
    return move_campaign(tx, act, CAMPAIGN_REVIEW, "submitted", err);
}

static int keep_word(struct tx *tx, const struct act *act, bool is_refusal, struct error *err)
{
    const struct campaign *campaign = &act->overview.campaign;
    struct approval approval = {
        .campaign_row = campaign->row_id, .at = act->move.now, .is_refusal = is_refusal};

    memcpy(approval.plan_hash, campaign->plan_hash, sizeof approval.plan_hash);
    snprintf(approval.operator, sizeof approval.operator, "%s", act->actor->id);
    snprintf(approval.note, sizeof approval.note, "%s", act->move.detail ? act->move.detail : "");
    return approval_set(tx, &approval, err);
}

/* Whoever made the campaign or wrote its plan has spoken already. */
static int check_approver(const struct act *act, struct error *err)
{
    const struct campaign *campaign = &act->overview.campaign;
    bool is_maker = strcmp(campaign->created_by, act->actor->id) == 0;

    if (!is_maker && strcmp(campaign->planned_by, act->actor->id) != 0)
        return 0;
    return fail(err, PROBLEM_FORBIDDEN, "%s %s %s; somebody else must approve it", act->actor->id,
                is_maker ? "made" : "wrote the plan of", campaign->id);
}

/* The plan that was looked at is the one that is approved. */
static int check_named_plan(const struct act *act, struct error *err)
{
    char present[2 * PLAN_HASH_SIZE + 1];
    const char *named;

    if (json_get_string_or(act->arguments, "plan_hash", NULL, &named, err))
        return -1;
    hex_from_bytes(act->overview.campaign.plan_hash, PLAN_HASH_SIZE, present);
    if (!named || strcmp(named, present) == 0)
        return 0;
    return fail_field(err, PROBLEM_CONFLICT, "plan_hash", "the plan is another one by now: %s",
                      present);
}

static int approve(struct tx *tx, struct act *act, struct error *err)
{
    const struct campaign *campaign = &act->overview.campaign;
    int64_t given;

    if (campaign_state_in(campaign) != CAMPAIGN_REVIEW)
        return wrong_state(act, "approved", err);
    if (check_approver(act, err) || check_named_plan(act, err) || keep_word(tx, act, false, err) ||
        approval_count(tx, campaign, &given, err))
        return -1;
    if (given < act->overview.rules.approvals)
        return campaign_save(tx, &act->overview.campaign, err); /* it has changed for readers */
    return campaign_schedule(tx, act->campaigns, &act->overview, &act->move, err);
}

static int refuse(struct tx *tx, struct act *act, struct error *err)
{
    if (campaign_state_in(&act->overview.campaign) != CAMPAIGN_REVIEW)
        return wrong_state(act, "refused", err);
    if (!act->move.detail || !act->move.detail[0])
        return fail_field(err, PROBLEM_BAD_FIELD, "note", "a refusal says why");
    return keep_word(tx, act, true, err) || move_campaign(tx, act, CAMPAIGN_DRAFT, "refused", err)
               ? -1
               : 0;
}

/* -- while it runs -- */

static int pause_campaign(struct tx *tx, struct act *act, struct error *err)
{
    struct campaign *campaign = &act->overview.campaign;

    if (campaign_state_in(campaign) == CAMPAIGN_SCHEDULED)
        return wrong_state(act, "paused; cancel it", err);
    snprintf(campaign->paused_for, sizeof campaign->paused_for, "operator");
    return move_campaign(tx, act, CAMPAIGN_PAUSED, "paused", err);
}

/* A campaign that braked goes on only when someone takes the failures on. `true` takes all so far.
 */
static int accept_failures(struct tx *tx, struct act *act, struct error *err)
{
    const json_t *accepted = json_object_get(act->arguments, "accept_failures");
    int64_t number = 0;

    if (json_is_true(accepted))
        number = act->overview.whole.failed;
    else if (json_get_integer_or(act->arguments, "accept_failures", 0, INT32_MAX, 0, &number, err))
        return -1;
    if (number && overview_accept(tx, &act->overview, number, err))
        return -1;
    for (size_t i = 0; i < act->overview.wave_count; i++)
        if (overview_brake(&act->overview, (int)i) != BRAKE_NONE)
            return fail_field(err, PROBLEM_CONFLICT, "accept_failures",
                              "the failure budget is spent: %lld have failed; resume with "
                              "accept_failures to take them on",
                              (long long)act->overview.whole.failed);
    return 0;
}

/* A wave held by the brake goes on; one that waits for an operator is passed by this. */
static int release_wave(struct tx *tx, struct act *act, bool *ret, struct error *err)
{
    struct wave *wave = overview_current(&act->overview);

    *ret = wave && wave_state_in(wave) == WAVE_HELD;
    if (!*ret)
        return 0;
    bool was_braked = strcmp(wave->held_for, HELD_FOR_BUDGET) == 0;
    bool is_running = campaign_state_in(&act->overview.campaign) == CAMPAIGN_RUNNING;
    if (!was_braked && !is_running)
        return 0;
    return wave_move(tx, act->campaigns, wave, was_braked ? WAVE_OPEN : WAVE_PASSED, &act->move,
                     err);
}

static int resume_paused(struct tx *tx, struct act *act, struct error *err)
{
    struct campaign *campaign = &act->overview.campaign;
    bool had_held;

    if (!campaign->started_at)
        return campaign_begin_anyway(tx, act->campaigns, &act->overview, &act->move, err);
    if (accept_failures(tx, act, err))
        return -1;
    if (!campaign->release_is_published)
        return fail_field(err, PROBLEM_WRONG_STATE, "release", "release %.97s is not published",
                          campaign->release_id);
    if (release_wave(tx, act, &had_held, err))
        return -1;
    campaign->paused_for[0] = '\0';
    campaign->progress_at = act->move.now;
    return move_campaign(tx, act, CAMPAIGN_RUNNING, "resumed", err);
}

static int resume(struct tx *tx, struct act *act, struct error *err)
{
    enum campaign_state state = campaign_state_in(&act->overview.campaign);
    bool had_held;

    if (state == CAMPAIGN_PAUSED)
        return resume_paused(tx, act, err);
    if (state != CAMPAIGN_RUNNING)
        return wrong_state(act, "resumed", err);
    if (release_wave(tx, act, &had_held, err))
        return -1;
    return had_held ? 0 : wrong_state(act, "resumed", err);
}

static int abort_campaign(struct tx *tx, struct act *act, struct error *err)
{
    struct campaign *campaign = &act->overview.campaign;

    if (!campaign->started_at)
        return wrong_state(act, "aborted before it has begun; cancel it", err);
    campaign->paused_for[0] = '\0';
    return move_campaign(tx, act, CAMPAIGN_ABORTED, "aborted", err) ||
                   campaign_stop_offers(tx, act->campaigns, campaign, &act->move, err) ||
                   pipeline_aborted(tx, act->campaigns, &act->overview, act->move.now, err)
               ? -1
               : 0;
}

static int cancel(struct tx *tx, struct act *act, struct error *err)
{
    struct campaign *campaign = &act->overview.campaign;
    bool is_hard;

    if (json_get_bool_or(act->arguments, "hard", false, &is_hard, err))
        return -1;
    if (is_hard && campaign_state_in(campaign) == CAMPAIGN_CANCELLED && !campaign->stops_transfers)
        return campaign_sever(tx, act->campaigns, campaign, &act->move, err) ||
                       campaign_stop_offers(tx, act->campaigns, campaign, &act->move, err)
                   ? -1
                   : 0;
    campaign->stops_transfers = is_hard;
    campaign->paused_for[0] = '\0';
    return move_campaign(tx, act, CAMPAIGN_CANCELLED, "cancelled", err) ||
                   campaign_stop_offers(tx, act->campaigns, campaign, &act->move, err)
               ? -1
               : 0;
}

static int start(struct tx *tx, struct act *act, struct error *err)
{
    return campaign_begin(tx, act->campaigns, &act->overview, &act->move, err);
}

/* -- all of them -- */

static const struct {
    const char *action;
    int (*perform)(struct tx *tx, struct act *act, struct error *err);
    const char *members[3]; /* the first is the person's words */
} verbs[CAMPAIGN_VERBS] = {
    [CAMPAIGN_START] = {"campaign.start",   start,          {"reason"}                   },
    [CAMPAIGN_PAUSE] = {"campaign.pause",   pause_campaign, {"reason"}                   },
    [CAMPAIGN_RESUME] = {"campaign.resume",  resume,         {"reason", "accept_failures"}},
    [CAMPAIGN_ABORT] = {"campaign.abort",   abort_campaign, {"reason"}                   },
    [CAMPAIGN_CANCEL] = {"campaign.cancel",  cancel,         {"reason", "hard"}           },
    [CAMPAIGN_SUBMIT] = {"campaign.submit",  submit,         {"reason"}                   },
    [CAMPAIGN_APPROVE] = {"campaign.approve", approve,        {"note", "plan_hash"}        },
    [CAMPAIGN_REFUSE] = {"campaign.refuse",  refuse,         {"note"}                     },
};

int operator_words(const json_t *arguments, const char *name, const char **ret, struct error *err)
{
    if (json_get_string_or(arguments, name, NULL, ret, err))
        return -1;
    if (*ret && strlen(*ret) >= STATE_REASON_SIZE)
        return fail_field(err, PROBLEM_BAD_FIELD, name, "%s is longer than %d bytes", name,
                          STATE_REASON_SIZE - 1);
    return 0;
}

/* Baselines and pins end with the channel's baseline or the device's pin; only their course is
 * anybody's to stop. */
static int check_kind(const struct act *act, enum campaign_verb verb, struct error *err)
{
    bool is_course = verb == CAMPAIGN_PAUSE || verb == CAMPAIGN_RESUME || verb == CAMPAIGN_ABORT;

    if (act->overview.rules.kind <= KIND_ROLLBACK || is_course)
        return 0;
    return fail(err, PROBLEM_WRONG_STATE, "%s is a %s's standing campaign; change the %s instead",
                act->overview.campaign.id, act->overview.campaign.kind,
                act->overview.campaign.kind);
}

int campaign_act(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                 enum campaign_verb verb, const json_t *arguments, const struct actor *actor,
                 int64_t now, struct error *err)
{
    const char *const members[] = {verbs[verb].members[0], verbs[verb].members[1], NULL};
    json_auto_t *none = json_object();
    struct act act = {
        .campaigns = campaigns, .arguments = arguments ? arguments : none, .actor = actor};
    const char *words = NULL;

    if (json_only_members(act.arguments, members, err) ||
        operator_words(act.arguments, members[0], &words, err) ||
        overview_load(tx, campaign_row, &act.overview, err))
        return -1;
    act.move = (struct move){.now = now,
                             .tenant_row = act.overview.campaign.tenant_row,
                             .cause = "operator",
                             .detail = words};
    int failed = check_kind(&act, verb, err);
    if (!failed)
        failed = verbs[verb].perform(tx, &act, err);
    if (!failed)
        failed =
            campaign_audit(tx, &act.overview.campaign, actor, verbs[verb].action, &act.move, err);
    overview_clear(&act.overview);
    return failed;
}
