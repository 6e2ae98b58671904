/* SPDX-License-Identifier: Apache-2.0 */
/* One campaign compiled: its plan read, filters parsed, waves, images and counts loaded. */
#include "campaign/engine.h"

#include "store/channel.h"

#include <string.h>

void plan_free(struct plan **plan)
{
    if (!*plan)
        return;
    filter_free(&(*plan)->filter);
    rules_clear(&(*plan)->rules);
    images_free((*plan)->images, (*plan)->image_count);
    bands_free((*plan)->bands, (*plan)->band_count);
    line_free(&(*plan)->own_line);
    free((*plan)->pace);
    free(*plan);
    *plan = NULL;
}

static void copy_campaign(const struct campaign *campaign, struct plan *plan)
{
    plan->row_id = campaign->row_id;
    plan->tenant_row = campaign->tenant_row;
    plan->release_row = campaign->release_row;
    plan->product_row = campaign->product_row;
    plan->channel_row = campaign->channel_row;
    plan->parent_row = campaign->parent_row;
    plan->state = campaign_state_in(campaign);
    plan->stops_transfers = campaign->stops_transfers;
    plan->release_is_offered = campaign->release_is_published;
    plan->started_at = campaign->started_at;
    plan->since = campaign->started_at;
    plan->security_version = campaign->security_version;
    memcpy(plan->salt, campaign->salt, sizeof plan->salt);
    snprintf(plan->id, sizeof plan->id, "%s", campaign->id);
    snprintf(plan->release_id, sizeof plan->release_id, "%s", campaign->release_id);
    snprintf(plan->version, sizeof plan->version, "%s", campaign->release_version);
}

/* A zone that cannot be read now is none: its clocks stand for those nobody told us of. */
static const struct zone *zone_in(const struct rules *rules)
{
    const struct zone *zone = rules->zone[0] ? zone_named(rules->zone) : NULL;

    return zone ? zone : zone_named("UTC");
}

/* When the release became what the channel's devices are to have. */
static int find_since(struct tx *tx, struct plan *plan, struct error *err)
{
    struct baseline baseline;

    if (plan->rules.kind != KIND_BASELINE || !plan->channel_row)
        return 0;
    enum step step = baseline_of(tx, plan->channel_row, plan->product_row, &baseline, err);
    if (step == STEP_ROW && baseline.campaign_row == plan->row_id)
        plan->since = baseline.set_at;
    return step == STEP_FAILED ? -1 : 0;
}

static int add_count(int wave, const char *state, int64_t count, void *arg, struct error *err)
{
    struct pace *pace = arg;

    (void)wave, (void)err;
    pace->offered += count;
    if (outcome_counted(state) == OUTCOME_CONFIRMED)
        pace->confirmed += count;
    return 0;
}

static int make_pace(struct tx *tx, const struct wave *waves, size_t count, struct plan *plan,
                     struct error *err)
{
    plan->pace = calloc(1, sizeof *plan->pace);
    if (!plan->pace)
        return fail_internal(err, "memory for a campaign");
    for (size_t i = 0; waves && i < count; i++)
        plan->pace->active += waves[i].active;
    return plan->row_id ? deployment_counts(tx, plan->row_id, add_count, plan->pace, err) : 0;
}

int plan_compile(struct tx *tx, const struct config *config, const struct campaign *campaign,
                 const struct wave *waves, size_t wave_count, struct plan **ret, struct error *err)
{
    CLEANUP(plan_free) struct plan *plan = calloc(1, sizeof *plan);

    if (!plan)
        return fail_internal(err, "memory for a campaign");
    copy_campaign(campaign, plan);
    if (rules_load(campaign->plan, config, &plan->rules, err))
        return -1;
    plan->zone = zone_in(&plan->rules);
    plan->band_count = waves ? wave_count : plan->rules.wave_count;
    if (filter_parse(plan->rules.target, &plan->filter, err) ||
        bands_make(&plan->rules, waves, wave_count, &plan->bands, err) ||
        images_load(tx, plan->release_row, &plan->images, &plan->image_count, err) ||
        find_since(tx, plan, err) || make_pace(tx, waves, wave_count, plan, err))
        return -1;
    *ret = MOVE(plan);
    return 0;
}

void plan_put_on_line(struct plan *plan, const struct line *line)
{
    plan->line = line;
    plan->goal = line_release(line, plan->release_row);
}

int plan_make(struct tx *tx, const struct config *config, const struct campaign *campaign,
              const struct wave *waves, size_t wave_count, struct plan **ret, struct error *err)
{
    CLEANUP(plan_free) struct plan *plan = NULL;

    if (plan_compile(tx, config, campaign, waves, wave_count, &plan, err) ||
        line_load(tx, plan->product_row, &plan->own_line, err))
        return -1;
    plan_put_on_line(plan, plan->own_line);
    *ret = MOVE(plan);
    return 0;
}

size_t plan_images(const struct plan *plan, int64_t release_row, const struct image **ret)
{
    const struct line_release *step = release_row != plan->release_row && plan->line
                                          ? line_release(plan->line, release_row)
                                          : NULL;

    *ret = step ? step->images : plan->images;
    return step ? step->image_count : plan->image_count;
}
