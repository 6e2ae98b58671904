/* SPDX-License-Identifier: Apache-2.0 */
/* Chance that can be had again: every draw follows from the seed. */
#ifndef OTAD_SIM_DICE_H
#define OTAD_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state[4];
};

void dice_seed(struct dice *dice, uint64_t seed);
/* An independent sequence, for one device or one purpose: what others draw does not move it. */
struct dice dice_fork(struct dice *dice);
uint64_t dice_next(struct dice *dice);
int64_t dice_below(struct dice *dice, int64_t limit);               /* 0 … limit - 1 */
int64_t dice_between(struct dice *dice, int64_t low, int64_t high); /* both may come */
double dice_share(struct dice *dice);                               /* 0 ≤ x < 1 */
bool dice_chance(struct dice *dice, double probability);

#endif
