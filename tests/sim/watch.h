/* SPDX-License-Identifier: Apache-2.0 */
/* Holds a run to the invariants. It follows the log of events from the first to the last and
 * compares what they tell with the rows, and both with the plan. */
#ifndef OTAD_SIM_WATCH_H
#define OTAD_SIM_WATCH_H

#include "plan.h"
#include "said.h"
#include "world.h"

#define CAMPAIGNS_MAX 32 /* those that the engine makes included */
#define STATE_NAME 16

struct followed_deployment {
    int64_t device, campaign;
    int wave;
    bool is_placed; /* its place in the line was checked */
    char state[STATE_NAME];
    bool is_prestaged; /* downloaded, and no more was wanted */
};

struct followed_campaign {
    char id[TEXT_MAX];
    char kind[STATE_NAME];
    char state[STATE_NAME];  /* as the row has it */
    char logged[STATE_NAME]; /* as the log tells it */
    uint8_t salt[16];
    int64_t accepted; /* failures an operator took on */
    bool is_known;
    struct {
        char state[STATE_NAME];
        int64_t rank_limit, active;
    } waves[PLAN_WAVES_MAX];
};

struct watch {
    struct world *world;
    struct plan_model plans[CAMPAIGNS_MAX];
    size_t plan_count;
    struct dice dice; /* its own: looking changes nothing */
    struct said said;
    struct bounds bounds;

    struct followed_campaign campaigns[CAMPAIGNS_MAX]; /* by row - 1 */
    struct followed_deployment *deployments;           /* by row - 1 */
    size_t deployment_count, deployment_room;
    int64_t last_event;
    uint64_t writes; /* of the store, when states were read */
};

/* Looks on from now, when the fleet is settled; the world's watcher is taken. */
void watch_begin(struct watch *watch, struct world *world, uint64_t seed);
/* Campaigns are told in the order they are created in. */
void watch_plan(struct watch *watch, const struct plan_model *plan);
/* NULL for one that the engine made by itself: a rollback, a baseline, a pin's. */
const struct plan_model *watch_plan_of(const struct watch *watch, int64_t campaign);
struct followed_campaign *watch_campaign(struct watch *watch, int64_t row);
/* A new offer within a ramp does not come before its turn. */
void watch_check_turn(struct watch *watch, const struct puppet *puppet,
                      const struct decision *decision);
/* All checks at once. */
void watch_check(struct watch *watch);
void watch_end(struct watch *watch);

#endif
