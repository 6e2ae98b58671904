/* SPDX-License-Identifier: Apache-2.0 */
/* The engine under test, behind the few questions the simulator has: the only file here that
 * includes anything of server/ but plain definitions. Time is always an argument. A failure the
 * engine has no reason for ends the run. */
#ifndef OTAD_SIM_ENGINE_H
#define OTAD_SIM_ENGINE_H

#include "campaign/apply.h"

#define TEXT_MAX 24 /* ids, versions, boot ids, models of simulated devices */

struct engine;

/* An empty store in a folder made for it below `folder`. */
struct engine *engine_open(const char *folder);
void engine_close(struct engine **engine);
/* As if new: every row but the audit log's is gone, all numbers start over. Cheaper than opening.
 */
void engine_clear(struct engine *engine);
/* What the server and each site may have under way at once, from the next clearing on; 0: as
 * usual. */
struct bounds {
    int64_t leases_server, leases_site;
};
void engine_set_bounds(struct engine *engine, const struct bounds *bounds);
/* Another process at what the disk holds now: a copy of the files is taken while the store is open,
 * and everything that was in memory only is gone. */
void engine_crash(struct engine *engine);
/* For a backup that is restored later: keeps, or goes back to, a copy. */
void engine_back_up(struct engine *engine);
void engine_restore(struct engine *engine);

/* -- the ground -- */

struct release_spec {
    const char *version; /* the id is gw:<version> */
    int64_t size, security;
    const char *hardware; /* JSON array; NULL: ["gw"] */
    bool is_floor;        /* nobody gets past it without having run it */
};
/* In order of their counters, in rows 1, 2, … */
void engine_add_release(struct engine *engine, const struct release_spec *release);

/* Channels in rows 1, 2, …, in order of position. The rule may be "": only by hand. */
void engine_add_channel(struct engine *engine, const char *id, const char *rule);
void engine_add_site(struct engine *engine, const char *id, const char *zone, int64_t leases);

struct device_spec {
    const char *id, *model, *hardware, *site, *zone, *version, *boot_id;
    int64_t floor, seen_at; /* seen_at 0: never */
};
/* In order, in rows 1, 2, … */
void engine_add_devices(struct engine *engine, const struct device_spec *devices, size_t count);

/* -- what devices and operators send -- */

enum op_kind { OP_POLL, OP_STATUS, OP_CONSENT, OP_ACT, OP_STEER };

/* What an operator says beside campaigns. */
enum steer {
    STEER_STOP, /* the emergency stop */
    STEER_LIFT,
    STEER_FREEZE,   /* target, from, until */
    STEER_PIN,      /* the device, release (0: hold), until */
    STEER_UNPIN,    /* the device */
    STEER_JOIN,     /* the device, channel */
    STEER_BASELINE, /* the channel, release */
    STEER_HOLD_WAVE,
    STEER_REOPEN_WAVE,
    STEER_PASS_WAVE,
    STEER_SKIP_WAVE, /* the campaign, position */
};

/* One request. Holds its texts itself: it may arrive late and twice. */
struct op {
    enum op_kind kind;
    int64_t row;      /* of the device; OP_ACT, waves: of the campaign; baselines: the channel */
    int64_t later_by; /* a wrong clock, where a story lets the server believe it */

    /* OP_STATUS, as the native API takes it; without a sequence as DDI does. */
    int64_t sequence;
    bool has_evidence, has_report, is_final;
    char version[TEXT_MAX], boot_id[TEXT_MAX];
    int64_t uptime, floor;
    int64_t action;
    enum report_kind report;
    const char *class; /* constant or NULL */
    char detail[40];

    enum campaign_verb verb;
    const char *arguments; /* JSON, constant or NULL */

    enum steer steer;
    const char *target; /* constant; "": all */
    int64_t release_row, channel_row, position, from, until;

    /* The answer. */
    struct decision decision;
    bool is_fresh; /* the offer was made for this poll */
    enum report_result result;
    enum problem problem; /* of a refusal that has its reasons */
};
/* Everything that arrives in the same moment: polls are asked on a reader first, what must write
 * shares one batch of the writer, in this order. */
void engine_run(struct engine *engine, struct op *ops, size_t count, int64_t now);
/* Whether a GET of the release's image is answered with it now. */
bool engine_allows(struct engine *engine, int64_t device_row, int64_t release_row);
/* Bytes leave for this deployment. */
void engine_serve(struct engine *engine, int64_t deployment_row, int64_t first, int64_t sent,
                  int64_t size);
/* A device was heard of; written with the next tick. */
void engine_touch(struct engine *engine, int64_t device_row, int64_t now);
void engine_tick(struct engine *engine, int64_t now);

/* Makes the campaign and gives it its salt by `salt_seed` before it starts, if `starts`. Returns
 * its row; 0 when the wish is refused, with the reason in `ret_problem` (may be NULL: then it
 * dies). */
struct campaign_order {
    const char *wish;
    uint64_t salt_seed;
    bool starts;
};
int64_t engine_create(struct engine *engine, const struct campaign_order *order, int64_t now,
                      enum problem *ret_problem);

/* -- questions -- */

/* Calls `each` for every row of a statement whose text is constant; `number` is bound as :number
 * when the statement has it. */
typedef void (*row_fn)(struct query *row, void *arg);
void engine_each(struct engine *engine, const char *sql, int64_t number, row_fn each, void *arg);
int64_t engine_number(struct engine *engine, const char *sql, int64_t number); /* -1: no row */
void engine_text(struct engine *engine, const char *sql, int64_t number, char *ret, size_t room);
/* Everything decided so far, as a fingerprint: campaigns, waves, deployments, counts, events. */
uint64_t engine_fingerprint(struct engine *engine);
/* Leases now, and those of them that were taken again beyond a limit. */
struct leases {
    int64_t held, overdrawn;
};
struct leases engine_leases(struct engine *engine);
struct leases engine_leases_of_campaign(struct engine *engine, int64_t campaign);
struct leases engine_leases_of_site(struct engine *engine, const char *site);
/* The hash that approvals are bound to; the problem of a plan that is none. `ret_expanded` is the
 * plan with every default spelt out, a new reference. */
enum problem engine_plan_hash(struct engine *engine, json_t *plan, uint8_t ret[PLAN_HASH_SIZE],
                              json_t **ret_expanded);
/* Jobs given to the writer and statements asked so far. */
struct engine_effort {
    uint64_t writes, reads;
};
struct engine_effort engine_effort(struct engine *engine);

#endif
