/* SPDX-License-Identifier: Apache-2.0 */
/* Answers kept for a while under the key their request bore, so that sent twice it is done once. */
#ifndef OTAD_STORE_IDEMPOTENCY_H
#define OTAD_STORE_IDEMPOTENCY_H

#include "store/store.h"

#define IDEMPOTENCY_KEPT (24 * 3600) /* seconds */

struct kept_answer {
    int64_t tenant_row;
    const char *operator, * key; /* borrowed */
    uint8_t request_hash[32];
    int status;
    char *body; /* owned */
};
void kept_answer_clear(struct kept_answer *answer);

/* Fills hash, status and body of what tenant, operator and key name. */
enum step idempotency_find(struct tx *tx, struct kept_answer *answer, int64_t now,
                           struct error *err) MUST_CHECK;
/* Keeps it, and of all at most `most`. */
int idempotency_keep(struct tx *tx, const struct kept_answer *answer, int64_t most, int64_t now,
                     struct error *err) MUST_CHECK;

#endif
