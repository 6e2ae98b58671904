/* SPDX-License-Identifier: Apache-2.0 */
/* A word counts from the moment after it was said: what comes in the same one may have come before.
 * Only the emergency stop counts at once. */
#include "said.h"

#include "outcome.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#define LEASE 600 /* seconds that a mere offer holds its place, as configured by default */

void said_begin(struct said *said, size_t puppet_count)
{
    *said = (struct said){0};
    said->pins = need(calloc(puppet_count, sizeof *said->pins));
    said->channels = need(calloc(puppet_count, sizeof *said->channels));
}

void said_clear(struct said *said)
{
    free(said->pins);
    free(said->channels);
    *said = (struct said){0};
}

/* -- what was said -- */

static void take_word(struct said *said, const struct op *op, int64_t now)
{
    switch (op->steer) {
    case STEER_STOP:
    case STEER_LIFT:
        said->is_halted = op->steer == STEER_STOP;
        break;
    case STEER_FREEZE:
        if (said->freeze_count == FREEZES_MAX)
            die("more than %d freezes", FREEZES_MAX);
        said->freezes[said->freeze_count++] =
            (struct said_freeze){op->target, op->from, op->until, now};
        break;
    case STEER_PIN:
        said->pins[op->row - 1] = (struct said_pin){true, op->release_row, op->until, now};
        break;
    case STEER_UNPIN:
        said->pins[op->row - 1] = (struct said_pin){.since = now};
        break;
    case STEER_JOIN:
        said->channels[op->row - 1] = (struct said_channel){op->channel_row, now};
        break;
    default:
        break;
    }
}

/* -- an offer -- */

struct offer {
    struct watch *watch;
    const struct op *op;
    const struct puppet *puppet;
    const struct plan_model *plan; /* NULL: of a campaign the engine made */
    const struct followed_campaign *campaign;
    int64_t now;
};

static bool is_meant(const struct said_freeze *freeze, const struct puppet *puppet)
{
    return !freeze->target[0] ||
           (strcmp(freeze->target, "model = ap") == 0 && strcmp(puppet->model, "ap") == 0) ||
           (strcmp(freeze->target, "site = s1") == 0 && strcmp(puppet->site, "s1") == 0);
}

static void check_freezes(const struct offer *offer)
{
    const struct said *said = &offer->watch->said;

    if (offer->plan && offer->plan->is_expedited)
        return;
    for (size_t i = 0; i < said->freeze_count; i++) {
        const struct said_freeze *freeze = &said->freezes[i];

        if (freeze->since >= offer->now || offer->now < freeze->from ||
            offer->now >= freeze->until || !is_meant(freeze, offer->puppet))
            continue;
        broken(NOTHING_BEFORE_ITS_TIME, "%s is told of its offer in a freeze", offer->puppet->id);
    }
}

static const char *zone_of(const struct offer *offer)
{
    const struct puppet *puppet = offer->puppet;
    const char *site_zone =
        puppet->site[0] == 's' ? offer->watch->world->zone_of_site[puppet->site[1] - '1'] : NULL;

    return puppet->zone ? puppet->zone : site_zone ? site_zone : offer->plan->zone;
}

static void check_windows(const struct offer *offer)
{
    const struct plan_model *plan = offer->plan;
    const struct decision *decision = &offer->op->decision;

    if (!plan || (!plan->download.length && !plan->install.length))
        return;
    const char *zone = zone_of(offer);
    bool downloads = plan_window_is_open(&plan->download, zone, offer->now);
    bool installs = plan_window_is_open(&plan->install, zone, offer->now);
    bool is_time = plan->is_expedited || !plan->download.length || downloads;
    checked(NOTHING_BEFORE_ITS_TIME);
    if (!is_time)
        broken(NOTHING_BEFORE_ITS_TIME, "%s (%s) is told of its offer out of hours",
               offer->puppet->id, zone ? zone : "UTC");
    if ((decision->install_wait > 0) != (!plan->is_expedited && !installs))
        broken(NOTHING_BEFORE_ITS_TIME, "%s (%s) is to wait for %lld seconds, its window is %s",
               offer->puppet->id, zone ? zone : "UTC", (long long)decision->install_wait,
               installs ? "open" : "shut");
}

/* A hold keeps new offers away; what is under way goes on. */
static void check_pin(const struct offer *offer)
{
    const struct said_pin *pin = &offer->watch->said.pins[offer->puppet->index];
    bool is_pins = strcmp(offer->campaign->kind, "pin") == 0;
    bool is_in_force = pin->is_set && (!pin->until || offer->now < pin->until);

    if (pin->since >= offer->now)
        return;
    checked(PINS_COME_FIRST);
    if (is_in_force && !pin->release_row)
        broken(PINS_COME_FIRST, "%s is held and gets an offer of %s", offer->puppet->id,
               offer->campaign->id);
    if (is_in_force != is_pins)
        broken(PINS_COME_FIRST, "%s is %s and gets an offer of %s, a campaign of kind %s",
               offer->puppet->id, is_in_force ? "pinned" : "not pinned", offer->campaign->id,
               offer->campaign->kind);
    if (is_in_force && offer->op->decision.release_row > pin->release_row)
        broken(PINS_COME_FIRST, "%s is pinned to release %lld and gets %lld", offer->puppet->id,
               (long long)pin->release_row, (long long)offer->op->decision.release_row);
}

/* By hand, else the first whose rule matches, as add_channels() has made them. */
static void check_channel(const struct offer *offer)
{
    const struct said_channel *by_hand = &offer->watch->said.channels[offer->puppet->index];
    const struct plan_model *plan = offer->plan;

    if (!plan || !plan->channel || offer->op->decision.attempt > 1 || by_hand->since >= offer->now)
        return;
    int64_t row = by_hand->row                              ? by_hand->row
                  : strcmp(offer->puppet->site, "s1") == 0  ? 1
                  : strcmp(offer->puppet->model, "gw") == 0 ? 2
                                                            : 0;
    const char *name = row == 1 ? "beta" : row == 2 ? "stable" : "none";
    if (strcmp(name, plan->channel) != 0)
        broken(NOTHING_BEFORE_ITS_TIME, "%s of channel %s gets an offer of channel %s",
               offer->puppet->id, name, plan->channel);
}

/* -- which release -- */

struct ground {
    int64_t from, floor; /* counter of what it ran as far as was known, 0: unknown */
    const struct world *world;
};

static void take_ground(struct query *row, void *arg)
{
    struct ground *ground = arg;

    for (size_t i = 0; i < ground->world->release_count; i++)
        if (strcmp(ground->world->releases[i].version, query_text(row, 0)) == 0)
            ground->from = (int64_t)i + 1;
    ground->floor = query_number(row, 1);
}

static bool can_take(const struct puppet *puppet, const struct release_spec *release)
{
    const char *hardware = puppet->hardware[0] ? puppet->hardware : puppet->model;

    return strstr(release->hardware ? release->hardware : "[\"gw\"]", hardware) != NULL;
}

/* Rows are counters here. */
static void check_way(const struct offer *offer)
{
    const struct world *world = offer->watch->world;
    struct ground ground = {.world = world};
    int64_t to = offer->op->decision.release_row;
    bool may_fall =
        strcmp(offer->campaign->kind, "rollback") == 0 || strcmp(offer->campaign->kind, "pin") == 0;

    engine_each(world->engine,
                "SELECT d.version_before, v.floor FROM deployment AS d "
                "JOIN device AS v ON v.row_id = d.device_row WHERE d.row_id = :number",
                offer->op->decision.deployment_row, take_ground, &ground);
    checked(RELEASES_ONLY_RISE);
    if (to < ground.from && !may_fall)
        broken(RELEASES_ONLY_RISE, "%s runs release %lld and is offered %lld by %s",
               offer->puppet->id, (long long)ground.from, (long long)to, offer->campaign->id);
    for (int64_t row = 1; row <= (int64_t)world->release_count; row++) {
        const struct release_spec *release = &world->releases[row - 1];

        if (!release->is_floor)
            continue;
        checked(FLOORS_ARE_NOT_SKIPPED);
        bool is_skipped = ground.from < row && row < to && release->security >= ground.floor &&
                          can_take(offer->puppet, release);
        bool is_undone = to < row && row <= ground.from;
        if (is_skipped || is_undone)
            broken(FLOORS_ARE_NOT_SKIPPED, "%s runs release %lld and is offered %lld, past %lld",
                   offer->puppet->id, (long long)ground.from, (long long)to, (long long)row);
    }
}

static void check_security(const struct offer *offer)
{
    const struct world *world = offer->watch->world;
    const struct release_spec *release = &world->releases[offer->op->decision.release_row - 1];

    checked(SECURITY_NEVER_FALLS);
    if (release->security < offer->puppet->told_floor)
        broken(SECURITY_NEVER_FALLS, "%s with floor %lld is offered %s", offer->puppet->id,
               (long long)offer->puppet->told_floor, release->version);
}

/* -- all of an offer -- */

static void check_stop(const struct offer *offer)
{
    const struct said *said = &offer->watch->said;

    if (said->was_halted || (said->is_halted && offer->op->is_fresh))
        broken(STOP_IS_AT_ONCE, "%s is told to take d-%lld after the emergency stop",
               offer->puppet->id, (long long)offer->op->decision.action);
}

/* The log tells in which state the campaign of a new offer was. An offer made before a halt is not
 * repeated to a device that has not begun. */
static void check_told_again(const struct offer *offer)
{
    const char *state = offer->campaign->state;

    checked(HALTED_MEANS_NO_OFFER);
    if (strcmp(state, "running") != 0 && strcmp(state, "finishing") != 0)
        broken(HALTED_MEANS_NO_OFFER, "%s is told of its offer while %s is %s", offer->puppet->id,
               offer->campaign->id, state);
}

static void check_offer(struct watch *watch, const struct op *op)
{
    const struct puppet *puppet = &watch->world->puppets[op->row - 1];
    const struct decision *decision = &op->decision;
    const struct offer offer = {watch,
                                op,
                                puppet,
                                watch_plan_of(watch, decision->campaign_row),
                                watch_campaign(watch, decision->campaign_row),
                                watch->world->now};
    bool has_begun = puppet->deployment_row == decision->deployment_row && puppet->has_begun;

    check_stop(&offer);
    if (strcmp(decision->state, "offered") != 0 || (has_begun && !op->is_fresh))
        return;
    check_freezes(&offer);
    check_windows(&offer);
    if (!op->is_fresh) {
        check_told_again(&offer);
        return;
    }
    check_pin(&offer);
    check_channel(&offer);
    check_security(&offer);
    check_way(&offer);
    watch_check_turn(watch, puppet, decision);
}

/* -- places -- */

struct crowding {
    const struct watch *watch;
    int64_t all, at_site[SITES], of_campaign[CAMPAIGNS_MAX];
};

/* What was offered within the time of a lease has one for certain. */
static void count_place(struct query *row, void *arg)
{
    struct crowding *crowding = arg;
    const char *site = query_text(row, 1);

    if (query_number(row, 2) <= crowding->watch->world->now - LEASE)
        return;
    crowding->all++;
    crowding->of_campaign[query_number(row, 0) - 1]++;
    if (site[0] == 's')
        crowding->at_site[site[1] - '1']++;
}

static void check_cap(const char *what, int64_t cap, int64_t offered, struct leases leases)
{
    checked(CAPS_HOLD);
    if (cap && (offered > cap || leases.held - leases.overdrawn > cap))
        broken(CAPS_HOLD, "%s may have %lld: %lld were just offered, %lld leases, %lld overdrawn",
               what, (long long)cap, (long long)offered, (long long)leases.held,
               (long long)leases.overdrawn);
}

static void check_caps(struct watch *watch)
{
    static const char *const sites[SITES] = {"s1", "s2", "s3"};
    struct engine *engine = watch->world->engine;
    struct crowding crowding = {.watch = watch};

    engine_each(engine,
                "SELECT d.campaign_row, v.site, d.offered_at FROM deployment AS d "
                "JOIN device AS v ON v.row_id = d.device_row "
                "WHERE d.state = 'offered' AND d.is_open = 1",
                0, count_place, &crowding);
    check_cap("the server", watch->bounds.leases_server, crowding.all, engine_leases(engine));
    for (size_t i = 0; i < SITES; i++)
        check_cap("a site", watch->bounds.leases_site, crowding.at_site[i],
                  engine_leases_of_site(engine, sites[i]));
    for (size_t i = 0; i < watch->plan_count; i++) {
        int64_t row = watch->plans[i].campaign;

        check_cap("a campaign", watch->plans[i].leases, crowding.of_campaign[row - 1],
                  engine_leases_of_campaign(engine, row));
    }
}

static bool has_caps(const struct watch *watch)
{
    bool has = watch->bounds.leases_server || watch->bounds.leases_site;

    for (size_t i = 0; i < watch->plan_count; i++)
        has |= watch->plans[i].leases > 0;
    return has;
}

/* -- the batch -- */

void said_before_batch(struct watch *watch)
{
    watch->said.was_halted = watch->said.is_halted;
}

void said_after_batch(struct watch *watch, const struct op *ops, size_t count)
{
    bool has_offered = false;

    for (size_t i = 0; i < count; i++) {
        const struct op *op = &ops[i];

        if (op->kind == OP_STEER && op->problem == PROBLEM_NONE)
            take_word(&watch->said, op, watch->world->now);
        if (op->kind != OP_POLL || op->problem != PROBLEM_NONE ||
            op->decision.verdict != VERDICT_OFFER)
            continue;
        check_offer(watch, op);
        has_offered |= op->is_fresh;
    }
    if (has_offered && has_caps(watch))
        check_caps(watch);
    if (watch->said.is_halted)
        checked(STOP_IS_AT_ONCE);
    watch->said.was_halted = watch->said.is_halted;
}

void said_after_fetch(struct watch *watch, const struct puppet *puppet, bool is_allowed)
{
    if (!watch->said.is_halted)
        return;
    checked(STOP_IS_AT_ONCE);
    if (is_allowed)
        broken(STOP_IS_AT_ONCE, "%s may fetch after the emergency stop", puppet->id);
}
