/* SPDX-License-Identifier: Apache-2.0 */
/* A poll must not read campaigns, waves and filters from the database. They are compiled once after
 * each commit that changed one, into a snapshot that is never changed again; a poll holds it for as
 * long as it works with it. */
#include "campaign/engine.h"

#include "core/log.h"

#include <string.h>

static void images_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->image_count; i++) {
        for (size_t h = 0; h < plan->images[i].hardware_count; h++)
            free(plan->images[i].hardware[h]);
        free(plan->images[i].hardware);
    }
    free(plan->images);
}

void plan_free(struct plan **plan)
{
    if (!*plan)
        return;
    filter_free(&(*plan)->filter);
    images_free(*plan);
    free((*plan)->bands);
    free(*plan);
    *plan = NULL;
}

static int image_make(const struct target *target, struct image *image, struct error *err)
{
    json_auto_t *list = NULL;

    image->size = target->size;
    if (json_read(target->hardware_ids, strlen(target->hardware_ids), &list, err))
        return -1;
    image->hardware = calloc(json_array_size(list) + 1, sizeof *image->hardware);
    if (!image->hardware)
        return fail_internal(err, "memory for hardware ids");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_array_get(list, i));

        image->hardware[i] = id ? strdup(id) : NULL;
        if (!image->hardware[i])
            return fail_internal(err, "hardware ids of target row %lld", (long long)target->row_id);
        image->hardware_count++;
    }
    return 0;
}

static int images_make(struct tx *tx, struct plan *plan, struct error *err)
{
    struct target *targets = NULL;
    size_t count = 0;
    int failed;

    if (release_targets(tx, plan->release_row, &targets, &count, err))
        return -1;
    plan->images = calloc(count + 1, sizeof *plan->images);
    failed = plan->images ? 0 : fail_internal(err, "memory for %zu images", count);
    for (size_t i = 0; i < count && !failed; i++) {
        plan->image_count = i + 1;
        failed = image_make(&targets[i], &plan->images[i], err);
    }
    targets_free(&targets, count);
    return failed;
}

static int bands_make(const struct wave *waves, size_t count, struct plan *plan, struct error *err)
{
    plan->bands = calloc(count + 1, sizeof *plan->bands);
    if (!plan->bands)
        return fail_internal(err, "memory for %zu waves", count);
    for (size_t i = 0; i < count; i++) {
        struct band *band = &plan->bands[i];
        band->limit = waves[i].rank_limit;
        band->state = wave_state_in(&waves[i]);
        if (waves[i].is_count && band->state != WAVE_PASSED && band->state != WAVE_SKIPPED)
            band->places = (int64_t)waves[i].amount;
    }
    plan->band_count = count;
    return 0;
}

static void copy_rules(const struct campaign *campaign, struct plan *plan)
{
    plan->row_id = campaign->row_id;
    plan->tenant_row = campaign->tenant_row;
    plan->release_row = campaign->release_row;
    plan->state = campaign_state_in(campaign);
    plan->stops_transfers = campaign->stops_transfers;
    plan->release_is_offered = campaign->release_is_published;
    plan->priority = campaign->priority;
    plan->started_at = campaign->started_at;
    plan->rate = campaign->rate;
    plan->attempts_max = campaign->attempts_max;
    plan->stale_after = campaign->stale_after;
    plan->confirm_after = campaign->confirm_after;
    plan->verify_timeout = campaign->verify_timeout;
    plan->offer_ttl = campaign->offer_ttl;
    plan->security_version = campaign->security_version;
    memcpy(plan->salt, campaign->salt, sizeof plan->salt);
    snprintf(plan->id, sizeof plan->id, "%s", campaign->id);
    snprintf(plan->release_id, sizeof plan->release_id, "%s", campaign->release_id);
    snprintf(plan->version, sizeof plan->version, "%s", campaign->release_version);
}

int plan_make(struct tx *tx, const struct campaign *campaign, const struct wave *waves,
              size_t wave_count, struct plan **ret, struct error *err)
{
    CLEANUP(plan_free) struct plan *plan = calloc(1, sizeof *plan);

    if (!plan)
        return fail_internal(err, "memory for a campaign");
    copy_rules(campaign, plan);
    if (filter_parse(campaign->target, &plan->filter, err) ||
        bands_make(waves, wave_count, plan, err) || images_make(tx, plan, err))
        return -1;
    *ret = MOVE(plan);
    return 0;
}

struct build {
    struct tx *tx;
    struct snapshot *snapshot;
};

static int add_plan(const struct campaign *campaign, void *arg, struct error *err)
{
    const struct build *build = arg;
    struct snapshot *snapshot = build->snapshot;
    CLEANUP(free_memory) struct wave *waves = NULL;
    size_t wave_count = 0;

    struct plan **plans = realloc(snapshot->plans, (snapshot->count + 1) * sizeof *plans);
    if (!plans)
        return fail_internal(err, "memory for %zu campaigns", snapshot->count + 1);
    snapshot->plans = plans;
    if (waves_of(build->tx, campaign->row_id, &waves, &wave_count, err) ||
        plan_make(build->tx, campaign, waves, wave_count, &plans[snapshot->count], err))
        return -1;
    snapshot->count++;
    return 0;
}

void snapshot_release(struct snapshot **held)
{
    struct snapshot *snapshot = *held;

    *held = NULL;
    if (!snapshot || atomic_fetch_sub(&snapshot->holders, 1) > 1)
        return;
    for (size_t i = 0; i < snapshot->count; i++)
        plan_free(&snapshot->plans[i]);
    free(snapshot->plans);
    free(snapshot);
}

static int build(struct store *store, struct snapshot **ret, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    CLEANUP(tx_end) struct tx tx = {0};

    if (!snapshot)
        return fail_internal(err, "memory for the campaigns");
    snapshot->holders = 1;
    if (tx_read(&tx, store, err) ||
        campaign_each_live(&tx, add_plan, &(struct build){&tx, snapshot}, err))
        return -1;
    *ret = MOVE(snapshot);
    return 0;
}

int snapshot_refresh(struct campaigns *campaigns, struct error *err)
{
    struct snapshot *fresh = NULL;

    pthread_mutex_lock(&campaigns->building);
    int failed = build(campaigns->store, &fresh, err);
    pthread_mutex_lock(&campaigns->lock);
    struct snapshot *old = fresh ? campaigns->snapshot : NULL;
    if (fresh)
        campaigns->snapshot = fresh;
    campaigns->is_stale = failed != 0;
    pthread_mutex_unlock(&campaigns->lock);
    pthread_mutex_unlock(&campaigns->building);
    snapshot_release(&old);
    return failed;
}

struct snapshot *snapshot_take(struct campaigns *campaigns)
{
    pthread_mutex_lock(&campaigns->lock);
    struct snapshot *snapshot = campaigns->snapshot;
    atomic_fetch_add(&snapshot->holders, 1);
    pthread_mutex_unlock(&campaigns->lock);
    return snapshot;
}

const struct plan *snapshot_find(const struct snapshot *snapshot, int64_t campaign_row)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (snapshot->plans[i]->row_id == campaign_row)
            return snapshot->plans[i];
    return NULL;
}

int campaigns_open(struct store *store, const struct config *config, struct campaigns **ret,
                   struct error *err)
{
    struct campaigns *campaigns = calloc(1, sizeof *campaigns);

    if (!campaigns)
        return fail_internal(err, "memory for the campaigns");
    campaigns->store = store;
    campaigns->config = config;
    pthread_mutex_init(&campaigns->building, NULL);
    pthread_mutex_init(&campaigns->lock, NULL);
    if (build(store, &campaigns->snapshot, err) || transfers_new(&campaigns->transfers, err)) {
        campaigns_close(&campaigns);
        return -1;
    }
    *ret = campaigns;
    return 0;
}

void campaigns_close(struct campaigns **campaigns)
{
    if (!*campaigns)
        return;
    campaigns_stop_ticker(*campaigns);
    snapshot_release(&(*campaigns)->snapshot);
    transfers_free(&(*campaigns)->transfers);
    pthread_mutex_destroy(&(*campaigns)->lock);
    pthread_mutex_destroy(&(*campaigns)->building);
    free(*campaigns);
    *campaigns = NULL;
}
