/* SPDX-License-Identifier: Apache-2.0 */
#include "store/upload.h"

#include "store/upload.sql.h"

#include <string.h>

static const char *const state_names[] = {
    [UPLOAD_OPEN] = "open", [UPLOAD_FINISHED] = "finished", [UPLOAD_FAILED] = "failed"};

const char *upload_state_name(enum upload_state state)
{
    return state_names[state];
}

static enum upload_state state_of(const char *name)
{
    size_t i = 0;

    while (i < UPLOAD_FAILED && strcmp(state_names[i], name) != 0)
        i++;
    return (enum upload_state)i;
}

static int read_upload(struct query *q, struct upload *ret, struct error *err)
{
    size_t length;
    const void *sha256 = query_blob(q, 5, &length);

    *ret = (struct upload){
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .size = query_number(q, 4),
        .is_encrypted = strcmp(query_text(q, 6), "aes128gcm") == 0,
        .state = state_of(query_text(q, 7)),
        .created_at = query_number(q, 8),
        .updated_at = query_number(q, 9),
    };
    query_copy(q, 2, ret->id, sizeof ret->id);
    query_copy(q, 3, ret->file, sizeof ret->file);
    if (length != sizeof ret->sha256)
        return fail_internal(err, "upload %s has no hash", ret->id);
    memcpy(ret->sha256, sha256, sizeof ret->sha256);
    return 0;
}

int upload_get(struct tx *tx, int64_t tenant_row, const char *id, struct upload *ret,
               struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, upload_get_sql);
    struct upload upload;

    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED || (step == STEP_ROW && read_upload(&q, &upload, err)))
        return -1;
    if (step == STEP_DONE || (tenant_row && upload.tenant_row != tenant_row))
        return fail(err, PROBLEM_NO_SUCH_UPLOAD, "upload %.64s", id);
    *ret = upload;
    return 0;
}

int upload_insert(struct tx *tx, const struct upload *upload, const char *created_by,
                  struct error *err)
{
    struct query q = query_start(tx, upload_insert_sql);

    query_bind_number(&q, ":tenant", upload->tenant_row);
    query_bind_text(&q, ":id", upload->id);
    query_bind_text(&q, ":file", upload->file);
    query_bind_number(&q, ":size", upload->size);
    query_bind_blob(&q, ":sha256", upload->sha256, sizeof upload->sha256);
    query_bind_text(&q, ":encoding", upload->is_encrypted ? "aes128gcm" : "identity");
    query_bind_text(&q, ":created_by", created_by);
    query_bind_number(&q, ":now", upload->created_at);
    return query_run(&q, err);
}

int upload_set_state(struct tx *tx, const struct upload *upload, enum upload_state state,
                     int64_t now, struct error *err)
{
    struct query q = query_start(tx, upload_set_state_sql);

    query_bind_text(&q, ":state", state_names[state]);
    query_bind_number(&q, ":now", now);
    query_bind_number(&q, ":upload", upload->row_id);
    if (query_run(&q, err))
        return -1;
    if (query_changes(&q) != 1)
        return fail(err, PROBLEM_WRONG_STATE, "upload %s is not open any more", upload->id);
    return 0;
}

int upload_delete(struct tx *tx, const struct upload *upload, struct error *err)
{
    struct query q = query_start(tx, upload_delete_sql);

    query_bind_number(&q, ":upload", upload->row_id);
    return query_run(&q, err);
}

int upload_each(struct tx *tx, enum upload_state state, int64_t before, upload_fn each, void *arg,
                struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, upload_in_state_sql);
    struct upload upload;
    enum step step;

    query_bind_text(&q, ":state", state_names[state]);
    query_bind_number(&q, ":before", before);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (read_upload(&q, &upload, err) || each(&upload, arg, err))
            return -1;
    return step == STEP_FAILED ? -1 : 0;
}
