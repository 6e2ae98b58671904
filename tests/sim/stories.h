/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong in real fleets, one function for each way. Every story is told twice: with the
 * rule that protects from it, and with that rule switched off by the plan, where the harm must then
 * be seen; a story that cannot go wrong would prove nothing. */
#ifndef OTAD_SIM_STORIES_H
#define OTAD_SIM_STORIES_H

#include "plan.h"
#include "world.h"

#define STORY_NAME_SIZE 96
#define STORIES_MAX 64

struct story {
    const char *name;
    void (*tell)(struct world *world, bool is_protected);
    bool is_slow; /* left out by --quick */
};
/* One table for each file of stories; without an end row. */
struct stories {
    const struct story *at;
    size_t count;
};
extern const struct stories stories_of_gates, stories_of_devices, stories_of_plans;

struct story_choice {
    const struct story *stories[STORIES_MAX];
    uint64_t count; /* of runs: two for each story */
    bool is_told, is_large;
};
/* False for a name that is none. */
bool stories_choose(struct story_choice *choice, bool is_quick, char **names, size_t name_count);
void stories_list(void);
void story_run(struct engine *engine, uint64_t number, void *choice);
void story_name(const struct story_choice *choice, uint64_t number, char ret[STORY_NAME_SIZE]);

/* -- for those who tell them -- */

/* Ends the story when it went another way. */
#define expect(holds, ...)                                                                         \
    do                                                                                             \
        if (!(holds))                                                                              \
            die(__VA_ARGS__);                                                                      \
    while (0)

/* gw:1.0 and gw:2.0 (of `size` bytes), and `count` devices on 1.0 that poll every `polls_every`. */
struct fleet_spec {
    size_t count;
    int64_t size, polls_every;
    bool has_floor; /* 2.0 is one */
};
void story_fleet(struct world *world, const struct fleet_spec *spec);
/* Devices with these habits from here on; a share of the fleet, spread evenly over it. */
typedef void (*habit_fn)(struct habit *habit);
size_t story_spoil(struct world *world, double share, habit_fn change);
/* The campaign of this plan, started. */
int64_t story_start(struct world *world, struct plan_model *plan);
/* 0: it was refused. */
int64_t story_try(struct world *world, struct plan_model *plan);

bool story_is(struct world *world, int64_t campaign, const char *state);
/* Of one wave, counted from 0. */
bool story_wave_is(struct world *world, int64_t campaign, int wave, const char *state);
/* Deployments in a state. */
int64_t story_count(struct world *world, const char *state);
/* Devices that truly run release `index` now. */
int64_t story_running(const struct world *world, int release);

#endif
