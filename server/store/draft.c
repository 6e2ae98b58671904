/* SPDX-License-Identifier: Apache-2.0 */
#include "store/draft.h"

#include "store/draft.sql.h"

#include <string.h>

void draft_clear(struct draft *draft)
{
    free(draft->payload);
    *draft = (struct draft){0};
}

static int read_draft(struct query *q, struct draft *ret, struct error *err)
{
    const void *payload = query_blob(q, 6, &ret->length);

    ret->row_id = query_number(q, 0);
    ret->tenant_row = query_number(q, 1);
    ret->version = query_number(q, 4);
    ret->is_open = strcmp(query_text(q, 5), "open") == 0;
    ret->created_at = query_number(q, 7);
    query_copy(q, 2, ret->id, sizeof ret->id);
    query_copy(q, 3, ret->role, sizeof ret->role);
    if (!ret->length)
        return fail_internal(err, "draft %s is damaged", ret->id);
    ret->payload = malloc(ret->length);
    if (!ret->payload)
        return fail_internal(err, "out of memory for a draft");
    memcpy(ret->payload, payload, ret->length);
    return 0;
}

int draft_get(struct tx *tx, int64_t tenant_row, const char *id, struct draft *ret,
              struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, draft_get_sql);
    CLEANUP(draft_clear) struct draft draft = {0};

    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED || (step == STEP_ROW && read_draft(&q, &draft, err)))
        return -1;
    if (step == STEP_DONE || draft.tenant_row != tenant_row)
        return fail(err, PROBLEM_NO_SUCH_DRAFT, "draft %.64s", id);
    *ret = draft;
    draft.payload = NULL;
    return 0;
}

int draft_insert(struct tx *tx, const struct draft *draft, const char *created_by,
                 struct error *err)
{
    struct query q = query_start(tx, draft_insert_sql);

    query_bind_number(&q, ":tenant", draft->tenant_row);
    query_bind_text(&q, ":id", draft->id);
    query_bind_text(&q, ":role", draft->role);
    query_bind_number(&q, ":version", draft->version);
    query_bind_blob(&q, ":payload", draft->payload, draft->length);
    query_bind_text(&q, ":created_by", created_by);
    query_bind_number(&q, ":created_at", draft->created_at);
    return query_run(&q, err);
}

static int change_open(struct tx *tx, const char *sql, const struct draft *draft, struct error *err)
{
    struct query q = query_start(tx, sql);

    query_bind_number(&q, ":draft", draft->row_id);
    if (query_run(&q, err))
        return -1;
    if (query_changes(&q) != 1)
        return fail(err, PROBLEM_WRONG_STATE, "draft %s is not open", draft->id);
    return 0;
}

int draft_publish(struct tx *tx, const struct draft *draft, struct error *err)
{
    return change_open(tx, draft_publish_sql, draft, err);
}

int draft_drop(struct tx *tx, const struct draft *draft, struct error *err)
{
    return change_open(tx, draft_drop_sql, draft, err);
}

int draft_count_open(struct tx *tx, int64_t tenant_row, int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, draft_count_open_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret = query_number(&q, 0);
    return 0;
}

int draft_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, draft_fn each,
               void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, draft_page_sql);
    enum step step;

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":after", after);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each(query_text(&q, 0), arg, err))
            return -1;
    return step == STEP_FAILED ? -1 : 0;
}

int draft_signature_insert(struct tx *tx, const struct draft *draft,
                           const struct draft_signature *signature, struct error *err)
{
    struct query q = query_start(tx, draft_signature_insert_sql);

    query_bind_number(&q, ":draft", draft->row_id);
    query_bind_text(&q, ":keyid", signature->keyid);
    query_bind_text(&q, ":signature", signature->hex);
    query_bind_text(&q, ":added_by", signature->added_by);
    query_bind_number(&q, ":added_at", signature->added_at);
    if (query_run(&q, err))
        return -1;
    if (query_changes(&q) != 1)
        return fail(err, PROBLEM_ALREADY_EXISTS, "V10: key %.16s… signed this draft already",
                    signature->keyid);
    return 0;
}

int draft_signatures(struct tx *tx, const struct draft *draft, draft_signature_fn each, void *arg,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, draft_signatures_sql);
    enum step step;

    query_bind_number(&q, ":draft", draft->row_id);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        struct draft_signature signature = {query_text(&q, 0), query_text(&q, 1), query_text(&q, 2),
                                            query_number(&q, 3)};
        if (each(&signature, arg, err))
            return -1;
    }
    return step == STEP_FAILED ? -1 : 0;
}
