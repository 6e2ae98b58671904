/* SPDX-License-Identifier: Apache-2.0 */
/* What every operator handler begins and ends with: a tx, the audit record, pages. */
#ifndef OTAD_API_OPERATOR_FRAME_H
#define OTAD_API_OPERATOR_FRAME_H

#include "api/app.h"
#include "core/text.h"
#include "store/audit.h"

int frame_read(struct request *req, struct tx *tx, struct error *err) MUST_CHECK;
int frame_write(struct request *req, struct tx *tx, struct error *err) MUST_CHECK;

/* Writes the audit record of a change in its transaction. NULL detail is "". */
int frame_audit(struct request *req, struct tx *tx, const char *action, const char *object,
                const char *detail, struct error *err) MUST_CHECK;
/* The same person for the functions of campaign/; borrowed from the request. */
struct actor frame_actor(struct request *req);

/* The body of a RAW_BODY route as JSON object; NULL when there is no body at all. Yours. */
int frame_body_or_none(struct request *req, json_t **ret, struct error *err) MUST_CHECK;
/* The optional "reason" of such a body, "" without; at most 200 bytes. */
#define REASON_SIZE 201
int frame_reason(struct request *req, char ret[REASON_SIZE], struct error *err) MUST_CHECK;

/* `limit` (1 to 500, default 100) and `after` ("" without; must be an identifier of `kind`). */
struct page {
    int64_t limit;
    const char *after;
};
int frame_page(struct request *req, enum identifier kind, struct page *ret,
               struct error *err) MUST_CHECK;
/* The same where the cursor is a row's number, called `name` in the query; 0 without. */
int frame_numbered_page(struct request *req, const char *name, int64_t *ret_cursor,
                        int64_t *ret_limit, struct error *err) MUST_CHECK;
/* {"items":[…],"next":…}; takes the items. NULL next: this was the last page. */
int reply_page(struct reply *reply, json_t *items, const char *next);
int reply_numbered_page(struct reply *reply, json_t *items, int64_t last, bool has_more);

/* Adds what it takes; -1 when memory is out. */
int json_add(json_t *array, json_t *value, struct error *err) MUST_CHECK;

#endif
