/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of campaigns begin and end with. */
#ifndef OTAD_API_OPERATOR_CAMPAIGN_FRAME_H
#define OTAD_API_OPERATOR_CAMPAIGN_FRAME_H

#include "api/operator/frame.h"

/* The campaign that the path names. */
int frame_campaign(struct request *req, struct tx *tx, int64_t *ret_row,
                   struct error *err) MUST_CHECK;
/* The same for a write: If-Match names the `change` that was read, so that nobody acts on what has
 * changed since. */
int frame_campaign_unchanged(struct request *req, struct tx *tx, int64_t *ret_row,
                             struct error *err) MUST_CHECK;
/* Commits and answers with the campaign as it is now. */
int reply_changed_campaign(struct request *req, struct reply *reply, struct tx *tx, int64_t row,
                           int status, struct error *err);
/* The campaign with its entity tag; takes the JSON. A GET whose tag is known answers 304. */
int reply_campaign(struct request *req, struct reply *reply, int status, json_t *json);

#endif
