/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[INVARIANTS] = {
    [WAVES_ONLY_GROW] = "a_member_of_a_wave_stays_one",
    [STATES_ADD_UP] = "the_states_add_up_to_the_deployments",
    [HALTED_MEANS_NO_OFFER] = "nothing_is_offered_while_halted",
    [NO_WAVE_PASSES_UNCONFIRMED] = "no_wave_passes_below_its_confirmations",
    [FAILURES_BRAKE] = "a_spent_failure_budget_halts_at_once",
    [SECURITY_NEVER_FALLS] = "no_device_is_offered_less_than_its_security_floor",
    [ORDER_DOES_NOT_MATTER] = "order_and_duplicates_of_messages_change_nothing",
    [RESTART_LOSES_NOTHING] = "a_crash_loses_no_decision",
    [SILENCE_WRITES_NOTHING] = "silence_writes_nothing",
    [LOG_IS_COMPLETE] = "every_move_is_in_the_log",
    [NOTHING_BEFORE_ITS_TIME] = "nothing_is_offered_in_a_freeze_out_of_hours_or_out_of_turn",
    [CAPS_HOLD] = "no_cap_is_passed_by_an_offer",
    [RELEASES_ONLY_RISE] = "a_lower_release_comes_only_by_rollback_or_pin",
    [FLOORS_ARE_NOT_SKIPPED] = "no_way_skips_a_floor",
    [STOP_IS_AT_ONCE] = "after_the_emergency_stop_nothing_is_offered_or_sent",
    [PINS_COME_FIRST] = "a_pinned_device_gets_what_it_is_pinned_to",
    [HASH_COVERS_THE_PLAN] = "every_member_of_a_plan_changes_its_hash",
};

static struct board own, *used = &own;

const char *invariant_name(enum invariant invariant)
{
    return names[invariant];
}

void board_use(struct board *board)
{
    used = board;
}

static _Noreturn void end(enum invariant invariant, const char *format, va_list arguments)
{
    used->has_failed = true;
    used->broken = invariant;
    vsnprintf(used->text, sizeof used->text, format, arguments);
    if (used == &own)
        fprintf(stderr, "%s: %s\n", invariant < INVARIANTS ? names[invariant] : "broke down",
                used->text);
    fflush(stdout);
    _Exit(1);
}

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end(INVARIANTS, format, arguments);
}

void broken(enum invariant invariant, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end(invariant, format, arguments);
}

void checked(enum invariant invariant)
{
    used->checked[invariant]++;
}

void *need(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}
