/* SPDX-License-Identifier: Apache-2.0 */
/* Role files that wait for signatures. */
#ifndef OTAD_STORE_DRAFT_H
#define OTAD_STORE_DRAFT_H

#include "store/store.h"

#define DRAFT_ID_SIZE 33
#define DRAFT_ROLE_SIZE 41

struct draft {
    int64_t row_id, tenant_row;
    char id[DRAFT_ID_SIZE];
    char role[DRAFT_ROLE_SIZE];
    int64_t version;
    bool is_open;
    char *payload; /* the canonical bytes that are signed; owned */
    size_t length;
    int64_t created_at;
};
void draft_clear(struct draft *draft);

/* Absent or dropped is NO_SUCH_DRAFT. */
int draft_get(struct tx *tx, int64_t tenant_row, const char *id, struct draft *ret,
              struct error *err) MUST_CHECK;
int draft_insert(struct tx *tx, const struct draft *draft, const char *created_by,
                 struct error *err) MUST_CHECK;
/* Only an open one; WRONG_STATE otherwise. Its signatures stay with it. */
int draft_publish(struct tx *tx, const struct draft *draft, struct error *err) MUST_CHECK;
/* Forgets an open one and its signatures. */
int draft_drop(struct tx *tx, const struct draft *draft, struct error *err) MUST_CHECK;
int draft_count_open(struct tx *tx, int64_t tenant_row, int64_t *ret, struct error *err) MUST_CHECK;

/* Open ones, oldest first, past the one called `after` (""; from the start). */
typedef int (*draft_fn)(const char *id, void *arg, struct error *err);
int draft_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, draft_fn each,
               void *arg, struct error *err) MUST_CHECK;

struct draft_signature {
    const char *keyid, *hex, *added_by;
    int64_t added_at;
};
/* ALREADY_EXISTS when this key signed before. */
int draft_signature_insert(struct tx *tx, const struct draft *draft,
                           const struct draft_signature *signature, struct error *err) MUST_CHECK;
typedef int (*draft_signature_fn)(const struct draft_signature *signature, void *arg,
                                  struct error *err);
/* In order of keyid. */
int draft_signatures(struct tx *tx, const struct draft *draft, draft_signature_fn each, void *arg,
                     struct error *err) MUST_CHECK;

#endif
