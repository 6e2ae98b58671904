/* SPDX-License-Identifier: Apache-2.0 */
/* How a run says that it went wrong. Each runs in a process of its own, which ends at the spot; the
 * board, shared with the parent, keeps what there is to say. */
#ifndef OTAD_SIM_OUTCOME_H
#define OTAD_SIM_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

/* What must hold in every run, whatever the plan, the fleet and the network. */
enum invariant {
    WAVES_ONLY_GROW,
    STATES_ADD_UP,
    HALTED_MEANS_NO_OFFER,
    NO_WAVE_PASSES_UNCONFIRMED,
    FAILURES_BRAKE,
    SECURITY_NEVER_FALLS,
    ORDER_DOES_NOT_MATTER,
    RESTART_LOSES_NOTHING,
    SILENCE_WRITES_NOTHING,
    LOG_IS_COMPLETE,
    NOTHING_BEFORE_ITS_TIME,
    CAPS_HOLD,
    RELEASES_ONLY_RISE,
    FLOORS_ARE_NOT_SKIPPED,
    STOP_IS_AT_ONCE,
    PINS_COME_FIRST,
    HASH_COVERS_THE_PLAN,
    INVARIANTS
};
const char *invariant_name(enum invariant invariant);

struct board {
    uint64_t number; /* of the run at work */
    bool is_at_work;
    uint64_t checked[INVARIANTS];
    bool has_failed;
    enum invariant broken; /* INVARIANTS: the run itself broke down */
    char text[512];
};
/* What this process writes to; before that, to standard error. */
void board_use(struct board *board);

/* The engine gave a failure where there is none to give, or a story went another way. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void broken(enum invariant invariant, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* One more look at it, so that a check that never happens shows. */
void checked(enum invariant invariant);

void *need(void *memory); /* dies of NULL */

#endif
