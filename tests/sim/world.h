/* SPDX-License-Identifier: Apache-2.0 */
/* One virtual fleet on one engine: the clock, the network between them, and who watches. */
#ifndef OTAD_SIM_WORLD_H
#define OTAD_SIM_WORLD_H

#include "puppet.h"
#include "queue.h"

#define START_TIME INT64_C(1800000000)
#define MINUTE INT64_C(60)
#define HOUR INT64_C(3600)
#define DAY INT64_C(86400)
#define RELEASES_MAX 8
#define SITES 3

/* Shares of all messages; only those of devices. */
struct network {
    double lost, answer_lost, twice, late;
    int64_t late_most; /* seconds */
};

/* Who looks on; any of them may be NULL. */
struct watcher {
    void (*before_batch)(struct world *world, void *arg);
    void (*after_batch)(struct world *world, const struct op *ops, size_t count, void *arg);
    void (*after_tick)(struct world *world, void *arg);
    void (*after_fetch)(struct world *world, const struct puppet *puppet, bool is_allowed,
                        void *arg);
    void *arg;
};

#define NOBODY SIZE_MAX

struct message {
    struct op op;
    size_t puppet; /* NOBODY: an operator's */
    bool is_heard; /* the answer arrives */
};

struct world {
    struct engine *engine;
    struct dice dice;
    struct network network;
    struct watcher watcher;
    struct queue queue;
    int64_t now, grain, tick_every;
    bool ticks_vary;      /* each tick 1 to 4 times that far away */
    bool is_large;        /* fleets as large as they come */
    bool is_told;         /* everything that happens, on standard output */
    bool believes_clocks; /* the server takes a device's time for its own */

    struct release_spec releases[RELEASES_MAX];
    size_t release_count;
    const char *zone_of_site[SITES]; /* of s1, s2, s3; NULL: none is known */
    struct puppet *puppets;
    size_t puppet_count;

    struct op *outbox; /* what arrives now; envelopes[i] belongs to outbox[i] */
    struct message *envelopes;
    size_t outbox_count, outbox_room;
    struct message *delayed;
    size_t delayed_room;
    size_t *delayed_free;
    size_t delayed_free_count;

    int64_t messages, offers; /* so far */
};

/* The engine is cleared. Devices and releases are filled in before world_settle(). */
void world_init(struct world *world, struct engine *engine, uint64_t seed);
void world_clear(struct world *world);
size_t world_add_release(struct world *world, const struct release_spec *release);
/* `count` devices gw-0 … of model gw in version `release`, with ordinary habits that vary. */
void world_add_puppets(struct world *world, size_t count, int release);
/* Puts all of it into the engine, seen just now, and wakes the devices one after another. */
void world_settle(struct world *world);

/* Everything that is due up to `until`; the clock stands there afterwards. */
void world_run(struct world *world, int64_t until);
/* Until the campaign is in none of the states running, paused, finishing, or `until`. */
bool world_run_until_over(struct world *world, int64_t campaign, int64_t until);

/* A message of a device sets out. */
void world_send(struct world *world, struct puppet *puppet, const struct op *op);
void world_wake_at(struct world *world, struct puppet *puppet, int64_t at);
/* An operator's request, with nothing else in the same moment. */
enum problem world_act(struct world *world, int64_t campaign, enum campaign_verb verb,
                       const char *arguments);
/* The same in the next moment, amid what devices send then. */
void world_act_amid(struct world *world, int64_t campaign, enum campaign_verb verb,
                    const char *arguments);
/* The same with what is beside campaigns. */
enum problem world_steer(struct world *world, const struct op *op);
void world_steer_amid(struct world *world, const struct op *op);
/* 0: refused, as far as there are reasons for that. */
int64_t world_create(struct world *world, const char *wish);
void world_crash(struct world *world);

/* With is_told: a line about what happens. */
void tell(const struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
