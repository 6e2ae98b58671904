/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that say what is not so, or do not stop; servers that lose a day. */
#include "stories.h"

#include "outcome.h"

static const struct plan_budget usual_pause = {0.02, 2, 50}, usual_abort = {0.05, 3, 20};

/* Five canaries, then all. */
static void plan_canaries(struct plan_model *plan)
{
    plan_plain(plan, "2.0");
    plan->pause = usual_pause;
    plan->abort = usual_abort;
    plan->wave_count = 2;
    plan->waves[0] = (struct plan_wave){.is_count = true, .amount = 5, .coverage = 0.8};
    plan->waves[1] = (struct plan_wave){.amount = 100, .coverage = 0.8};
}

/* -- clocks -- */

/* In 1970 after each boot, until the time server has been asked. */
static void boot_in_1970(struct habit *habit)
{
    habit->clock_ahead = -START_TIME;
    habit->clock_set_in = 5 * MINUTE;
}

/* Without its rule the server counts by the device's clock: who booted in 1970 has been silent for
 * more than a day. */
static void no_device_ages_by_its_own_clock(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 1000, .size = 1 << 20, .polls_every = 10 * MINUTE});
    story_spoil(world, 0.5, boot_in_1970);
    world->believes_clocks = !is_protected;
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.confirm_after = 6 * HOUR;
    story_start(world, &plan);
    world_run(world, world->now + 5 * HOUR);
    int64_t lost = story_count(world, "lost"), verifying = story_count(world, "verifying");
    expect(story_running(world, 1) == 1000, "not all of them run 2.0");
    if (is_protected)
        expect(verifying == 1000, "%lld are verifying, %lld lost", (long long)verifying,
               (long long)lost);
    else
        expect(lost == 500, "%lld are lost", (long long)lost);
}

/* -- success, they say -- */

static void fall_back_soon(struct habit *habit)
{
    habit->falls_back = 1;
    habit->tries_for = 8 * MINUTE;
    habit->polls_every = 2 * MINUTE;
}

/* Each comes up in the new version, and gives up after eight minutes. */
static void a_first_breath_is_no_success(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 500, .size = 1 << 20, .polls_every = 2 * MINUTE});
    story_spoil(world, 1, fall_back_soon);
    world_settle(world);
    plan_canaries(&plan);
    plan.confirm_after = is_protected ? 10 * MINUTE : 0;
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 2 * HOUR);
    int64_t reverted = story_count(world, "reverted");
    if (is_protected)
        expect(story_wave_is(world, campaign, 1, "pending") && reverted <= 5,
               "%lld have fallen back", (long long)reverted);
    else
        expect(reverted > 100, "only %lld have fallen back", (long long)reverted);
}

static void claim_only(struct habit *habit)
{
    habit->claims_only = true;
}

static void claim_and_tell_no_version(struct habit *habit)
{
    habit->claims_only = true;
    habit->tells_no_version = true;
}

static void a_word_is_no_proof(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 100, .size = 1 << 20, .polls_every = 5 * MINUTE});
    story_spoil(world, 1, is_protected ? claim_only : claim_and_tell_no_version);
    world_settle(world);
    plan_canaries(&plan);
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + DAY + HOUR);
    int64_t confirmed = story_count(world, "confirmed");
    expect(story_running(world, 1) == 0, "somebody did install it");
    if (is_protected)
        expect(confirmed == 0 && story_wave_is(world, campaign, 1, "pending"),
               "%lld are confirmed and none runs it", (long long)confirmed);
    else
        expect(confirmed == 100, "only %lld are confirmed", (long long)confirmed);
}

static void boot_for_ever(struct habit *habit)
{
    habit->loops = 1;
}

static void boot_for_ever_in_secret(struct habit *habit)
{
    habit->loops = 1;
    habit->tells_no_boot = true;
}

static void a_boot_loop_is_a_failure(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 100, .size = 1 << 20, .polls_every = 3 * MINUTE});
    story_spoil(world, 1, is_protected ? boot_for_ever : boot_for_ever_in_secret);
    world_settle(world);
    plan_canaries(&plan);
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 3 * HOUR);
    if (is_protected)
        expect(story_count(world, "confirmed") == 0 && story_running(world, 1) <= 5,
               "%lld devices boot for ever", (long long)story_running(world, 1));
    else
        expect(story_is(world, campaign, "finished") && story_running(world, 1) == 100,
               "only %lld devices boot for ever", (long long)story_running(world, 1));
}

/* -- again and again -- */

static void lose_the_network(struct habit *habit)
{
    habit->fails = 1;
    habit->class = "network";
}

static int64_t most_downloads(const struct world *world)
{
    int64_t most = 0;

    for (size_t i = 0; i < world->puppet_count; i++)
        if (world->puppets[i].downloads > most)
            most = world->puppets[i].downloads;
    return most;
}

static void nobody_pays_for_endless_attempts(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 100, .size = 1 << 20, .polls_every = 10 * MINUTE});
    story_spoil(world, 1, lose_the_network);
    world_settle(world);
    plan_plain(&plan, "2.0");
    plan.attempts = is_protected ? 2 : 100;
    story_start(world, &plan);
    world_run(world, world->now + 3 * DAY);
    int64_t most = most_downloads(world);
    if (is_protected)
        expect(most == 2, "a device has fetched it %lld times", (long long)most);
    else
        expect(most == 6, "a device has fetched it %lld times", (long long)most);
}

/* -- backwards -- */

static void an_old_image_stays_old(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 50, .size = 1 << 20, .polls_every = 10 * MINUTE});
    world_add_release(world,
                      &(struct release_spec){"1.9", 1 << 20, is_protected ? 1 : 2, NULL, false});
    for (size_t i = 0; i < world->puppet_count; i++)
        world->puppets[i].release = world->puppets[i].floor = 0;
    for (size_t i = 0; i < world->puppet_count; i++) {
        world->puppets[i].release = 1;
        world->puppets[i].floor = world->puppets[i].told_floor = 2;
    }
    world_settle(world);
    plan_plain(&plan, "1.9");
    story_start(world, &plan);
    world_run(world, world->now + 2 * HOUR);
    if (is_protected)
        expect(story_running(world, 1) == 50, "%lld went back",
               (long long)(50 - story_running(world, 1)));
    else
        expect(story_running(world, 2) == 50, "the filter alone kept them");
}

/* -- operators -- */

static void have_a_thin_line(struct habit *habit)
{
    habit->link = 200;
}

/* An abort reaches everybody who has not begun to install; a soft cancel lets downloads end. */
static void a_panic_is_heard_at_the_next_poll(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 1000, .size = 1 << 20, .polls_every = 5 * MINUTE});
    story_spoil(world, 1, have_a_thin_line);
    world_settle(world);
    plan_plain(&plan, "2.0");
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 40 * MINUTE);
    expect(story_running(world, 1) == 0, "it is too late already");
    enum problem problem =
        is_protected ? world_act(world, campaign, CAMPAIGN_ABORT, "{\"reason\": \"smoke\"}")
                     : world_act(world, campaign, CAMPAIGN_CANCEL, NULL);
    expect(problem == PROBLEM_NONE, "the stop was refused");
    world_run(world, world->now + 4 * HOUR);
    int64_t running = story_running(world, 1);
    if (is_protected)
        expect(running == 0, "%lld were updated after the abort", (long long)running);
    else
        expect(running > 400, "only %lld were updated", (long long)running);
}

/* -- yesterday's database -- */

static void know_nothing(struct habit *habit)
{
    habit->tells_no_version = true;
}

/* Half of them were updated after the backup; nobody fetches it a second time. */
static void a_restored_backup_repeats_nothing(struct world *world, bool is_protected)
{
    struct plan_model plan;

    story_fleet(world,
                &(struct fleet_spec){.count = 2000, .size = 1 << 20, .polls_every = 4 * HOUR});
    if (!is_protected)
        story_spoil(world, 1, know_nothing);
    world_settle(world);
    plan_plain(&plan, "2.0");
    int64_t campaign = story_start(world, &plan);
    world_run(world, world->now + 2 * HOUR);
    engine_back_up(world->engine);
    world_run(world, world->now + 4 * HOUR);
    int64_t updated = story_running(world, 1);
    engine_restore(world->engine);
    expect(story_count(world, "confirmed") < updated, "the backup is as new as the fleet");
    world_run_until_over(world, campaign, world->now + 2 * DAY);
    int64_t most = most_downloads(world);
    expect(story_is(world, campaign, "finished"), "it does not come to its end");
    expect(story_count(world, "confirmed") == 2000, "the counts are wrong");
    if (is_protected)
        expect(most == 1, "a device has fetched it %lld times", (long long)most);
    else
        expect(most == 2, "no device has fetched it twice");
}

static const struct story stories[] = {
    {"no_device_ages_by_its_own_clock",   no_device_ages_by_its_own_clock,   false},
    {"a_first_breath_is_no_success",      a_first_breath_is_no_success,      false},
    {"a_word_is_no_proof",                a_word_is_no_proof,                false},
    {"a_boot_loop_is_a_failure",          a_boot_loop_is_a_failure,          false},
    {"nobody_pays_for_endless_attempts",  nobody_pays_for_endless_attempts,  false},
    {"an_old_image_stays_old",            an_old_image_stays_old,            false},
    {"a_panic_is_heard_at_the_next_poll", a_panic_is_heard_at_the_next_poll, false},
    {"a_restored_backup_repeats_nothing", a_restored_backup_repeats_nothing, false},
};
const struct stories stories_of_devices = {stories, COUNT_OF(stories)};
