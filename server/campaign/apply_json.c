/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns and deployments as operators read them. */
#include "campaign/engine.h"

#include "core/clock.h"
#include "core/text.h"
#include "store/approval.h"
#include "store/channel.h"
#include "store/stratum_count.h"

#include <string.h>

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
    const struct gate *gate = &overview->rules.waves[wave->position].gate;
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
        gate_judge(gate, tally, state == WAVE_SOAKING ? wave->covered_at : 0, now);
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
        "{s:I, s:s, s:f, s:s, s:s, s:I, s:I, s:O, s:I, s:I, s:f, s:s, s:o, s:o, s:b}", "position",
        (json_int_t)wave->position + 1, "kind",
        wave_kind_name(overview->rules.waves[wave->position].kind), "amount",
        overview->rules.waves[wave->position].amount, "state", wave->state, "state_reason",
        wave->state_reason, "members", (json_int_t)wave->members, "active",
        (json_int_t)wave->active, "counts", counts, "confirmed", (json_int_t)tally->confirmed,
        "failed", (json_int_t)tally->failed, "upper_bound",
        gate_upper_bound(tally->failed, tally->confirmed + tally->failed), "gate_text",
        wave_gate_text(overview, wave, now, text), "opened_at", json_from_time(wave->opened_at),
        "covered_at", json_from_time(wave->covered_at), "approved", wave->is_approved);

    if (json) /* what the plan says of it: the amount under its kind, the gate */
        json_object_update_missing(
            json,
            json_array_get(json_object_get(overview->rules.json, "waves"), (size_t)wave->position));
    return json;
}

/* Per state, over all and for each wave. */
struct counts {
    json_t *whole;
    json_t *waves[RULES_WAVES_MAX];
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

static json_t *head_json(const struct overview *overview)
{
    const struct campaign *campaign = &overview->campaign;
    char hash[2 * PLAN_HASH_SIZE + 1];

    hex_from_bytes(campaign->plan_hash, PLAN_HASH_SIZE, hash);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:s, s:O}", "id",
        campaign->id, "name", campaign->name, "state", campaign->state, "state_reason",
        campaign->state_reason, "paused_for", campaign->paused_for, "created_by",
        campaign->created_by, "planned_by", campaign->planned_by, "created_at",
        json_from_time(campaign->created_at), "started_at", json_from_time(campaign->started_at),
        "covered_at", json_from_time(campaign->covered_at), "state_at",
        json_from_time(campaign->state_at), "bytes_served", (json_int_t)campaign->bytes_served,
        "change", (json_int_t)campaign->change, "accepted_failures",
        (json_int_t)campaign->accepted_failures, "plan_hash", hash, "plan", overview->rules.json);

    if (json)
        json_object_update_missing(json, overview->rules.json);
    return json;
}

static void add_tallies(json_t *json, const struct overview *overview)
{
    const struct tally *whole = &overview->whole;

    json_object_set_new(json, "active", json_integer(whole->active));
    json_object_set_new(json, "confirmed", json_integer(whole->confirmed));
    json_object_set_new(json, "failed", json_integer(whole->failed));
    json_object_set_new(
        json, "upper_bound",
        json_real(gate_upper_bound(whole->failed, whole->failed + whole->confirmed)));
}

static json_t *overview_json(const struct overview *overview, const struct counts *counts,
                             int64_t now)
{
    json_t *json = head_json(overview);
    json_t *waves = json_array();

    for (size_t i = 0; i < overview->wave_count; i++)
        json_array_append_new(waves,
                              wave_json(overview, &overview->waves[i], counts->waves[i], now));
    json_object_set(json, "counts", counts->whole);
    json_object_set_new(json, "waves", waves);
    json_object_set_new(json, "risk", json_string(overview->rules.risk));
    add_tallies(json, overview);
    return json;
}

static int add_stratum(const struct stratum_count *count, void *arg, struct error *err)
{
    json_t *list = arg;

    return json_array_append_new(
               list, json_pack("{s:s, s:I, s:I, s:f}", "stratum", count->stratum, "confirmed",
                               (json_int_t)count->confirmed, "failed", (json_int_t)count->failed,
                               "upper_bound",
                               gate_upper_bound(count->failed, count->failed + count->confirmed)))
               ? fail_internal(err, "memory for strata")
               : 0;
}

/* Who approved, where it comes from, how its strata fare: what is asked of the store beside. */
static int add_relations(struct tx *tx, const struct overview *overview, json_t *json,
                         struct error *err)
{
    const struct campaign *campaign = &overview->campaign;
    CLEANUP(campaign_clear) struct campaign parent = {0};
    json_t *strata = json_array();
    int64_t given = 0;

    json_object_set_new(json, "strata_counts", strata);
    if (stratum_counts(tx, campaign->row_id, add_stratum, strata, err) ||
        (overview->rules.approvals && approval_count(tx, campaign, &given, err)) ||
        (campaign->parent_row && campaign_need(tx, campaign->parent_row, &parent, err)))
        return -1;
    json_object_set_new(json, "parent",
                        campaign->parent_row ? json_string(parent.id) : json_null());
    json_object_set_new(json, "approvals_needed", json_integer(overview->rules.approvals));
    json_object_set_new(json, "approvals_given", json_integer(given));
    return 0;
}

static int64_t campaign_leases(struct campaigns *campaigns, int64_t campaign_row)
{
    struct capacity_held held = {0};

    capacity_of_campaign(campaigns->capacity, campaign_row, &held);
    return held.leases;
}

/* A download holds a lease while it gets on; those beyond the leases stand still. */
static void add_flow(struct campaigns *campaigns, const struct overview *overview, json_t *json)
{
    const json_t *counts = json_object_get(json, "counts");
    int64_t downloading = json_integer_value(json_object_get(counts, "downloading"));
    int64_t leases = campaign_leases(campaigns, overview->campaign.row_id);

    json_object_set_new(json, "leases", json_integer(leases));
    json_object_set_new(json, "stalled",
                        json_integer(downloading > leases ? downloading - leases : 0));
}

static int counts_load(struct tx *tx, const struct overview *overview, struct counts *ret,
                       struct error *err)
{
    ret->whole = json_object();
    ret->wave_count = overview->wave_count;
    for (size_t i = 0; i < ret->wave_count; i++)
        ret->waves[i] = json_object();
    return deployment_counts(tx, overview->campaign.row_id, add_counts, ret, err);
}

static void counts_clear(struct counts *counts)
{
    json_decref(counts->whole);
    for (size_t i = 0; i < counts->wave_count; i++)
        json_decref(counts->waves[i]);
}

int campaign_to_json(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row, int64_t now,
                     json_t **ret, struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};
    CLEANUP(counts_clear) struct counts counts = {0};
    json_auto_t *json = NULL;

    if (overview_load(tx, campaign_row, &overview, err) || counts_load(tx, &overview, &counts, err))
        return -1;
    json = overview_json(&overview, &counts, now);
    if (!json)
        return fail_internal(err, "memory for a campaign");
    if (add_relations(tx, &overview, json, err))
        return -1;
    add_flow(campaigns, &overview, json);
    *ret = MOVE(json);
    return 0;
}

/* -- approvals -- */

struct approvals {
    const uint8_t *plan_hash;
    json_t *items;
};

static int add_approval(const struct approval *approval, void *arg, struct error *err)
{
    const struct approvals *approvals = arg;
    char hash[2 * PLAN_HASH_SIZE + 1];
    bool is_present = memcmp(approval->plan_hash, approvals->plan_hash, PLAN_HASH_SIZE) == 0;

    hex_from_bytes(approval->plan_hash, PLAN_HASH_SIZE, hash);
    return json_array_append_new(
               approvals->items,
               json_pack("{s:s, s:s, s:s, s:o, s:s, s:b}", "operator", approval->operator,
                         "decision", approval->is_refusal ? "refused" : "approved", "note",
                         approval->note, "at", json_from_time(approval->at), "plan_hash", hash,
                         "is_valid", is_present && !approval->is_refusal))
               ? fail_internal(err, "memory for approvals")
               : 0;
}

int approval_list_json(struct tx *tx, int64_t campaign_row, json_t **ret, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    json_auto_t *items = json_array();
    struct approvals approvals = {campaign.plan_hash, items};

    if (campaign_need(tx, campaign_row, &campaign, err) ||
        approval_each(tx, campaign_row, add_approval, &approvals, err))
        return -1;
    return made(json_pack("{s:O, s:n}", "items", items, "next"), ret, err);
}

/* -- lists: one row more than asked for tells whether there is a next page -- */

struct list {
    struct tx *tx;
    struct campaigns *campaigns;
    json_t *items;
    int64_t limit, count;
    char next[CAMPAIGN_ID_SIZE];
    char last[CAMPAIGN_ID_SIZE];
    struct campaign campaign; /* of the last deployment: most of a list share theirs */
    bool is_of_device;        /* in order of actions, not of rows */
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

static int unknown(const char *name, const char *value, struct error *err)
{
    return fail_field(err, PROBLEM_BAD_FIELD, name, "there is no %s %.97s",
                      strcmp(name, "after") == 0 ? "campaign" : name, value);
}

/* Names become rows. */
static int read_query(struct tx *tx, const struct campaign_query *query, struct campaign_page *ret,
                      struct error *err)
{
    enum campaign_state known;
    struct release release;
    enum step step;

    if (query->state && !campaign_state_of(query->state, &known))
        return unknown("state", query->state, err);
    if (query->channel && (step = channel_row_by_id(tx, ret->tenant_row, query->channel,
                                                    &ret->channel_row, err)) != STEP_ROW)
        return step == STEP_DONE ? unknown("channel", query->channel, err) : -1;
    if (query->release &&
        (step = release_by_id(tx, ret->tenant_row, query->release, &release, err)) != STEP_ROW)
        return step == STEP_DONE ? unknown("release", query->release, err) : -1;
    ret->release_row = query->release ? release.row_id : 0;
    if (query->after && (step = campaign_row_by_id(tx, ret->tenant_row, query->after, &ret->before,
                                                   err)) != STEP_ROW)
        return step == STEP_DONE ? unknown("after", query->after, err) : -1;
    return 0;
}

int campaign_list_json(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                       const struct campaign_query *query, json_t **ret, struct error *err)
{
    struct campaign_page page = {
        .tenant_row = tenant_row, .limit = query->limit + 1, .state = query->state};
    struct list list = {.tx = tx, .campaigns = campaigns, .limit = query->limit};

    if (read_query(tx, query, &page, err))
        return -1;
    list.items = json_array();
    return list_to_json(&list, campaign_list(tx, &page, add_campaign, &list, err), ret, err);
}

static json_t *deployment_json(const struct deployment_entry *entry, const struct list *list,
                               const char *release)
{
    const struct deployment *deployment = entry->deployment;
    char id[CAMPAIGN_ID_SIZE];

    snprintf(id, sizeof id, "d-%lld", (long long)deployment->action);
    return json_pack(
        "{s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:o, s:o, "
        "s:b, s:b}",
        "device", entry->device_id, "id", id, "action", (json_int_t)deployment->action, "campaign",
        list->campaign.id, "release", release, "state", deployment->state, "attempt",
        (json_int_t)deployment->attempt, "wave", (json_int_t)deployment->wave + 1, "class",
        deployment->class, "detail", entry->detail, "bytes_served",
        (json_int_t)deployment->bytes_served, "fetches", (json_int_t)deployment->fetches, "consent",
        !deployment->asks_consent ? "none"
        : deployment->consent_at  ? "given"
                                  : "required",
        "offered_at", json_from_time(deployment->offered_at), "state_at",
        json_from_time(deployment->state_at), "retry_at", json_from_time(deployment->retry_at),
        "held_until", json_from_time(deployment->held_until_at), "unproven",
        deployment->is_unproven, "is_cancelling", deployment->is_cancelling);
}

static int load_campaign(struct list *list, int64_t campaign_row, struct error *err)
{
    if (list->campaign.row_id == campaign_row)
        return 0;
    campaign_clear(&list->campaign);
    return campaign_need(list->tx, campaign_row, &list->campaign, err);
}

static int add_deployment(const struct deployment_entry *entry, void *arg, struct error *err)
{
    const struct deployment *deployment = entry->deployment;
    struct list *list = arg;
    struct release step; /* a floor on the way to the campaign's release */

    if (list->count++ == list->limit) {
        snprintf(list->next, sizeof list->next, "%s", list->last);
        return 0;
    }
    snprintf(list->last, sizeof list->last, "%lld",
             (long long)(list->is_of_device ? deployment->action : deployment->row_id));
    if (load_campaign(list, deployment->campaign_row, err))
        return -1;
    bool is_step = deployment->release_row != list->campaign.release_row;
    if (is_step && release_by_row(list->tx, deployment->release_row, &step, err) == STEP_FAILED)
        return -1;
    return json_array_append_new(
               list->items,
               deployment_json(entry, list, is_step ? step.id : list->campaign.release_id))
               ? fail_internal(err, "memory for a list")
               : 0;
}

int deployment_list_json(struct tx *tx, int64_t campaign_row, const char *state, int64_t after,
                         int64_t limit, json_t **ret, struct error *err)
{
    const struct deployment_page page = {
        .campaign_row = campaign_row, .before = after, .limit = limit + 1, .state = state};
    struct list list = {.tx = tx, .limit = limit};
    enum deployment_state known;

    if (state && !deployment_state_of(state, &known))
        return fail_field(err, PROBLEM_BAD_FIELD, "state", "there is no such state");
    list.items = json_array();
    int failed = deployment_list(tx, &page, add_deployment, &list, err);
    campaign_clear(&list.campaign);
    return list_to_json(&list, failed, ret, err);
}

int device_deployments_json(struct tx *tx, int64_t device_row, int64_t after, int64_t limit,
                            json_t **ret, struct error *err)
{
    struct list list = {.tx = tx, .limit = limit, .items = json_array(), .is_of_device = true};
    int failed =
        deployment_list_of_device(tx, device_row, after, limit + 1, add_deployment, &list, err);

    campaign_clear(&list.campaign);
    return list_to_json(&list, failed, ret, err);
}

int deployment_to_json(struct tx *tx, const struct deployment *deployment, json_t **ret,
                       struct error *err)
{
    json_auto_t *page = NULL;

    if (device_deployments_json(tx, deployment->device_row, deployment->action + 1, 1, &page, err))
        return -1;
    *ret = json_incref(json_array_get(json_object_get(page, "items"), 0));
    return 0;
}
