/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tenant.h"

#include "store/tenant.sql.h"

#include <string.h>

int tenant_authentication(struct tx *tx, int64_t tenant_row, struct device_authentication *ret,
                          struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, tenant_authentication_sql);
    size_t length = 0;

    query_bind_number(&q, ":tenant", tenant_row);
    *ret = (struct device_authentication){0};
    enum step step = query_step(&q, err);
    if (step != STEP_ROW)
        return step == STEP_FAILED ? -1 : 0;
    ret->takes_target_tokens = query_number(&q, 0) != 0;
    const void *hash = query_blob(&q, 1, &length);
    if (hash && length == sizeof ret->gateway_hash) {
        memcpy(ret->gateway_hash, hash, length);
        ret->gateway_at = query_number(&q, 2);
    }
    return 0;
}

int tenant_set_target_tokens(struct tx *tx, int64_t tenant_row, bool are_taken, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, tenant_set_target_tokens_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_number(&q, ":are_taken", are_taken);
    tx_changes_identities(tx);
    return query_run(&q, err);
}

int tenant_set_gateway_token(struct tx *tx, int64_t tenant_row, const uint8_t hash[32], int64_t now,
                             struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, tenant_set_gateway_token_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_blob_or_null(&q, ":hash", hash, 32);
    query_bind_number_or_null(&q, ":at", hash ? now : 0);
    tx_changes_identities(tx);
    return query_run(&q, err);
}
