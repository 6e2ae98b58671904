/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of role files and of releases have in common. */
#ifndef OTAD_API_OPERATOR_DRAFT_REPLY_H
#define OTAD_API_OPERATOR_DRAFT_REPLY_H

#include "api/app.h"
#include "trust/apply.h"

/* Who asks, for trust/apply.h; borrowed from the request. */
struct trust_request trust_request_of(struct request *req);

/* The draft called `id` as JSON. */
int reply_draft(struct request *req, struct reply *reply, int status, const char *id,
                struct error *err) MUST_CHECK;

#endif
