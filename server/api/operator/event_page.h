/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTAD_API_OPERATOR_EVENT_PAGE_H
#define OTAD_API_OPERATOR_EVENT_PAGE_H

#include "api/app.h"
#include "store/event.h"

/* What happened, newest first: a device's events name their campaigns, a campaign's their devices.
 */
int reply_events(struct reply *reply, struct tx *tx, const struct event_query *query,
                 struct error *err) MUST_CHECK;

#endif
