/* SPDX-License-Identifier: Apache-2.0 */
/* What follows on a campaign's end, and the clock for what ends by itself. Promotions are made by
 * the clock in a transaction of their own, so that one that cannot be made does not undo the end of
 * the campaign it comes from. */
#include "campaign/apply_pipeline.h"
#include "campaign/engine.h"

#include "core/log.h"
#include "store/approval.h"
#include "store/event.h"
#include "store/pipeline.h"

#include <string.h>

#define BATCH 100 /* pins and memberships ended in one round */
#define WAITING                                                                                    \
    1000 /* promotions looked at in one round: one or two for each channel and product */

static const struct actor server = {"server", "server", "", ""};

static int tell(struct tx *tx, const struct campaign *campaign, const char *kind,
                const char *detail, int64_t now, struct error *err)
{
    const struct event event = {
        .at = now,
        .tenant_row = campaign->tenant_row,
        .kind = kind,
        .campaign_row = campaign->row_id,
        .cause = "server",
        .detail = detail,
    };

    return event_append(tx, &event, err);
}

/* A campaign that another one is the reason of. */
struct child {
    const struct campaign *parent;
    json_t *plan; /* borrowed */
    const char *name;
    const struct actor *actor;
    int64_t now;
    bool is_foreseen; /* the parent's plan says so: its approvals hold for this one too */
    int64_t row;      /* once it is made */
};

/* Whoever approved a plan that says what follows has approved the child ahead; where more persons
 * are asked for by now, their word counts among them. */
static int inherit_approvals(struct tx *tx, const struct child *child,
                             const struct overview *overview, bool *ret_is_approved,
                             struct error *err)
{
    char note[STATE_REASON_SIZE];
    int64_t given;

    snprintf(note, sizeof note, "given with the plan of %s", child->parent->id);
    if ((child->is_foreseen &&
         approval_hand_on(tx, child->parent, &overview->campaign, note, child->now, err)) ||
        approval_count(tx, &overview->campaign, &given, err))
        return -1;
    *ret_is_approved = given >= overview->rules.approvals;
    return 0;
}

/* Started when it needs nobody's approval any more; else it waits for them in review. */
static int begin_child(struct tx *tx, struct campaigns *campaigns, const struct child *child,
                       struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};
    const struct move move = {
        .now = child->now, .tenant_row = child->parent->tenant_row, .cause = "server"};

    bool is_approved;

    if (overview_load(tx, child->row, &overview, err) ||
        inherit_approvals(tx, child, &overview, &is_approved, err))
        return -1;
    if (!is_approved)
        return campaign_move(tx, campaigns, &overview.campaign, CAMPAIGN_REVIEW, &move, err);
    return campaign_begin(tx, campaigns, &overview, &move, err);
}

static int tell_of_child(struct tx *tx, const struct child *child, const struct campaign *made,
                         const char *kind, struct error *err)
{
    char detail[RELEASE_ID_SIZE + CAMPAIGN_ID_SIZE + 16];

    snprintf(detail, sizeof detail, "%s brings %s", made->id, made->release_id);
    return tell(tx, child->parent, kind, detail, child->now, err);
}

static int make_child(struct tx *tx, struct campaigns *campaigns, struct child *child,
                      const char *kind, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign made = {0};
    CLEANUP(rules_clear) struct rules rules = {0};
    const struct new_campaign wish = {child->parent->tenant_row, &rules, child->name,
                                      child->parent->row_id};

    if (!child->plan)
        return fail_internal(err, "memory for a plan");
    if (rules_read(child->plan, campaigns->config, &rules, NULL, err) ||
        campaign_make(tx, campaigns, &wish, child->actor, child->now, &made, err))
        return -1;
    child->row = made.row_id;
    return begin_child(tx, campaigns, child, err) || tell_of_child(tx, child, &made, kind, err) ? -1
                                                                                                : 0;
}

/* -- promotion -- */

/* A channel with what it takes to go on from it. */
struct stage {
    struct channel channel, next;
    json_t *terms; /* what promotion borrows from */
    struct promotion promotion;
};

static void stage_clear(struct stage *stage)
{
    channel_clear(&stage->channel);
    channel_clear(&stage->next);
    json_decref(stage->terms);
}

static int find_channel(struct tx *tx, int64_t row, struct channel *ret, struct error *err)
{
    enum step step = channel_by_row(tx, row, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "the channel is gone");
    return step == STEP_ROW ? 0 : -1;
}

static int stage_load(struct tx *tx, int64_t channel_row, struct stage *ret, struct error *err)
{
    if (find_channel(tx, channel_row, &ret->channel, err) ||
        (ret->channel.next_row && find_channel(tx, ret->channel.next_row, &ret->next, err)))
        return -1;
    const char *terms = ret->channel.promotion[0] ? ret->channel.promotion : "{}";
    return json_read(terms, strlen(terms), &ret->terms, err) ||
                   promotion_read(ret->terms, &ret->promotion, err)
               ? -1
               : 0;
}

static bool is_promoted_by_clock(const struct stage *stage, const struct overview *source)
{
    return stage->next.row_id && stage->promotion.is_auto && source->rules.promotes;
}

/* A baseline set by hand has no last wave: it counts from its start. What was only downloaded has
 * confirmed nothing. */
static struct promotion_facts facts_of(const struct overview *source)
{
    bool is_standing = source->rules.kind == KIND_BASELINE;
    bool is_installed = source->rules.install != INSTALL_PRESTAGE;

    return (struct promotion_facts){
        .tally = is_installed ? source->whole : (struct tally){0},
        .covered_at = is_standing ? source->campaign.started_at : source->campaign.covered_at,
        .is_finished = is_standing || campaign_state_in(&source->campaign) == CAMPAIGN_FINISHED,
    };
}

static int promote(struct tx *tx, struct campaigns *campaigns, const struct stage *stage,
                   const struct overview *source, struct child *child, struct error *err)
{
    char name[CAMPAIGN_NAME_SIZE];
    json_auto_t *plan =
        promotion_plan(&stage->promotion, source->campaign.release_id, stage->next.id);

    snprintf(name, sizeof name, "promotion of %s", source->campaign.id);
    child->parent = &source->campaign;
    child->plan = plan;
    child->name = name;
    return make_child(tx, campaigns, child, "campaign.promoted", err) ||
                   pipeline_set_promoted(tx, source->campaign.row_id, child->now, err)
               ? -1
               : 0;
}

static int has_baseline_above(struct tx *tx, const struct campaign *campaign, bool *ret,
                              struct error *err)
{
    struct baseline present;
    struct release theirs, ours;

    *ret = false;
    enum step step = baseline_of(tx, campaign->channel_row, campaign->product_row, &present, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    if (release_by_row(tx, present.release_row, &theirs, err) != STEP_ROW ||
        release_by_row(tx, campaign->release_row, &ours, err) != STEP_ROW)
        return -1;
    *ret = theirs.release_counter > ours.release_counter;
    return 0;
}

/* An older campaign that ends late does not take the channel back. */
static int set_baseline(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                        int64_t now, struct error *err)
{
    const struct campaign *campaign = &overview->campaign;
    char reason[48];
    const struct new_baseline wish = {.channel_row = campaign->channel_row,
                                      .release_row = campaign->release_row,
                                      .reason = reason,
                                      .is_follow_up = true,
                                      .asks_consent = overview->rules.asks_consent};
    bool is_behind;

    snprintf(reason, sizeof reason, "%s has finished", campaign->id);
    if (has_baseline_above(tx, campaign, &is_behind, err))
        return -1;
    if (is_behind)
        return tell(tx, campaign, "campaign.baseline", "the channel's baseline is newer already",
                    now, err);
    if (!campaign->release_is_published)
        return tell(tx, campaign, "campaign.baseline", "the release is not published any more", now,
                    err);
    return pipeline_set_baseline(tx, campaigns, &wish, &server, now, err);
}

int pipeline_finished(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                      int64_t now, struct error *err)
{
    CLEANUP(stage_clear) struct stage stage = {0};
    const struct campaign *campaign = &overview->campaign;

    if (!campaign->channel_row || overview->rules.kind != KIND_UPDATE)
        return 0;
    if (stage_load(tx, campaign->channel_row, &stage, err) ||
        (overview->rules.promotes && set_baseline(tx, campaigns, overview, now, err)) ||
        pipeline_overtake(tx, campaign->row_id, campaign->channel_row, campaign->product_row, now,
                          err))
        return -1;
    return is_promoted_by_clock(&stage, overview)
               ? 0
               : pipeline_set_promoted(tx, campaign->row_id, now, err);
}

/* -- promotion by hand -- */

/* The update that brought the release to the channel, else its standing campaign. */
static int find_source(struct tx *tx, const struct stage *stage, const struct release *release,
                       int64_t *ret, struct error *err)
{
    struct baseline baseline;
    enum step step = pipeline_source(tx, stage->channel.row_id, release->row_id, ret, err);

    if (step != STEP_DONE)
        return step == STEP_ROW ? 0 : -1;
    step = baseline_of(tx, stage->channel.row_id, release->product_row, &baseline, err);
    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE || baseline.release_row != release->row_id)
        return fail_field(err, PROBLEM_CONFLICT, "release",
                          "%.97s has no campaign of channel %.64s behind it", release->id,
                          stage->channel.id);
    *ret = baseline.campaign_row;
    return 0;
}

static int check_next(struct tx *tx, const struct stage *stage, const struct release *release,
                      struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    int64_t row;

    if (!stage->next.row_id)
        return fail(err, PROBLEM_CONFLICT, "channel %.64s is the last of its chain",
                    stage->channel.id);
    enum step step = pipeline_open_campaign(tx, stage->next.row_id, release->row_id, &row, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    if (campaign_need(tx, row, &campaign, err))
        return -1;
    return fail_field(err, PROBLEM_CONFLICT, "release", "channel %.64s has it already: campaign %s",
                      stage->next.id, campaign.id);
}

int pipeline_promote(struct tx *tx, struct campaigns *campaigns, const struct promotion_wish *wish,
                     const struct actor *actor, int64_t now, int64_t *ret_row, struct error *err)
{
    CLEANUP(stage_clear) struct stage stage = {0};
    CLEANUP(overview_clear) struct overview source = {0};
    struct child child = {.actor = actor, .now = now};
    char missing[PROMOTION_TEXT_SIZE];
    struct release release;
    int64_t row;

    if (release_by_row(tx, wish->release_row, &release, err) != STEP_ROW ||
        stage_load(tx, wish->channel_row, &stage, err) || check_next(tx, &stage, &release, err) ||
        find_source(tx, &stage, &release, &row, err) || overview_load(tx, row, &source, err))
        return -1;
    const struct promotion_facts facts = facts_of(&source);
    if (!promotion_is_due(&stage.promotion, &facts, now, missing))
        return fail(err, PROBLEM_CONFLICT, "campaign %s: %s", source.campaign.id, missing);
    if (promote(tx, campaigns, &stage, &source, &child, err))
        return -1;
    *ret_row = child.row;
    return 0;
}

/* -- the way back -- */

/* What the operator decided for the way there holds for the way back, but the waves: these devices
 * are known to take the older release. Who got the bad one first is first in line again. A way back
 * is not only downloaded. */
static json_t *rollback_plan(const struct overview *overview, const char *release, int64_t least)
{
    static const char *const same[] = {"target",  "channel", "priority", "consent",
                                       "windows", "rate",    "caps",     "install"};
    size_t count = COUNT_OF(same) - (overview->rules.install == INSTALL_PRESTAGE);
    char reason[48];

    snprintf(reason, sizeof reason, "rollback of %s", overview->campaign.id);
    int64_t approvals = overview->rules.approvals > least ? overview->rules.approvals : least;
    json_auto_t *plan = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I}", "release", release, "kind",
                                  campaign_kind_name(KIND_ROLLBACK), "reason", reason, "salt_from",
                                  overview->campaign.id, "preset", "all-now", "promote", false,
                                  "approvals", (json_int_t)approvals);
    for (size_t i = 0; plan && i < count; i++) {
        json_t *value = json_object_get(overview->rules.json, same[i]);

        if (value && json_object_set(plan, same[i], value))
            return NULL;
    }
    return json_incref(plan);
}

/* The channel's baseline when devices can go back to it, else what most of them came from. */
static enum step find_last_good(struct tx *tx, const struct campaign *campaign, int64_t *ret,
                                struct error *err)
{
    struct baseline baseline;
    enum step step = STEP_DONE;

    if (campaign->channel_row)
        step = baseline_of(tx, campaign->channel_row, campaign->product_row, &baseline, err);
    if (step == STEP_ROW)
        step = pipeline_last_good(tx, campaign->row_id, campaign->release_row, baseline.release_row,
                                  ret, err);
    if (step != STEP_DONE)
        return step;
    return pipeline_last_good(tx, campaign->row_id, campaign->release_row, 0, ret, err);
}

static int make_rollback(struct tx *tx, struct campaigns *campaigns,
                         const struct overview *overview, int64_t release_row, int64_t now,
                         struct error *err)
{
    json_auto_t *plan = NULL;
    struct release release;
    char name[CAMPAIGN_NAME_SIZE];
    struct child child = {
        .parent = &overview->campaign,
        .name = name,
        .actor = &server,
        .now = now,
        .is_foreseen = true,
    };

    if (release_by_row(tx, release_row, &release, err) != STEP_ROW)
        return -1;
    snprintf(name, sizeof name, "rollback of %s", overview->campaign.id);
    child.plan = plan = rollback_plan(overview, release.id, campaigns->config->campaign_approvals);
    return make_child(tx, campaigns, &child, "campaign.rollback", err);
}

static int tell_no_rollback(struct tx *tx, const struct campaign *campaign, const char *why,
                            int64_t now, struct error *err)
{
    char detail[256];

    snprintf(detail, sizeof detail, "no rollback: %s", why);
    return tell(tx, campaign, "campaign.rollback", detail, now, err);
}

/* Whatever speaks against the way back, the abort stands. */
int pipeline_aborted(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                     int64_t now, struct error *err)
{
    const struct campaign *campaign = &overview->campaign;
    int64_t release_row;

    if (!overview->rules.rolls_back)
        return 0;
    enum step step = find_last_good(tx, campaign, &release_row, err);
    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE)
        return tell_no_rollback(
            tx, campaign, "no published release lies below it and above its floors", now, err);
    if (make_rollback(tx, campaigns, overview, release_row, now, err) == 0)
        return 0;
    const struct error why = *err;
    return problem_status(why.problem) >= 500
               ? -1
               : tell_no_rollback(tx, campaign, why.detail, now, err);
}

/* -- the clock -- */

struct round {
    struct campaigns *campaigns;
    int64_t now;
    int64_t campaign_row;        /* the one to promote */
    const struct error *refusal; /* why that could not be done */
};

static int is_due(struct tx *tx, const struct round *round, struct stage *ret_stage,
                  struct overview *ret_source, bool *ret, struct error *err)
{
    char missing[PROMOTION_TEXT_SIZE];

    if (overview_load(tx, round->campaign_row, ret_source, err) ||
        stage_load(tx, ret_source->campaign.channel_row, ret_stage, err))
        return -1;
    const struct promotion_facts facts = facts_of(ret_source);
    *ret = is_promoted_by_clock(ret_stage, ret_source) &&
           promotion_is_due(&ret_stage->promotion, &facts, round->now, missing);
    return 0;
}

static int do_promote(struct tx *tx, void *arg, struct error *err)
{
    CLEANUP(stage_clear) struct stage stage = {0};
    CLEANUP(overview_clear) struct overview source = {0};
    const struct round *round = arg;
    struct child child = {.actor = &server, .now = round->now};
    bool is_still_due;

    if (is_due(tx, round, &stage, &source, &is_still_due, err))
        return -1;
    return is_still_due ? promote(tx, round->campaigns, &stage, &source, &child, err) : 0;
}

/* It is not tried again each second: whoever mends the terms promotes by hand. */
static int do_refuse(struct tx *tx, void *arg, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    const struct round *round = arg;

    return campaign_need(tx, round->campaign_row, &campaign, err) ||
                   pipeline_set_promoted(tx, campaign.row_id, round->now, err) ||
                   tell(tx, &campaign, "campaign.not_promoted", round->refusal->detail, round->now,
                        err)
               ? -1
               : 0;
}

static int promote_when_due(struct round *round, struct tx *reader, struct error *err)
{
    CLEANUP(stage_clear) struct stage stage = {0};
    CLEANUP(overview_clear) struct overview source = {0};
    struct store *store = round->campaigns->store;
    bool due;

    if (is_due(reader, round, &stage, &source, &due, err))
        return -1;
    if (!due || store_write(store, do_promote, round, err) == 0)
        return 0;
    if (problem_status(err->problem) >= 500)
        return -1;
    const struct error why = *err;
    round->refusal = &why;
    log_warning("campaign.not_promoted", TEXT("campaign", source.campaign.id),
                TEXT("reason", why.detail));
    return store_write(store, do_refuse, round, err);
}

static int promote_all_due(struct round *round, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    int64_t rows[WAITING];
    size_t count;

    if (tx_read(&tx, round->campaigns->store, err) ||
        pipeline_waiting(&tx, rows, WAITING, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        round->campaign_row = rows[i];
        if (promote_when_due(round, &tx, err))
            return -1;
    }
    return 0;
}

struct ended {
    size_t count;
    struct {
        int64_t tenant_row, device_row;
    } at[BATCH];
};

static int note_pin(const char *device_id, const struct pin *pin, void *arg, struct error *err)
{
    struct ended *ended = arg;

    (void)device_id;
    (void)err;
    ended->at[ended->count++].device_row = pin->device_row;
    return 0;
}

static int find_expired_pins(struct tx *tx, int64_t now, struct ended *ret, struct error *err)
{
    ret->count = 0;
    return pins_expired(tx, now, BATCH, note_pin, ret, err);
}

static int do_unpin(struct tx *tx, void *arg, struct error *err)
{
    const struct round *round = arg;
    struct device device;
    struct ended ended;

    if (find_expired_pins(tx, round->now, &ended, err))
        return -1;
    for (size_t i = 0; i < ended.count; i++)
        if (device_by_row(tx, ended.at[i].device_row, &device, err) != STEP_ROW ||
            pipeline_unpin(tx, round->campaigns, &device, "timer", round->now, err))
            return -1;
    return 0;
}

static int leave_channel(const struct membership_end *end, void *arg, struct error *err)
{
    struct ended *ended = arg;

    (void)err;
    ended->at[ended->count].tenant_row = end->tenant_row;
    ended->at[ended->count++].device_row = end->device_row;
    return 0;
}

static int find_ended_memberships(struct tx *tx, int64_t now, struct ended *ret, struct error *err)
{
    ret->count = 0;
    return memberships_ended(tx, now, BATCH, leave_channel, ret, err);
}

static int do_leave(struct tx *tx, void *arg, struct error *err)
{
    const struct round *round = arg;
    struct ended ended;

    if (find_ended_memberships(tx, round->now, &ended, err))
        return -1;
    for (size_t i = 0; i < ended.count; i++) {
        const struct event event = {
            .at = round->now,
            .tenant_row = ended.at[i].tenant_row,
            .kind = "device.channel",
            .device_row = ended.at[i].device_row,
            .cause = "timer",
            .detail = "the membership has ended",
        };

        if (device_join_channel(tx, event.device_row, 0, 0, err) || event_append(tx, &event, err))
            return -1;
    }
    return 0;
}

int pipeline_tick(struct campaigns *campaigns, int64_t now, struct error *err)
{
    struct round round = {.campaigns = campaigns, .now = now};
    struct ended pins, memberships;
    struct tx tx = {0};

    int failed = tx_read(&tx, campaigns->store, err) || find_expired_pins(&tx, now, &pins, err) ||
                 find_ended_memberships(&tx, now, &memberships, err);
    tx_end(&tx);
    if (failed || (pins.count && store_write(campaigns->store, do_unpin, &round, err)) ||
        (memberships.count && store_write(campaigns->store, do_leave, &round, err)))
        return -1;
    return promote_all_due(&round, err);
}
