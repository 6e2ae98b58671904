/* SPDX-License-Identifier: Apache-2.0 */
/* A poll must not read campaigns, waves and filters from the database. They are compiled once after
 * each commit that changed one, into a snapshot that is never changed again; a poll holds it for as
 * long as it works with it. */
#include "campaign/engine.h"

#include "core/log.h"
#include "store/freeze.h"
#include "store/pin.h"

#include <string.h>

struct build {
    struct tx *tx;
    struct snapshot *snapshot;
    int64_t now;
};

void *snapshot_grow(void *array, size_t count, size_t size, struct error *err)
{
    void *grown = realloc(array, (count + 1) * size);

    if (!grown)
        fail_internal(err, "memory for %zu entries", count + 1);
    return grown;
}

static int find_line(const struct build *build, int64_t product_row, const struct line **ret,
                     struct error *err)
{
    struct snapshot *snapshot = build->snapshot;

    for (size_t i = 0; i < snapshot->line_count; i++)
        if (snapshot->lines[i]->product_row == product_row) {
            *ret = snapshot->lines[i];
            return 0;
        }
    struct line **lines = snapshot_grow(snapshot->lines, snapshot->line_count, sizeof *lines, err);
    if (!lines)
        return -1;
    snapshot->lines = lines;
    if (line_load(build->tx, product_row, &lines[snapshot->line_count], err))
        return -1;
    *ret = lines[snapshot->line_count++];
    return 0;
}

/* What a plan was allowed to say was asked when it was made: limits that were set since are not for
 * it. One that cannot be read all the same must not stop the others. */
static int compile(const struct build *build, const struct campaign *campaign, struct plan **ret,
                   struct error *err)
{
    struct wave *waves = NULL;
    size_t wave_count = 0;

    *ret = NULL;
    if (waves_of(build->tx, campaign->row_id, &waves, &wave_count, err))
        return -1;
    int failed = plan_compile(build->tx, NULL, campaign, waves, wave_count, ret, err);
    waves_free(waves, wave_count);
    if (!failed || err->problem == PROBLEM_INTERNAL)
        return failed;
    log_error("campaign.unreadable", TEXT("campaign", campaign->id), TEXT("field", err->field),
              CAUSE(err));
    return 0;
}

static int add_plan(const struct campaign *campaign, void *arg, struct error *err)
{
    const struct build *build = arg;
    struct snapshot *snapshot = build->snapshot;
    struct plan **plans = snapshot_grow(snapshot->plans, snapshot->count, sizeof *plans, err);
    const struct line *line;

    if (!plans)
        return -1;
    snapshot->plans = plans;
    if (find_line(build, campaign->product_row, &line, err) ||
        compile(build, campaign, &plans[snapshot->count], err))
        return -1;
    if (plans[snapshot->count])
        plan_put_on_line(plans[snapshot->count++], line);
    return 0;
}

/* Baselines are what remains when nothing else wants anything. */
static int sort_baselines_last(struct snapshot *snapshot, struct error *err)
{
    struct plan **sorted = calloc(snapshot->count + 1, sizeof *sorted);
    size_t count = 0;

    if (!sorted)
        return fail_internal(err, "memory for %zu campaigns", snapshot->count);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < snapshot->count; i++)
            if ((snapshot->plans[i]->rules.kind == KIND_BASELINE) == pass)
                sorted[count++] = snapshot->plans[i];
    free(snapshot->plans);
    snapshot->plans = sorted;
    return 0;
}

static int add_steering(int64_t tenant_row, void *arg, struct error *err)
{
    const struct build *build = arg;
    struct snapshot *snapshot = build->snapshot;

    if (snapshot_steering(snapshot, tenant_row))
        return 0;
    struct steering *grown =
        snapshot_grow(snapshot->steerings, snapshot->steering_count, sizeof *grown, err);
    if (!grown)
        return -1;
    snapshot->steerings = grown;
    if (steering_load(build->tx, tenant_row, build->now, &grown[snapshot->steering_count], err))
        return -1;
    snapshot->steering_count++;
    return 0;
}

/* Of every tenant with a campaign, and of those whose devices are to hear of an emergency stop. */
static int add_steerings(struct build *build, struct error *err)
{
    struct snapshot *snapshot = build->snapshot;

    for (size_t i = 0; i < snapshot->count; i++) {
        const struct plan *plan = snapshot->plans[i];

        snapshot->has_windows |=
            plan->rules.download_windows.count > 0 || plan->rules.install_windows.count > 0;
        if (add_steering(plan->tenant_row, build, err))
            return -1;
    }
    return halt_each(build->tx, add_steering, build, err);
}

void snapshot_release(struct snapshot **held)
{
    struct snapshot *snapshot = *held;

    *held = NULL;
    if (!snapshot || atomic_fetch_sub(&snapshot->holders, 1) > 1)
        return;
    for (size_t i = 0; i < snapshot->count; i++)
        plan_free(&snapshot->plans[i]);
    for (size_t i = 0; i < snapshot->line_count; i++)
        line_free(&snapshot->lines[i]);
    for (size_t i = 0; i < snapshot->steering_count; i++)
        steering_clear(&snapshot->steerings[i]);
    free(snapshot->plans);
    free(snapshot->lines);
    free(snapshot->steerings);
    free(snapshot);
}

static int build(struct campaigns *campaigns, struct snapshot **ret, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    CLEANUP(tx_end) struct tx tx = {0};
    struct build build = {&tx, snapshot, campaigns->ticked_at};
    int64_t pins;

    if (!snapshot)
        return fail_internal(err, "memory for the campaigns");
    snapshot->holders = 1;
    if (tx_read(&tx, campaigns->store, err) || campaign_each_live(&tx, add_plan, &build, err) ||
        sort_baselines_last(snapshot, err) || add_steerings(&build, err) ||
        pin_count(&tx, &pins, err))
        return -1;
    snapshot->has_pins = pins > 0;
    *ret = MOVE(snapshot);
    return 0;
}

int snapshot_refresh(struct campaigns *campaigns, struct error *err)
{
    struct snapshot *fresh = NULL;

    pthread_mutex_lock(&campaigns->building);
    int failed = build(campaigns, &fresh, err);
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

/* -- after a commit -- */

struct touch {
    struct campaigns *campaigns;
    bool severs;
};

static void refresh_after_commit(struct store *store, void *arg)
{
    const struct touch *touch = arg;
    struct campaigns *campaigns = touch->campaigns;
    struct error err;

    (void)store;
    if (campaigns->is_touched && snapshot_refresh(campaigns, &err))
        log_warning("campaign.stale", CAUSE(&err));
    campaigns->is_touched = false;
    if (touch->severs && campaigns->sever)
        campaigns->sever(campaigns->sever_arg, 0, 0);
}

static int touch(struct tx *tx, struct campaigns *campaigns, bool severs, struct error *err)
{
    struct touch *kept = malloc(sizeof *kept);

    if (!kept)
        return fail_internal(err, "memory for an effect");
    *kept = (struct touch){campaigns, severs};
    campaigns->is_touched = true;
    tx_after_commit(tx, refresh_after_commit, kept);
    return 0;
}

int campaign_touch(struct tx *tx, struct campaigns *campaigns, struct error *err)
{
    return touch(tx, campaigns, false, err);
}

int campaigns_halt_changed(struct tx *tx, struct campaigns *campaigns, struct error *err)
{
    return touch(tx, campaigns, true, err);
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

const struct steering *snapshot_steering(const struct snapshot *snapshot, int64_t tenant_row)
{
    for (size_t i = 0; i < snapshot->steering_count; i++)
        if (snapshot->steerings[i].tenant_row == tenant_row)
            return &snapshot->steerings[i];
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
    if (build(campaigns, &campaigns->snapshot, err) || transfers_new(&campaigns->transfers, err) ||
        leases_new(campaigns, err)) {
        campaigns_close(&campaigns);
        return -1;
    }
    *ret = campaigns;
    return 0;
}

/* As of the last round, if there was one. */
static void write_transfers(struct campaigns *campaigns)
{
    struct error err;

    if (campaigns->capacity && transfers_flush(campaigns, atomic_load(&campaigns->ticked_at), &err))
        log_warning("campaign.transfers_lost", CAUSE(&err));
}

void campaigns_close(struct campaigns **campaigns)
{
    if (!*campaigns)
        return;
    campaigns_stop_ticker(*campaigns);
    write_transfers(*campaigns);
    snapshot_release(&(*campaigns)->snapshot);
    transfers_free(&(*campaigns)->transfers);
    capacity_free(&(*campaigns)->capacity);
    pthread_mutex_destroy(&(*campaigns)->lock);
    pthread_mutex_destroy(&(*campaigns)->building);
    free(*campaigns);
    *campaigns = NULL;
}
