/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of what happened: every change of state appends here in its own transaction. */
#ifndef OTAD_STORE_EVENT_H
#define OTAD_STORE_EVENT_H

#include "store/store.h"

struct event {
    int64_t row_id; /* set when read */
    int64_t at, tenant_row;
    const char *kind; /* "device.state", "device.version", "deployment.state", "report", … */
    int64_t device_row, campaign_row, deployment_row, attempt; /* 0: none */
    const uint8_t *message_hash;                               /* 32 bytes or NULL */
    const char *from_state, *to_state, *cause, *detail;        /* NULL means "" */
    const char *told; /* what the device said, as it said it, as a JSON object; NULL: nothing */
};

int event_append(struct tx *tx, const struct event *event, struct error *err) MUST_CHECK;
/* Whether this deployment and attempt took a message with this hash already. */
int event_has_message(struct tx *tx, int64_t deployment_row, int64_t attempt,
                      const uint8_t hash[32], bool *ret, struct error *err) MUST_CHECK;
/* Whether it was the last that it took. */
int event_is_latest_message(struct tx *tx, int64_t deployment_row, int64_t attempt,
                            const uint8_t hash[32], bool *ret, struct error *err) MUST_CHECK;

/* What a device said of a deployment, the newest first, below `before` (0: from the end). Text is
 * borrowed for the call. */
struct told {
    int64_t row_id, at, attempt;
    const char *json;
};
typedef int (*told_fn)(const struct told *told, void *arg, struct error *err);
int event_told(struct tx *tx, int64_t deployment_row, int64_t before, int64_t limit, told_fn each,
               void *arg, struct error *err) MUST_CHECK;
/* How many of them one attempt has; `most` stands for more. */
int event_told_count(struct tx *tx, int64_t deployment_row, int64_t attempt, int64_t most,
                     int64_t *ret, struct error *err) MUST_CHECK;

/* Keeps the newest `keep` events of a device and drops older ones. */
int event_trim(struct tx *tx, int64_t device_row, int64_t keep, struct error *err) MUST_CHECK;

/* Newest first, below `before` (0: from the end). Exactly one of the three rows is non-zero. Text
 * in `event` is borrowed for the call. */
typedef int (*event_fn)(const struct event *event, void *arg, struct error *err);
struct event_query {
    int64_t device_row, campaign_row, deployment_row, before, limit;
};
int event_list(struct tx *tx, const struct event_query *query, event_fn each, void *arg,
               struct error *err) MUST_CHECK;

#endif
