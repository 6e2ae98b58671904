/* SPDX-License-Identifier: Apache-2.0 */
#include "stories.h"

#include "outcome.h"

#include <stdlib.h>
#include <string.h>

static const struct stories *const books[] = {&stories_of_gates, &stories_of_devices,
                                              &stories_of_plans};

/* -- choosing and running -- */

static bool is_named(const struct story *story, char **names, size_t name_count)
{
    for (size_t i = 0; i < name_count; i++)
        if (strcmp(names[i], story->name) == 0)
            return true;
    return false;
}

bool stories_choose(struct story_choice *choice, bool is_quick, char **names, size_t name_count)
{
    size_t chosen = 0;

    *choice = (struct story_choice){0};
    for (size_t b = 0; b < COUNT_OF(books); b++)
        for (size_t i = 0; i < books[b]->count; i++) {
            const struct story *story = &books[b]->at[i];
            bool is_chosen =
                name_count ? is_named(story, names, name_count) : !(is_quick && story->is_slow);

            if (is_chosen && chosen < STORIES_MAX)
                choice->stories[chosen++] = story;
        }
    choice->count = 2 * chosen;
    return name_count ? chosen == name_count : chosen > 0;
}

void stories_list(void)
{
    for (size_t b = 0; b < COUNT_OF(books); b++)
        for (size_t i = 0; i < books[b]->count; i++)
            printf("%s%s\n", books[b]->at[i].name, books[b]->at[i].is_slow ? " (slow)" : "");
}

void story_name(const struct story_choice *choice, uint64_t number, char ret[STORY_NAME_SIZE])
{
    snprintf(ret, STORY_NAME_SIZE, "%s%s", choice->stories[number / 2]->name,
             number % 2 ? "_without_its_rule" : "");
}

/* The same with and without the rule, and whichever else are told. */
static uint64_t seed_of(const struct story *story)
{
    uint64_t seed = 0;

    for (const char *c = story->name; *c; c++)
        seed = seed * 31 + (unsigned char)*c;
    return seed;
}

void story_run(struct engine *engine, uint64_t number, void *arg)
{
    const struct story_choice *choice = arg;
    struct world world;

    world_init(&world, engine, seed_of(choice->stories[number / 2]));
    world.is_told = choice->is_told;
    world.is_large = choice->is_large;
    choice->stories[number / 2]->tell(&world, number % 2 == 0);
    world_clear(&world);
}

/* -- fleets -- */

void story_fleet(struct world *world, const struct fleet_spec *spec)
{
    world_add_release(world, &(struct release_spec){"1.0", spec->size, 1, NULL, false});
    world_add_release(world, &(struct release_spec){"2.0", spec->size, 2, NULL, spec->has_floor});
    world_add_puppets(world, spec->count, 0);
    for (size_t i = 0; i < world->puppet_count; i++) {
        world->puppets[i].habit.polls_every = spec->polls_every;
        world->puppets[i].habit.tells_its_steps = true;
    }
}

size_t story_spoil(struct world *world, double share, habit_fn change)
{
    double due = 0;
    size_t spoilt = 0;

    for (size_t i = 0; i < world->puppet_count; i++) {
        due += share;
        if (due < 1 - 1e-9)
            continue;
        due -= 1;
        change(&world->puppets[i].habit);
        spoilt++;
    }
    return spoilt;
}

int64_t story_start(struct world *world, struct plan_model *plan)
{
    expect(story_try(world, plan), "the campaign was refused");
    return plan->campaign;
}

int64_t story_try(struct world *world, struct plan_model *plan)
{
    char wish[PLAN_JSON_SIZE];

    plan_json(plan, wish);
    plan->campaign = world_create(world, wish);
    return plan->campaign;
}

/* -- questions -- */

bool story_is(struct world *world, int64_t campaign, const char *state)
{
    char found[32];

    engine_text(world->engine, "SELECT state FROM campaign WHERE row_id = :number", campaign, found,
                sizeof found);
    return strcmp(found, state) == 0;
}

struct sought {
    int wave;
    char state[32];
};

static void take_wave_state(struct query *row, void *arg)
{
    struct sought *sought = arg;

    if (query_number(row, 0) == sought->wave)
        snprintf(sought->state, sizeof sought->state, "%s", query_text(row, 1));
}

bool story_wave_is(struct world *world, int64_t campaign, int wave, const char *state)
{
    struct sought sought = {.wave = wave};

    engine_each(world->engine, "SELECT position, state FROM wave WHERE campaign_row = :number",
                campaign, take_wave_state, &sought);
    return strcmp(sought.state, state) == 0;
}

struct tally_of {
    const char *state;
    int64_t count;
};

static void add_state(struct query *row, void *arg)
{
    struct tally_of *tally = arg;

    if (strcmp(query_text(row, 0), tally->state) == 0)
        tally->count += query_number(row, 1);
}

int64_t story_count(struct world *world, const char *state)
{
    struct tally_of tally = {state, 0};

    engine_each(world->engine, "SELECT state, count(*) FROM deployment GROUP BY state", 0,
                add_state, &tally);
    return tally.count;
}

int64_t story_running(const struct world *world, int release)
{
    int64_t count = 0;

    for (size_t i = 0; i < world->puppet_count; i++)
        count += world->puppets[i].release == release;
    return count;
}
