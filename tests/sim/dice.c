/* SPDX-License-Identifier: Apache-2.0 */
#include "dice.h"

/* SplitMix64 spreads a small seed over the state of xoshiro256**; both are in the public domain, by
 * Vigna and others. */
static uint64_t spread(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotated(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

void dice_seed(struct dice *dice, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        dice->state[i] = spread(&seed);
}

struct dice dice_fork(struct dice *dice)
{
    struct dice fork;

    dice_seed(&fork, dice_next(dice));
    return fork;
}

uint64_t dice_next(struct dice *dice)
{
    uint64_t *s = dice->state;
    uint64_t result = rotated(s[1] * 5, 7) * 9, shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotated(s[3], 45);
    return result;
}

int64_t dice_below(struct dice *dice, int64_t limit)
{
    return (int64_t)((unsigned __int128)dice_next(dice) * (uint64_t)limit >> 64);
}

int64_t dice_between(struct dice *dice, int64_t low, int64_t high)
{
    return low + dice_below(dice, high - low + 1);
}

double dice_share(struct dice *dice)
{
    return (double)(dice_next(dice) >> 11) * 0x1p-53;
}

bool dice_chance(struct dice *dice, double probability)
{
    return dice_share(dice) < probability;
}
