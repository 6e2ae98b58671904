/* SPDX-License-Identifier: Apache-2.0 */
/* What operators do to campaigns: make, start, pause, resume, abort, cancel. Each is one
 * transaction with its events and its line in the audit log. */
#include "campaign/engine.h"

#include "core/digest.h"
#include "core/text.h"
#include "store/audit.h"

#include <string.h>

#define OFFERS_STOPPED 500
#define BUDGET "failure budget" /* how the brake's reason begins */

static int write_audit(struct tx *tx, const struct campaign *campaign, const struct actor *actor,
                       const char *action, const struct move *move, struct error *err)
{
    const struct audit audit = {
        .at = move->now,
        .actor_kind = actor->kind,
        .actor = actor->id,
        .source = actor->source,
        .request = actor->request,
        .action = action,
        .object = campaign->id,
        .outcome = "done",
        .detail = move->detail ? move->detail : "",
    };

    return audit_write(tx, &audit, err);
}

/* -- making one -- */

int campaign_from_wish(struct tx *tx, int64_t tenant_row, const struct wish *wish,
                       struct campaign *ret, struct error *err)
{
    struct release release;
    enum step step = release_by_id(tx, tenant_row, wish->release, &release, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_NO_SUCH_RELEASE, "release", "release %.97s", wish->release);
    *ret = (struct campaign){
        .tenant_row = tenant_row,
        .release_row = release.row_id,
        .target = strdup(wish->target),
        .priority = wish->priority,
        .pause_share = wish->pause.share,
        .pause_failures = wish->pause.failures,
        .pause_sample = wish->pause.sample,
        .abort_share = wish->abort.share,
        .abort_failures = wish->abort.failures,
        .abort_sample = wish->abort.sample,
        .attempts_max = wish->attempts_max,
        .stale_after = wish->stale_after,
        .confirm_after = wish->confirm_after,
        .verify_timeout = wish->verify_timeout,
        .offer_ttl = wish->offer_ttl,
        .rate = wish->rate,
        .release_is_published = release.state == RELEASE_PUBLISHED,
        .security_version = release.security_version,
    };
    if (!ret->target)
        return fail_internal(err, "memory for a target");
    snprintf(ret->name, sizeof ret->name, "%s", wish->name);
    snprintf(ret->release_id, sizeof ret->release_id, "%s", release.id);
    snprintf(ret->release_version, sizeof ret->release_version, "%s", release.version);
    snprintf(ret->state, sizeof ret->state, "%s", campaign_state_name(CAMPAIGN_DRAFT));
    return 0;
}

static int insert_waves(struct tx *tx, const struct campaign *campaign, const struct wish *wish,
                        struct error *err)
{
    for (size_t i = 0; i < wish->wave_count; i++) {
        const struct wish_wave *from = &wish->waves[i];
        struct wave wave = {
            .campaign_row = campaign->row_id,
            .position = (int64_t)i,
            .is_count = from->is_count,
            .amount = from->amount,
            .rank_limit = from->is_count ? -1 : rank_limit(from->amount),
            .min_confirmed = from->gate.min_confirmed,
            .coverage = from->gate.coverage,
            .soak = from->gate.soak,
            .is_manual = from->gate.is_manual,
            .state_at = campaign->created_at,
        };

        snprintf(wave.state, sizeof wave.state, "%s", wave_state_name(WAVE_PENDING));
        if (wave_insert(tx, &wave, err))
            return -1;
    }
    return 0;
}

static int check_target(const char *target, struct error *err)
{
    CLEANUP(filter_free) struct filter *filter = NULL;

    return filter_parse(target, &filter, err);
}

static int number_campaign(struct tx *tx, struct campaign *campaign, struct error *err)
{
    int64_t number;

    if (store_next_number(tx, "campaign", &number, err))
        return -1;
    snprintf(campaign->id, sizeof campaign->id, "c-%lld", (long long)number);
    return 0;
}

int campaign_create(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                    const json_t *json, const struct actor *actor, int64_t now, int64_t *ret_row,
                    struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    const struct move move = {.now = now, .tenant_row = tenant_row, .cause = "operator"};
    struct wish wish;

    if (wish_read(json, campaigns->config, &wish, err) || check_target(wish.target, err) ||
        campaign_from_wish(tx, tenant_row, &wish, &campaign, err))
        return -1;
    if (!campaign.release_is_published)
        return fail_field(err, PROBLEM_WRONG_STATE, "release", "release %.97s is not published",
                          wish.release);
    random_bytes(campaign.salt, sizeof campaign.salt);
    campaign.created_at = now;
    snprintf(campaign.created_by, sizeof campaign.created_by, "%s", actor->id);
    if (number_campaign(tx, &campaign, err) || campaign_insert(tx, &campaign, err) ||
        insert_waves(tx, &campaign, &wish, err) ||
        write_audit(tx, &campaign, actor, "campaign.create", &move, err))
        return -1;
    *ret_row = campaign.row_id;
    return wish.starts
               ? campaign_act(tx, campaigns, campaign.row_id, CAMPAIGN_START, NULL, actor, now, err)
               : 0;
}

/* -- acting on one -- */

struct act {
    struct campaigns *campaigns;
    struct overview overview;
    const json_t *arguments;
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

static int check_room(const struct act *act, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(act->campaigns);
    int64_t running = 0;

    for (size_t i = 0; i < snapshot->count; i++)
        running += !campaign_is_over(snapshot->plans[i]->state);
    if (running >= act->campaigns->config->campaign_running_max)
        return fail(err, PROBLEM_TOO_MANY, "%lld campaigns are running already",
                    (long long)running);
    return 0;
}

/* Without approvals the way from draft leads straight through. */
static int start(struct tx *tx, struct act *act, struct error *err)
{
    static const enum campaign_state way[] = {CAMPAIGN_REVIEW, CAMPAIGN_SCHEDULED,
                                              CAMPAIGN_RUNNING};
    struct campaign *campaign = &act->overview.campaign;

    if (campaign_state_in(campaign) > CAMPAIGN_SCHEDULED)
        return wrong_state(act, "started", err);
    if (!campaign->release_is_published)
        return fail(err, PROBLEM_WRONG_STATE, "release %.97s is not published",
                    campaign->release_id);
    if (check_room(act, err))
        return -1;
    for (size_t i = 0; i < COUNT_OF(way); i++)
        if (campaign_may_move(campaign_state_in(campaign), way[i]) &&
            campaign_move(tx, act->campaigns, campaign, way[i], &act->move, err))
            return -1;
    return 0;
}

/* A campaign that braked goes on only when someone takes the failures on. `true` takes all so far.
 */
static int accept_failures(struct act *act, struct error *err)
{
    const json_t *accepted = json_object_get(act->arguments, "accept_failures");
    struct campaign *campaign = &act->overview.campaign;
    int64_t number = 0;

    if (json_is_true(accepted))
        number = act->overview.whole.failed;
    else if (json_get_integer_or(act->arguments, "accept_failures", 0, INT32_MAX, 0, &number, err))
        return -1;
    if (number > campaign->accepted_failures)
        campaign->accepted_failures = number;
    for (size_t i = 0; i < act->overview.wave_count; i++)
        if (overview_brake(&act->overview, (int)i) != BRAKE_NONE)
            return fail_field(err, PROBLEM_CONFLICT, "accept_failures",
                              "the failure budget is spent: %lld have failed; resume with "
                              "accept_failures to take them on",
                              (long long)act->overview.whole.failed);
    return 0;
}

static bool reason_begins(const struct wave *wave, const char *with)
{
    return text_starts_with(wave->state_reason, with);
}

/* A wave held by the brake goes on; one that waits for an operator is passed by this. */
static int release_wave(struct tx *tx, struct act *act, bool *ret, struct error *err)
{
    struct wave *wave = overview_current(&act->overview);

    *ret = wave && wave_state_in(wave) == WAVE_HELD;
    if (!*ret)
        return 0;
    bool was_braked = reason_begins(wave, BUDGET);
    bool is_running = campaign_state_in(&act->overview.campaign) == CAMPAIGN_RUNNING;
    if (!was_braked && !is_running)
        return 0;
    return wave_move(tx, act->campaigns, wave, was_braked ? WAVE_OPEN : WAVE_PASSED, &act->move,
                     err);
}

static int resume(struct tx *tx, struct act *act, struct error *err)
{
    bool is_running = campaign_state_in(&act->overview.campaign) == CAMPAIGN_RUNNING;
    bool had_held;

    if (!is_running && campaign_state_in(&act->overview.campaign) != CAMPAIGN_PAUSED)
        return wrong_state(act, "resumed", err);
    if (!is_running && accept_failures(act, err))
        return -1;
    if (!is_running && !act->overview.campaign.release_is_published)
        return fail(err, PROBLEM_WRONG_STATE, "release %.97s is not published",
                    act->overview.campaign.release_id);
    if (release_wave(tx, act, &had_held, err))
        return -1;
    if (is_running)
        return had_held ? 0 : wrong_state(act, "resumed", err);
    return move_campaign(tx, act, CAMPAIGN_RUNNING, "resumed", err);
}

/* Offers nobody took up end with the halt itself, as far as one transaction may take; the ticker
 * ends the rest. */
static int stop_offers(struct tx *tx, struct act *act, struct error *err)
{
    const struct campaign *campaign = &act->overview.campaign;
    CLEANUP(free_memory) struct deployment *offers = calloc(OFFERS_STOPPED, sizeof *offers);
    size_t count;

    if (!offers)
        return fail_internal(err, "memory for a batch");
    if (deployments_since(tx, campaign->row_id, deployment_state_name(DEPLOYMENT_OFFERED),
                          INT64_MAX, offers, OFFERS_STOPPED, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (deployment_stop(tx, act->campaigns, &offers[i], campaign->stops_transfers, &act->move,
                            err))
            return -1;
    return 0;
}

static int abort_campaign(struct tx *tx, struct act *act, struct error *err)
{
    return move_campaign(tx, act, CAMPAIGN_ABORTED, "aborted", err) || stop_offers(tx, act, err)
               ? -1
               : 0;
}

static int cancel(struct tx *tx, struct act *act, struct error *err)
{
    bool is_hard;

    if (json_get_bool_or(act->arguments, "hard", false, &is_hard, err))
        return -1;
    act->overview.campaign.stops_transfers = is_hard;
    return move_campaign(tx, act, CAMPAIGN_CANCELLED, "cancelled", err) || stop_offers(tx, act, err)
               ? -1
               : 0;
}

static int perform(struct tx *tx, struct act *act, enum campaign_verb verb, struct error *err)
{
    switch (verb) {
    case CAMPAIGN_START:
        return start(tx, act, err);
    case CAMPAIGN_PAUSE:
        return move_campaign(tx, act, CAMPAIGN_PAUSED, "paused", err);
    case CAMPAIGN_RESUME:
        return resume(tx, act, err);
    case CAMPAIGN_ABORT:
        return abort_campaign(tx, act, err);
    case CAMPAIGN_CANCEL:
        return cancel(tx, act, err);
    }
    return fail_internal(err, "verb %d", (int)verb);
}

int campaign_act(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                 enum campaign_verb verb, const json_t *arguments, const struct actor *actor,
                 int64_t now, struct error *err)
{
    static const char *const members[] = {"reason", "ack", "accept_failures", "hard", NULL};
    static const char *const actions[] = {
        [CAMPAIGN_START] = "campaign.start",   [CAMPAIGN_PAUSE] = "campaign.pause",
        [CAMPAIGN_RESUME] = "campaign.resume", [CAMPAIGN_ABORT] = "campaign.abort",
        [CAMPAIGN_CANCEL] = "campaign.cancel",
    };
    json_auto_t *none = json_object();
    struct act act = {.campaigns = campaigns, .arguments = arguments ? arguments : none};
    const char *reason = NULL;

    if (json_only_members(act.arguments, members, err) ||
        json_get_string_or(act.arguments, "reason", NULL, &reason, err) ||
        overview_load(tx, campaign_row, &act.overview, err))
        return -1;
    act.move = (struct move){.now = now,
                             .tenant_row = act.overview.campaign.tenant_row,
                             .cause = "operator",
                             .detail = reason};
    int failed = perform(tx, &act, verb, err);
    if (!failed)
        failed = write_audit(tx, &act.overview.campaign, actor, actions[verb], &act.move, err);
    overview_clear(&act.overview);
    return failed;
}
