/* SPDX-License-Identifier: Apache-2.0 */
/* What holds updates back: freezes by calendar, and the emergency stop. */
#ifndef OTAD_STORE_FREEZE_H
#define OTAD_STORE_FREEZE_H

#include "store/store.h"

struct freeze {
    int64_t row_id, tenant_row, from_at, until_at, created_at;
    char id[24]; /* f-<number> */
    char reason[161], created_by[65];
    char *target; /* a filter; "": everybody. Owned */
};
void freeze_clear(struct freeze *freeze);

/* Fills row_id. */
int freeze_insert(struct tx *tx, struct freeze *freeze, struct error *err) MUST_CHECK;
enum step freeze_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct freeze *ret,
                       struct error *err) MUST_CHECK;
int freeze_delete(struct tx *tx, int64_t row_id, struct error *err) MUST_CHECK;
/* Those that end after `after`, in order of their end; of all tenants when tenant_row is 0.
 * Borrowed for the call. */
typedef int (*freeze_fn)(const struct freeze *freeze, void *arg, struct error *err);
int freeze_each(struct tx *tx, int64_t tenant_row, int64_t after, freeze_fn each, void *arg,
                struct error *err) MUST_CHECK;

/* The emergency stop of a tenant: while it is there nobody is offered or sent anything. */
struct halt {
    int64_t tenant_row, halted_at;
    char reason[161], halted_by[65];
};
/* STEP_DONE: it is not stopped. */
enum step halt_of(struct tx *tx, int64_t tenant_row, struct halt *ret,
                  struct error *err) MUST_CHECK;
/* The tenants that are stopped. */
typedef int (*halt_fn)(int64_t tenant_row, void *arg, struct error *err);
int halt_each(struct tx *tx, halt_fn each, void *arg, struct error *err) MUST_CHECK;
int halt_set(struct tx *tx, const struct halt *halt, struct error *err) MUST_CHECK;
int halt_lift(struct tx *tx, int64_t tenant_row, int64_t now, struct error *err) MUST_CHECK;
/* When the last one was lifted; 0: there was none. */
int halt_lifted_at(struct tx *tx, int64_t tenant_row, int64_t *ret, struct error *err) MUST_CHECK;

#endif
