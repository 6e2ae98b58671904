/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "outcome.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum kind { WAKE, DELIVER, TICK };

void tell(const struct world *world, const char *format, ...)
{
    va_list arguments;

    if (!world->is_told)
        return;
    printf("%8lld  ", (long long)(world->now - START_TIME));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

/* -- making one -- */

void world_init(struct world *world, struct engine *engine, uint64_t seed)
{
    *world =
        (struct world){.engine = engine, .now = START_TIME, .grain = MINUTE, .tick_every = MINUTE};
    dice_seed(&world->dice, seed);
    engine_clear(engine);
}

void world_clear(struct world *world)
{
    queue_clear(&world->queue);
    free(world->puppets);
    free(world->outbox);
    free(world->envelopes);
    free(world->delayed);
    free(world->delayed_free);
    *world = (struct world){0};
}

size_t world_add_release(struct world *world, const struct release_spec *release)
{
    if (world->release_count == RELEASES_MAX)
        die("more than %d releases", RELEASES_MAX);
    world->releases[world->release_count] = *release;
    engine_add_release(world->engine, release);
    return world->release_count++;
}

void world_add_puppets(struct world *world, size_t count, int release)
{
    world->puppets =
        need(realloc(world->puppets, (world->puppet_count + count) * sizeof *world->puppets));
    for (size_t i = 0; i < count; i++) {
        struct puppet *puppet = &world->puppets[world->puppet_count];
        struct dice dice = dice_fork(&world->dice);

        *puppet = (struct puppet){
            .index = world->puppet_count++,
            .model = "gw",
            .hardware = "",
            .site = "",
            .release = release,
            .fallback = release,
            .floor = world->releases[release].security,
            .told_floor = world->releases[release].security,
            .booted_at = world->now - dice_below(&dice, 10 * DAY),
            .habit = {.polls_every = 5 * MINUTE,
                      .installs_in = 2 * MINUTE,
                      .tries_for = 2 * MINUTE},
        };
        puppet->dice = dice_fork(&dice);
        puppet->network = dice_fork(&dice);
        puppet->row = (int64_t)puppet->index + 1;
        snprintf(puppet->id, sizeof puppet->id, "gw-%zu", puppet->index);
    }
}

static int64_t away_since(const struct puppet *puppet, int64_t now)
{
    int i = 0;

    while (now < puppet->habit.away[i].from || now >= puppet->habit.away[i].until)
        i++;
    return puppet->habit.away[i].from;
}

void world_settle(struct world *world)
{
    struct device_spec *specs = need(calloc(world->puppet_count, sizeof *specs));

    for (size_t i = 0; i < world->puppet_count; i++) {
        struct puppet *puppet = &world->puppets[i];
        const struct habit *habit = &puppet->habit;
        int64_t back_at;
        bool is_away = puppet_is_away(puppet, world->now, &back_at);

        specs[i] = (struct device_spec){
            .id = puppet->id,
            .model = puppet->model,
            .hardware = puppet->hardware,
            .site = puppet->site,
            .zone = puppet->zone,
            .version = habit->tells_no_version ? "" : world->releases[puppet->release].version,
            .boot_id = habit->tells_no_boot ? "" : "b0",
            .floor = puppet->floor,
            .seen_at = is_away ? away_since(puppet, world->now) : world->now,
        };
        puppet->next_poll =
            world->now + world->grain + dice_below(&puppet->network, habit->polls_every);
        world_wake_at(world, puppet, puppet->next_poll);
    }
    engine_add_devices(world->engine, specs, world->puppet_count);
    free(specs);
    queue_put(&world->queue, world->now, TICK, 0);
}

/* -- messages -- */

static void make_room(struct world *world)
{
    if (world->outbox_count < world->outbox_room)
        return;
    world->outbox_room = world->outbox_room ? 2 * world->outbox_room : 64;
    world->outbox = need(realloc(world->outbox, world->outbox_room * sizeof *world->outbox));
    world->envelopes =
        need(realloc(world->envelopes, world->outbox_room * sizeof *world->envelopes));
}

static void arrive(struct world *world, const struct message *message)
{
    make_room(world);
    world->outbox[world->outbox_count] = message->op;
    world->envelopes[world->outbox_count++] = *message;
}

static int64_t on_grid(const struct world *world, int64_t at)
{
    int64_t past = at - START_TIME;

    return START_TIME + (past + world->grain - 1) / world->grain * world->grain;
}

static void delay(struct world *world, const struct message *message, int64_t by)
{
    size_t at;

    if (world->delayed_free_count == 0) {
        size_t room = world->delayed_room ? 2 * world->delayed_room : 64;

        world->delayed = need(realloc(world->delayed, room * sizeof *world->delayed));
        world->delayed_free = need(realloc(world->delayed_free, room * sizeof(size_t)));
        for (size_t i = world->delayed_room; i < room; i++)
            world->delayed_free[world->delayed_free_count++] = i;
        world->delayed_room = room;
    }
    at = world->delayed_free[--world->delayed_free_count];
    world->delayed[at] = *message;
    queue_put(&world->queue, on_grid(world, world->now + by), DELIVER, at);
}

/* An operator's request comes between any two others. */
static void mix_in(struct world *world)
{
    size_t last = world->outbox_count - 1;
    size_t at = (size_t)dice_below(&world->dice, (int64_t)world->outbox_count);
    struct op op = world->outbox[last];
    struct message message = world->envelopes[last];

    world->outbox[last] = world->outbox[at];
    world->envelopes[last] = world->envelopes[at];
    world->outbox[at] = op;
    world->envelopes[at] = message;
}

static void deliver(struct world *world, size_t at)
{
    arrive(world, &world->delayed[at]);
    if (world->delayed[at].puppet == NOBODY)
        mix_in(world);
    world->delayed_free[world->delayed_free_count++] = at;
}

/* Polls are not late: their answer would be for a device that has given up waiting. */
void world_send(struct world *world, struct puppet *puppet, const struct op *op)
{
    const struct network *network = &world->network;
    struct message message = {*op, puppet->index, true};
    struct dice *dice = &puppet->network;
    bool is_report = op->kind != OP_POLL;
    double lost = dice_share(dice), answer_lost = dice_share(dice), twice = dice_share(dice),
           late = dice_share(dice);
    int64_t by = network->late_most ? dice_between(dice, 1, network->late_most) : 0;

    world->messages++;
    if (lost < network->lost || (is_report && puppet->habit.is_mute))
        return;
    message.is_heard = answer_lost >= network->answer_lost;
    if (is_report && late < network->late) {
        message.is_heard = false;
        delay(world, &message, by);
        return;
    }
    arrive(world, &message);
    if (twice >= network->twice)
        return;
    message.is_heard = false;
    if (is_report && by)
        delay(world, &message, by);
    else
        arrive(world, &message);
}

void world_wake_at(struct world *world, struct puppet *puppet, int64_t at)
{
    at = on_grid(world, at);
    if (at == puppet->wake_at)
        return;
    puppet->wake_at = at;
    queue_put(&world->queue, at, WAKE, puppet->index);
}

/* -- time -- */

static void tell_answer(const struct world *world, const struct op *op)
{
    static const char *const verdicts[] = {"nothing", "offer", "cancel", "write"};
    static const char *const verbs[] = {"start", "pause", "resume", "abort", "cancel"};
    static const char *const steers[] = {
        "stop everything", "lift the stop",  "freeze",         "pin",
        "unpin",           "join a channel", "set a baseline", "hold a wave",
        "reopen a wave",   "pass a wave",    "skip a wave"};

    if (!world->is_told)
        return;
    if (op->kind == OP_POLL)
        tell(world, "gw-%lld polls: %s %s (d-%lld)", (long long)op->row - 1,
             verdicts[op->decision.verdict], op->decision.reason, (long long)op->decision.action);
    else if (op->kind == OP_STATUS)
        tell(world, "gw-%lld tells #%lld: %s %s up %lld, d-%lld %d %s %s -> %s", //
             (long long)op->row - 1, (long long)op->sequence, op->version, op->boot_id,
             (long long)op->uptime, (long long)op->action, op->has_report ? (int)op->report : -1,
             op->class ? op->class : "", op->detail,
             op->problem ? problem_slug(op->problem) : "taken");
    else if (op->kind == OP_CONSENT)
        tell(world, "gw-%lld agrees to d-%lld -> %s", (long long)op->row - 1, (long long)op->action,
             op->problem ? problem_slug(op->problem) : "taken");
    else if (op->kind == OP_ACT)
        tell(world, "operator: %s c-%lld -> %s", verbs[op->verb], (long long)op->row,
             op->problem ? problem_slug(op->problem) : "done");
    else
        tell(world, "operator: %s, row %lld, release %lld -> %s", steers[op->steer],
             (long long)op->row, (long long)op->release_row,
             op->problem ? problem_slug(op->problem) : "done");
}

/* What devices say to the answers arrives in the same moment too, but later. */
static void run_outbox(struct world *world)
{
    const struct watcher *watcher = &world->watcher;

    while (world->outbox_count) {
        struct op *ops = world->outbox;
        struct message *envelopes = world->envelopes;
        size_t count = world->outbox_count;

        world->outbox = NULL;
        world->envelopes = NULL;
        world->outbox_count = world->outbox_room = 0;
        if (watcher->before_batch)
            watcher->before_batch(world, watcher->arg);
        engine_run(world->engine, ops, count, world->now);
        for (size_t i = 0; i < count; i++)
            if (ops[i].kind <= OP_CONSENT)
                engine_touch(world->engine, ops[i].row, world->now);
        if (watcher->after_batch)
            watcher->after_batch(world, ops, count, watcher->arg);
        for (size_t i = 0; i < count; i++) {
            tell_answer(world, &ops[i]);
            if (envelopes[i].is_heard)
                puppet_hear(world, &world->puppets[envelopes[i].puppet], &ops[i]);
        }
        free(ops);
        free(envelopes);
    }
}

static void tick(struct world *world)
{
    int64_t next = world->tick_every;

    engine_tick(world->engine, world->now);
    if (world->watcher.after_tick)
        world->watcher.after_tick(world, world->watcher.arg);
    if (world->ticks_vary)
        next *= dice_between(&world->dice, 1, 4);
    queue_put(&world->queue, on_grid(world, world->now + next), TICK, 0);
}

/* All messages of one moment come together; the ticker's turn is after them. */
static void run_moment(struct world *world)
{
    struct happening happening;
    bool ticks = false;

    while (queue_peek(&world->queue, &happening) && happening.at == world->now) {
        queue_drop_first(&world->queue);
        if (happening.kind == TICK)
            ticks = true;
        else if (happening.kind == DELIVER)
            deliver(world, happening.index);
        else if (world->puppets[happening.index].wake_at == world->now)
            puppet_wake(world, &world->puppets[happening.index]);
    }
    run_outbox(world);
    if (ticks)
        tick(world);
}

void world_run(struct world *world, int64_t until)
{
    struct happening happening;

    while (queue_peek(&world->queue, &happening) && happening.at <= until) {
        world->now = happening.at;
        run_moment(world);
    }
    world->now = until;
}

static bool is_over(struct world *world, int64_t campaign)
{
    return engine_number(world->engine,
                         "SELECT state NOT IN ('draft', 'review', 'scheduled', 'running', "
                         "'paused', 'finishing') FROM campaign WHERE row_id = :number",
                         campaign);
}

bool world_run_until_over(struct world *world, int64_t campaign, int64_t until)
{
    while (world->now < until && !is_over(world, campaign)) {
        int64_t next = world->now + 10 * world->tick_every;

        world_run(world, next < until ? next : until);
    }
    return is_over(world, campaign);
}

/* -- operators, accidents -- */

enum problem world_steer(struct world *world, const struct op *op)
{
    struct op copy = *op;

    engine_run(world->engine, &copy, 1, world->now);
    if (world->watcher.after_batch)
        world->watcher.after_batch(world, &copy, 1, world->watcher.arg);
    tell_answer(world, &copy);
    return copy.problem;
}

enum problem world_act(struct world *world, int64_t campaign, enum campaign_verb verb,
                       const char *arguments)
{
    const struct op op = {.kind = OP_ACT, .row = campaign, .verb = verb, .arguments = arguments};

    return world_steer(world, &op);
}

void world_steer_amid(struct world *world, const struct op *op)
{
    const struct message message = {*op, NOBODY, false};

    delay(world, &message, world->grain);
}

void world_act_amid(struct world *world, int64_t campaign, enum campaign_verb verb,
                    const char *arguments)
{
    const struct op op = {.kind = OP_ACT, .row = campaign, .verb = verb, .arguments = arguments};

    world_steer_amid(world, &op);
}

int64_t world_create(struct world *world, const char *wish)
{
    const struct campaign_order order = {wish, dice_next(&world->dice), true};

    enum problem problem = PROBLEM_NONE;
    int64_t campaign = engine_create(world->engine, &order, world->now, &problem);

    tell(world, "operator: campaign %s -> %s", wish, problem ? problem_slug(problem) : "made");
    return campaign;
}

void world_crash(struct world *world)
{
    tell(world, "the server crashes");
    engine_crash(world->engine);
}
