/* SPDX-License-Identifier: Apache-2.0 */
/* How a fleet would fall into the waves of a plan that has not begun: for previews. */
#ifndef OTAD_CAMPAIGN_FORECAST_H
#define OTAD_CAMPAIGN_FORECAST_H

#include "campaign/wave.h"

struct forecast;
/* The rules must live as long. */
int forecast_new(const struct rules *rules, struct forecast **ret, struct error *err) MUST_CHECK;
void forecast_free(struct forecast **forecast);

/* A device that would take the release and is active. */
int forecast_add(struct forecast *forecast, const struct filter_subject *facts, int64_t rank,
                 struct error *err) MUST_CHECK;
/* The first waves open first: draws and bands in their order, as if nobody else came. */
int forecast_end(struct forecast *forecast, int64_t ret_devices[RULES_WAVES_MAX],
                 struct error *err) MUST_CHECK;

#endif
