/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator did not think of, and what the plan, or the stop, does about it. */
#include "stories.h"

#include "outcome.h"

static const struct plan_budget usual_pause = {0.02, 2, 50}, usual_abort = {0.05, 3, 20};

/* -- all at once -- */

#define HERD 500
#define TURNS 10   /* starts in a minute */
#define ABREAST 30 /* transfers */

static void fetch_for_minutes(struct habit *habit)
{
    habit->link = (1 << 20) / (5 * MINUTE);
}

static int64_t count_fetching(const struct world *world)
{
    int64_t count = 0;

    for (size_t i = 0; i < world->puppet_count; i++)
        count += world->puppets[i].stage == FETCHING;
    return count;
}

static int64_t count_bytes(const struct world *world)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < world->puppet_count; i++)
        bytes += world->puppets[i].bytes;
    return bytes;
}

static void a_herd_comes_in_turns(struct world *world, bool is_protected)
{
    struct plan_model plan;
    int64_t most = 0;

    world->grain = 3; /* seconds: starts are counted one by one */
    story_fleet(world,
                &(struct fleet_spec){.count = HERD, .size = 1 << 20, .polls_every = 2 * MINUTE});
    story_spoil(world, 1, fetch_for_minutes);
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.rate_start = is_protected ? TURNS : 0;
    plan.leases = is_protected ? ABREAST : 0;
    int64_t campaign = story_start(world, &plan);
    for (int minute = 0; minute < 20; minute++) {
        world_run(world, world->now + MINUTE);
        most = count_fetching(world) > most ? count_fetching(world) : most;
    }
    if (!is_protected) {
        expect(most > HERD / 2, "only %lld fetch at once", (long long)most);
        return;
    }
    expect(most > ABREAST / 2 && most <= ABREAST, "%lld fetch at once", (long long)most);
    expect(world_run_until_over(world, campaign, world->now + DAY), "it does not end");
    expect(story_running(world, 1) == HERD, "not all have been let in");
}

/* -- another release while they fetch -- */

/* Where the older campaign comes first, its release is installed by all. */
static void what_is_superseded_is_not_installed(struct world *world, bool is_protected)
{
    struct plan_model older, newer;
    int64_t installs = 0;

    story_fleet(world,
                &(struct fleet_spec){.count = 100, .size = 1 << 20, .polls_every = 5 * MINUTE});
    world_add_release(world, &(struct release_spec){"3.0", 1 << 20, 3, NULL, false});
    for (size_t i = 0; i < world->puppet_count; i++)
        world->puppets[i].habit.link = 200;
    world_settle(world);
    plan_plain(&older, "2.0");
    plan_plain(&newer, "3.0");
    older.waves[0].is_manual = true;
    older.priority = is_protected ? 0 : 1;
    story_start(world, &older);
    world_run(world, world->now + 30 * MINUTE);
    expect(count_fetching(world) == 100, "not all are at it");
    story_start(world, &newer);
    world_run(world, world->now + 6 * HOUR);
    for (size_t i = 0; i < world->puppet_count; i++)
        installs += world->puppets[i].installs;
    if (is_protected)
        expect(story_running(world, 2) == 100 && installs == 100,
               "%lld run 3.0 after %lld installations", (long long)story_running(world, 2),
               (long long)installs);
    else
        expect(story_running(world, 1) == 100, "%lld run 2.0", (long long)story_running(world, 1));
}

/* -- no word from anybody -- */

static void say_nothing(struct habit *habit)
{
    habit->is_mute = true;
    habit->fails = 1;
}

static void silence_is_no_consent(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 300, .size = 1 << 20, .polls_every = 10 * MINUTE});
    story_spoil(world, 1, say_nothing);
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.pause.sample = 20;
    plan.rate_start = 1;
    plan.dead_man = is_protected ? 2 * HOUR : 0;
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 8 * HOUR);
    int64_t offered = story_count(world, "downloaded") + story_count(world, "downloading") +
                      story_count(world, "installing");
    if (is_protected)
        expect(story_is(world, campaign, "paused") && offered < 150,
               "%lld have fetched it and nobody has said a word", (long long)offered);
    else
        expect(story_is(world, campaign, "running") && offered > 280, "only %lld have fetched it",
               (long long)offered);
}

/* -- canaries of one kind -- */

static void fail_with_it(struct habit *habit)
{
    habit->fails = 1;
    habit->class = "install";
}

/* One device in fifty stands at the site where it does not work. Where ranks alone decide, none of
 * them is among the canaries. */
static void canaries_come_from_everywhere(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 500, .size = 1 << 20, .polls_every = 10 * MINUTE});
    for (size_t i = 0; i < world->puppet_count; i++) {
        world->puppets[i].site = i % 50 == 7 ? "s3" : i % 2 ? "s1" : "s2";
        if (i % 50 == 7)
            fail_with_it(&world->puppets[i].habit);
    }
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.pause = usual_pause;
    plan.attempts = 1;
    plan.wave_count = 2;
    plan.waves[0] = (struct plan_wave){
        .is_count = true, .amount = 6, .strata = is_protected, .coverage = 1, .soak = HOUR};
    plan.waves[1] = (struct plan_wave){.amount = 100, .coverage = 0.8};
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 8 * HOUR);
    int64_t failed = story_count(world, "failed");
    if (is_protected)
        expect(story_is(world, campaign, "paused") &&
                   story_wave_is(world, campaign, 1, "pending") && failed == 2,
               "%lld have failed", (long long)failed);
    else
        expect(story_wave_is(world, campaign, 0, "passed") && failed > 2,
               "the canaries have told, %lld have failed", (long long)failed);
}

/* -- a slip in the target -- */

static void a_slip_in_the_target_starts_nothing(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 200, .size = 1 << 20, .polls_every = 10 * MINUTE});
    for (size_t i = 0; i < 20; i++)
        world->puppets[i].site = "s1";
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.target = "site = s1 or site != s1";
    plan.expected = is_protected ? 20 : 0;
    int64_t campaign = story_try(world, &plan);
    world_run(world, world->now + 3 * HOUR);
    int64_t running = story_running(world, 1);
    if (is_protected)
        expect(!campaign && running == 0, "%lld of 20 were updated", (long long)running);
    else
        expect(campaign && running == 200, "only %lld were updated", (long long)running);
}

/* -- when all is done -- */

static void give_up_on_the_third_day(struct habit *habit)
{
    habit->fails_later = 2 * DAY;
}

/* All waves have passed before the first device falls back. */
static void a_campaign_is_watched_to_its_end(struct world *world, bool is_protected)
{
    struct plan_model plan;

    world->grain = world->tick_every = 5 * MINUTE;
    story_fleet(world,
                &(struct fleet_spec){.count = 200, .size = 1 << 20, .polls_every = 2 * HOUR});
    story_spoil(world, 0.3, give_up_on_the_third_day);
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.pause = usual_pause;
    plan.abort = usual_abort;
    plan.rolls_back = true;
    plan.watch = is_protected ? 7 * DAY : 0;
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + DAY);
    expect(story_running(world, 1) == 200, "not all run 2.0");
    expect(story_is(world, campaign, is_protected ? "finishing" : "finished"), "it is not there");
    world_run(world, world->now + 3 * DAY);
    if (is_protected)
        expect(story_is(world, campaign, "aborted"), "nobody minds what came late");
    else
        expect(story_is(world, campaign, "finished"), "it was over and is not");
}

static void come_back_in_two_days(struct habit *habit)
{
    habit->away[0].from = START_TIME - 60 * DAY;
    habit->away[0].until = START_TIME + 2 * DAY;
}

/* Its release is what the channel's devices have from then on; without a channel, what is over is
 * over. */
static void who_comes_late_follows_the_channel(struct world *world, bool is_protected)
{
    struct plan_model plan;

    world->grain = world->tick_every = 5 * MINUTE;
    engine_add_channel(world->engine, "stable", "model = gw");
    story_fleet(world, &(struct fleet_spec){.count = 100, .size = 1 << 20, .polls_every = HOUR});
    int64_t late = (int64_t)story_spoil(world, 0.2, come_back_in_two_days);
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.channel = is_protected ? "stable" : NULL;
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + DAY);
    expect(story_is(world, campaign, "finished"), "it waits for who is not there");
    expect(story_running(world, 1) == 100 - late, "not all who are there run 2.0");
    world_run(world, world->now + 2 * DAY);
    int64_t running = story_running(world, 1);
    expect(running == (is_protected ? 100 : 100 - late), "%lld run 2.0", (long long)running);
}

/* -- the red button -- */

/* A pause lets downloads end; the stop cuts them, and nobody is to blame for it. */
static void the_stop_stops_every_byte(struct world *world, bool is_protected)
{
    struct plan_model plan;
    const struct op stop = {.kind = OP_STEER, .steer = STEER_STOP},
                    lift = {.kind = OP_STEER, .steer = STEER_LIFT};

    story_fleet(world,
                &(struct fleet_spec){.count = 200, .size = 1 << 20, .polls_every = 5 * MINUTE});
    for (size_t i = 0; i < world->puppet_count; i++)
        world->puppets[i].habit.link = 200;
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.attempts = 1;
    plan.pause = usual_pause;
    plan.abort = usual_abort;
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 40 * MINUTE);
    expect(story_running(world, 1) == 0 && count_fetching(world) > 150, "they are not at it");
    enum problem problem =
        is_protected ? world_steer(world, &stop)
                     : world_act(world, campaign, CAMPAIGN_PAUSE, "{\"reason\": \"smoke\"}");
    expect(problem == PROBLEM_NONE, "the stop was refused");
    int64_t before = count_bytes(world);
    world_run(world, world->now + 3 * HOUR);
    if (!is_protected) {
        expect(count_bytes(world) > before, "a pause has stopped downloads");
        return;
    }
    expect(count_bytes(world) == before && story_running(world, 1) == 0, "bytes still flow");
    expect(world_steer(world, &lift) == PROBLEM_NONE, "it cannot be lifted");
    expect(world_run_until_over(world, campaign, world->now + DAY), "it does not go on");
    expect(story_is(world, campaign, "finished") && story_count(world, "confirmed") == 200,
           "%lld are confirmed", (long long)story_count(world, "confirmed"));
}

/* -- steps -- */

static void nobody_jumps_over_a_floor(struct world *world, bool is_protected)
{
    struct plan_model plan;
    int64_t stepped = 0;

    story_fleet(world, &(struct fleet_spec){.count = 100,
                                            .size = 1 << 20,
                                            .polls_every = 10 * MINUTE,
                                            .has_floor = is_protected});
    world_add_release(world, &(struct release_spec){"3.0", 1 << 20, 3, NULL, false});
    world_settle(world);
    plan_plain(&plan, "3.0");
    int64_t campaign = story_start(world, &plan);
    world_run_until_over(world, campaign, world->now + 2 * DAY);
    for (size_t i = 0; i < world->puppet_count; i++)
        stepped += world->puppets[i].fallback == 1;
    expect(story_is(world, campaign, "finished") && story_running(world, 2) == 100, "%lld run 3.0",
           (long long)story_running(world, 2));
    expect(stepped == (is_protected ? 100 : 0), "%lld have gone by way of 2.0", (long long)stepped);
}

static const struct story stories[] = {
    {"a_herd_comes_in_turns",               a_herd_comes_in_turns,               false},
    {"what_is_superseded_is_not_installed", what_is_superseded_is_not_installed, false},
    {"silence_is_no_consent",               silence_is_no_consent,               false},
    {"canaries_come_from_everywhere",       canaries_come_from_everywhere,       false},
    {"a_slip_in_the_target_starts_nothing", a_slip_in_the_target_starts_nothing, false},
    {"a_campaign_is_watched_to_its_end",    a_campaign_is_watched_to_its_end,    false},
    {"who_comes_late_follows_the_channel",  who_comes_late_follows_the_channel,  false},
    {"the_stop_stops_every_byte",           the_stop_stops_every_byte,           false},
    {"nobody_jumps_over_a_floor",           nobody_jumps_over_a_floor,           false},
};
const struct stories stories_of_plans = {stories, COUNT_OF(stories)};
