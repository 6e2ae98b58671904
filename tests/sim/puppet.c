/* SPDX-License-Identifier: Apache-2.0 */
#include "puppet.h"

#include "world.h"

#include <string.h>

bool puppet_is_away(const struct puppet *puppet, int64_t now, int64_t *ret_until)
{
    for (int i = 0; i < ABSENCES_MAX; i++)
        if (now >= puppet->habit.away[i].from && now < puppet->habit.away[i].until) {
            *ret_until = puppet->habit.away[i].until;
            return true;
        }
    return false;
}

static const char *version_of(const struct world *world, int release)
{
    return world->releases[release].version;
}

static void boot(struct world *world, struct puppet *puppet, int release)
{
    if (release != puppet->release) {
        puppet->fallback = puppet->release;
        puppet->release = release;
        if (!puppet->first_new_at)
            puppet->first_new_at = world->now;
    }
    if (world->releases[release].security > puppet->floor)
        puppet->floor = world->releases[release].security;
    puppet->boots++;
    puppet->booted_at = world->now;
    puppet->has_news = true;
    tell(world, "%s boots %s (%lld)", puppet->id, version_of(world, release),
         (long long)puppet->boots);
}

/* -- messages -- */

static void add_evidence(const struct world *world, const struct puppet *puppet, struct op *op)
{
    op->has_evidence = true;
    if (!puppet->habit.tells_no_version)
        snprintf(op->version, sizeof op->version, "%s", version_of(world, puppet->release));
    if (!puppet->habit.tells_no_boot)
        snprintf(op->boot_id, sizeof op->boot_id, "b%lld", (long long)puppet->boots);
    op->uptime = world->now - puppet->booted_at;
    op->floor = puppet->floor;
}

static struct op status(struct puppet *puppet)
{
    struct op op = {.kind = OP_STATUS, .row = puppet->row};

    if (!puppet->habit.speaks_ddi)
        op.sequence = ++puppet->sequence;
    return op;
}

static int64_t clock_error(const struct world *world, const struct puppet *puppet)
{
    const struct habit *habit = &puppet->habit;

    if (habit->clock_set_in && world->now - puppet->booted_at >= habit->clock_set_in)
        return 0;
    return habit->clock_ahead;
}

static void send(struct world *world, struct puppet *puppet, struct op *op)
{
    if (world->believes_clocks)
        op->later_by = clock_error(world, puppet);
    world_send(world, puppet, op);
}

/* What it knows of itself: with each native report, over DDI in a message of its own. */
static void tell_evidence(struct world *world, struct puppet *puppet)
{
    struct op op = status(puppet);

    add_evidence(world, puppet, &op);
    send(world, puppet, &op);
}

struct word {
    enum report_kind kind;
    const char *class, *detail;
    int64_t action;
    bool is_final;
};

static void tell_word(struct world *world, struct puppet *puppet, const struct word *word)
{
    struct op op;

    if (puppet->habit.speaks_ddi && puppet->has_news)
        tell_evidence(world, puppet);
    op = status(puppet);
    if (!puppet->habit.speaks_ddi)
        add_evidence(world, puppet, &op);
    op.has_report = true;
    op.action = word->action;
    op.report = word->kind;
    op.class = word->class;
    op.is_final = word->is_final;
    /* The only place where its own clock shows. */
    if (puppet->habit.clock_ahead && word->detail)
        snprintf(op.detail, sizeof op.detail, "%.20s at %lld", word->detail,
                 (long long)(world->now + clock_error(world, puppet)));
    else
        snprintf(op.detail, sizeof op.detail, "%s", word->detail ? word->detail : "");
    send(world, puppet, &op);
}

static void tell_step(struct world *world, struct puppet *puppet, enum report_kind kind)
{
    if (puppet->habit.tells_its_steps)
        tell_word(world, puppet, &(struct word){.kind = kind, .action = puppet->action});
}

static void tell_final(struct world *world, struct puppet *puppet)
{
    tell_word(world, puppet,
              &(struct word){puppet->final, puppet->final_class, puppet->final_detail,
                             puppet->final_action, true});
}

/* The end of its task, to be told until it is heard. */
static void conclude(struct world *world, struct puppet *puppet, enum report_kind kind,
                     const char *class, const char *detail)
{
    puppet->stage = IDLE;
    puppet->has_final = true;
    puppet->final = kind;
    puppet->final_class = class;
    puppet->final_detail = detail;
    puppet->final_action = puppet->action;
    tell_final(world, puppet);
}

/* -- work -- */

static int64_t piece_time(const struct world *world, const struct puppet *puppet)
{
    if (!puppet->habit.link)
        return world->grain;
    return world->releases[puppet->wanted].size / puppet->pieces / puppet->habit.link + 1;
}

static void take_up(struct world *world, struct puppet *puppet, const struct decision *decision)
{
    const struct habit *habit = &puppet->habit;

    puppet->action = decision->action;
    puppet->deployment_row = decision->deployment_row;
    puppet->wanted = (int)decision->release_row - 1;
    puppet->is_download_only = decision->is_download_only;
    puppet->has_final = false;
    puppet->attempts++;
    puppet->fate = habit->claims_only                               ? CLAIMS
                   : dice_chance(&puppet->dice, habit->fails)       ? FAILS
                   : dice_chance(&puppet->dice, habit->falls_back)  ? FALLS_BACK
                   : dice_chance(&puppet->dice, habit->loops)       ? LOOPS
                   : dice_chance(&puppet->dice, habit->loses_power) ? STAYS_OLD
                                                                    : WORKS;
    tell(world, "%s takes up d-%lld: %s", puppet->id, (long long)puppet->action,
         version_of(world, puppet->wanted));
    if (puppet->wanted == puppet->release && !habit->tells_no_version) {
        conclude(world, puppet, REPORT_SUCCESS, NULL, "runs already");
        return;
    }
    if (habit->rejects) {
        conclude(world, puppet, REPORT_REJECTED, NULL, "not wanted");
        return;
    }
    if (habit->postpones)
        tell_word(
            world, puppet,
            &(struct word){.kind = REPORT_REJECTED, .action = puppet->action, .detail = "not now"});
    puppet->stage = FETCHING;
    puppet->has_begun = false;
    puppet->pieces = puppet->pieces_left = (int)dice_between(&puppet->dice, 1, PIECES_MAX);
    puppet->due_at = world->now + piece_time(world, puppet);
}

/* Serves the piece that has just come through, or hears that it may not fetch any more. */
static void fetch(struct world *world, struct puppet *puppet)
{
    int64_t size = world->releases[puppet->wanted].size;
    int64_t index = puppet->pieces - puppet->pieces_left;
    int64_t first = size * index / puppet->pieces, end = size * (index + 1) / puppet->pieces;

    bool is_allowed = engine_allows(world->engine, puppet->row, puppet->wanted + 1);

    if (world->watcher.after_fetch)
        world->watcher.after_fetch(world, puppet, is_allowed, world->watcher.arg);
    if (!is_allowed) {
        conclude(world, puppet, REPORT_FAILURE, "network", "HTTP 404");
        return;
    }
    if (!puppet->has_begun) {
        puppet->has_begun = true;
        puppet->downloads++;
        tell_step(world, puppet, REPORT_DOWNLOADING);
    }
    engine_serve(world->engine, puppet->deployment_row, first, end - first, size);
    puppet->bytes += end - first;
    if (puppet->habit.is_stuck && puppet->pieces_left == 1) {
        puppet->due_at = INT64_MAX;
        return;
    }
    puppet->due_at = world->now + piece_time(world, puppet);
    if (--puppet->pieces_left > 0)
        return;
    if (puppet->is_download_only && puppet->habit.tells_its_steps) { /* others install at once */
        conclude(world, puppet, REPORT_DOWNLOADED, NULL, "downloaded");
        return;
    }
    tell_step(world, puppet, REPORT_DOWNLOADED);
    tell_step(world, puppet, REPORT_INSTALLING);
    puppet->stage = INSTALLING;
    puppet->due_at = world->now + puppet->habit.installs_in;
}

static void end_installation(struct world *world, struct puppet *puppet)
{
    puppet->installs++;
    switch (puppet->fate) {
    case FAILS:
        conclude(world, puppet, REPORT_FAILURE, puppet->habit.class, "install failed");
        return;
    case CLAIMS:
        conclude(world, puppet, REPORT_SUCCESS, NULL, "done");
        return;
    case STAYS_OLD:
        boot(world, puppet, puppet->release);
        conclude(world, puppet, REPORT_REVERTED, NULL, "power was cut");
        return;
    case LOOPS:
        boot(world, puppet, puppet->wanted);
        puppet->stage = LOOPING;
        puppet->due_at = world->now + world->grain;
        return;
    case FALLS_BACK:
    case WORKS:
        boot(world, puppet, puppet->wanted);
        puppet->stage = TRYING;
        puppet->due_at = world->now + puppet->habit.tries_for;
        if (puppet->habit.fails_later && puppet->fate == WORKS)
            puppet->fails_at = world->now + puppet->habit.fails_later;
    }
}

static void end_trial(struct world *world, struct puppet *puppet)
{
    if (puppet->fate == WORKS && puppet->habit.complains) {
        conclude(world, puppet, REPORT_FAILURE, "install", "not well");
        return;
    }
    if (puppet->fate == WORKS) {
        conclude(world, puppet, REPORT_SUCCESS, NULL, "runs");
        return;
    }
    boot(world, puppet, puppet->fallback);
    conclude(world, puppet, REPORT_REVERTED, NULL, "fell back");
}

static void work(struct world *world, struct puppet *puppet)
{
    if (puppet->stage == FETCHING)
        fetch(world, puppet);
    else if (puppet->stage == INSTALLING)
        end_installation(world, puppet);
    else if (puppet->stage == TRYING)
        end_trial(world, puppet);
    else if (puppet->stage == LOOPING) {
        boot(world, puppet, puppet->release);
        puppet->due_at = world->now + world->grain;
    }
}

/* The new version has run for days and then breaks; the other slot is still there. */
static void fail_late(struct world *world, struct puppet *puppet)
{
    puppet->fails_at = 0;
    if (puppet->stage != IDLE)
        return;
    boot(world, puppet, puppet->fallback);
    conclude(world, puppet, REPORT_REVERTED, NULL, "gave up");
}

/* -- the day -- */

static void poll(struct world *world, struct puppet *puppet)
{
    struct op op = {.kind = OP_POLL, .row = puppet->row};
    int64_t spread = puppet->habit.polls_every / 10;

    send(world, puppet, &op);
    puppet->next_poll =
        world->now + puppet->habit.polls_every + dice_between(&puppet->network, -spread, spread);
}

static int64_t next_wake(const struct world *world, const struct puppet *puppet)
{
    int64_t at = puppet->next_poll;

    if (puppet->stage != IDLE && puppet->due_at < at)
        at = puppet->due_at;
    if (puppet->fails_at && puppet->fails_at < at)
        at = puppet->fails_at;
    return at > world->now ? at : world->now + world->grain;
}

void puppet_wake(struct world *world, struct puppet *puppet)
{
    int64_t back_at;

    if (puppet_is_away(puppet, world->now, &back_at)) {
        world_wake_at(world, puppet, back_at);
        return;
    }
    if (puppet->stage != IDLE && world->now >= puppet->due_at)
        work(world, puppet);
    if (puppet->fails_at && world->now >= puppet->fails_at)
        fail_late(world, puppet);
    if (world->now >= puppet->next_poll) {
        if (puppet->has_final && puppet->final_action != puppet->answered_action)
            tell_final(world, puppet);
        else if (puppet->has_news || puppet->stage == TRYING || puppet->stage == LOOPING)
            tell_evidence(world, puppet);
        poll(world, puppet);
    } else if (puppet->has_news && puppet->stage != IDLE) {
        tell_evidence(world, puppet);
    }
    world_wake_at(world, puppet, next_wake(world, puppet));
}

static void hear_offer(struct world *world, struct puppet *puppet, const struct decision *decision)
{
    bool is_busy =
        puppet->stage == INSTALLING || puppet->stage == TRYING || puppet->stage == LOOPING;

    if (decision->awaits_consent) {
        struct op op = {.kind = OP_CONSENT, .row = puppet->row, .action = decision->action};
        send(world, puppet, &op);
        return;
    }
    if (!puppet->first_offer_at)
        puppet->first_offer_at = world->now;
    if (is_busy || (puppet->stage == FETCHING && puppet->action == decision->action))
        return;
    if (puppet->stage == IDLE && puppet->final_action == decision->action &&
        !puppet->habit.fetches_again) {
        tell_final(world, puppet);
        return;
    }
    take_up(world, puppet, decision);
}

static void hear_cancel(struct world *world, struct puppet *puppet, const struct decision *decision)
{
    bool is_late =
        puppet->action == decision->action && puppet->stage != FETCHING && puppet->stage != IDLE;

    tell_word(world, puppet,
              &(struct word){.kind = is_late ? REPORT_CANCEL_REFUSED : REPORT_CANCELLED,
                             .action = decision->action,
                             .detail = is_late ? "too late" : "stopped",
                             .is_final = !is_late});
    if (puppet->action == decision->action && puppet->stage == FETCHING)
        puppet->stage = IDLE;
}

static void hear_status(struct puppet *puppet, const struct op *op)
{
    bool is_refused = op->problem != PROBLEM_NONE && op->problem != PROBLEM_CONFLICT &&
                      op->problem != PROBLEM_NOT_FOUND;

    if (is_refused) /* an old sequence: told once more with a new one */
        return;
    if (op->has_report && op->is_final)
        puppet->answered_action = op->action;
    if (!op->has_evidence || op->problem != PROBLEM_NONE)
        return;
    if (op->floor > puppet->told_floor)
        puppet->told_floor = op->floor;
    char boot_id[TEXT_MAX];
    snprintf(boot_id, sizeof boot_id, "b%lld", (long long)puppet->boots);
    if (puppet->habit.tells_no_boot || strcmp(op->boot_id, boot_id) == 0)
        puppet->has_news = false;
}

void puppet_hear(struct world *world, struct puppet *puppet, const struct op *op)
{
    if (op->kind == OP_STATUS)
        hear_status(puppet, op);
    if (op->kind != OP_POLL || op->problem != PROBLEM_NONE)
        return;
    if (op->decision.poll_after)
        puppet->next_poll = world->now + op->decision.poll_after;
    if (op->decision.verdict == VERDICT_OFFER)
        hear_offer(world, puppet, &op->decision);
    else if (op->decision.verdict == VERDICT_CANCEL)
        hear_cancel(world, puppet, &op->decision);
    world_wake_at(world, puppet, next_wake(world, puppet));
}
