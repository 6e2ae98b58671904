/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns and deployments as operators read them, and the resolver's reasons in words. */
#include "campaign/engine.h"

#include "core/clock.h"
#include "core/text.h"

#include <string.h>

static json_t *time_json(int64_t at)
{
    char text[CLOCK_TEXT_SIZE];

    return at ? json_string(clock_text(at, text)) : json_null();
}

static int made(json_t *value, json_t **ret, struct error *err)
{
    if (!value)
        return fail_internal(err, "memory for JSON");
    *ret = value;
    return 0;
}

/* -- campaigns -- */

static const char *wave_gate_text(const struct overview *overview, const struct wave *wave,
                                  int64_t now, char text[GATE_TEXT_SIZE])
{
    const struct gate gate = wave_gate(wave);
    const struct tally *tally = &overview->tallies[wave - overview->waves];
    enum wave_state state = wave_state_in(wave);

    if (state == WAVE_PENDING) {
        snprintf(text, GATE_TEXT_SIZE, "%s",
                 wave->state_reason[0] ? wave->state_reason
                 : wave->position == 0
                     ? "opens when the campaign has started and its devices are counted"
                     : "opens after the one before");
        return text;
    }
    if (state == WAVE_PASSED || state == WAVE_SKIPPED) {
        snprintf(text, GATE_TEXT_SIZE, "%s", state == WAVE_PASSED ? "passed" : "skipped");
        return text;
    }
    const struct gate_verdict verdict =
        gate_judge(&gate, tally, state == WAVE_SOAKING ? wave->covered_at : 0, now);
    if (state == WAVE_HELD && verdict.answer != GATE_HOLD) {
        snprintf(text, GATE_TEXT_SIZE, "held: %s", wave->state_reason);
        return text;
    }
    return gate_text(&verdict, text);
}

static json_t *wave_json(const struct overview *overview, const struct wave *wave, json_t *counts,
                         int64_t now)
{
    const struct tally *tally = &overview->tallies[wave - overview->waves];
    char text[GATE_TEXT_SIZE];
    json_t *json = json_pack(
        "{s:I, s:s, s:f, s:s, s:s, s:I, s:I, s:O, s:I, s:I, s:f, s:s, s:o, s:o}", "position",
        (json_int_t)wave->position + 1, "kind", wave->is_count ? "count" : "percent", "amount",
        wave->amount, "state", wave->state, "state_reason", wave->state_reason, "members",
        (json_int_t)wave->members, "active", (json_int_t)wave->active, "counts", counts,
        "confirmed", (json_int_t)tally->confirmed, "failed", (json_int_t)tally->failed,
        "upper_bound", gate_upper_bound(tally->failed, tally->confirmed + tally->failed),
        "gate_text", wave_gate_text(overview, wave, now, text), "opened_at",
        time_json(wave->opened_at), "covered_at", time_json(wave->covered_at));
    json_t *gate = json_pack("{s:s, s:I, s:f, s:I}", "gate", wave->is_manual ? "manual" : "auto",
                             "min_confirmed", (json_int_t)wave->min_confirmed, "coverage",
                             wave->coverage, "soak", (json_int_t)wave->soak);

    if (json && gate)
        json_object_update(json, gate);
    json_decref(gate);
    return json;
}

/* Per state, over all and for each wave. */
struct counts {
    json_t *whole;
    json_t *waves[WISH_WAVES_MAX];
    size_t wave_count;
};

static void add_to(json_t *counts, const char *state, int64_t more)
{
    int64_t have = json_integer_value(json_object_get(counts, state));

    json_object_set_new(counts, state, json_integer(have + more));
}

static int add_counts(int wave, const char *state, int64_t count, void *arg, struct error *err)
{
    struct counts *counts = arg;

    (void)err;
    add_to(counts->whole, state, count);
    if (wave >= 0 && (size_t)wave < counts->wave_count)
        add_to(counts->waves[wave], state, count);
    return 0;
}

static json_t *rules_json(const struct campaign *campaign)
{
    return json_pack(
        "{s:{s:f, s:I, s:I}, s:{s:f, s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "pause",
        "share", campaign->pause_share, "failures", (json_int_t)campaign->pause_failures, "sample",
        (json_int_t)campaign->pause_sample, "abort", "share", campaign->abort_share, "failures",
        (json_int_t)campaign->abort_failures, "sample", (json_int_t)campaign->abort_sample,
        "accepted_failures", (json_int_t)campaign->accepted_failures, "attempts",
        (json_int_t)campaign->attempts_max, "confirm_after", (json_int_t)campaign->confirm_after,
        "stale_after", (json_int_t)campaign->stale_after, "verify_timeout",
        (json_int_t)campaign->verify_timeout, "offer_ttl", (json_int_t)campaign->offer_ttl, "rate",
        (json_int_t)campaign->rate, "priority", (json_int_t)campaign->priority);
}

static json_t *head_json(const struct campaign *campaign)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I}", "id", campaign->id, "name",
        campaign->name, "release", campaign->release_id, "target", campaign->target, "state",
        campaign->state, "state_reason", campaign->state_reason, "created_by", campaign->created_by,
        "created_at", time_json(campaign->created_at), "started_at",
        time_json(campaign->started_at), "state_at", time_json(campaign->state_at), "bytes_served",
        (json_int_t)campaign->bytes_served, "change", (json_int_t)campaign->change);
    json_t *rules = rules_json(campaign);

    if (json && rules)
        json_object_update(json, rules);
    json_decref(rules);
    return json;
}

static json_t *overview_json(const struct overview *overview, const struct counts *counts,
                             int64_t now)
{
    json_t *json = head_json(&overview->campaign);
    json_t *waves = json_array();

    for (size_t i = 0; i < overview->wave_count; i++)
        json_array_append_new(waves,
                              wave_json(overview, &overview->waves[i], counts->waves[i], now));
    json_object_set(json, "counts", counts->whole);
    json_object_set_new(json, "waves", waves);
    json_object_set_new(json, "active", json_integer(overview->whole.active));
    json_object_set_new(json, "confirmed", json_integer(overview->whole.confirmed));
    json_object_set_new(json, "failed", json_integer(overview->whole.failed));
    return json;
}

int campaign_to_json(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row, int64_t now,
                     json_t **ret, struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};
    struct counts counts = {0};

    (void)campaigns;
    if (overview_load(tx, campaign_row, &overview, err))
        return -1;
    counts.whole = json_object();
    counts.wave_count = overview.wave_count;
    for (size_t i = 0; i < counts.wave_count; i++)
        counts.waves[i] = json_object();
    int failed = deployment_counts(tx, campaign_row, add_counts, &counts, err);
    if (!failed)
        failed = made(overview_json(&overview, &counts, now), ret, err);
    json_decref(counts.whole);
    for (size_t i = 0; i < counts.wave_count; i++)
        json_decref(counts.waves[i]);
    return failed;
}

/* -- lists: one row more than asked for tells whether there is a next page -- */

struct list {
    struct tx *tx;
    struct campaigns *campaigns;
    json_t *items;
    int64_t limit, count;
    char next[CAMPAIGN_ID_SIZE];
    char last[CAMPAIGN_ID_SIZE];
};

static int list_to_json(struct list *list, int failed, json_t **ret, struct error *err)
{
    if (failed) {
        json_decref(list->items);
        return -1;
    }
    return made(
        json_pack("{s:o, s:s?}", "items", list->items, "next", list->next[0] ? list->next : NULL),
        ret, err);
}

static int add_campaign(const struct campaign *campaign, void *arg, struct error *err)
{
    struct list *list = arg;
    json_t *item = NULL;

    if (list->count++ == list->limit) {
        snprintf(list->next, sizeof list->next, "%s", list->last);
        return 1;
    }
    snprintf(list->last, sizeof list->last, "%s", campaign->id);
    if (campaign_to_json(list->tx, list->campaigns, campaign->row_id, clock_wall(), &item, err))
        return -1;
    return json_array_append_new(list->items, item) ? fail_internal(err, "memory for a list") : 0;
}

int campaign_list_json(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                       const char *state, const char *after, int64_t limit, json_t **ret,
                       struct error *err)
{
    struct campaign_page page = {.tenant_row = tenant_row, .limit = limit + 1, .state = state};
    struct list list = {.tx = tx, .campaigns = campaigns, .limit = limit};
    enum campaign_state known;

    if (state && !campaign_state_of(state, &known))
        return fail_field(err, PROBLEM_BAD_FIELD, "state", "there is no such state");
    if (after) {
        enum step step = campaign_row_by_id(tx, tenant_row, after, &page.before, err);
        if (step == STEP_FAILED)
            return -1;
        if (step == STEP_DONE)
            return fail_field(err, PROBLEM_BAD_FIELD, "after", "there is no such campaign");
    }
    list.items = json_array();
    return list_to_json(&list, campaign_list(tx, &page, add_campaign, &list, err), ret, err);
}

static json_t *deployment_json(const struct deployment_entry *entry)
{
    const struct deployment *deployment = entry->deployment;
    char id[CAMPAIGN_ID_SIZE];

    snprintf(id, sizeof id, "d-%lld", (long long)deployment->action);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I, s:o, s:o, s:o, s:b, s:b}", "device",
                     entry->device_id, "id", id, "state", deployment->state, "attempt",
                     (json_int_t)deployment->attempt, "wave", (json_int_t)deployment->wave + 1,
                     "class", deployment->class, "detail", entry->detail, "bytes_served",
                     (json_int_t)deployment->bytes_served, "offered_at",
                     time_json(deployment->offered_at), "state_at", time_json(deployment->state_at),
                     "retry_at", time_json(deployment->retry_at), "unproven",
                     deployment->is_unproven, "cancelling", deployment->is_cancelling);
}

static int add_deployment(const struct deployment_entry *entry, void *arg, struct error *err)
{
    struct list *list = arg;

    if (list->count++ == list->limit) {
        snprintf(list->next, sizeof list->next, "%s", list->last);
        return 0;
    }
    snprintf(list->last, sizeof list->last, "%lld", (long long)entry->deployment->row_id);
    return json_array_append_new(list->items, deployment_json(entry))
               ? fail_internal(err, "memory for a list")
               : 0;
}

int deployment_list_json(struct tx *tx, int64_t campaign_row, const char *state, int64_t after,
                         int64_t limit, json_t **ret, struct error *err)
{
    const struct deployment_page page = {
        .campaign_row = campaign_row, .before = after, .limit = limit + 1, .state = state};
    struct list list = {.limit = limit};
    enum deployment_state known;

    if (state && !deployment_state_of(state, &known))
        return fail_field(err, PROBLEM_BAD_FIELD, "state", "there is no such state");
    list.items = json_array();
    return list_to_json(&list, deployment_list(tx, &page, add_deployment, &list, err), ret, err);
}

/* -- explain -- */

#define PASTS_MAX 16

static json_t *reason_json(const struct plan *plan, enum reason reason)
{
    return json_pack("{s:I, s:s, s:s, s:s?, s:s?}", "step", (json_int_t)reason_step(reason), "code",
                     reason_code(reason), "text", reason_sentence(reason), "campaign",
                     plan ? plan->id : NULL, "release", plan ? plan->release_id : NULL);
}

static int note_reason(void *arg, const struct plan *plan, enum reason reason, struct error *err)
{
    json_t *steps = arg;

    return json_array_append_new(steps, reason_json(plan, reason))
               ? fail_internal(err, "memory for reasons")
               : 0;
}

static json_t *past_json(const struct snapshot *snapshot, const struct deployment *deployment)
{
    const struct plan *plan = snapshot_find(snapshot, deployment->campaign_row);

    return json_pack("{s:s?, s:s, s:I, s:s, s:b, s:b, s:o, s:o}", "campaign",
                     plan ? plan->id : NULL, "state", deployment->state, "attempt",
                     (json_int_t)deployment->attempt, "class", deployment->class, "open",
                     deployment->is_open, "cancelling", deployment->is_cancelling, "state_at",
                     time_json(deployment->state_at), "retry_at", time_json(deployment->retry_at));
}

/* An open deployment is answered before any campaign is looked at. */
static const struct deployment *open_one(const struct deployment *deployments, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (deployments[i].is_open ||
            deployment_state_in(&deployments[i]) == DEPLOYMENT_VERIFYING ||
            deployment_state_in(&deployments[i]) == DEPLOYMENT_INSTALLING)
            return &deployments[i];
    return NULL;
}

static json_t *explanation(const struct snapshot *snapshot, const struct resolution *resolution,
                           const struct deployment *deployments, size_t count, json_t *steps)
{
    const struct deployment *current = open_one(deployments, count);
    json_t *answer = current ? json_pack("{s:s, s:s}", "code", "deployment", "text",
                                         "The device has a deployment under way; it goes first")
                             : reason_json(resolution->plan, resolution->reason);

    return json_pack("{s:o, s:o, s:o, s:o}", "answer", answer, "deployment",
                     current ? past_json(snapshot, current) : json_null(), "until",
                     time_json(current ? 0 : resolution->until), "steps", json_incref(steps));
}

int campaign_explain_json(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                          int64_t now, json_t **ret, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    json_auto_t *steps = json_array();
    struct deployment deployments[PASTS_MAX];
    struct past pasts[PASTS_MAX];
    struct lookup lookup = {tx, device->row_id};
    struct resolution resolution;
    struct question question = {
        .facts = subject_of(device, &lookup),
        .tenant_row = device->tenant_row,
        .floor = device->floor,
        .is_active = device->state == DEVICE_ACTIVE,
        .pasts = pasts,
        .plans = snapshot->plans,
        .plan_count = snapshot->count,
        .now = now,
        .note = note_reason,
        .note_arg = steps,
    };

    if (deployments_of_device(tx, device->row_id, deployments, PASTS_MAX, &question.past_count,
                              err))
        return -1;
    for (size_t i = 0; i < question.past_count; i++)
        pasts[i] = past_of(&deployments[i]);
    if (resolve(&question, &resolution, err))
        return -1;
    return made(explanation(snapshot, &resolution, deployments, question.past_count, steps), ret,
                err);
}
