/* SPDX-License-Identifier: Apache-2.0 */
/* The campaign clock. A round without a live campaign and without a transfer asks the database
 * nothing; with some, it costs a few index lookups for each, whatever the fleet's size. */
#include "campaign/engine.h"

#include "campaign/apply_pipeline.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define BATCH 100 /* deployments moved in one job */
#define JOBS 10   /* of a kind, campaign and round */
#define SILENCE_EVERY 60
#define ACTIONS_SINCE INT64_C(1767225600)
#define ACTION_EVERY 5

struct ticker {
    pthread_t thread;
    pthread_mutex_t lock; /* guards is_stopping */
    pthread_cond_t wake;
    bool is_stopping;
};

/* Deployments of one campaign that stay in one state for too long, or past their campaign's end. */
struct chore {
    struct campaigns *campaigns;
    const struct plan *plan;
    enum deployment_state state, to;
    int64_t before, now;
    bool is_silence; /* only of devices not heard of since `before` */
    bool stops;      /* false: time is up, it moves to `to` */
    size_t moved;
};

/* What silence makes of a deployment: perhaps the device installs. Who was asked to stop is not
 * blamed, nor who was not let go. */
static enum deployment_state follower(const struct chore *chore,
                                      const struct deployment *deployment)
{
    if (deployment->is_cancelling && deployment_is_stoppable(deployment_state_in(deployment)))
        return deployment_cancelled_as(deployment);
    return chore->to == DEPLOYMENT_INSTALLING && deployment_awaits_consent(deployment)
               ? DEPLOYMENT_WITHDRAWN
               : chore->to;
}

static int give_up(struct tx *tx, const struct chore *chore, struct deployment *deployment,
                   struct error *err)
{
    enum deployment_state to = follower(chore, deployment);
    const struct move move = {.now = chore->now,
                              .tenant_row = chore->plan->tenant_row,
                              .cause = "timer",
                              .detail = chore->is_silence ? "not heard of" : NULL};

    if (chore->stops)
        return deployment_stop(tx, chore->campaigns, deployment, chore->plan->stops_transfers,
                               &move, err);
    deployment->is_open = to == DEPLOYMENT_INSTALLING;
    if (deployment->is_open)
        snprintf(deployment->class, sizeof deployment->class, SILENT);
    return deployment_move(tx, chore->campaigns, deployment, to, &move, err);
}

/* A begun transfer is written as such by the next flush; until then the offer is not stale. */
static bool is_spared(const struct chore *chore, const struct deployment *deployment)
{
    return !chore->stops && chore->state == DEPLOYMENT_OFFERED &&
           transfers_have(chore->campaigns, deployment->row_id);
}

static int find_due(struct tx *tx, const struct chore *chore, struct deployment *ret, size_t room,
                    size_t *ret_count, struct error *err)
{
    const char *state = deployment_state_name(chore->state);
    int64_t campaign_row = chore->plan->row_id;

    return chore->is_silence ? deployments_silent(tx, campaign_row, state, chore->before, ret, room,
                                                  ret_count, err)
                             : deployments_since(tx, campaign_row, state, chore->before, ret, room,
                                                 ret_count, err);
}

static int do_chore(struct tx *tx, void *arg, struct error *err)
{
    struct chore *chore = arg;
    CLEANUP(free_memory) struct deployment *due = calloc(BATCH, sizeof *due);
    size_t count;

    chore->moved = 0;
    if (!due)
        return fail_internal(err, "memory for a batch");
    if (find_due(tx, chore, due, BATCH, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (is_spared(chore, &due[i]))
            continue;
        enum deployment_state before = deployment_state_in(&due[i]);
        if (give_up(tx, chore, &due[i], err))
            return -1;
        chore->moved += deployment_state_in(&due[i]) != before;
    }
    return chore->moved > 0 && campaign_is_over(chore->plan->state) /* perhaps nothing holds it */
               ? campaign_touch(tx, chore->campaigns, err)
               : 0;
}

static int is_chore_due(const struct chore *chore, bool *ret, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct deployment first;
    size_t count;

    if (tx_read(&tx, chore->campaigns->store, err) || find_due(&tx, chore, &first, 1, &count, err))
        return -1;
    *ret = count > 0;
    return 0;
}

static int run_chore(struct chore *chore, struct error *err)
{
    bool is_due;

    if (is_chore_due(chore, &is_due, err))
        return -1;
    chore->moved = BATCH;
    for (int job = 0; is_due && job < JOBS && chore->moved == BATCH; job++)
        if (store_write(chore->campaigns->store, do_chore, chore, err))
            return -1;
    return 0;
}

static int watch_times(struct campaigns *campaigns, const struct plan *plan, int64_t now,
                       struct error *err)
{
    const struct rules *rules = &plan->rules;
    const struct {
        enum deployment_state state, to;
        int64_t after; /* 0: no limit */
    } limits[] = {
        {DEPLOYMENT_OFFERED,     DEPLOYMENT_WITHDRAWN, rules->offer_ttl                            },
        {DEPLOYMENT_DOWNLOADING, DEPLOYMENT_TIMED_OUT, rules->download_deadline                    },
        {DEPLOYMENT_INSTALLING,  DEPLOYMENT_LOST,      rules->verify_timeout                       },
        {DEPLOYMENT_VERIFYING,   DEPLOYMENT_LOST,      rules->verify_timeout + rules->confirm_after},
    };

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct chore chore = {.campaigns = campaigns,
                              .plan = plan,
                              .state = limits[i].state,
                              .to = limits[i].to,
                              .before = now - limits[i].after,
                              .now = now};
        if (limits[i].after && run_chore(&chore, err))
            return -1;
    }
    return 0;
}

/* Nothing but its own work keeps a device from installing, and did not for a while. */
static bool is_let_go(const struct rules *rules, int64_t since)
{
    bool is_forced =
        rules->install == INSTALL_FORCED ||
        (rules->install == INSTALL_OPTIONAL && rules->force_at && rules->force_at <= since);

    return is_forced && (rules->install_windows.count == 0 || rules->is_expedited);
}

/* A device that has everything and is heard of waits for what it may wait for. One that is silent
 * may have died installing: it is given the time to prove itself and is lost after that. A campaign
 * that is over waits for nobody who has not begun to install. */
static int watch_silence(struct campaigns *campaigns, const struct plan *plan, int64_t now,
                         struct error *err)
{
    const struct rules *rules = &plan->rules;
    bool is_over = campaign_is_over(plan->state);
    int64_t soon = rules->verify_timeout;
    int64_t late = rules->stale_after > soon ? rules->stale_after : soon;
    bool is_soon = is_over || is_let_go(rules, now - soon);
    if (rules->install == INSTALL_PRESTAGE && !is_over) /* there is nothing to install */
        return 0;
    const struct {
        enum deployment_state state;
        int64_t after;
    } limits[] = {
        {DEPLOYMENT_DOWNLOADED, is_soon ? soon : late},
        {DEPLOYMENT_WAITING,    is_over ? soon : late},
    };

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct chore chore = {.campaigns = campaigns,
                              .plan = plan,
                              .state = limits[i].state,
                              .to = is_over ? DEPLOYMENT_CANCELLED : DEPLOYMENT_INSTALLING,
                              .before = now - limits[i].after,
                              .now = now,
                              .is_silence = true};
        if (run_chore(&chore, err))
            return -1;
    }
    return 0;
}

/* A campaign that is over: offers nobody took up end at once. Devices that began hear of it at
 * their next poll (apply.c); a silent one holds nothing. */
static int sweep(struct campaigns *campaigns, const struct plan *plan, int64_t now,
                 struct error *err)
{
    struct chore chore = {.campaigns = campaigns,
                          .plan = plan,
                          .state = DEPLOYMENT_OFFERED,
                          .before = INT64_MAX,
                          .now = now,
                          .stops = true};

    return run_chore(&chore, err);
}

/* -- the start of what is scheduled -- */

static int begin(struct tx *tx, void *arg, struct error *err)
{
    const struct chore *chore = arg;
    CLEANUP(overview_clear) struct overview overview = {0};
    const struct move move = {
        .now = chore->now, .tenant_row = chore->plan->tenant_row, .cause = "timer"};

    if (overview_load(tx, chore->plan->row_id, &overview, err))
        return -1;
    if (campaign_state_in(&overview.campaign) != CAMPAIGN_SCHEDULED)
        return 0;
    return campaign_begin(tx, chore->campaigns, &overview, &move, err);
}

static bool is_under_way(const struct snapshot *snapshot, const char *id)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (strcmp(snapshot->plans[i]->id, id) == 0)
            return snapshot->plans[i]->state == CAMPAIGN_RUNNING ||
                   snapshot->plans[i]->state == CAMPAIGN_PAUSED;
    return false;
}

/* Asked on a reader, so that a campaign in a queue costs the writer nothing. Without a time of its
 * own it waits for an operator, unless one has queued it. */
static int is_begin_due(struct campaigns *campaigns, const struct snapshot *snapshot,
                        const struct plan *plan, int64_t now, bool *ret, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(campaign_clear) struct campaign campaign = {0};

    *ret = false;
    if (plan->rules.start_at > now)
        return 0;
    if (tx_read(&tx, campaigns->store, err) || campaign_need(&tx, plan->row_id, &campaign, err))
        return -1;
    bool is_queued = text_starts_with(campaign.state_reason, QUEUED);
    bool is_over = plan->rules.end_at && plan->rules.end_at <= now;
    *ret = is_queued ? is_over || !is_under_way(snapshot, campaign.state_reason + strlen(QUEUED))
                     : plan->rules.start_at != 0;
    return 0;
}

/* What holds it back has been said; otherwise the writer's next job is to start it. */
static int is_begin_free(struct campaigns *campaigns, const struct plan *plan, int64_t now,
                         bool *ret, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(overview_clear) struct overview overview = {0};
    char reason[STATE_REASON_SIZE];
    bool is_held;

    if (tx_read(&tx, campaigns->store, err) || overview_load(&tx, plan->row_id, &overview, err) ||
        campaign_is_held_back(&tx, &plan->rules, plan->tenant_row, now, reason, &is_held, err))
        return -1;
    bool is_over = plan->rules.end_at && plan->rules.end_at <= now;
    *ret = is_over || !is_held || strcmp(overview.campaign.state_reason, reason) != 0;
    return is_held || is_over ? 0 : campaign_reckon(&tx, campaigns, &overview, now, err);
}

static int begin_when_due(struct campaigns *campaigns, const struct snapshot *snapshot,
                          const struct plan *plan, int64_t now, struct error *err)
{
    struct chore chore = {.campaigns = campaigns, .plan = plan, .now = now};
    bool is_due;

    if (is_begin_due(campaigns, snapshot, plan, now, &is_due, err) ||
        (is_due && is_begin_free(campaigns, plan, now, &is_due, err)))
        return -1;
    return is_due ? store_write(campaigns->store, begin, &chore, err) : 0;
}

/* -- a round -- */

/* Rows of devices that wait and are heard of are read each time: not in every round. */
static bool is_silence_due(int64_t last, int64_t now)
{
    return last / SILENCE_EVERY != now / SILENCE_EVERY;
}

static int tick_plan(struct campaigns *campaigns, const struct snapshot *snapshot,
                     const struct plan *plan, int64_t last, int64_t now, struct error *err)
{
    bool is_ended = plan->rules.end_at && plan->rules.end_at <= now;

    if (plan->state == CAMPAIGN_SCHEDULED)
        return begin_when_due(campaigns, snapshot, plan, now, err);
    if (campaign_is_over(plan->state) && sweep(campaigns, plan, now, err))
        return -1;
    if (watch_times(campaigns, plan, now, err) ||
        (is_silence_due(last, now) && watch_silence(campaigns, plan, now, err)))
        return -1;
    if (plan->state == CAMPAIGN_RUNNING || plan->state == CAMPAIGN_FINISHING ||
        (plan->state == CAMPAIGN_PAUSED && is_ended))
        return waves_advance(campaigns, plan->row_id, now, err);
    return 0;
}

static int refresh_when_stale(struct campaigns *campaigns, struct error *err)
{
    pthread_mutex_lock(&campaigns->lock);
    bool is_stale = campaigns->is_stale;
    pthread_mutex_unlock(&campaigns->lock);
    return is_stale ? snapshot_refresh(campaigns, err) : 0;
}

/* One campaign's failure does not keep the others from moving on. */
int campaigns_tick(struct campaigns *campaigns, int64_t now, struct error *err)
{
    int64_t last = atomic_load(&campaigns->ticked_at);
    int failed = transfers_flush(campaigns, now, err) || refresh_when_stale(campaigns, err) ||
                 pipeline_tick(campaigns, now, err);
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);

    for (size_t i = 0; i < snapshot->count; i++) {
        struct error error;

        if (tick_plan(campaigns, snapshot, snapshot->plans[i], last, now, &error) == 0)
            continue;
        log_warning("campaign.tick_failed", TEXT("campaign", snapshot->plans[i]->id),
                    CAUSE(&error));
        *err = error;
        failed = -1;
    }
    return failed ? -1 : 0;
}

/* False when it is time to stop. */
static bool sleep_until_next(struct ticker *ticker, int64_t seconds)
{
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&ticker->lock);
    while (!ticker->is_stopping && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&ticker->wake, &ticker->lock, &until);
    bool goes_on = !ticker->is_stopping;
    pthread_mutex_unlock(&ticker->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct campaigns *campaigns = arg;
    struct error err;

    do
        if (campaigns_tick(campaigns, clock_wall(), &err))
            log_warning("campaign.round_failed", CAUSE(&err));
    while (sleep_until_next(campaigns->ticker, campaigns->config->campaign_tick));
    return NULL;
}

/* A backup knows nothing of the action ids that were given out after it: what a device remembers as
 * done must not come again as something else. Ids keep up with the time, one every five seconds
 * since 2026, which 32 bits bear for three centuries. */
static int raise_actions(struct tx *tx, void *arg, struct error *err)
{
    int64_t since = *(const int64_t *)arg - ACTIONS_SINCE;

    return since > 0 ? store_raise_number(tx, "action", since / ACTION_EVERY, err) : 0;
}

static void ticker_free(struct ticker *ticker)
{
    pthread_cond_destroy(&ticker->wake);
    pthread_mutex_destroy(&ticker->lock);
    free(ticker);
}

int campaigns_raise_actions(struct campaigns *campaigns, int64_t now, struct error *err)
{
    return store_write(campaigns->store, raise_actions, &now, err);
}

int campaigns_start_ticker(struct campaigns *campaigns, sever_transfers_fn sever, void *arg,
                           struct error *err)
{
    struct ticker *ticker = calloc(1, sizeof *ticker);
    pthread_condattr_t monotonic;

    if (!ticker)
        return fail_internal(err, "memory for the ticker");
    if (campaigns_raise_actions(campaigns, clock_wall(), err)) {
        free(ticker);
        return -1;
    }
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ticker->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&ticker->lock, NULL);
    campaigns->sever = sever;
    campaigns->sever_arg = arg;
    campaigns->ticker = ticker;
    int code = pthread_create(&ticker->thread, NULL, run, campaigns);
    if (code == 0)
        return 0;
    campaigns->ticker = NULL;
    ticker_free(ticker);
    return fail_internal(err, "start the ticker: %s", strerrordesc_np(code));
}

void campaigns_stop_ticker(struct campaigns *campaigns)
{
    struct ticker *ticker = campaigns->ticker;

    if (!ticker)
        return;
    pthread_mutex_lock(&ticker->lock);
    ticker->is_stopping = true;
    pthread_cond_signal(&ticker->wake);
    pthread_mutex_unlock(&ticker->lock);
    pthread_join(ticker->thread, NULL);
    campaigns->ticker = NULL;
    ticker_free(ticker);
}
