/* SPDX-License-Identifier: Apache-2.0 */
/* Small fleets, random in everything: plans, faults, network, operators, crashes. */
#ifndef OTAD_SIM_PROPERTIES_H
#define OTAD_SIM_PROPERTIES_H

#include "world.h"

/* Ends the process where an invariant does not hold. */
void property_run(struct engine *engine, uint64_t seed, bool is_told);

#endif
