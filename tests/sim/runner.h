/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in processes of their own, as many at once as there are processors. What ends one is noted
 * for it, and the next go on in a new process. */
#ifndef OTAD_SIM_RUNNER_H
#define OTAD_SIM_RUNNER_H

#include "engine.h"
#include "outcome.h"

typedef void (*run_fn)(struct engine *engine, uint64_t number, void *arg);

struct run {
    enum { RUN_UNDONE, RUN_PASSED, RUN_FAILED } state;
    enum invariant broken; /* INVARIANTS: something else */
    double seconds;
    char text[512];
};

struct runs {
    uint64_t first, count;
    run_fn run;
    void *arg;
    int processes;       /* 0: one per processor */
    struct run *results; /* of number first + i; shared with the processes */
    uint64_t checked[INVARIANTS];
    double seconds;
    int failed;
};

/* Gives up after a number of failures: the rest stays undone. */
void runs_do(struct runs *runs);
void runs_free(struct runs *runs);

#endif
