/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads as the database knows them. How far one has come is the length of its file alone
 * (store/blob.h), so no row can disagree with the disk. */
#ifndef OTAD_STORE_UPLOAD_H
#define OTAD_STORE_UPLOAD_H

#include "core/digest.h"
#include "store/store.h"

#define UPLOAD_ID_SIZE 33

enum upload_state { UPLOAD_OPEN, UPLOAD_FINISHED, UPLOAD_FAILED };
const char *upload_state_name(enum upload_state state);

struct upload {
    int64_t row_id, tenant_row;
    char id[UPLOAD_ID_SIZE];
    char file[129];
    int64_t size;
    uint8_t sha256[SHA256_SIZE];
    bool is_encrypted;
    enum upload_state state;
    int64_t created_at, updated_at;
};

/* Absent is NO_SUCH_UPLOAD; tenant 0 finds all. */
int upload_get(struct tx *tx, int64_t tenant_row, const char *id, struct upload *ret,
               struct error *err) MUST_CHECK;
int upload_insert(struct tx *tx, const struct upload *upload, const char *created_by,
                  struct error *err) MUST_CHECK;
/* Only an open one moves; WRONG_STATE otherwise. */
int upload_set_state(struct tx *tx, const struct upload *upload, enum upload_state state,
                     int64_t now, struct error *err) MUST_CHECK;
int upload_delete(struct tx *tx, const struct upload *upload, struct error *err) MUST_CHECK;

typedef int (*upload_fn)(const struct upload *upload, void *arg, struct error *err);
/* In this state and last changed before `before`, oldest first; all tenants. */
int upload_each(struct tx *tx, enum upload_state state, int64_t before, upload_fn each, void *arg,
                struct error *err) MUST_CHECK;

#endif
