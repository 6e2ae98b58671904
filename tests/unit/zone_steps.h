/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, and numbers that are the same in each run. Include after cmocka.h. */
#ifndef OTAD_ZONE_STEPS_H
#define OTAD_ZONE_STEPS_H

#include "core/clock.h"

static inline int64_t at(const char *text)
{
    int64_t wall = 0;

    if (!clock_parse(text, &wall))
        fail_msg("%s is no time", text);
    return wall;
}

static inline const char *written(int64_t wall)
{
    static char texts[4][CLOCK_TEXT_SIZE];
    static unsigned next;

    return clock_text(wall, texts[next++ % 4]);
}

/* The same numbers in each run. */
static uint64_t random_state = 88172645463325252;

static inline int64_t any(int64_t least, int64_t most)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return least + (int64_t)(random_state % (uint64_t)(most - least + 1));
}

#endif
