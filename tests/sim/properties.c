/* SPDX-License-Identifier: Apache-2.0 */
#include "properties.h"

#include "flips.h"
#include "outcome.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#define PAIRED_SHARE 0.1 /* of the seeds are run over two networks and compared */
#define CRASHING_SHARE 0.15
#define FLIPPED_SHARE 0.02 /* of the plans are changed member by member */

/* Row and counter of each are its place here. */
static void add_releases(struct world *world, int floor)
{
    static const struct release_spec releases[] = {
        {"1.0", 1000, 1, "[\"gw\", \"ap\"]", false},
        {"1.5", 1500, 1, "[\"gw\", \"ap\"]", false},
        {"2.0", 2000, 2, NULL,               false},
        {"3.0", 3000, 3, "[\"gw\", \"ap\"]", false},
    };

    for (int i = 0; i < (int)COUNT_OF(releases); i++) {
        struct release_spec release = releases[i];

        release.is_floor = i == floor;
        world_add_release(world, &release);
    }
}

/* check_channel() in said.c knows the same rules. */
static void add_channels(struct world *world)
{
    engine_add_channel(world->engine, "beta", "site = s1");
    engine_add_channel(world->engine, "stable", "model = gw");
}

static void add_sites(struct world *world, struct dice *dice)
{
    static const char *const zones[] = {"", "Asia/Kathmandu", "Australia/Lord_Howe",
                                        "America/St_Johns"};
    static const char *const sites[SITES] = {"s1", "s2", "s3"};

    for (int i = 0; i < SITES; i++) {
        const char *zone = zones[dice_below(dice, COUNT_OF(zones))];

        engine_add_site(world->engine, sites[i], zone, 0);
        world->zone_of_site[i] = zone[0] ? zone : NULL;
    }
}

/* -- fleets -- */

static void random_absences(struct habit *habit, struct dice *dice, int64_t now)
{
    int64_t at = now;

    for (int i = 0; i < 2; i++) {
        at += dice_below(dice, HOUR);
        habit->away[i].from = at;
        at += dice_between(dice, 5 * MINUTE, 90 * MINUTE);
        habit->away[i].until = at;
    }
}

/* Nobody has heard of it for a day; it is back when waves are open. */
static void long_absence(struct habit *habit, struct dice *dice, int64_t now)
{
    habit->away[0].from = now - DAY;
    habit->away[0].until = now + dice_between(dice, 5 * MINUTE, HOUR);
}

static void random_habit(struct habit *habit, struct dice *dice, int64_t now)
{
    static const char *const classes[] = {NULL,   "network", "storage",   "power",       "busy",
                                          "hash", "install", "signature", "incompatible"};

    *habit = (struct habit){
        .polls_every = dice_between(dice, 2 * MINUTE, 12 * MINUTE),
        .installs_in = dice_between(dice, 0, 6 * MINUTE),
        .tries_for = dice_between(dice, 0, 6 * MINUTE),
        .speaks_ddi = dice_chance(dice, 0.5),
        .tells_its_steps = dice_chance(dice, 0.7),
        .class = classes[dice_below(dice, COUNT_OF(classes))],
    };
    habit->clock_ahead = dice_chance(dice, 0.1) ? dice_between(dice, -DAY, DAY) : 0;
    habit->fails = dice_chance(dice, 0.25) ? dice_share(dice) : 0;
    habit->falls_back = dice_chance(dice, 0.1) ? dice_share(dice) : 0;
    habit->loops = dice_chance(dice, 0.05) ? dice_share(dice) : 0;
    habit->loses_power = dice_chance(dice, 0.05) ? 0.5 : 0;
    habit->fails_later = dice_chance(dice, 0.05) ? dice_between(dice, MINUTE, HOUR) : 0;
    habit->claims_only = dice_chance(dice, 0.03);
    habit->is_stuck = dice_chance(dice, 0.03);
    habit->is_mute = dice_chance(dice, 0.03);
    habit->rejects = dice_chance(dice, 0.04);
    habit->complains = dice_chance(dice, 0.05);
    habit->postpones = dice_chance(dice, 0.1);
    habit->fetches_again = dice_chance(dice, 0.05);
    habit->tells_no_version = dice_chance(dice, 0.05);
    habit->tells_no_boot = dice_chance(dice, 0.05);
    if (dice_chance(dice, 0.15))
        random_absences(habit, dice, now);
}

static void add_fleet(struct world *world, struct dice *dice)
{
    static const char *const sites[] = {"s1", "s2", "s3"};
    int64_t count = 5 + dice_below(dice, 8) * dice_below(dice, 9);

    double absent = dice_chance(dice, 0.2) ? dice_share(dice) : 0;
    world_add_puppets(world, (size_t)count, 0);
    for (size_t i = 0; i < world->puppet_count; i++) {
        struct puppet *puppet = &world->puppets[i];

        random_habit(&puppet->habit, dice, world->now);
        if (dice_chance(dice, absent))
            long_absence(&puppet->habit, dice, world->now);
        puppet->site = sites[dice_below(dice, COUNT_OF(sites))];
        puppet->zone = dice_chance(dice, 0.1) ? "Pacific/Chatham" : NULL;
        if (dice_chance(dice, 0.15))
            puppet->model = "ap";
        if (dice_chance(dice, 0.04))
            puppet->hardware = "other";
        if (dice_chance(dice, 0.1))
            puppet->release = puppet->fallback = (int)dice_between(dice, 1, 3);
        puppet->floor = puppet->told_floor = world->releases[puppet->release].security;
    }
}

/* -- operators -- */

static void act_on_campaign(struct world *world, struct watch *watch, struct dice *dice)
{
    static const enum campaign_verb verbs[] = {
        CAMPAIGN_PAUSE,  CAMPAIGN_PAUSE,  CAMPAIGN_RESUME, CAMPAIGN_RESUME,
        CAMPAIGN_RESUME, CAMPAIGN_RESUME, CAMPAIGN_CANCEL, CAMPAIGN_ABORT,
    };
    size_t which = (size_t)dice_below(dice, (int64_t)watch->plan_count);
    enum campaign_verb verb = verbs[dice_below(dice, COUNT_OF(verbs))];
    const char *arguments = NULL;

    if (verb == CAMPAIGN_RESUME && dice_chance(dice, 0.7))
        arguments = "{\"accept_failures\": true, \"reason\": \"seen\"}";
    if (verb == CAMPAIGN_CANCEL && dice_chance(dice, 0.5))
        arguments = "{\"hard\": true}";
    world_act_amid(world, watch->plans[which].campaign, verb, arguments);
}

static struct op random_pin(const struct world *world, struct dice *dice)
{
    return (struct op){.row = 1 + dice_below(dice, (int64_t)world->puppet_count),
                       .release_row = dice_below(dice, (int64_t)world->release_count + 1),
                       .until = dice_chance(dice, 0.5)
                                    ? world->now + dice_between(dice, 2 * world->grain, HOUR)
                                    : 0};
}

static struct op random_freeze(const struct world *world, struct dice *dice)
{
    static const char *const targets[] = {"", "site = s1", "model = ap"};
    int64_t from = world->now + dice_between(dice, -HOUR, HOUR);

    return (struct op){.target = targets[dice_below(dice, COUNT_OF(targets))],
                       .from = from,
                       .until = from + dice_between(dice, HOUR, 2 * HOUR)};
}

/* Whatever an operator may say beside campaigns' own verbs. */
static void steer_at_random(struct world *world, struct watch *watch, struct dice *dice)
{
    static const enum steer words[] = {STEER_STOP,        STEER_FREEZE,    STEER_PIN,
                                       STEER_PIN,         STEER_UNPIN,     STEER_JOIN,
                                       STEER_JOIN,        STEER_BASELINE,  STEER_HOLD_WAVE,
                                       STEER_REOPEN_WAVE, STEER_PASS_WAVE, STEER_SKIP_WAVE};
    enum steer word = words[dice_below(dice, COUNT_OF(words))];
    struct op op = {.row = 1 + dice_below(dice, (int64_t)world->puppet_count)};

    if (watch->said.is_halted && dice_chance(dice, 0.7))
        word = STEER_LIFT;
    if (word == STEER_PIN)
        op = random_pin(world, dice);
    else if (word == STEER_FREEZE)
        op = random_freeze(world, dice);
    else if (word == STEER_JOIN)
        op.channel_row = dice_below(dice, 3);
    else if (word == STEER_BASELINE)
        op = (struct op){.row = dice_between(dice, 1, 2),
                         .release_row = dice_between(dice, 1, (int64_t)world->release_count)};
    else if (word >= STEER_HOLD_WAVE)
        op = (struct op){.row = watch->plans[dice_below(dice, (int64_t)watch->plan_count)].campaign,
                         .position = dice_below(dice, 3)};
    op.kind = OP_STEER;
    op.steer = word;
    world_steer_amid(world, &op);
}

static void act_at_random(struct world *world, struct watch *watch, struct dice *dice)
{
    if (watch->plan_count && dice_chance(dice, 0.4))
        act_on_campaign(world, watch, dice);
    else if (watch->plan_count)
        steer_at_random(world, watch, dice);
}

static void start_campaign(struct world *world, struct watch *watch, struct dice *dice)
{
    struct plan_model plan;
    char wish[PLAN_JSON_SIZE];

    plan_random(&plan, dice);
    if (dice_chance(dice, FLIPPED_SHARE))
        flips_check(world->engine, &plan);
    plan_json(&plan, wish);
    plan.campaign = world_create(world, wish);
    if (plan.campaign)
        watch_plan(watch, &plan);
}

/* -- a crash -- */

/* Whatever was answered is there after it, to the last byte. */
static void crash(struct world *world)
{
    uint64_t before = engine_fingerprint(world->engine);

    world_crash(world);
    checked(RESTART_LOSES_NOTHING);
    if (engine_fingerprint(world->engine) != before)
        broken(RESTART_LOSES_NOTHING, "the reopened store tells of another state");
}

static struct network random_network(struct dice *dice)
{
    if (dice_chance(dice, 0.3))
        return (struct network){0};
    return (struct network){.lost = 0.1 * dice_share(dice),
                            .answer_lost = 0.1 * dice_share(dice),
                            .twice = 0.3 * dice_share(dice),
                            .late = 0.3 * dice_share(dice),
                            .late_most = dice_between(dice, MINUTE, 20 * MINUTE)};
}

/* Also around the nights in which clocks are changed: in Germany, on Lord Howe Island, and on the
 * Chatham Islands. */
static int64_t random_start(struct dice *dice)
{
    static const int64_t nights[] = {INT64_C(1806195600), INT64_C(1806764400), INT64_C(1821880800),
                                     INT64_C(1824944400)};

    return dice_chance(dice, 0.7)
               ? START_TIME
               : nights[dice_below(dice, COUNT_OF(nights))] - HOUR * dice_below(dice, 3);
}

static void random_world(struct world *world, struct dice *dice)
{
    world->now = random_start(dice);
    world->ticks_vary = true;
    world->grain = world->tick_every = MINUTE * dice_between(dice, 1, 3);
    world->network = random_network(dice);
    add_releases(world, dice_chance(dice, 0.3) ? (int)dice_between(dice, 1, 2) : -1);
    add_channels(world);
    add_sites(world, dice);
    add_fleet(world, dice);
    world_settle(world);
}

/* Between any two stretches of time an operator does something, or the server crashes. */
static void random_days(struct world *world, struct watch *watch, struct dice *dice)
{
    int64_t parts = dice_between(dice, 2, 6), more = dice_between(dice, 0, 2);
    bool crashes = dice_chance(dice, CRASHING_SHARE);

    start_campaign(world, watch, dice);
    for (int64_t part = 0; part < parts; part++) {
        world_run(world, world->now + dice_between(dice, 5 * MINUTE, 40 * MINUTE));
        watch_check(watch);
        if (crashes && dice_chance(dice, 0.4))
            crash(world);
        if (more && dice_chance(dice, 0.4)) {
            start_campaign(world, watch, dice);
            more--;
        }
        for (int64_t acts = dice_between(dice, 0, 2); acts > 0; acts--)
            act_at_random(world, watch, dice);
    }
    world_run(world, world->now + dice_between(dice, MINUTE, HOUR));
}

static void run_freely(struct engine *engine, uint64_t seed, bool is_told)
{
    struct world world;
    struct watch watch;
    struct dice dice;
    struct bounds bounds = {0};

    dice_seed(&dice, ~seed);
    if (dice_chance(&dice, 0.15))
        bounds.leases_server = dice_between(&dice, 2, 10);
    if (dice_chance(&dice, 0.15))
        bounds.leases_site = dice_between(&dice, 1, 5);
    engine_set_bounds(engine, &bounds);
    world_init(&world, engine, seed);
    world.is_told = is_told;
    random_world(&world, &dice);
    watch_begin(&watch, &world, seed);
    watch.bounds = bounds;
    random_days(&world, &watch, &dice);
    watch_end(&watch);
    tell(&world, "ends as %016llx", (unsigned long long)engine_fingerprint(engine));
    world_clear(&world);
}

/* -- the same fleet over two networks -- */

struct ending {
    char state[STATE_NAME], class[STATE_NAME];
};

static void take_ending(struct query *row, void *arg)
{
    struct ending *ending = (struct ending *)arg + (query_number(row, 0) - 1);

    snprintf(ending->state, STATE_NAME, "%s", query_text(row, 1));
    snprintf(ending->class, STATE_NAME, "%s", query_text(row, 2));
}

/* No budget, no deadline and no absence here: what differs in the end came from the network. */
static struct ending *run_over(struct engine *engine, uint64_t seed, const struct network *network,
                               bool is_told)
{
    struct world world;
    struct watch watch;
    struct plan_model plan;
    struct dice dice;
    char wish[PLAN_JSON_SIZE];

    engine_set_bounds(engine, &(struct bounds){0});
    world_init(&world, engine, seed);
    world.is_told = is_told;
    world.network = *network;
    world.grain = 2 * MINUTE;
    world.tick_every = 6 * MINUTE;
    dice = dice_fork(&world.dice);
    add_releases(&world, -1);
    add_fleet(&world, &dice);
    for (size_t i = 0; i < world.puppet_count; i++) {
        struct habit *habit = &world.puppets[i].habit;

        memset(habit->away, 0, sizeof habit->away);
        habit->loops = 0;
        habit->fails_later = 0; /* a campaign that is over keeps its counts */
        habit->is_mute = habit->fetches_again = habit->is_stuck = false;
    }
    world_settle(&world);
    watch_begin(&watch, &world, seed);
    plan_plain(&plan, "3.0");
    plan.attempts = 1;
    plan.offer_ttl = plan.verify_timeout = plan.stale_after = 30 * DAY;
    plan_json(&plan, wish);
    plan.campaign = world_create(&world, wish);
    watch_plan(&watch, &plan);
    world_run(&world, world.now + 4 * HOUR);
    watch_end(&watch);
    struct ending *endings = need(calloc(world.puppet_count + 1, sizeof *endings));
    engine_each(engine, "SELECT device_row, state, class FROM deployment", 0, take_ending, endings);
    snprintf(endings[world.puppet_count].state, STATE_NAME, "end");
    world_clear(&world);
    return endings;
}

static void compare_networks(struct engine *engine, uint64_t seed, bool is_told)
{
    static const struct network orderly = {0}, disordered = {.lost = 0.1,
                                                             .answer_lost = 0.1,
                                                             .twice = 0.5,
                                                             .late = 0.4,
                                                             .late_most = 15 * MINUTE};
    struct ending *expected = run_over(engine, seed, &orderly, is_told);
    struct ending *found = run_over(engine, seed, &disordered, is_told);

    for (size_t i = 0; strcmp(expected[i].state, "end") != 0; i++) {
        checked(ORDER_DOES_NOT_MATTER);
        if (strcmp(expected[i].state, found[i].state) != 0)
            broken(ORDER_DOES_NOT_MATTER, "gw-%zu ends %s (%s), with disorder %s (%s)", i,
                   expected[i].state, expected[i].class, found[i].state, found[i].class);
    }
    free(expected);
    free(found);
}

void property_run(struct engine *engine, uint64_t seed, bool is_told)
{
    struct dice dice;

    dice_seed(&dice, seed);
    if (dice_chance(&dice, PAIRED_SHARE))
        compare_networks(engine, seed, is_told);
    else
        run_freely(engine, seed, is_told);
}
