/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "core/digest.h"
#include "outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHECKED_SHARE 0.1 /* of the ticks */

static bool is_one_of(const char *state, const char *const states[])
{
    for (; *states; states++)
        if (strcmp(state, *states) == 0)
            return true;
    return false;
}

static bool is_confirmed(const char *state)
{
    return strcmp(state, "confirmed") == 0 || strcmp(state, "prestaged") == 0;
}

static bool is_failure(const char *state)
{
    static const char *const states[] = {"failed", "reverted", "lost", "timed_out", NULL};

    return is_one_of(state, states);
}

static bool is_uncounted(const char *state)
{
    static const char *const states[] = {"rejected", "superseded", "cancelled", "not_applicable",
                                         "already",  "removed",    NULL};

    return is_one_of(state, states);
}

struct followed_campaign *watch_campaign(struct watch *watch, int64_t row)
{
    if (row < 1 || row > CAMPAIGNS_MAX)
        die("campaign row %lld", (long long)row);
    return &watch->campaigns[row - 1];
}

const struct plan_model *watch_plan_of(const struct watch *watch, int64_t campaign)
{
    for (size_t i = 0; i < watch->plan_count; i++)
        if (watch->plans[i].campaign == campaign)
            return &watch->plans[i];
    return NULL;
}

/* -- rows -- */

static void take_salt(struct query *row, int column, struct followed_campaign *campaign)
{
    size_t length;
    const void *salt = query_blob(row, column, &length);

    if (length != sizeof campaign->salt)
        die("a salt of %zu bytes", length);
    memcpy(campaign->salt, salt, sizeof campaign->salt);
}

static void take_campaign(struct query *row, void *arg)
{
    struct followed_campaign *campaign = watch_campaign(arg, query_number(row, 0));

    snprintf(campaign->id, sizeof campaign->id, "%s", query_text(row, 1));
    snprintf(campaign->state, sizeof campaign->state, "%s", query_text(row, 2));
    take_salt(row, 3, campaign);
    campaign->accepted = query_number(row, 4);
    snprintf(campaign->kind, sizeof campaign->kind, "%s", query_text(row, 5));
    if (!campaign->logged[0])
        snprintf(campaign->logged, STATE_NAME, "draft");
}

/* A limit, once drawn, stands: whoever was inside stays inside. */
static void take_wave(struct query *row, void *arg)
{
    struct followed_campaign *campaign = watch_campaign(arg, query_number(row, 0));
    int64_t position = query_number(row, 1), limit = query_number(row, 3);

    if (position >= PLAN_WAVES_MAX)
        die("wave %lld", (long long)position);
    int64_t before = campaign->waves[position].rank_limit;
    checked(WAVES_ONLY_GROW);
    if (campaign->is_known && before >= 0 && limit < before)
        broken(WAVES_ONLY_GROW, "%s: the limit of wave %lld fell from %lld to %lld", campaign->id,
               (long long)position + 1, (long long)before, (long long)limit);
    snprintf(campaign->waves[position].state, STATE_NAME, "%s", query_text(row, 2));
    campaign->waves[position].rank_limit = limit;
    campaign->waves[position].active = query_number(row, 4);
}

static void read_campaigns(struct watch *watch)
{
    struct engine *engine = watch->world->engine;

    engine_each(engine, "SELECT row_id, id, state, salt, accepted_failures, kind FROM campaign", 0,
                take_campaign, watch);
    engine_each(engine, "SELECT campaign_row, position, state, rank_limit, active FROM wave", 0,
                take_wave, watch);
    for (size_t i = 0; i < CAMPAIGNS_MAX; i++)
        watch->campaigns[i].is_known = watch->campaigns[i].id[0] != '\0';
}

static void take_new_deployment(struct query *row, void *arg)
{
    struct watch *watch = arg;
    int64_t number = query_number(row, 0);

    if (number != (int64_t)watch->deployment_count + 1)
        broken(LOG_IS_COMPLETE, "deployment row %lld follows %zu", (long long)number,
               watch->deployment_count);
    if (watch->deployment_count == watch->deployment_room) {
        watch->deployment_room = watch->deployment_room ? 2 * watch->deployment_room : 64;
        watch->deployments =
            need(realloc(watch->deployments, watch->deployment_room * sizeof *watch->deployments));
    }
    watch->deployments[watch->deployment_count++] = (struct followed_deployment){
        .device = query_number(row, 1),
        .campaign = query_number(row, 2),
        .wave = (int)query_number(row, 3),
    };
}

/* -- where a device stands in line -- */

static double place_of(const struct followed_campaign *campaign, const char *id)
{
    uint8_t bytes[sizeof campaign->salt + TEXT_MAX], hash[SHA256_SIZE];
    size_t length = strlen(id);
    double place = 0;

    memcpy(bytes, campaign->salt, sizeof campaign->salt);
    memcpy(bytes + sizeof campaign->salt, id, length);
    sha256(bytes, sizeof campaign->salt + length, hash);
    for (int i = 0; i < 8; i++)
        place += hash[i] * pow(256, -i - 1);
    return place;
}

static double end_of(const struct followed_campaign *campaign, const struct plan_model *plan,
                     size_t wave)
{
    return plan->waves[wave].is_count ? (double)campaign->waves[wave].rank_limit * 0x1p-63
                                      : plan->waves[wave].amount / 100;
}

/* The first wave whose end lies behind its place is its wave. Strata have ends of their own. */
static void check_place(struct watch *watch, struct followed_deployment *deployment)
{
    const struct plan_model *plan = watch_plan_of(watch, deployment->campaign);
    const struct followed_campaign *campaign = &watch->campaigns[deployment->campaign - 1];
    const struct puppet *puppet = &watch->world->puppets[deployment->device - 1];

    deployment->is_placed = true;
    if (!plan)
        return;
    double place = place_of(campaign, puppet->id);
    for (int i = 0; i <= deployment->wave; i++) {
        const struct plan_wave *wave = &plan->waves[i];
        double end = wave->site ? 0 : end_of(campaign, plan, (size_t)i);
        bool is_inside = wave->site ? strcmp(wave->site, puppet->site) == 0 : place <= end + 1e-12;

        if (wave->strata || is_inside == (i == deployment->wave) ||
            (!wave->site && fabs(place - end) <= 1e-9))
            continue;
        broken(WAVES_ONLY_GROW, "%s: the device at %.6f is in wave %d, the end of wave %d is %.6f",
               campaign->id, place, deployment->wave + 1, i + 1, end);
    }
    checked(WAVES_ONLY_GROW);
}

struct opening {
    int64_t wave, opened_at;
    bool is_ramping;
    int64_t below; /* where the waves before it end */
};

static void take_opening(struct query *row, void *arg)
{
    *(struct opening *)arg =
        (struct opening){query_number(row, 0), query_number(row, 1),
                         strcmp(query_text(row, 2), "passed") != 0, query_number(row, 3)};
}

void watch_check_turn(struct watch *watch, const struct puppet *puppet,
                      const struct decision *decision)
{
    const struct plan_model *plan = watch_plan_of(watch, decision->campaign_row);
    const struct followed_campaign *campaign = watch_campaign(watch, decision->campaign_row);
    struct opening opening = {0};

    if (!plan || decision->attempt > 1)
        return;
    engine_each(watch->world->engine,
                "SELECT d.wave, w.opened_at, w.state, (SELECT max(0, max(b.rank_limit)) FROM wave "
                "AS b WHERE b.campaign_row = d.campaign_row AND b.position < d.wave) "
                "FROM deployment AS d JOIN wave AS w "
                "ON w.campaign_row = d.campaign_row AND w.position = d.wave "
                "WHERE d.row_id = :number",
                decision->deployment_row, take_opening, &opening);
    const struct plan_wave *wave = &plan->waves[opening.wave];
    double elapsed = (double)(watch->world->now - opening.opened_at);
    if (!wave->ramp || !opening.is_ramping || elapsed >= (double)wave->ramp)
        return;
    double below = (double)opening.below * 0x1p-63;
    double turn = below + (wave->amount / 100 - below) * elapsed / (double)wave->ramp;
    double place = place_of(campaign, puppet->id);
    checked(NOTHING_BEFORE_ITS_TIME);
    if (place > turn + 1e-9)
        broken(NOTHING_BEFORE_ITS_TIME, "%s at %.6f is offered when the ramp is at %.6f",
               puppet->id, place, turn);
}

/* -- the log -- */

struct entry {
    const char *kind, *from, *to, *cause, *detail;
    int64_t campaign, deployment;
};

static void expect(const struct entry *entry, const char *known, const char *what)
{
    checked(LOG_IS_COMPLETE);
    if (strcmp(known, entry->from) != 0)
        broken(LOG_IS_COMPLETE, "%s goes from %s to %s, but was %s", what, entry->from, entry->to,
               known);
}

struct sums {
    int64_t confirmed, failed, uncounted, all;
};

static void add_to_sums(struct sums *sums, const char *state, int64_t count)
{
    sums->all += count;
    sums->confirmed += is_confirmed(state) ? count : 0;
    sums->failed += is_failure(state) ? count : 0;
    sums->uncounted += is_uncounted(state) ? count : 0;
}

static struct sums sums_in_log(const struct watch *watch, int64_t campaign, int wave)
{
    struct sums sums = {0};

    for (size_t i = 0; i < watch->deployment_count; i++) {
        const struct followed_deployment *deployment = &watch->deployments[i];

        if (deployment->campaign == campaign && deployment->wave == wave && deployment->state[0])
            add_to_sums(&sums, deployment->is_prestaged ? "prestaged" : deployment->state, 1);
    }
    return sums;
}

static void check_passed(struct watch *watch, int64_t campaign, int position)
{
    const struct plan_model *plan = watch_plan_of(watch, campaign);

    if (!plan)
        return;
    const struct plan_wave *wave = &plan->waves[position];
    struct sums sums = sums_in_log(watch, campaign, position);
    int64_t active = watch_campaign(watch, campaign)->waves[position].active - sums.uncounted;
    int64_t least = wave->min_confirmed ? wave->min_confirmed : active < 1 ? 1 : active;

    if (!wave->min_confirmed && least > 5)
        least = 5;
    checked(NO_WAVE_PASSES_UNCONFIRMED);
    if (sums.confirmed < least)
        broken(NO_WAVE_PASSES_UNCONFIRMED,
               "wave %d of c-%lld passed with %lld confirmed, %lld are needed", position + 1,
               (long long)campaign, (long long)sums.confirmed, (long long)least);
    int64_t resolved = sums.confirmed + sums.failed;
    if ((double)resolved < wave->coverage * (double)active - 1e-6)
        broken(NO_WAVE_PASSES_UNCONFIRMED, "wave %d of c-%lld passed with %lld of %lld resolved",
               position + 1, (long long)campaign, (long long)resolved, (long long)active);
}

static void follow_wave(struct watch *watch, const struct entry *entry)
{
    int position = atoi(entry->detail + strlen("wave ")) - 1;

    if (position < 0 || position >= PLAN_WAVES_MAX)
        die("a wave's event says \"%s\"", entry->detail);
    if (strcmp(entry->to, "passed") == 0 && strcmp(entry->cause, "timer") == 0)
        check_passed(watch, entry->campaign, position);
}

static void follow_deployment(struct watch *watch, const struct entry *entry)
{
    struct followed_deployment *deployment = &watch->deployments[entry->deployment - 1];
    const char *campaign_state = watch_campaign(watch, entry->campaign)->logged;

    expect(entry, deployment->state, "a deployment");
    snprintf(deployment->state, STATE_NAME, "%s", entry->to);
    const struct plan_model *plan = watch_plan_of(watch, entry->campaign);
    deployment->is_prestaged = plan && plan->mode && strcmp(plan->mode, "prestage") == 0 &&
                               strcmp(entry->to, "downloaded") == 0 &&
                               strcmp(entry->cause, "report") == 0;
    if (strcmp(entry->to, "offered") != 0)
        return;
    checked(HALTED_MEANS_NO_OFFER);
    /* While it is watched, late devices of passed waves are served as well. */
    if (strcmp(campaign_state, "running") != 0 && strcmp(campaign_state, "finishing") != 0)
        broken(HALTED_MEANS_NO_OFFER, "deployment row %lld was offered while c-%lld was %s",
               (long long)entry->deployment, (long long)entry->campaign, campaign_state);
}

static void follow(struct query *row, void *arg)
{
    struct watch *watch = arg;
    const struct entry entry = {
        .kind = query_text(row, 1),
        .campaign = query_number(row, 2),
        .deployment = query_number(row, 3),
        .from = query_text(row, 4),
        .to = query_text(row, 5),
        .cause = query_text(row, 6),
        .detail = query_text(row, 7),
    };

    watch->last_event = query_number(row, 0);
    tell(watch->world, "log: %s c-%lld, deployment row %lld: %s to %s %s", entry.kind,
         (long long)entry.campaign, (long long)entry.deployment, entry.from, entry.to,
         entry.detail);
    if (strcmp(entry.kind, "campaign.state") == 0) {
        char *logged = watch_campaign(watch, entry.campaign)->logged;

        expect(&entry, logged, "a campaign");
        snprintf(logged, STATE_NAME, "%s", entry.to);
    } else if (strcmp(entry.kind, "wave.state") == 0) {
        follow_wave(watch, &entry);
    } else if (strcmp(entry.kind, "deployment.state") == 0) {
        follow_deployment(watch, &entry);
    }
}

static void read_log(struct watch *watch)
{
    struct engine *engine = watch->world->engine;

    engine_each(engine,
                "SELECT row_id, device_row, campaign_row, wave FROM deployment "
                "WHERE row_id > :number ORDER BY row_id",
                (int64_t)watch->deployment_count, take_new_deployment, watch);
    engine_each(engine,
                "SELECT row_id, kind, campaign_row, deployment_row, from_state, to_state, cause, "
                "detail FROM event WHERE row_id > :number ORDER BY row_id",
                watch->last_event, follow, watch);
}

/* -- sums -- */

struct count {
    struct sums wave[PLAN_WAVES_MAX], whole;
};

struct ledger {
    struct watch *watch;
    struct count counts[CAMPAIGNS_MAX]; /* of the counted */
    size_t seen;
};

static void take_count(struct query *row, void *arg)
{
    struct ledger *ledger = arg;
    struct count *count = &ledger->counts[query_number(row, 0) - 1];
    int64_t rows = query_number(row, 4), counted = query_number(row, 3);

    checked(STATES_ADD_UP);
    if (rows != counted)
        broken(STATES_ADD_UP, "c-%lld, wave %lld: %lld are counted as %s, %lld are",
               (long long)query_number(row, 0), (long long)query_number(row, 1) + 1,
               (long long)counted, query_text(row, 2), (long long)rows);
    add_to_sums(&count->wave[query_number(row, 1)], query_text(row, 2), counted);
    add_to_sums(&count->whole, query_text(row, 2), counted);
}

static void take_deployment(struct query *row, void *arg)
{
    struct ledger *ledger = arg;
    struct followed_deployment *deployment = &ledger->watch->deployments[query_number(row, 0) - 1];
    const char *state = query_text(row, 2), *counted_as = query_text(row, 3);
    const char *own = deployment->is_prestaged ? "prestaged"
                      : strcmp(state, "failed") == 0 && strcmp(counted_as, "retrying") == 0
                          ? "retrying"
                          : state;

    checked(STATES_ADD_UP);
    ledger->seen++;
    if (strcmp(deployment->state, state) != 0)
        broken(LOG_IS_COMPLETE, "deployment row %lld is %s, the log says %s",
               (long long)query_number(row, 0), state, deployment->state);
    if (strcmp(counted_as, own) != 0)
        broken(STATES_ADD_UP, "deployment row %lld is %s and counted as %s",
               (long long)query_number(row, 0), state, counted_as);
    if (deployment->wave != query_number(row, 1))
        broken(WAVES_ONLY_GROW, "deployment row %lld moved from wave %d to %lld",
               (long long)query_number(row, 0), deployment->wave + 1,
               (long long)query_number(row, 1) + 1);
    if (!deployment->is_placed)
        check_place(ledger->watch, deployment);
}

/* What is spent is at least what halts it, less what an operator took on. */
static bool is_spent(const struct plan_budget *budget, const struct sums *sums, int64_t accepted)
{
    int64_t failed = sums->failed - accepted;

    return failed > 0 && failed >= plan_trips_at(budget, sums->confirmed + sums->failed);
}

static void check_budgets(struct watch *watch, const struct plan_model *plan,
                          const struct count *count)
{
    const struct followed_campaign *campaign = watch_campaign(watch, plan->campaign);

    checked(FAILURES_BRAKE);
    if (strcmp(campaign->state, "running") != 0)
        return;
    for (size_t i = 0; i <= plan->wave_count; i++) {
        const struct sums *sums = i < plan->wave_count ? &count->wave[i] : &count->whole;

        if (is_spent(&plan->pause, sums, campaign->accepted) ||
            is_spent(&plan->abort, sums, campaign->accepted))
            broken(FAILURES_BRAKE, "%s is running, %lld of %lld resolved have failed in %s",
                   campaign->id, (long long)sums->failed,
                   (long long)(sums->failed + sums->confirmed),
                   i < plan->wave_count ? "a wave" : "all");
    }
}

struct strata {
    struct watch *watch;
    const struct plan_model *plan;
};

/* The table of strata agrees with the deployments, and each has budgets of its own. */
static void check_stratum(struct query *row, void *arg)
{
    const struct strata *strata = arg;
    const struct followed_campaign *campaign =
        watch_campaign(strata->watch, strata->plan->campaign);
    const struct sums sums = {.confirmed = query_number(row, 1), .failed = query_number(row, 2)};

    checked(FAILURES_BRAKE);
    if (sums.confirmed != query_number(row, 3) || sums.failed != query_number(row, 4))
        broken(STATES_ADD_UP, "%s, stratum %s: %lld and %lld are counted, %lld and %lld are",
               campaign->id, query_text(row, 0), (long long)sums.confirmed, (long long)sums.failed,
               (long long)query_number(row, 3), (long long)query_number(row, 4));
    if (strcmp(campaign->state, "running") == 0 &&
        (is_spent(&strata->plan->pause, &sums, campaign->accepted) ||
         is_spent(&strata->plan->abort, &sums, campaign->accepted)))
        broken(FAILURES_BRAKE, "%s is running, %lld of stratum %s have failed", campaign->id,
               (long long)sums.failed, query_text(row, 0));
}

static void check_strata(struct watch *watch, const struct plan_model *plan)
{
    struct strata strata = {watch, plan};

    if (plan->strata)
        engine_each(watch->world->engine,
                    "SELECT s.stratum, s.confirmed, s.failed, "
                    "sum(d.counted_as IN ('confirmed', 'prestaged')), sum(d.counted_as IN "
                    "('failed', 'reverted', "
                    "'lost', 'timed_out')) FROM stratum_count AS s LEFT JOIN deployment AS d "
                    "ON d.campaign_row = s.campaign_row AND d.stratum = s.stratum "
                    "WHERE s.campaign_row = :number GROUP BY s.stratum",
                    plan->campaign, check_stratum, &strata);
}

/* A wave of N has at most N places while it has not passed. */
static void check_places(struct watch *watch, const struct plan_model *plan,
                         const struct count *count)
{
    for (size_t i = 0; i < plan->wave_count; i++) {
        const char *state = watch_campaign(watch, plan->campaign)->waves[i].state;
        bool is_closed = strcmp(state, "passed") == 0 || strcmp(state, "skipped") == 0;

        if (plan->waves[i].is_count && !is_closed &&
            count->wave[i].all > (int64_t)plan->waves[i].amount)
            broken(WAVES_ONLY_GROW, "wave %zu of %.0f has %lld deployments", i + 1,
                   plan->waves[i].amount, (long long)count->wave[i].all);
    }
}

static void check_rows(struct watch *watch)
{
    struct engine *engine = watch->world->engine;
    struct ledger ledger = {.watch = watch};

    engine_each(engine,
                "SELECT c.campaign_row, c.wave, c.state, c.count, "
                "(SELECT count(*) FROM deployment AS d WHERE d.campaign_row = c.campaign_row AND "
                "d.wave = c.wave AND d.counted_as = c.state) FROM deployment_count AS c",
                0, take_count, &ledger);
    engine_each(engine, "SELECT row_id, wave, state, counted_as FROM deployment", 0,
                take_deployment, &ledger);
    int64_t counted = 0;
    for (size_t i = 0; i < CAMPAIGNS_MAX; i++)
        counted += ledger.counts[i].whole.all;
    if (ledger.seen != watch->deployment_count || counted != (int64_t)ledger.seen)
        broken(STATES_ADD_UP, "%zu deployments, %zu in the log, %lld counted", ledger.seen,
               watch->deployment_count, (long long)counted);
    for (size_t i = 0; i < watch->plan_count; i++) {
        const struct count *count = &ledger.counts[watch->plans[i].campaign - 1];

        check_budgets(watch, &watch->plans[i], count);
        check_places(watch, &watch->plans[i], count);
        check_strata(watch, &watch->plans[i]);
    }
}

void watch_check(struct watch *watch)
{
    read_campaigns(watch);
    read_log(watch);
    for (size_t i = 0; i < watch->plan_count; i++) {
        const struct followed_campaign *campaign = watch_campaign(watch, watch->plans[i].campaign);

        if (strcmp(campaign->logged, campaign->state) != 0)
            broken(LOG_IS_COMPLETE, "%s is %s, the log says %s", campaign->id, campaign->state,
                   campaign->logged);
    }
    check_rows(watch);
}

/* -- answers to devices -- */

static void take_state(struct query *row, void *arg)
{
    struct followed_campaign *campaign = watch_campaign(arg, query_number(row, 0));

    snprintf(campaign->state, STATE_NAME, "%s", query_text(row, 1));
    snprintf(campaign->kind, STATE_NAME, "%s", query_text(row, 2));
    take_salt(row, 3, campaign);
}

/* What readers are told in this batch rests on the states before it. */
static void before_batch(struct world *world, void *arg)
{
    struct watch *watch = arg;
    uint64_t writes = engine_effort(world->engine).writes;

    said_before_batch(watch);
    if (writes == watch->writes)
        return;
    engine_each(world->engine, "SELECT row_id, state, kind, salt FROM campaign", 0, take_state,
                watch);
    watch->writes = writes;
}

static void after_batch(struct world *world, const struct op *ops, size_t count, void *arg)
{
    (void)world;
    said_after_batch(arg, ops, count);
}

static void after_fetch(struct world *world, const struct puppet *puppet, bool is_allowed,
                        void *arg)
{
    (void)world;
    said_after_fetch(arg, puppet, is_allowed);
}

/* -- silence -- */

/* The tick before has done what was due at this time; one more may follow up on what it learnt, as
 * after a restart, when a transfer is first seen in its middle. */
static void check_silence(struct world *world)
{
    engine_tick(world->engine, world->now);
    uint64_t before = engine_effort(world->engine).writes;
    engine_tick(world->engine, world->now);
    uint64_t writes = engine_effort(world->engine).writes - before;
    checked(SILENCE_WRITES_NOTHING);
    if (writes)
        broken(SILENCE_WRITES_NOTHING, "a third tick in the same second writes %llu times",
               (unsigned long long)writes);
}

static void after_tick(struct world *world, void *arg)
{
    struct watch *watch = arg;

    if (!dice_chance(&watch->dice, CHECKED_SHARE))
        return;
    check_silence(world);
    watch_check(watch);
}

void watch_begin(struct watch *watch, struct world *world, uint64_t seed)
{
    *watch = (struct watch){.world = world};
    dice_seed(&watch->dice, ~seed);
    said_begin(&watch->said, world->puppet_count);
    world->watcher = (struct watcher){before_batch, after_batch, after_tick, after_fetch, watch};
}

void watch_plan(struct watch *watch, const struct plan_model *plan)
{
    if (watch->plan_count == CAMPAIGNS_MAX)
        die("more than %d campaigns", CAMPAIGNS_MAX);
    watch->plans[watch->plan_count++] = *plan;
}

/* The same message twice in a row is noted once; a cancel in between is another question, and so is
 * whether it is believed. */
static void check_notes(struct watch *watch)
{
    int64_t twice = engine_number(
        watch->world->engine,
        "SELECT count(*) FROM (SELECT kind, message_hash, to_state, lag(message_hash) OVER said AS "
        "hash_before, lag(to_state) OVER said AS state_before FROM event WHERE message_hash IS NOT "
        "NULL OR kind = 'deployment.cancelling' WINDOW said AS (PARTITION BY deployment_row, "
        "attempt ORDER BY row_id)) AS told WHERE kind = 'report' AND message_hash = hash_before "
        "AND to_state = state_before",
        0);

    checked(ORDER_DOES_NOT_MATTER);
    if (twice)
        broken(ORDER_DOES_NOT_MATTER, "%lld messages are noted more than once", (long long)twice);
}

void watch_end(struct watch *watch)
{
    watch_check(watch);
    check_notes(watch);
    said_clear(&watch->said);
    free(watch->deployments);
    watch->deployments = NULL;
    watch->world->watcher = (struct watcher){0};
}
