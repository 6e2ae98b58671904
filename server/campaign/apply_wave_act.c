/* SPDX-License-Identifier: Apache-2.0 */
/* What operators do to one wave or to one device of a campaign. */
#include "campaign/engine.h"

#include "core/text.h"

#include <string.h>

#define PASTS_MAX 16

struct act {
    struct campaigns *campaigns;
    struct overview overview;
    struct wave *wave;
    struct move move;
};

static void act_clear(struct act *act)
{
    overview_clear(&act->overview);
}

static bool is_live(const struct campaign *campaign)
{
    enum campaign_state state = campaign_state_in(campaign);

    return state == CAMPAIGN_RUNNING || state == CAMPAIGN_PAUSED;
}

static int wrong_wave(const struct act *act, const char *what, struct error *err)
{
    return fail(err, PROBLEM_WRONG_STATE, "wave %lld of %s is %s; it cannot be %s",
                (long long)act->wave->position + 1, act->overview.campaign.id, act->wave->state,
                what);
}

static int need_reason(const json_t *arguments, const char **ret, struct error *err)
{
    if (operator_words(arguments, "reason", ret, err))
        return -1;
    return *ret && (*ret)[0]
               ? 0
               : fail_field(err, PROBLEM_BAD_FIELD, "reason", "\"reason\" is required");
}

/* Its one wave is all there is of it. */
static int check_standing(const struct act *act, struct error *err)
{
    const struct overview *overview = &act->overview;

    if (overview->rules.kind != KIND_BASELINE && overview->rules.kind != KIND_PIN)
        return 0;
    return fail(err, PROBLEM_WRONG_STATE,
                "%s is a %s's standing campaign; its wave stays as it is while the %s stands",
                overview->campaign.id, overview->campaign.kind, overview->campaign.kind);
}

static int act_load(struct tx *tx, struct campaigns *campaigns, const struct wave_act *asked,
                    int64_t now, struct act *ret, struct error *err)
{
    const char *reason;

    if (need_reason(asked->arguments, &reason, err) ||
        overview_load(tx, asked->campaign_row, &ret->overview, err))
        return -1;
    if (asked->position < 0 || (size_t)asked->position >= ret->overview.wave_count)
        return fail(err, PROBLEM_NOT_FOUND, "campaign %s has %zu waves", ret->overview.campaign.id,
                    ret->overview.wave_count);
    if (!is_live(&ret->overview.campaign))
        return fail(err, PROBLEM_WRONG_STATE, "campaign %s is %s; its waves stand",
                    ret->overview.campaign.id, ret->overview.campaign.state);
    ret->campaigns = campaigns;
    ret->wave = &ret->overview.waves[asked->position];
    ret->move = (struct move){.now = now,
                              .tenant_row = ret->overview.campaign.tenant_row,
                              .cause = "operator",
                              .detail = reason};
    return 0;
}

static int move_wave(struct tx *tx, struct act *act, enum wave_state to, const char *what,
                     struct error *err)
{
    if (!wave_may_move(wave_state_in(act->wave), to))
        return wrong_wave(act, what, err);
    if (to == WAVE_OPEN)
        return wave_open(tx, act->campaigns, &act->overview, act->wave, &act->move, err);
    return wave_move(tx, act->campaigns, act->wave, to, &act->move, err);
}

/* By way of held, when there is no straight one. */
static int move_by_hold(struct tx *tx, struct act *act, enum wave_state to, const char *what,
                        struct error *err)
{
    enum wave_state state = wave_state_in(act->wave);

    if (!wave_may_move(state, to) && wave_may_move(state, WAVE_HELD) &&
        wave_move(tx, act->campaigns, act->wave, WAVE_HELD, &act->move, err))
        return -1;
    return move_wave(tx, act, to, what, err);
}

static int hold(struct tx *tx, struct act *act, struct error *err)
{
    return move_wave(tx, act, WAVE_HELD, "held", err);
}

static int reopen(struct tx *tx, struct act *act, struct error *err)
{
    if (wave_state_in(act->wave) != WAVE_HELD)
        return wrong_wave(act, "reopened", err);
    return move_wave(tx, act, WAVE_OPEN, "reopened", err);
}

/* A manual gate may be passed before it is reached: then it no longer waits for anybody. */
static int pass(struct tx *tx, struct act *act, struct error *err)
{
    enum wave_state state = wave_state_in(act->wave);
    bool is_manual = act->overview.rules.waves[act->wave->position].gate.is_manual;

    if (check_standing(act, err))
        return -1;
    if (!is_manual || state == WAVE_HELD || act->wave->is_approved)
        return move_by_hold(tx, act, WAVE_PASSED, "passed", err);
    if (state == WAVE_PASSED || state == WAVE_SKIPPED)
        return wrong_wave(act, "passed", err);
    act->wave->is_approved = true;
    return wave_save(tx, act->wave, err);
}

/* A skipped wave offers; one that is not reached yet would go past the gates before it. */
static int skip(struct tx *tx, struct act *act, struct error *err)
{
    const struct wave *current = overview_current(&act->overview);

    if (check_standing(act, err))
        return -1;
    if (current && act->wave->position > current->position)
        return fail(err, PROBLEM_WRONG_STATE,
                    "wave %lld of %s is not reached yet; it can be skipped when its turn has come, "
                    "and it is wave %lld's now",
                    (long long)act->wave->position + 1, act->overview.campaign.id,
                    (long long)current->position + 1);
    return move_by_hold(tx, act, WAVE_SKIPPED, "skipped", err);
}

/* The line of the audit log begins with the wave. */
static int audit_wave(struct tx *tx, const struct act *act, const struct actor *actor,
                      const char *action, struct error *err)
{
    char detail[STATE_REASON_SIZE + 32];
    struct move move = act->move;

    snprintf(detail, sizeof detail, "wave %lld: %s", (long long)act->wave->position + 1,
             act->move.detail);
    move.detail = detail;
    return campaign_audit(tx, &act->overview.campaign, actor, action, &move, err);
}

int campaign_wave_act(struct tx *tx, struct campaigns *campaigns, const struct wave_act *asked,
                      const struct actor *actor, int64_t now, struct error *err)
{
    static const struct {
        const char *action;
        int (*perform)(struct tx *tx, struct act *act, struct error *err);
    } verbs[WAVE_VERBS] = {
        [WAVE_VERB_HOLD] = {"wave.hold",   hold  },
        [WAVE_VERB_REOPEN] = {"wave.reopen", reopen},
        [WAVE_VERB_PASS] = {"wave.pass",   pass  },
        [WAVE_VERB_SKIP] = {"wave.skip",   skip  },
    };
    static const char *const members[] = {"reason", NULL};
    CLEANUP(act_clear) struct act act = {0};

    if (json_only_members(asked->arguments, members, err) ||
        act_load(tx, campaigns, asked, now, &act, err) ||
        verbs[asked->verb].perform(tx, &act, err) ||
        campaign_save(tx, &act.overview.campaign, err)) /* it has changed for readers */
        return -1;
    return audit_wave(tx, &act, actor, verbs[asked->verb].action, err);
}

/* -- the dial -- */

/* The plan with another percentage; what it breaks is told as of a plan. */
static int turn_plan(struct act *act, double percent, struct error *err)
{
    CLEANUP(rules_clear) struct rules turned = {0};
    struct campaign *campaign = &act->overview.campaign;
    json_auto_t *json = json_deep_copy(act->overview.rules.json);
    json_t *wave = json_array_get(json_object_get(json, "waves"), (size_t)act->wave->position);

    if (!wave || json_object_set_new(wave, "percent", json_real(percent)))
        return fail_internal(err, "memory for a plan");
    if (rules_read(json, NULL, &turned, NULL, err))
        return -1;
    campaign_clear(campaign);
    return rules_text(&turned, &campaign->plan, campaign->plan_hash, err);
}

static int check_dial(const struct act *act, double percent, struct error *err)
{
    const struct wave_rule *rule = &act->overview.rules.waves[act->wave->position];

    if (act->overview.rules.approvals)
        return fail(err, PROBLEM_WRONG_STATE,
                    "%s was approved as it is; another percentage is another plan",
                    act->overview.campaign.id);
    if (rule->kind != WAVE_PERCENT)
        return fail_field(err, PROBLEM_BAD_FIELD, "percent", "wave %lld has no percentage",
                          (long long)act->wave->position + 1);
    if (percent <= rule->amount)
        return fail_field(err, PROBLEM_BAD_FIELD, "percent",
                          "a percentage only grows; it is %g now", rule->amount);
    return 0;
}

int campaign_wave_dial(struct tx *tx, struct campaigns *campaigns, const struct wave_act *asked,
                       const struct actor *actor, int64_t now, struct error *err)
{
    static const char *const members[] = {"percent", "reason", NULL};
    CLEANUP(act_clear) struct act act = {0};
    double percent;

    if (json_only_members(asked->arguments, members, err) ||
        json_get_number_or(asked->arguments, "percent", 0, 100, 0, &percent, err) ||
        act_load(tx, campaigns, asked, now, &act, err) || check_standing(&act, err) ||
        check_dial(&act, percent, err) || turn_plan(&act, percent, err))
        return -1;
    enum wave_state state = wave_state_in(act.wave);
    bool waits = state == WAVE_SOAKING || state == WAVE_HELD;
    act.wave->rank_limit = rank_limit(percent);
    act.wave->counted_at = 0; /* its members are other ones: to be counted anew */
    if ((waits && move_by_hold(tx, &act, WAVE_OPEN, "opened", err)) ||
        (!waits && wave_save(tx, act.wave, err)) ||
        campaign_save_plan(tx, &act.overview.campaign, err) ||
        campaign_save(tx, &act.overview.campaign, err) || campaign_touch(tx, campaigns, err))
        return -1;
    return audit_wave(tx, &act, actor, "wave.percent", err);
}

/* -- one device -- */

static int find_past(struct tx *tx, int64_t campaign_row, const struct device *device,
                     struct deployment *ret, struct error *err)
{
    struct deployment pasts[PASTS_MAX];
    size_t count;

    if (deployments_of_device(tx, device->row_id, pasts, PASTS_MAX, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (pasts[i].campaign_row == campaign_row) {
            *ret = pasts[i];
            return 0;
        }
    return fail(err, PROBLEM_NOT_FOUND, "device %s was never offered it", device->id);
}

int campaign_retry_device(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                          const struct device *device, const json_t *arguments,
                          const struct actor *actor, int64_t now, struct error *err)
{
    static const char *const members[] = {"reason", NULL};
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    struct deployment deployment;
    const char *reason = NULL;
    char detail[STATE_REASON_SIZE + DEVICE_ID_SIZE + 16];

    if (arguments && (json_only_members(arguments, members, err) ||
                      operator_words(arguments, "reason", &reason, err)))
        return -1;
    if (campaign_need(tx, campaign_row, &campaign, err))
        return -1;
    if (!is_live(&campaign) && campaign_state_in(&campaign) != CAMPAIGN_FINISHING)
        return fail(err, PROBLEM_WRONG_STATE, "campaign %s is %s; it offers nothing any more",
                    campaign.id, campaign.state);
    if (strcmp(campaign.paused_for, "budget") == 0)
        return fail(err, PROBLEM_CONFLICT,
                    "campaign %s is paused at its failure budget, which a retry would make room "
                    "in; resume it with accept_failures first",
                    campaign.id);
    struct move move = {
        .now = now, .tenant_row = campaign.tenant_row, .cause = "operator", .detail = reason};
    if (find_past(tx, campaign_row, device, &deployment, err))
        return -1;
    if (!deployment_is_failed(&deployment))
        return fail(err, PROBLEM_WRONG_STATE,
                    "the deployment of %s is %s; only failed, reverted, lost, timed_out, rejected "
                    "and cancelled ones are tried again",
                    device->id, deployment.state);
    if (deployment_try_again(tx, campaigns, &deployment, &move, err))
        return -1;
    snprintf(detail, sizeof detail, "device %s%s%s", device->id, reason ? ": " : "",
             reason ? reason : "");
    move.detail = detail;
    return campaign_audit(tx, &campaign, actor, "device.retry", &move, err);
}
