/* SPDX-License-Identifier: Apache-2.0 */
#include "store/metadata.h"

#include "store/metadata.sql.h"

#include <string.h>

void metadata_clear(struct metadata *metadata)
{
    free(metadata->bytes);
    *metadata = (struct metadata){0};
}

static int read_metadata(struct query *q, struct metadata *ret, struct error *err)
{
    struct metadata metadata = {
        .version = query_number(q, 0),
        .expires_at = query_number(q, 1),
        .published_at = query_number(q, 2),
    };
    size_t hash_length;
    const void *bytes = query_blob(q, 3, &metadata.length);
    const void *hash = query_blob(q, 4, &hash_length);

    if (hash_length != sizeof metadata.sha256 || !metadata.length)
        return fail_internal(err, "a metadata row is damaged");
    memcpy(metadata.sha256, hash, sizeof metadata.sha256);
    metadata.bytes = malloc(metadata.length);
    if (!metadata.bytes)
        return fail_internal(err, "out of memory for %zu bytes of metadata", metadata.length);
    memcpy(metadata.bytes, bytes, metadata.length);
    *ret = metadata;
    return 0;
}

enum step metadata_find(struct tx *tx, int64_t tenant_row, const char *role, int64_t version,
                        struct metadata *ret, struct error *err)
{
    CLEANUP(query_finish)
    struct query q = query_start(tx, version ? metadata_find_sql : metadata_latest_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":role", role);
    if (version)
        query_bind_number(&q, ":version", version);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW && read_metadata(&q, ret, err))
        return STEP_FAILED;
    return step;
}

int metadata_version(struct tx *tx, int64_t tenant_row, const char *role, int64_t *ret,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, metadata_version_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":role", role);
    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret = query_number(&q, 0);
    return 0;
}

int metadata_insert(struct tx *tx, int64_t tenant_row, const char *role,
                    const struct metadata *metadata, const char *published_by, struct error *err)
{
    struct query q = query_start(tx, metadata_insert_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":role", role);
    query_bind_number(&q, ":version", metadata->version);
    query_bind_blob(&q, ":bytes", metadata->bytes, metadata->length);
    query_bind_blob(&q, ":sha256", metadata->sha256, sizeof metadata->sha256);
    query_bind_number(&q, ":expires_at", metadata->expires_at);
    query_bind_text(&q, ":published_by", published_by);
    query_bind_number(&q, ":published_at", metadata->published_at);
    if (query_run(&q, err))
        return -1;
    if (query_changes(&q) != 1)
        return fail(err, PROBLEM_ALREADY_EXISTS, "V5: version %lld of %s is published",
                    (long long)metadata->version, role);
    return 0;
}

int metadata_roles(struct tx *tx, metadata_role_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, metadata_roles_sql);
    enum step step;

    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each(query_number(&q, 0), query_text(&q, 1), query_number(&q, 2), arg, err))
            return -1;
    return step == STEP_FAILED ? -1 : 0;
}
