/* SPDX-License-Identifier: Apache-2.0 */
/* Standing campaigns: one wave of all devices that stays open. Who is meant is not in their target:
 * a baseline's devices are its channel's, a pin campaign's are those pinned to its release under
 * its terms. */
#include "campaign/apply_pipeline.h"
#include "campaign/engine.h"

#include "core/text.h"
#include "store/event.h"
#include "store/pipeline.h"

#include <string.h>

/* A single device is waited for by the person who pinned it: no start rate, no dead man, and
 * nobody else's failure stops it. */
static int unleash(json_t *plan)
{
    json_auto_t *never = json_pack("{s:i, s:i}", "share", 1, "failures", INT32_MAX);

    return json_object_set_new(plan, "rate", json_pack("{s:i}", "start", 0)) ||
                   json_object_set_new(plan, "dead_man", json_integer(0)) ||
                   json_object_set(plan, "pause", never) || json_object_set(plan, "abort", never)
               ? -1
               : 0;
}

static json_t *standing_plan(enum campaign_kind kind, const char *release, const char *channel,
                             const char *reason)
{
    json_auto_t *plan = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:[{s:i}]}", "release",
                                  release, "target", "all", "kind", campaign_kind_name(kind),
                                  "channel", channel, "reason", reason ? reason : "", "promote",
                                  false, "approvals", 0, "watch", 0, "waves", "percent", 100);

    if (!plan)
        return NULL;
    if (kind == KIND_PIN && unleash(plan))
        return NULL;
    return json_incref(plan);
}

/* Who asked, and when; every campaign that is made here is begun here. */
struct maker {
    struct campaigns *campaigns;
    int64_t tenant_row;
    const struct actor *actor;
    int64_t now;
    const char *name; /* of the campaign */
};

/* Its only wave opens with it: nothing is to be counted first. */
static int begin(struct tx *tx, const struct maker *maker, int64_t campaign_row, struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};
    const struct move move = {
        .now = maker->now, .tenant_row = maker->tenant_row, .cause = "operator"};

    if (overview_load(tx, campaign_row, &overview, err) ||
        campaign_begin(tx, maker->campaigns, &overview, &move, err))
        return -1;
    return wave_move(tx, maker->campaigns, &overview.waves[0], WAVE_OPEN, &move, err);
}

static int read_plan(const struct maker *maker, const json_t *plan, struct rules *ret,
                     struct error *err)
{
    return plan ? rules_read(plan, maker->campaigns->config, ret, NULL, err)
                : fail_internal(err, "memory for a plan");
}

static int make(struct tx *tx, const struct maker *maker, const struct rules *rules,
                int64_t *ret_row, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    const struct new_campaign wish = {maker->tenant_row, rules, maker->name, 0};

    if (rules_check(rules, maker->now, err) ||
        campaign_make(tx, maker->campaigns, &wish, maker->actor, maker->now, &campaign, err) ||
        begin(tx, maker, campaign.row_id, err))
        return -1;
    *ret_row = campaign.row_id;
    return 0;
}

/* Ends one that others have no use for any more; what devices are installing goes on. */
static int end(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
               enum campaign_state to, const struct move *move, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};

    if (campaign_need(tx, campaign_row, &campaign, err))
        return -1;
    if (!campaign_may_move(campaign_state_in(&campaign), to))
        return 0;
    campaign.stops_transfers = false;
    campaign.paused_for[0] = '\0';
    return campaign_move(tx, campaigns, &campaign, to, move, err) ||
                   campaign_stop_offers(tx, campaigns, &campaign, move, err)
               ? -1
               : 0;
}

/* -- baselines -- */

/* Whether the present one is the wished one already; ended ones are made anew. */
static int is_in_force(struct tx *tx, const struct baseline *present, int64_t release_row,
                       bool *ret, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};

    *ret = false;
    if (present->release_row != release_row)
        return 0;
    if (campaign_need(tx, present->campaign_row, &campaign, err))
        return -1;
    *ret = !campaign_is_over(campaign_state_in(&campaign));
    return 0;
}

static int supersede(struct tx *tx, const struct maker *maker, int64_t old_row, int64_t new_row,
                     struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    char reason[STATE_REASON_SIZE];

    if (campaign_need(tx, new_row, &campaign, err))
        return -1;
    snprintf(reason, sizeof reason, "superseded by %s", campaign.id);
    const struct move move = {
        .now = maker->now, .tenant_row = maker->tenant_row, .cause = "operator", .detail = reason};
    return end(tx, maker->campaigns, old_row, CAMPAIGN_SUPERSEDED, &move, err);
}

static int find_channel(struct tx *tx, int64_t row, struct channel *ret, struct error *err)
{
    enum step step = channel_by_row(tx, row, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "the channel is gone");
    return step == STEP_ROW ? 0 : -1;
}

static int find_release(struct tx *tx, int64_t row, struct release *ret, struct error *err)
{
    enum step step = release_by_row(tx, row, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_RELEASE, "the release is gone");
    return step == STEP_ROW ? 0 : -1;
}

/* A baseline has no approvals of its own: where the server asks for some, its release has gone the
 * way of a campaign that had them, through this channel and past its last wave. */
static int check_approved(struct tx *tx, const struct campaigns *campaigns,
                          const struct channel *channel, const struct release *release,
                          struct error *err)
{
    CLEANUP(campaign_clear) struct campaign source = {0};
    CLEANUP(rules_clear) struct rules rules = {0};
    int64_t row, asked = campaigns->config->campaign_approvals;

    if (!asked)
        return 0;
    enum step step = pipeline_source(tx, channel->row_id, release->row_id, &row, err);
    if (step == STEP_FAILED || (step == STEP_ROW && (campaign_need(tx, row, &source, err) ||
                                                     rules_load(source.plan, NULL, &rules, err))))
        return -1;
    if (step == STEP_ROW && rules.approvals >= asked)
        return 0;
    return fail_field(err, PROBLEM_CONFLICT, "release",
                      "this server asks for %lld approvals, and no campaign of channel %.64s that "
                      "had them has brought %.97s; make one with \"promote\": true",
                      (long long)asked, channel->id, release->id);
}

/* Makes the standing campaign and puts it in the place of the present one, when there is any. */
static int put_in_force(struct tx *tx, const struct maker *maker, json_t *plan,
                        const struct baseline *present, struct baseline *next, struct error *err)
{
    CLEANUP(rules_clear) struct rules rules = {0};

    snprintf(next->set_by, sizeof next->set_by, "%s", maker->actor->id);
    if (read_plan(maker, plan, &rules, err) || make(tx, maker, &rules, &next->campaign_row, err) ||
        baseline_set(tx, next, err) ||
        (present->campaign_row &&
         supersede(tx, maker, present->campaign_row, next->campaign_row, err)))
        return -1;
    return campaign_touch(tx, maker->campaigns, err);
}

int pipeline_set_baseline(struct tx *tx, struct campaigns *campaigns,
                          const struct new_baseline *wish, const struct actor *actor, int64_t now,
                          struct error *err)
{
    CLEANUP(channel_clear) struct channel channel = {0};
    json_auto_t *plan = NULL;
    struct baseline present = {0};
    struct release release;
    char name[CAMPAIGN_NAME_SIZE];
    bool is_done;

    if (find_channel(tx, wish->channel_row, &channel, err) ||
        find_release(tx, wish->release_row, &release, err) ||
        baseline_of(tx, channel.row_id, release.product_row, &present, err) == STEP_FAILED ||
        is_in_force(tx, &present, release.row_id, &is_done, err))
        return -1;
    if (is_done)
        return 0;
    if (!wish->is_follow_up && check_approved(tx, campaigns, &channel, &release, err))
        return -1;
    struct baseline next = {.channel_row = channel.row_id,
                            .product_row = release.product_row,
                            .release_row = release.row_id,
                            .set_at = now};
    const struct maker maker = {campaigns, channel.tenant_row, actor, now, name};
    snprintf(name, sizeof name, "baseline of %s", channel.id);
    plan = standing_plan(KIND_BASELINE, release.id, channel.id, wish->reason);
    if (wish->asks_consent && json_object_set_new(plan, "consent", json_true()))
        return fail_internal(err, "memory for a plan");
    return put_in_force(tx, &maker, plan, &present, &next, err);
}

int pipeline_drop_baseline(struct tx *tx, struct campaigns *campaigns,
                           const struct channel *channel, int64_t product_row, int64_t now,
                           struct error *err)
{
    const struct move move = {.now = now,
                              .tenant_row = channel->tenant_row,
                              .cause = "operator",
                              .detail = "the channel has no baseline any more"};
    struct baseline present;
    enum step step = baseline_of(tx, channel->row_id, product_row, &present, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "channel %.64s has no baseline for this product",
                    channel->id);
    if (step == STEP_FAILED || baseline_delete(tx, channel->row_id, product_row, err) ||
        end(tx, campaigns, present.campaign_row, CAMPAIGN_CANCELLED, &move, err))
        return -1;
    return campaign_touch(tx, campaigns, err);
}

/* The first of what there is, until there is none: the list changes meanwhile. */
static int first_baseline(const struct baseline *baseline, void *arg, struct error *err)
{
    (void)err;
    *(int64_t *)arg = baseline->product_row;
    return 1;
}

static int drop_baselines(struct tx *tx, struct campaigns *campaigns, const struct channel *channel,
                          int64_t now, struct error *err)
{
    for (;;) {
        int64_t product_row = 0;

        if (baseline_each(tx, channel->row_id, first_baseline, &product_row, err))
            return -1;
        if (!product_row)
            return 0;
        if (pipeline_drop_baseline(tx, campaigns, channel, product_row, now, err))
            return -1;
    }
}

int pipeline_drop_channel(struct tx *tx, struct campaigns *campaigns, const struct channel *channel,
                          int64_t now, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    int64_t row;

    if (drop_baselines(tx, campaigns, channel, now, err))
        return -1;
    enum step step = pipeline_open_campaign(tx, channel->row_id, 0, &row, err);
    if (step == STEP_FAILED || (step == STEP_ROW && campaign_need(tx, row, &campaign, err)))
        return -1;
    if (step == STEP_ROW)
        return fail(err, PROBLEM_CONFLICT, "campaign %s of channel %.64s is %s", campaign.id,
                    channel->id, campaign.state);
    return channel_delete(tx, channel->row_id, err) || campaign_touch(tx, campaigns, err) ? -1 : 0;
}

/* -- pins -- */

static const char *name_of(const struct pin *pin)
{
    return pin->release_row ? pin->release_id : "hold";
}

struct pin_change {
    int64_t tenant_row, device_row, now;
    const char *from, *to, *cause, *detail;
};

static int tell_pin(struct tx *tx, const struct pin_change *change, struct error *err)
{
    const struct event event = {
        .at = change->now,
        .tenant_row = change->tenant_row,
        .kind = "device.pin",
        .device_row = change->device_row,
        .from_state = change->from,
        .to_state = change->to,
        .cause = change->cause,
        .detail = change->detail,
    };

    return event_append(tx, &event, err);
}

static int end_when_unused(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                           const struct pin_change *change, struct error *err)
{
    const struct move move = {.now = change->now,
                              .tenant_row = change->tenant_row,
                              .cause = change->cause,
                              .detail = "no device is pinned to the release any more"};
    bool is_used;

    if (!campaign_row)
        return 0;
    if (pin_campaign_is_used(tx, campaign_row, &is_used, err))
        return -1;
    return is_used ? 0 : end(tx, campaigns, campaign_row, CAMPAIGN_CANCELLED, &move, err);
}

/* Where a term stands in a plan. */
static const struct {
    const char *term, *outer, *inner;
} terms_of_pins[] = {
    {"install",          "install", "mode"         },
    {"force_at",         "install", "force_at"     },
    {"risk",             "install", "risk"         },
    {"install_windows",  "windows", "install"      },
    {"download_windows", "windows", "download"     },
    {"zone",             "windows", "zone"         },
    {"caps",             "caps",    "transfer_rate"},
    {"consent",          "consent", NULL           },
};

static int set_in(json_t *object, const char *name, json_t *value, struct error *err)
{
    return json_object_set(object, name, value) ? fail_internal(err, "memory for terms") : 0;
}

static int put_term(json_t *plan, size_t term, json_t *value, struct error *err)
{
    const char *outer = terms_of_pins[term].outer, *inner = terms_of_pins[term].inner;

    if (!inner)
        return set_in(plan, outer, value, err);
    if (!json_object_get(plan, outer) && json_object_set_new(plan, outer, json_object()))
        return fail_internal(err, "memory for terms");
    return set_in(json_object_get(plan, outer), inner, value, err);
}

static int add_terms(json_t *plan, const json_t *terms, struct error *err)
{
    static const char *const caps[] = {"transfer_rate", NULL};
    const char *members[COUNT_OF(terms_of_pins) + 1] = {NULL};
    const json_t *asked_caps;

    for (size_t i = 0; i < COUNT_OF(terms_of_pins); i++)
        members[i] = terms_of_pins[i].term;
    if (!terms)
        return 0;
    if (json_only_members(terms, members, err) ||
        json_get_object_or_none(terms, "caps", &asked_caps, err) ||
        (asked_caps && json_only_members(asked_caps, caps, err)))
        return -1;
    for (size_t i = 0; i < COUNT_OF(terms_of_pins); i++) {
        bool is_caps = strcmp(terms_of_pins[i].term, "caps") == 0;
        json_t *value = is_caps ? json_object_get(asked_caps, terms_of_pins[i].inner)
                                : json_object_get(terms, terms_of_pins[i].term);

        if (value && put_term(plan, i, value, err))
            return -1;
    }
    return 0;
}

/* What is wrong is named as the operator wrote it. Always -1. */
static int as_term(struct error *err)
{
    char in_plan[sizeof err->field];

    for (size_t i = 0; i < COUNT_OF(terms_of_pins); i++) {
        const char *inner = terms_of_pins[i].inner;

        snprintf(in_plan, sizeof in_plan, "%s.%s", terms_of_pins[i].outer, inner ? inner : "");
        if (inner && strcmp(terms_of_pins[i].term, "caps") != 0 &&
            text_starts_with(err->field, in_plan))
            snprintf(err->field, sizeof err->field, "%s", terms_of_pins[i].term);
    }
    return -1;
}

/* The standing campaign of the release under these terms, made when this is its first pin. */
static int find_deliverer(struct tx *tx, const struct maker *maker, const json_t *terms,
                          struct pin *pin, struct error *err)
{
    CLEANUP(rules_clear) struct rules rules = {0};
    CLEANUP(free_string) char *text = NULL;
    json_auto_t *plan = NULL;
    uint8_t hash[PLAN_HASH_SIZE];
    struct release release;

    if (!pin->release_row)
        return 0;
    if (find_release(tx, pin->release_row, &release, err))
        return -1;
    memcpy(pin->release_id, release.id, sizeof pin->release_id);
    plan = standing_plan(KIND_PIN, release.id, "", "");
    if (add_terms(plan, terms, err) || read_plan(maker, plan, &rules, err))
        return as_term(err);
    if (rules_text(&rules, &text, hash, err))
        return -1;
    enum step step = pin_campaign(tx, release.row_id, hash, &pin->campaign_row, err);
    if (step != STEP_DONE)
        return step == STEP_ROW ? 0 : -1;
    return make(tx, maker, &rules, &pin->campaign_row, err) ? as_term(err) : 0;
}

/* Whoever was pinned to it before and has it not: an operator wants it tried again. */
static int pin_again(struct tx *tx, const struct maker *maker, const struct pin *pin,
                     struct error *err)
{
    const struct move move = {.now = maker->now,
                              .tenant_row = maker->tenant_row,
                              .cause = "operator",
                              .detail = "pinned again"};
    struct deployment deployment;
    enum step step =
        deployment_in_campaign(tx, pin->device_row, pin->campaign_row, &deployment, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    if (deployment.is_open && deployment.is_cancelling) {
        deployment.is_open = false;
        if (deployment_move(tx, maker->campaigns, &deployment, DEPLOYMENT_CANCELLED, &move, err))
            return -1;
    }
    return deployment_is_failed(&deployment)
               ? deployment_try_again(tx, maker->campaigns, &deployment, &move, err)
               : 0;
}

/* What the pin before has begun at the device is called off; the device says when it stopped. */
static int call_off(struct tx *tx, const struct maker *maker, const struct pin *before,
                    struct error *err)
{
    const struct move move = {.now = maker->now,
                              .tenant_row = maker->tenant_row,
                              .cause = "operator",
                              .detail = "pinned to another release"};
    struct deployment deployment;
    enum step step =
        before->campaign_row
            ? deployment_in_campaign(tx, before->device_row, before->campaign_row, &deployment, err)
            : STEP_DONE;

    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    return deployment.is_open ? deployment_stop(tx, maker->campaigns, &deployment, true, &move, err)
                              : 0;
}

int pipeline_pin(struct tx *tx, struct campaigns *campaigns, const struct new_pin *wish,
                 const struct actor *actor, int64_t now, struct error *err)
{
    const struct maker maker = {campaigns, wish->tenant_row, actor, now, "pinned devices"};
    struct pin before = {0}, pin = {.device_row = wish->device_row,
                                    .release_row = wish->release_row,
                                    .created_at = now,
                                    .expires_at = wish->expires_at};
    /* An expired one has its campaign still. */
    enum step step = pin_of(tx, wish->device_row, 0, &before, err);

    if (step == STEP_FAILED || find_deliverer(tx, &maker, wish->terms, &pin, err) ||
        pin_again(tx, &maker, &pin, err))
        return -1;
    snprintf(pin.reason, sizeof pin.reason, "%s", wish->reason);
    snprintf(pin.created_by, sizeof pin.created_by, "%s", actor->id);
    const struct pin_change change = {.tenant_row = wish->tenant_row,
                                      .device_row = wish->device_row,
                                      .now = now,
                                      .from = step == STEP_ROW ? name_of(&before) : "",
                                      .to = name_of(&pin),
                                      .cause = "operator",
                                      .detail = wish->reason};
    if (pin_set(tx, &pin, err) || tell_pin(tx, &change, err))
        return -1;
    if (before.campaign_row != pin.campaign_row &&
        (call_off(tx, &maker, &before, err) ||
         end_when_unused(tx, campaigns, before.campaign_row, &change, err)))
        return -1;
    return campaign_touch(tx, campaigns, err);
}

int pipeline_unpin(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                   const char *cause, int64_t now, struct error *err)
{
    struct pin before;
    enum step step = pin_of(tx, device->row_id, 0, &before, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "device %s has no pin", device->id);
    if (step == STEP_FAILED)
        return -1;
    const struct pin_change change = {.tenant_row = device->tenant_row,
                                      .device_row = device->row_id,
                                      .now = now,
                                      .from = name_of(&before),
                                      .to = "",
                                      .cause = cause,
                                      .detail = before.reason};
    if (pin_delete(tx, device->row_id, err) || tell_pin(tx, &change, err) ||
        end_when_unused(tx, campaigns, before.campaign_row, &change, err))
        return -1;
    return campaign_touch(tx, campaigns, err);
}
