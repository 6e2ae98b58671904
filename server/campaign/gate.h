/* SPDX-License-Identifier: Apache-2.0 */
/* When a wave may pass and when a campaign must stop. Gates count confirmed devices, brakes count
 * failures over resolved ones: two counts, never one percentage of "all targets". */
#ifndef OTAD_CAMPAIGN_GATE_H
#define OTAD_CAMPAIGN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The counts of one wave or of a whole campaign. */
struct tally {
    int64_t active;    /* A: members seen lately, as last counted */
    int64_t offered;   /* O */
    int64_t confirmed; /* C */
    int64_t failed;    /* F: failed, reverted, lost, timed out */
    int64_t uncounted; /* members that turned out not to count: rejected, removed, … */
};

struct budget {
    double share;     /* of the resolved devices, 0..1 */
    int64_t failures; /* fewer than this never trip it */
    int64_t sample;   /* the share is taken of at least this many */
};

/* Trips at F >= max(failures, ceil(share * max(R, sample))). */
int64_t budget_trips_at(const struct budget *budget, int64_t resolved);

enum brake { BRAKE_NONE, BRAKE_PAUSE, BRAKE_ABORT };
/* `accepted` failures were taken on by an operator and count no more. */
enum brake gate_brake(const struct budget *pause, const struct budget *abort,
                      const struct tally *tally, int64_t accepted);

struct gate {
    int64_t min_confirmed; /* 0: min(active, 5) */
    double coverage;       /* 0..1 of the active members that must be resolved */
    int64_t soak;          /* seconds between covered and passed */
    bool is_manual;        /* an operator passes it */
};

enum gate_answer {
    GATE_WAIT, /* not enough is known */
    GATE_SOAK, /* covered: the soak runs */
    GATE_PASS,
    GATE_APPROVE, /* all is fulfilled but the operator's word */
    GATE_SKIP,    /* it has no active member and offered nothing */
    GATE_HOLD,    /* it cannot reach min_confirmed any more, even if all that are left confirm */
};
struct gate_verdict {
    enum gate_answer answer;
    int64_t needs_confirmed, needs_resolved; /* how many more; 0: reached */
    int64_t left;                            /* active members without an outcome */
    int64_t soak_left;                       /* seconds */
};
/* In the order of the answers: skipped without an active member, held as soon as too few members
 * are left, then what lacks, soak, approval. `covered_at` is 0 while coverage has not been reached.
 */
struct gate_verdict gate_judge(const struct gate *gate, const struct tally *tally,
                               int64_t covered_at, int64_t now);

/* "needs 3 more confirmed, then soaks for 40 s": for people. Returns `text`. */
#define GATE_TEXT_SIZE 192
const char *gate_text(const struct gate_verdict *verdict, char text[GATE_TEXT_SIZE]);

/* What the sample can say: the true failure rate that `failed` out of `resolved` does not rule out
 * (upper 95 % bound, Clopper and Pearson). 1 when nothing is resolved. */
double gate_upper_bound(int64_t failed, int64_t resolved);

#endif
