/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a campaign to its start, guarded: approvals, time, population, its channel's others.
 */
#include "campaign/engine.h"

#include "core/clock.h"
#include "core/text.h"
#include "store/approval.h"
#include "store/freeze.h"

#include <string.h>

#define OFFERS_STOPPED 500

int campaign_stop_offers(struct tx *tx, struct campaigns *campaigns,
                         const struct campaign *campaign, const struct move *move,
                         struct error *err)
{
    CLEANUP(free_memory) struct deployment *offers = calloc(OFFERS_STOPPED, sizeof *offers);
    size_t count;

    if (!offers)
        return fail_internal(err, "memory for a batch");
    if (deployments_since(tx, campaign->row_id, deployment_state_name(DEPLOYMENT_OFFERED),
                          INT64_MAX, offers, OFFERS_STOPPED, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (deployment_stop(tx, campaigns, &offers[i], campaign->stops_transfers, move, err))
            return -1;
    return 0;
}

/* -- how many there are -- */

static int check_population(struct tx *tx, struct campaigns *campaigns,
                            const struct overview *overview, int64_t now, struct error *err)
{
    const struct rules *rules = &overview->rules;
    int64_t present;

    if (rules->expected_count < 0)
        return 0;
    if (reckon_population(tx, campaigns, overview, now, &present, err))
        return -1;
    double off = (double)(present > rules->expected_count ? present - rules->expected_count
                                                          : rules->expected_count - present);
    if (off <= rules->expected_tolerance * (double)rules->expected_count)
        return 0;
    return fail_field(err, PROBLEM_CONFLICT, "expected",
                      "the target has %lld devices; %lld were expected, with a tolerance of %g %%",
                      (long long)present, (long long)rules->expected_count,
                      rules->expected_tolerance * 100);
}

/* -- the other campaigns of its channel -- */

/* Those that run, of the same product; standing ones yield by themselves. */
static int note_other(const struct campaign *other, void *arg, struct error *err)
{
    struct others *others = arg;
    const struct campaign *campaign = others->campaign;
    enum campaign_state state = campaign_state_in(other);
    bool is_standing = strcmp(other->kind, campaign_kind_name(KIND_BASELINE)) == 0 ||
                       strcmp(other->kind, campaign_kind_name(KIND_PIN)) == 0;

    (void)err;
    if (other->row_id == campaign->row_id || other->channel_row != campaign->channel_row ||
        other->product_row != campaign->product_row || is_standing ||
        (state != CAMPAIGN_RUNNING && state != CAMPAIGN_PAUSED &&
         !(others->with_finishing && state == CAMPAIGN_FINISHING)))
        return 0;
    others->rows[others->count++] = other->row_id;
    return others->count == OTHERS_MAX;
}

static int find_others(struct tx *tx, const struct overview *overview, struct others *ret,
                       struct error *err)
{
    *ret = (struct others){.campaign = &overview->campaign,
                           .with_finishing = overview->rules.supersede == SUPERSEDE_REPLACE};
    if (!overview->campaign.channel_row || overview->rules.kind > KIND_ROLLBACK)
        return 0;
    return campaign_each_live(tx, note_other, ret, err);
}

static int supersede(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                     int64_t other_row, const struct move *move, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign other = {0};
    char reason[STATE_REASON_SIZE];

    if (campaign_need(tx, other_row, &other, err))
        return -1;
    snprintf(reason, sizeof reason, "superseded by %s", overview->campaign.id);
    const struct move superseded = {
        .now = move->now, .tenant_row = other.tenant_row, .cause = move->cause, .detail = reason};
    other.paused_for[0] = '\0';
    return campaign_move(tx, campaigns, &other, CAMPAIGN_SUPERSEDED, &superseded, err) ||
                   campaign_stop_offers(tx, campaigns, &other, &superseded, err)
               ? -1
               : 0;
}

static int check_apart(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                       int64_t other_row, int64_t now, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign other = {0};
    int64_t shared;

    if (campaign_need(tx, other_row, &other, err) ||
        reckon_shared(tx, campaigns, overview, other_row, now, &shared, err))
        return -1;
    if (!shared)
        return 0;
    return fail_field(err, PROBLEM_CONFLICT, "supersede",
                      "%lld devices are in the target of %s too; only campaigns without a common "
                      "device coexist",
                      (long long)shared, other.id);
}

int campaign_reckon(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                    int64_t now, struct error *err)
{
    struct others others;

    return find_others(tx, overview, &others, err) ||
                   reckon_ahead(tx, campaigns, overview, &others, now, err)
               ? -1
               : 0;
}

/* -- what holds everybody back -- */

struct hold {
    int64_t now;
    char *reason;
    bool is_held;
};

/* A freeze of some devices only is the resolver's to mind. */
static int mind_freeze(const struct freeze *freeze, void *arg, struct error *err)
{
    struct hold *hold = arg;
    char text[CLOCK_TEXT_SIZE];

    (void)err;
    if (hold->now < freeze->from_at || (freeze->target[0] && strcmp(freeze->target, "all") != 0))
        return 0;
    hold->is_held = true;
    snprintf(hold->reason, STATE_REASON_SIZE, QUEUED "the freeze %s, until %s", freeze->id,
             clock_text(freeze->until_at, text));
    return 1;
}

int campaign_is_held_back(struct tx *tx, const struct rules *rules, int64_t tenant_row, int64_t now,
                          char ret_reason[STATE_REASON_SIZE], bool *ret, struct error *err)
{
    struct hold hold = {.now = now, .reason = ret_reason};
    struct halt halt;

    *ret = false;
    if (rules->kind > KIND_ROLLBACK)
        return 0;
    enum step step = halt_of(tx, tenant_row, &halt, err);
    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_ROW) {
        hold.is_held = true;
        snprintf(ret_reason, STATE_REASON_SIZE, QUEUED "the emergency stop");
    } else if (!rules->is_expedited && freeze_each(tx, tenant_row, now, mind_freeze, &hold, err)) {
        return -1;
    }
    *ret = hold.is_held;
    return 0;
}

/* -- the start -- */

static int check_room(const struct campaigns *campaigns, struct snapshot *snapshot,
                      struct error *err)
{
    int64_t running = 0;

    for (size_t i = 0; i < snapshot->count; i++)
        running += snapshot->plans[i]->rules.kind <= KIND_ROLLBACK &&
                   snapshot->plans[i]->state != CAMPAIGN_SCHEDULED &&
                   !campaign_is_over(snapshot->plans[i]->state);
    if (running >= campaigns->config->campaign_running_max)
        return fail(err, PROBLEM_TOO_MANY, "%lld campaigns are running already",
                    (long long)running);
    return 0;
}

/* What speaks against it, as a problem. */
static int check_start(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                       const struct others *others, int64_t now, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    const struct rules *rules = &overview->rules;

    if (!overview->campaign.release_is_published)
        return fail_field(err, PROBLEM_WRONG_STATE, "release", "release %.97s is not published",
                          rules->release);
    if (rules->end_at && rules->end_at <= now)
        return fail_field(err, PROBLEM_CONFLICT, "end_at", "end_at has passed");
    if ((rules->kind <= KIND_ROLLBACK && check_room(campaigns, snapshot, err)) ||
        check_population(tx, campaigns, overview, now, err))
        return -1;
    for (size_t i = 0; i < others->count && rules->supersede == SUPERSEDE_COEXIST; i++)
        if (check_apart(tx, campaigns, overview, others->rows[i], now, err))
            return -1;
    return 0;
}

static int pause_for_guard(struct tx *tx, struct campaigns *campaigns, struct campaign *campaign,
                           const struct move *move, const struct error *why, struct error *err)
{
    char reason[STATE_REASON_SIZE];

    snprintf(reason, sizeof reason, "guard: %.150s", why->detail);
    const struct move guarded = {.now = move->now,
                                 .tenant_row = campaign->tenant_row,
                                 .cause = move->cause,
                                 .detail = reason};
    snprintf(campaign->paused_for, sizeof campaign->paused_for, "guard");
    return campaign_move(tx, campaigns, campaign, CAMPAIGN_PAUSED, &guarded, err);
}

/* It stays scheduled; said once, as the clock comes by every second. */
static int wait_for(struct tx *tx, struct campaign *campaign, const char *reason, struct error *err)
{
    if (strcmp(campaign->state_reason, reason) == 0)
        return 0;
    snprintf(campaign->state_reason, sizeof campaign->state_reason, "%s", reason);
    return campaign_save(tx, campaign, err);
}

static int wait_for_time(struct tx *tx, struct overview *overview, struct error *err)
{
    char reason[STATE_REASON_SIZE], text[CLOCK_TEXT_SIZE];

    snprintf(reason, sizeof reason, "starts at %s", clock_text(overview->rules.start_at, text));
    return wait_for(tx, &overview->campaign, reason, err);
}

static int wait_for_other(struct tx *tx, struct overview *overview, int64_t other_row,
                          struct error *err)
{
    CLEANUP(campaign_clear) struct campaign other = {0};
    char reason[STATE_REASON_SIZE];

    if (campaign_need(tx, other_row, &other, err))
        return -1;
    snprintf(reason, sizeof reason, QUEUED "%s", other.id);
    return wait_for(tx, &overview->campaign, reason, err);
}

/* A plan of before the server asked for approvals is read as it is, but does not begin so. */
static int check_approvals(struct tx *tx, const struct campaigns *campaigns,
                           const struct overview *overview, struct error *err)
{
    const struct campaign *campaign = &overview->campaign;
    int64_t asked = campaigns->config->campaign_approvals, given;

    if (overview->rules.kind <= KIND_ROLLBACK && overview->rules.approvals < asked)
        return fail_field(err, PROBLEM_WRONG_STATE, "approvals",
                          "this server asks for %lld approvals by now and the plan for %d; change "
                          "the plan",
                          (long long)asked, overview->rules.approvals);

    if (!overview->rules.approvals)
        return 0;
    if (approval_count(tx, campaign, &given, err))
        return -1;
    if (given >= overview->rules.approvals)
        return 0;
    return fail_field(err, PROBLEM_WRONG_STATE, "approvals",
                      "campaign %s needs %d approvals and has %lld", campaign->id,
                      overview->rules.approvals, (long long)given);
}

int campaign_schedule(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
                      const struct move *move, struct error *err)
{
    struct campaign *campaign = &overview->campaign;

    if (campaign_state_in(campaign) == CAMPAIGN_SCHEDULED)
        return 0;
    if (check_approvals(tx, campaigns, overview, err))
        return -1;
    if (campaign_state_in(campaign) == CAMPAIGN_DRAFT &&
        campaign_move(tx, campaigns, campaign, CAMPAIGN_REVIEW, move, err))
        return -1;
    return campaign_move(tx, campaigns, campaign, CAMPAIGN_SCHEDULED, move, err);
}

static int run(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
               const struct others *others, const struct move *move, struct error *err)
{
    struct campaign *campaign = &overview->campaign;

    for (size_t i = 0; i < others->count && overview->rules.supersede == SUPERSEDE_REPLACE; i++)
        if (supersede(tx, campaigns, overview, others->rows[i], move, err))
            return -1;
    campaign->paused_for[0] = '\0';
    return campaign_move(tx, campaigns, campaign, CAMPAIGN_RUNNING, move, err);
}

int campaign_begin_anyway(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
                          const struct move *move, struct error *err)
{
    char reason[STATE_REASON_SIZE];
    struct others others;
    bool is_held;

    overview->rules.expected_count = -1; /* acknowledged */
    if (campaign_is_held_back(tx, &overview->rules, move->tenant_row, move->now, reason, &is_held,
                              err))
        return -1;
    if (is_held)
        return fail(err, PROBLEM_CONFLICT, "campaign %s would be %s", overview->campaign.id,
                    reason);
    if (find_others(tx, overview, &others, err) ||
        check_start(tx, campaigns, overview, &others, move->now, err))
        return -1;
    if (others.count && overview->rules.supersede == SUPERSEDE_QUEUE)
        return fail(err, PROBLEM_WRONG_STATE, "an older campaign of the channel is running");
    return run(tx, campaigns, overview, &others, move, err);
}

int campaign_begin(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
                   const struct move *move, struct error *err)
{
    struct campaign *campaign = &overview->campaign;
    bool is_operator = strcmp(move->cause, "operator") == 0;
    bool is_clock = strcmp(move->cause, "timer") == 0;
    char reason[STATE_REASON_SIZE];
    struct others others;
    bool is_held;

    if (campaign_state_in(campaign) > CAMPAIGN_SCHEDULED)
        return fail(err, PROBLEM_WRONG_STATE, "campaign %s is %s; it cannot be started",
                    campaign->id, campaign->state);
    /* Without a time of its own it waits for an operator's word, unless that was given. */
    if (is_clock && !overview->rules.start_at && !text_starts_with(campaign->state_reason, QUEUED))
        return 0;
    if (campaign_schedule(tx, campaigns, overview, move, err) ||
        find_others(tx, overview, &others, err))
        return -1;
    if (overview->rules.start_at > move->now)
        return wait_for_time(tx, overview, err);
    bool is_over = overview->rules.end_at && overview->rules.end_at <= move->now;
    if (campaign_is_held_back(tx, &overview->rules, move->tenant_row, move->now, reason, &is_held,
                              err))
        return -1;
    if (is_held && !is_over)
        return wait_for(tx, campaign, reason, err);
    if (check_start(tx, campaigns, overview, &others, move->now, err)) {
        struct error why = *err;

        if (is_operator || problem_status(why.problem) >= 500)
            return -1;
        return pause_for_guard(tx, campaigns, campaign, move, &why, err);
    }
    if (others.count && overview->rules.supersede == SUPERSEDE_QUEUE)
        return wait_for_other(tx, overview, others.rows[0], err);
    return run(tx, campaigns, overview, &others, move, err);
}
