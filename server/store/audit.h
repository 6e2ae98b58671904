/* SPDX-License-Identifier: Apache-2.0 */
/* Who changed what: an append-only chain of hashes, written in the transaction of the change. */
#ifndef OTAD_STORE_AUDIT_H
#define OTAD_STORE_AUDIT_H

#include "store/store.h"

struct audit {
    int64_t at;
    const char *actor_kind, *actor, *source, *request, *action, *object, *outcome, *detail;
};
/* NULL texts are "". `outcome` is "done" unless something else happened. */
int audit_write(struct tx *tx, const struct audit *audit, struct error *err) MUST_CHECK;
/* Recomputes the chain; `ret_bad` is the first sequence that does not fit, 0 when all do. */
int audit_verify(struct tx *tx, int64_t *ret_last, int64_t *ret_bad, struct error *err) MUST_CHECK;

/* Records past `after` in order. Texts are borrowed for the call. */
typedef int (*audit_fn)(int64_t sequence, const struct audit *audit, const uint8_t hash[32],
                        void *arg, struct error *err);
int audit_list(struct tx *tx, int64_t after, int64_t limit, audit_fn each, void *arg,
               struct error *err) MUST_CHECK;

#endif
