/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that go on when they should not, or stand when they should go on. */
#include "stories.h"

#include "outcome.h"

/* Ten thousand where there is time for them. */
static size_t fleet_of(const struct world *world)
{
    return world->is_large ? 10000 : 2000;
}

/* The budgets that come without being asked for. */
static const struct plan_budget usual_pause = {0.02, 2, 50}, usual_abort = {0.05, 3, 20};
static const struct plan_budget none = {1, 1000000, 1};

static void plan_usual(struct plan_model *plan, const char *version)
{
    plan_plain(plan, version);
    plan->pause = usual_pause;
    plan->abort = usual_abort;
}

/* Days of ten thousand devices: nothing in them hangs on a minute. */
static void take_large_steps(struct world *world)
{
    world->grain = world->tick_every = 5 * MINUTE;
}

/* -- away for months -- */

static void be_away_for_months(struct habit *habit)
{
    habit->away[0].from = START_TIME - 60 * DAY;
    habit->away[0].until = START_TIME + 60 * DAY;
}

/* A third of the fleet has not been heard of since spring. */
static void the_absent_do_not_hold_a_wave(struct world *world, bool is_protected)
{
    struct plan_model plan;

    take_large_steps(world);
    story_fleet(world, &(struct fleet_spec){
                           .count = fleet_of(world), .size = 1 << 20, .polls_every = 2 * HOUR});
    story_spoil(world, 0.3, be_away_for_months);
    world_settle(world);
    plan_usual(&plan, "2.0");
    plan.wave_count = 2;
    plan.waves[0] = (struct plan_wave){.amount = 10, .coverage = 0.8, .soak = HOUR};
    plan.waves[1] = (struct plan_wave){.amount = 100, .coverage = 0.9};
    plan.stale_after = is_protected ? 7 * DAY : 365 * DAY;
    int64_t campaign = story_start(world, &plan);
    world_run_until_over(world, campaign, world->now + 2 * DAY);
    if (is_protected)
        expect(story_is(world, campaign, "finished"), "it waits for devices that are not there");
    else
        expect(story_wave_is(world, campaign, 0, "open"), "the wave went on without the absent");
}

static void come_back_in_two_days(struct habit *habit)
{
    habit->away[0].from = START_TIME - 60 * DAY;
    habit->away[0].until = START_TIME + 2 * DAY;
}

/* Two campaigns went by meanwhile and still run for those who are late. Where the older one comes
 * first, it is what they get, and all they get. */
static void who_comes_back_is_updated_once(struct world *world, bool is_protected)
{
    struct plan_model older, newer;
    int64_t installs = 0, late = 0;

    story_fleet(world, &(struct fleet_spec){.count = 500, .size = 1 << 20, .polls_every = HOUR});
    world_add_release(world, &(struct release_spec){"3.0", 1 << 20, 3, NULL, false});
    story_spoil(world, 0.2, come_back_in_two_days);
    world_settle(world);
    plan_plain(&older, "2.0");
    plan_plain(&newer, "3.0");
    older.waves[0].is_manual = newer.waves[0].is_manual = true; /* so that both stay open */
    older.priority = is_protected ? 0 : 1;
    story_start(world, &older);
    world_run(world, world->now + DAY);
    story_start(world, &newer);
    world_run(world, world->now + 2 * DAY);
    for (size_t i = 0; i < world->puppet_count; i++)
        if (world->puppets[i].habit.away[0].until) {
            late++;
            installs += world->puppets[i].installs;
        }
    if (is_protected)
        expect(story_running(world, 2) == 500 && installs == late,
               "%lld run 3.0; those away installed %lld times", (long long)story_running(world, 2),
               (long long)installs);
    else
        expect(story_running(world, 2) == 0 && installs == late, "%lld run 3.0",
               (long long)story_running(world, 2));
}

/* -- devices that never come to an end -- */

static void be_stuck(struct habit *habit)
{
    habit->is_stuck = true;
}

static void stuck_downloads_do_not_hold_a_wave(struct world *world, bool is_protected)
{
    struct plan_model plan;

    take_large_steps(world);
    story_fleet(world, &(struct fleet_spec){.count = 1000, .size = 1 << 20, .polls_every = HOUR});
    story_spoil(world, 0.1, be_stuck);
    world_settle(world);
    plan_usual(&plan, "2.0");
    plan.wave_count = 2;
    plan.waves[0] = (struct plan_wave){.amount = 20, .coverage = is_protected ? 0.8 : 1};
    plan.waves[1] = (struct plan_wave){.amount = 100, .coverage = 0.8};
    int64_t campaign = story_start(world, &plan);
    world_run_until_over(world, campaign, world->now + 5 * DAY);
    if (is_protected)
        expect(story_is(world, campaign, "finished"), "a tenth of the devices holds all others");
    else
        expect(story_wave_is(world, campaign, 0, "open"), "stuck devices were not waited for");
}

/* -- small samples -- */

static void one_failure_is_no_verdict(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 3, .size = 1 << 20, .polls_every = 10 * MINUTE});
    world->puppets[0].habit.fails = 1;
    world->puppets[0].habit.class = "hash";
    world_settle(world);
    plan_usual(&plan, "2.0");
    plan.wave_count = 1;
    plan.waves[0].min_confirmed = 2;
    if (!is_protected)
        plan.pause = plan.abort = (struct plan_budget){0.05, 1, 1};
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 4 * HOUR);
    if (is_protected)
        expect(story_is(world, campaign, "finished"), "one device in three ended it");
    else
        expect(story_is(world, campaign, "aborted"), "one of three is a third, yet it went on");
}

static void fail_always(struct habit *habit)
{
    habit->fails = 1;
    habit->class = "hash";
    habit->installs_in = HOUR; /* the bad news takes its time */
}

/* The first canary is well at once; the others fail an hour later. */
static void one_success_opens_nothing(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 200, .size = 1 << 20, .polls_every = 10 * MINUTE});
    story_spoil(world, 0.7, fail_always);
    world_settle(world);
    plan_usual(&plan, "2.0");
    plan.wave_count = 2;
    plan.waves[0] = (struct plan_wave){.is_count = true, .amount = 8, .coverage = 0.8};
    plan.waves[1] = (struct plan_wave){.amount = 100, .coverage = 1};
    if (!is_protected) {
        plan.waves[0].min_confirmed = 1;
        plan.waves[0].coverage = 0;
    }
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 5 * HOUR);
    int64_t failed = story_count(world, "failed");
    if (is_protected)
        expect(story_wave_is(world, campaign, 1, "pending") && failed <= 8,
               "the second wave was opened, %lld failed", (long long)failed);
    else
        expect(failed > 8, "only %lld failed", (long long)failed);
}

/* -- a release that fails for nearly half of them -- */

static void fail_often(struct habit *habit)
{
    habit->fails = 0.45;
    habit->class = "install";
}

static void a_bad_wave_is_the_last(struct world *world, bool is_protected)
{
    struct plan_model plan;

    take_large_steps(world);
    story_fleet(world, &(struct fleet_spec){
                           .count = fleet_of(world), .size = 1 << 20, .polls_every = 2 * HOUR});
    story_spoil(world, 1, fail_often);
    world_settle(world);
    plan_usual(&plan, "2.0");
    plan.attempts = 1;
    plan.wave_count = 2;
    plan.waves[0] = (struct plan_wave){.amount = 1, .coverage = 0.8, .soak = HOUR};
    plan.waves[1] = (struct plan_wave){.amount = 100, .coverage = 0.8};
    if (!is_protected)
        plan.pause = plan.abort = none;
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + DAY);
    int64_t failed = story_count(world, "failed");
    if (is_protected)
        expect(story_wave_is(world, campaign, 1, "pending") &&
                   failed < (int64_t)fleet_of(world) / 100,
               "%lld have failed", (long long)failed);
    else
        expect(failed > (int64_t)fleet_of(world) * 4 / 10, "only %lld have failed",
               (long long)failed);
}

static void give_up_after_three_days(struct habit *habit)
{
    habit->fails_later = 3 * DAY;
}

/* Well for three days, then broken: the next waves are open by then. */
static void late_failures_stop_what_is_open(struct world *world, bool is_protected)
{
    struct plan_model plan;

    take_large_steps(world);
    story_fleet(world,
                &(struct fleet_spec){.count = 2000, .size = 1 << 20, .polls_every = 3 * HOUR});
    story_spoil(world, 0.3, give_up_after_three_days);
    world_settle(world);
    plan_usual(&plan, "2.0");
    plan.wave_count = 3;
    plan.waves[0] = (struct plan_wave){.amount = 5, .coverage = 0.8, .soak = DAY};
    plan.waves[1] = (struct plan_wave){.amount = 20, .coverage = 0.8, .soak = 4 * DAY};
    plan.waves[2] = (struct plan_wave){.amount = 100, .coverage = 0.8};
    if (!is_protected)
        plan.pause = plan.abort = none;
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 11 * DAY);
    int64_t reverted = story_count(world, "reverted");
    if (is_protected)
        expect(story_wave_is(world, campaign, 2, "pending") && reverted < 150,
               "%lld have come back broken", (long long)reverted);
    else
        expect(reverted > 500, "only %lld have come back broken", (long long)reverted);
}

/* -- nobody there -- */

static size_t silent_fleet_of(const struct world *world)
{
    return world->is_large ? 100000 : 20000;
}

#define READS_PER_TICK 16 /* lookups by index, whatever the size of the fleet */

static void never_be_seen(struct habit *habit)
{
    habit->away[0].from = 0;
    habit->away[0].until = INT64_MAX;
}

/* Up to a hundred thousand members of an open wave, and not a word for five days. A campaign that
 * waits for its fleet to show up looks for it now and then: there the cost can be seen. */
static void silence_costs_nothing(struct world *world, bool is_protected)
{
    size_t count = is_protected ? silent_fleet_of(world) : 1000;
    struct plan_model plan;

    story_fleet(world, &(struct fleet_spec){
                           .count = count, .size = 1 << 20, .polls_every = 10000 * 365 * DAY});
    if (!is_protected)
        story_spoil(world, 1, never_be_seen);
    world_settle(world);
    plan_usual(&plan, "2.0");
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 2 * MINUTE);
    expect(story_wave_is(world, campaign, 0, is_protected ? "open" : "pending"),
           "the wave is not where it should be");
    struct engine_effort before = engine_effort(world->engine);
    world_run(world, world->now + 5 * DAY);
    struct engine_effort after = engine_effort(world->engine);
    uint64_t writes = after.writes - before.writes, reads = after.reads - before.reads;
    if (is_protected)
        expect(writes == 0 && reads < READS_PER_TICK * 5 * DAY / MINUTE,
               "%llu writes and %llu reads", (unsigned long long)writes, (unsigned long long)reads);
    else
        expect(writes > 500, "the fleet was looked for only %llu times",
               (unsigned long long)writes);
}

static const struct story stories[] = {
    {"the_absent_do_not_hold_a_wave",      the_absent_do_not_hold_a_wave,      true },
    {"who_comes_back_is_updated_once",     who_comes_back_is_updated_once,     false},
    {"stuck_downloads_do_not_hold_a_wave", stuck_downloads_do_not_hold_a_wave, false},
    {"one_failure_is_no_verdict",          one_failure_is_no_verdict,          false},
    {"one_success_opens_nothing",          one_success_opens_nothing,          false},
    {"a_bad_wave_is_the_last",             a_bad_wave_is_the_last,             true },
    {"late_failures_stop_what_is_open",    late_failures_stop_what_is_open,    true },
    {"silence_costs_nothing",              silence_costs_nothing,              true },
};
const struct stories stories_of_gates = {stories, COUNT_OF(stories)};
