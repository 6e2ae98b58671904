/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign's plan as its author means it: the wish as JSON, and the numbers to hold the engine
 * to. They never come from the engine. */
#ifndef OTAD_SIM_PLAN_H
#define OTAD_SIM_PLAN_H

#include "dice.h"

#include <stddef.h>

#define PLAN_WAVES_MAX 6
#define PLAN_JSON_SIZE 4096

struct plan_wave {
    bool is_count, is_manual;
    const char *site; /* explicit: the devices there; NULL: by rank */
    double amount;
    bool strata;           /* of a count, by model and site */
    int64_t ramp;          /* of a percentage */
    int64_t min_confirmed; /* 0: min(active, 5) */
    double coverage;
    int64_t soak;
};

struct plan_budget {
    double share;
    int64_t failures, sample;
};

/* Each day; minutes since midnight, and of length. */
struct plan_window {
    int64_t start, length; /* length 0: none */
};

struct plan_model {
    int64_t campaign; /* row, once created */
    int release;
    const char *version, *target;
    struct plan_wave waves[PLAN_WAVES_MAX];
    size_t wave_count;
    struct plan_budget pause, abort;
    int64_t attempts, priority;
    int64_t stale_after, confirm_after, verify_timeout, offer_ttl;
    int64_t download_deadline, dead_man, watch; /* 0: none */
    int64_t rate_start, leases;                 /* 0: no limit */
    bool is_expedited, rolls_back, is_loose;    /* loose: who does not match any more leaves */
    bool strata;                                /* the budgets hold for each model and site too */
    bool asks_consent;
    struct plan_window download, install;
    const char *zone, *channel, *mode; /* NULL: none */
    const char *salt_from;
    int64_t expected; /* 0: not said */
};

/* One wave for all, budgets that nothing spends, long times: what a story then narrows. */
void plan_plain(struct plan_model *plan, const char *version);
void plan_random(struct plan_model *plan, struct dice *dice);
void plan_json(const struct plan_model *plan, char ret[PLAN_JSON_SIZE]);
/* Whether the window is open by the clocks of the zone: by the minute, with the C library's idea of
 * time. */
bool plan_window_is_open(const struct plan_window *window, const char *zone, int64_t now);
/* Failures at which it trips with so many resolved. */
int64_t plan_trips_at(const struct plan_budget *budget, int64_t resolved);

#endif
