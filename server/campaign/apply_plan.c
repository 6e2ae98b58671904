/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns made from plans: what a plan names is looked up, then it is a draft. */
#include "campaign/engine.h"

#include "core/digest.h"
#include "core/text.h"
#include "store/approval.h"
#include "store/audit.h"
#include "store/channel.h"
#include "store/device_list.h"

#include <string.h>

int campaign_audit(struct tx *tx, const struct campaign *campaign, const struct actor *actor,
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

/* -- what a plan names -- */

static int find_channel(struct tx *tx, int64_t tenant_row, const char *id, int64_t *ret,
                        struct error *err)
{
    *ret = 0;
    if (!id[0])
        return 0;
    enum step step = channel_row_by_id(tx, tenant_row, id, ret, err);
    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_BAD_FIELD, "channel", "there is no channel %.64s", id);
    return step == STEP_ROW ? 0 : -1;
}

static int find_release(struct tx *tx, int64_t tenant_row, const char *id, struct release *ret,
                        struct error *err)
{
    enum step step = release_by_id(tx, tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_NO_SUCH_RELEASE, "release", "release %.97s", id);
    return step == STEP_ROW ? 0 : -1;
}

/* A campaign's line used again: the same devices go first. Drawn anew without one. */
static int take_salt(struct tx *tx, int64_t tenant_row, const char *from, uint8_t ret[SALT_SIZE],
                     struct error *err)
{
    CLEANUP(campaign_clear) struct campaign other = {0};
    int64_t row;

    if (!from[0]) {
        random_bytes(ret, SALT_SIZE);
        return 0;
    }
    enum step step = campaign_row_by_id(tx, tenant_row, from, &row, err);
    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_BAD_FIELD, "salt_from", "there is no campaign %.23s", from);
    if (step != STEP_ROW || campaign_need(tx, row, &other, err))
        return -1;
    memcpy(ret, other.salt, SALT_SIZE);
    return 0;
}

static int find_list(struct tx *tx, int64_t tenant_row, const struct wave_rule *wave,
                     const char *field, char ret_sha256[SHA256_HEX_SIZE], struct error *err)
{
    struct device_list list;
    enum step step = device_list_by_id(tx, tenant_row, wave->text, &list, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_BAD_FIELD, field, "there is no device list %.23s",
                          wave->text);
    hex_from_bytes(list.sha256, sizeof list.sha256, ret_sha256);
    if (wave->list_sha256[0] && strcmp(wave->list_sha256, ret_sha256) != 0)
        return fail_field(err, PROBLEM_BAD_FIELD, field, "list %.23s has another sha256",
                          wave->text);
    return 0;
}

/* The plan's text names lists by their content too: that is part of what is approved. */
static int write_plan(struct tx *tx, int64_t tenant_row, const struct rules *rules,
                      struct campaign *ret, struct error *err)
{
    json_auto_t *json = json_deep_copy(rules->json);

    for (size_t i = 0; i < rules->wave_count; i++) {
        const struct wave_rule *wave = &rules->waves[i];
        char sha256[SHA256_HEX_SIZE], field[32];
        json_t *list = json_object_get(json_array_get(json_object_get(json, "waves"), i), "list");

        if (wave->kind != WAVE_LIST)
            continue;
        snprintf(field, sizeof field, "waves[%zu].list", i);
        if (find_list(tx, tenant_row, wave, field, sha256, err))
            return -1;
        if (json_object_set_new(list, "sha256", json_string(sha256)))
            return fail_internal(err, "memory for a plan");
    }
    return rules_text(&(struct rules){.json = json}, &ret->plan, ret->plan_hash, err);
}

int campaign_from_rules(struct tx *tx, int64_t tenant_row, const struct rules *rules,
                        struct campaign *ret, struct error *err)
{
    struct release release;

    if (find_release(tx, tenant_row, rules->release, &release, err) ||
        find_channel(tx, tenant_row, rules->channel, &ret->channel_row, err) ||
        take_salt(tx, tenant_row, rules->salt_from, ret->salt, err))
        return -1;
    ret->tenant_row = tenant_row;
    ret->release_row = release.row_id;
    ret->product_row = release.product_row;
    ret->priority = rules->priority;
    ret->release_is_published = release.state == RELEASE_PUBLISHED;
    ret->security_version = release.security_version;
    campaign_clear(ret);
    if (write_plan(tx, tenant_row, rules, ret, err))
        return -1;
    if (!ret->state[0])
        snprintf(ret->state, sizeof ret->state, "%s", campaign_state_name(CAMPAIGN_DRAFT));
    snprintf(ret->kind, sizeof ret->kind, "%s", campaign_kind_name(rules->kind));
    snprintf(ret->release_id, sizeof ret->release_id, "%s", release.id);
    snprintf(ret->release_version, sizeof ret->release_version, "%s", release.version);
    return 0;
}

/* -- the rows -- */

static int insert_waves(struct tx *tx, const struct campaign *campaign, const struct rules *rules,
                        int64_t now, struct error *err)
{
    for (size_t i = 0; i < rules->wave_count; i++) {
        const struct wave_rule *from = &rules->waves[i];
        struct wave wave = {
            .campaign_row = campaign->row_id,
            .position = (int64_t)i,
            .rank_limit = from->kind == WAVE_PERCENT ? rank_limit(from->amount) : -1,
            .state_at = now,
        };

        snprintf(wave.state, sizeof wave.state, "%s", wave_state_name(WAVE_PENDING));
        if (wave_insert(tx, &wave, err))
            return -1;
    }
    return 0;
}

static int number_campaign(struct tx *tx, struct campaign *campaign, struct error *err)
{
    int64_t number;

    if (store_next_number(tx, "campaign", &number, err))
        return -1;
    snprintf(campaign->id, sizeof campaign->id, "c-%lld", (long long)number);
    return 0;
}

int campaign_make(struct tx *tx, struct campaigns *campaigns, const struct new_campaign *wish,
                  const struct actor *actor, int64_t now, struct campaign *ret, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign made = {0};
    const struct rules *rules = wish->rules;
    const struct move move = {.now = now, .tenant_row = wish->tenant_row, .detail = rules->reason};

    (void)campaigns;
    if (campaign_from_rules(tx, wish->tenant_row, rules, &made, err))
        return -1;
    if (!made.release_is_published)
        return fail_field(err, PROBLEM_WRONG_STATE, "release", "release %.97s is not published",
                          rules->release);
    made.created_at = now;
    made.parent_row = wish->parent_row;
    snprintf(made.name, sizeof made.name, "%s", wish->name);
    snprintf(made.created_by, sizeof made.created_by, "%s", actor->id);
    snprintf(made.planned_by, sizeof made.planned_by, "%s", actor->id);
    if (number_campaign(tx, &made, err) || campaign_insert(tx, &made, err) ||
        insert_waves(tx, &made, rules, now, err) ||
        campaign_audit(tx, &made, actor, "campaign.create", &move, err))
        return -1;
    *ret = made;
    made.plan = NULL;
    return 0;
}

/* -- as operators make them -- */

/* Kinds, and the rules that a clock is needed for. */
static int read_plan(const json_t *json, const struct config *config, int64_t now,
                     struct rules *ret, struct rules_extra *extra, struct error *err)
{
    if (rules_read(json, config, ret, extra, err))
        return -1;
    if (ret->kind > KIND_ROLLBACK)
        return fail_field(err, PROBLEM_BAD_FIELD, "kind",
                          "baselines and pins make their campaigns themselves");
    return rules_check(ret, now, err);
}

int campaign_create(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                    const json_t *json, const struct actor *actor, int64_t now, int64_t *ret_row,
                    struct error *err)
{
    CLEANUP(campaign_clear) struct campaign made = {0};
    CLEANUP(rules_clear) struct rules rules = {0};
    struct rules_extra extra;

    if (read_plan(json, campaigns->config, now, &rules, &extra, err))
        return -1;
    const struct new_campaign wish = {tenant_row, &rules, extra.name, 0};
    if (campaign_make(tx, campaigns, &wish, actor, now, &made, err))
        return -1;
    *ret_row = made.row_id;
    if (!extra.starts)
        return 0;
    return campaign_act(tx, campaigns, made.row_id,
                        rules.approvals ? CAMPAIGN_SUBMIT : CAMPAIGN_START, NULL, actor, now, err);
}

/* Whether the line is another campaign's. A plan that cannot be read says no. */
static bool borrows_line(const struct campaign *campaign)
{
    json_auto_t *plan = json_loads(campaign->plan, 0, NULL);
    const char *from = json_string_value(json_object_get(plan, "salt_from"));

    return from && from[0];
}

/* Its own line it keeps, so that the same devices go first; one that was another's it gives back.
 */
static int replace_plan(struct tx *tx, struct campaign *campaign, const struct rules *rules,
                        const char *name, int64_t now, struct error *err)
{
    bool keeps_line = !rules->salt_from[0] && !borrows_line(campaign);
    uint8_t salt[SALT_SIZE];

    memcpy(salt, campaign->salt, sizeof salt);
    if (campaign_from_rules(tx, campaign->tenant_row, rules, campaign, err))
        return -1;
    if (!campaign->release_is_published)
        return fail_field(err, PROBLEM_WRONG_STATE, "release", "release %.97s is not published",
                          rules->release);
    if (keeps_line)
        memcpy(campaign->salt, salt, sizeof salt);
    snprintf(campaign->name, sizeof campaign->name, "%s", name);
    return campaign_save_plan(tx, campaign, err) || approval_drop(tx, campaign->row_id, err) ||
                   waves_delete(tx, campaign->row_id, err) ||
                   insert_waves(tx, campaign, rules, now, err)
               ? -1
               : 0;
}

int campaign_edit(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                  const json_t *json, const struct actor *actor, int64_t now, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    CLEANUP(rules_clear) struct rules rules = {0};
    struct rules_extra extra;

    if (read_plan(json, campaigns->config, now, &rules, &extra, err) ||
        campaign_need(tx, campaign_row, &campaign, err))
        return -1;
    const struct move move = {.now = now,
                              .tenant_row = campaign.tenant_row,
                              .cause = "operator",
                              .detail = "the plan was changed"};
    enum campaign_state state = campaign_state_in(&campaign);
    if (state > CAMPAIGN_REVIEW)
        return fail(err, PROBLEM_WRONG_STATE, "campaign %s is %s; its plan stands", campaign.id,
                    campaign.state);
    if (extra.starts)
        return fail_field(err, PROBLEM_BAD_FIELD, "start", "a change does not start it");
    snprintf(campaign.planned_by, sizeof campaign.planned_by, "%s", actor->id);
    if (replace_plan(tx, &campaign, &rules, extra.name, now, err))
        return -1;
    int failed = state == CAMPAIGN_REVIEW
                     ? campaign_move(tx, campaigns, &campaign, CAMPAIGN_DRAFT, &move, err)
                     : campaign_save(tx, &campaign, err);
    return failed ? -1 : campaign_audit(tx, &campaign, actor, "campaign.edit", &move, err);
}
