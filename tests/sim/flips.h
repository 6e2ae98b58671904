/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever approves a plan approves its hash: no member may be changed under it. */
#ifndef OTAD_SIM_FLIPS_H
#define OTAD_SIM_FLIPS_H

#include "plan.h"
#include "world.h"

/* Changes each member of a plan in turn, and looks at the hash. */
void flips_check(struct engine *engine, const struct plan_model *plan);

#endif
