/* SPDX-License-Identifier: Apache-2.0 */
/* What operators said beside campaigns, as the simulator remembers it, and what devices may be told
 * after that. It never comes from the engine. */
#ifndef OTAD_SIM_SAID_H
#define OTAD_SIM_SAID_H

#include "world.h"

#define FREEZES_MAX 8

struct said_freeze {
    const char *target; /* "", "model = ap" or "site = s1" */
    int64_t from, until, since;
};
struct said_pin {
    bool is_set;
    int64_t release_row; /* 0: hold */
    int64_t until, since;
};
struct said_channel {
    int64_t row; /* 0: rules decide */
    int64_t since;
};

struct said {
    bool is_halted, was_halted; /* now; before the present batch */
    struct said_freeze freezes[FREEZES_MAX];
    size_t freeze_count;
    struct said_pin *pins;         /* by puppet */
    struct said_channel *channels; /* by puppet */
};

struct watch;

/* Looks at each answer and each request for an image from now on. */
void said_begin(struct said *said, size_t puppet_count);
void said_clear(struct said *said);
void said_before_batch(struct watch *watch);
void said_after_batch(struct watch *watch, const struct op *ops, size_t count);
void said_after_fetch(struct watch *watch, const struct puppet *puppet, bool is_allowed);

#endif
