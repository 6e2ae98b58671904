/* SPDX-License-Identifier: Apache-2.0 */
#include "store/operator.h"

#include "store/operator.sql.h"

#include <string.h>

/* Six columns from `first`, in the order all statements name them. */
static void read_operator(struct query *q, int first, struct operator* ret)
{
    *ret = (struct operator){
        .row_id = query_number(q, first),
        .tenant_row = query_number(q, first + 1),
        .is_active = strcmp(query_text(q, first + 4), "active") == 0,
        .created_at = query_number(q, first + 5),
    };
    query_copy(q, first + 2, ret->id, sizeof ret->id);
    query_copy(q, first + 3, ret->role, sizeof ret->role);
}

enum step operator_by_fingerprint(struct tx *tx, const uint8_t fingerprint[32],
                                  struct operator* ret, bool *ret_active, int64_t *ret_not_after,
                                  struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, operator_by_fingerprint_sql);

    query_bind_blob(&q, ":fingerprint", fingerprint, 32);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW) {
        read_operator(&q, 0, ret);
        *ret_active = strcmp(query_text(&q, 6), "active") == 0;
        *ret_not_after = query_number(&q, 7);
    }
    return step;
}

enum step operator_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct operator* ret,
                         struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, operator_by_id_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        read_operator(&q, 0, ret);
    return step;
}

int operator_is_there_any(struct tx *tx, bool *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, operator_any_sql);
    enum step step = query_step(&q, err);

    *ret = step == STEP_ROW;
    return step == STEP_FAILED ? -1 : 0;
}

int operator_has_other_admin(struct tx *tx, const struct operator* operator, bool * ret,
                             struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, operator_other_admin_sql);

    query_bind_number(&q, ":tenant", operator->tenant_row);
    query_bind_number(&q, ":operator", operator->row_id);
    enum step step = query_step(&q, err);
    *ret = step == STEP_ROW;
    return step == STEP_FAILED ? -1 : 0;
}

int operator_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit,
                  operator_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, operator_page_sql);
    struct operator operator;
    enum step step;

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":after", after);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        read_operator(&q, 0, &operator);
        if (each(&operator, arg, err))
            return -1;
    }
    return step == STEP_DONE ? 0 : -1;
}

int operator_insert(struct tx *tx, struct operator* operator, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, operator_insert_sql);

    query_bind_number(&q, ":tenant", operator->tenant_row);
    query_bind_text(&q, ":id", operator->id);
    query_bind_text(&q, ":role", operator->role);
    query_bind_number(&q, ":now", now);
    if (query_run(&q, err))
        return -1;
    operator->row_id = query_last_row(&q);
    operator->is_active = true;
    operator->created_at = now;
    tx_changes_identities(tx);
    return 0;
}

int operator_add_certificate(struct tx *tx, int64_t operator_row, const uint8_t fingerprint[32],
                             int64_t not_after, int64_t now, struct error *err)
{
    struct operator holder;
    bool is_active;
    int64_t known_not_after;

    switch (operator_by_fingerprint(tx, fingerprint, &holder, &is_active, &known_not_after, err)) {
    case STEP_FAILED:
        return -1;
    case STEP_ROW:
        return fail(err, PROBLEM_ALREADY_EXISTS, "the certificate belongs to operator %s",
                    holder.id);
    case STEP_DONE:
        break;
    }
    CLEANUP(query_finish) struct query q = query_start(tx, operator_certificate_insert_sql);
    query_bind_blob(&q, ":fingerprint", fingerprint, 32);
    query_bind_number(&q, ":operator", operator_row);
    query_bind_number(&q, ":not_after", not_after);
    query_bind_number(&q, ":now", now);
    tx_changes_identities(tx);
    return query_run(&q, err);
}

static int run_for_operator(struct tx *tx, const char *sql, int64_t operator_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sql);

    query_bind_number(&q, ":operator", operator_row);
    return query_run(&q, err);
}

int operator_revoke(struct tx *tx, int64_t operator_row, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, tokens_revoke_sql);

    query_bind_number(&q, ":operator", operator_row);
    query_bind_number(&q, ":now", now);
    tx_changes_identities(tx);
    if (query_run(&q, err))
        return -1;
    return run_for_operator(tx, operator_revoke_sql, operator_row, err) ||
                   run_for_operator(tx, operator_certificates_revoke_sql, operator_row, err)
               ? -1
               : 0;
}

static int read_token(struct query *q, struct token *ret, struct error *err)
{
    size_t length;
    const void *hash = query_blob(q, 1, &length);

    *ret = (struct token){
        .created_at = query_number(q, 5),
        .expires_at = query_number(q, 6),
        .revoked_at = query_number(q, 7),
    };
    if (length != sizeof ret->secret_hash)
        return fail_internal(err, "token: hash of %zu bytes", length);
    memcpy(ret->secret_hash, hash, length);
    query_copy(q, 0, ret->id, sizeof ret->id);
    query_copy(q, 2, ret->role, sizeof ret->role);
    query_copy(q, 3, ret->note, sizeof ret->note);
    query_copy(q, 4, ret->created_by, sizeof ret->created_by);
    read_operator(q, 8, &ret->owner);
    return 0;
}

enum step token_by_id(struct tx *tx, const char *id, struct token *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, token_by_id_sql);

    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW && read_token(&q, ret, err))
        return STEP_FAILED;
    return step;
}

int token_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, token_fn each,
               void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, token_page_sql);
    struct token token;
    enum step step;

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":after", after);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (read_token(&q, &token, err) || each(&token, arg, err))
            return -1;
    return step == STEP_DONE ? 0 : -1;
}

int token_insert(struct tx *tx, const struct token *token, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, token_insert_sql);

    query_bind_text(&q, ":id", token->id);
    query_bind_blob(&q, ":secret_hash", token->secret_hash, sizeof token->secret_hash);
    query_bind_number(&q, ":operator", token->owner.row_id);
    query_bind_text(&q, ":role", token->role);
    query_bind_text(&q, ":note", token->note);
    query_bind_text(&q, ":created_by", token->created_by);
    query_bind_number(&q, ":now", token->created_at);
    query_bind_number(&q, ":expires", token->expires_at);
    return query_run(&q, err);
}

int token_revoke(struct tx *tx, const char *id, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, token_revoke_sql);

    query_bind_text(&q, ":id", id);
    query_bind_number(&q, ":now", now);
    tx_changes_identities(tx);
    return query_run(&q, err);
}
