/* SPDX-License-Identifier: Apache-2.0 */
#include "store/idempotency.h"

#include "store/idempotency.sql.h"

#include <string.h>

void kept_answer_clear(struct kept_answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

static void bind_name(struct query *q, const struct kept_answer *answer)
{
    query_bind_number(q, ":tenant", answer->tenant_row);
    query_bind_text(q, ":operator", answer->operator);
    query_bind_text(q, ":key", answer->key);
}

enum step idempotency_find(struct tx *tx, struct kept_answer *answer, int64_t now,
                           struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, idempotency_find_sql);
    size_t length;

    bind_name(&q, answer);
    query_bind_number(&q, ":since", now - IDEMPOTENCY_KEPT);
    enum step step = query_step(&q, err);
    if (step != STEP_ROW)
        return step;
    const void *hash = query_blob(&q, 0, &length);
    if (length != sizeof answer->request_hash)
        return fail_internal(err, "a kept answer without a hash");
    memcpy(answer->request_hash, hash, length);
    answer->status = (int)query_number(&q, 1);
    answer->body = strdup(query_text(&q, 2));
    return answer->body ? STEP_ROW : fail_internal(err, "memory for a kept answer");
}

static int run_since(struct tx *tx, const char *sql, const char *name, int64_t number,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sql);

    query_bind_number(&q, name, number);
    return query_run(&q, err);
}

int idempotency_keep(struct tx *tx, const struct kept_answer *answer, int64_t most, int64_t now,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, idempotency_keep_sql);

    bind_name(&q, answer);
    query_bind_blob(&q, ":request_hash", answer->request_hash, sizeof answer->request_hash);
    query_bind_number(&q, ":status", answer->status);
    query_bind_text(&q, ":body", answer->body);
    query_bind_number(&q, ":now", now);
    return query_run(&q, err) ||
                   run_since(tx, idempotency_expire_sql, ":since", now - IDEMPOTENCY_KEPT, err) ||
                   run_since(tx, idempotency_trim_sql, ":most", most, err)
               ? -1
               : 0;
}
