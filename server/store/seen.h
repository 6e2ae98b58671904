/* SPDX-License-Identifier: Apache-2.0 */
/* When a device was last heard of: gathered in memory, written to device_seen every few seconds.
 * The only data whose last seconds may be lost; in exchange a poll that changes nothing writes
 * nothing. */
#ifndef OTAD_STORE_SEEN_H
#define OTAD_STORE_SEEN_H

#include "store/store.h"

#define SEEN_ADDRESS_SIZE 46
#define SEEN_CLIENT_SIZE 64

struct seen;

struct last_seen {
    int64_t at;
    char address[SEEN_ADDRESS_SIZE];
    char client[SEEN_CLIENT_SIZE]; /* User-Agent: printable ASCII, cut */
};

/* Flushes every `flush_seconds`, or earlier when half of `most` devices wait. */
int seen_start(struct store *store, int64_t flush_seconds, int64_t most, struct seen **ret,
               struct error *err) MUST_CHECK;
/* Writes what is left. */
void seen_stop(struct seen **seen);

/* Any thread, never blocks on the store; a little lock is taken. NULL texts are "". Past `most`
 * devices it is forgotten. */
void seen_touch(struct seen *seen, int64_t device_row, int64_t now, const char *address,
                const char *client);
/* Memory first, then the table. STEP_DONE: never seen. */
enum step seen_last(struct seen *seen, struct tx *tx, int64_t device_row, struct last_seen *ret,
                    struct error *err) MUST_CHECK;
/* Writes all that waits and returns when it is on disk. Not on the writer. */
int seen_flush(struct seen *seen, struct error *err) MUST_CHECK;

#endif
