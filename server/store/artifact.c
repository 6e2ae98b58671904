/* SPDX-License-Identifier: Apache-2.0 */
#include "store/artifact.h"

#include "core/text.h"
#include "store/artifact.sql.h"
#include "store/event.h"

#include <string.h>

/* Copies a column of exactly `size` bytes; anything else is a damaged row. */
static bool copy_blob(struct query *q, int column, void *ret, size_t size)
{
    size_t length;
    const void *bytes = query_blob(q, column, &length);

    if (length != size)
        return false;
    memcpy(ret, bytes, size);
    return true;
}

static int read_artifact(struct query *q, struct artifact *ret, struct error *err)
{
    struct artifact artifact = {
        .row_id = query_number(q, 0),
        .size = query_number(q, 5),
        .is_encrypted = strcmp(query_text(q, 6), "aes128gcm") == 0,
        .chunk_offset = query_number(q, 8),
        .chunk_size = query_number(q, 9),
        .chunk_count = query_number(q, 10),
        .has_list = !query_is_null(q, 11),
        .is_broken = strcmp(query_text(q, 12), "whole") != 0,
        .created_at = query_number(q, 13),
    };
    const void *header = query_blob(q, 7, &artifact.enc_header_size);

    if (!copy_blob(q, 1, artifact.sha256, sizeof artifact.sha256) ||
        !copy_blob(q, 2, artifact.sha512, sizeof artifact.sha512) ||
        !copy_blob(q, 3, artifact.sha1, sizeof artifact.sha1) ||
        !copy_blob(q, 4, artifact.md5, sizeof artifact.md5) ||
        (artifact.has_list && !copy_blob(q, 11, artifact.list_sha256, SHA256_SIZE)) ||
        artifact.enc_header_size > sizeof artifact.enc_header)
        return fail_internal(err, "artifact row %lld is damaged", (long long)artifact.row_id);
    if (artifact.enc_header_size)
        memcpy(artifact.enc_header, header, artifact.enc_header_size);
    *ret = artifact;
    return 0;
}

enum step artifact_find(struct tx *tx, const uint8_t sha256[SHA256_SIZE], struct artifact *ret,
                        struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, artifact_find_sql);

    query_bind_blob(&q, ":sha256", sha256, SHA256_SIZE);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW && read_artifact(&q, ret, err))
        return STEP_FAILED;
    return step;
}

int artifact_get(struct tx *tx, const uint8_t sha256[SHA256_SIZE], struct artifact *ret,
                 struct error *err)
{
    char hex[SHA256_HEX_SIZE];

    switch (artifact_find(tx, sha256, ret, err)) {
    case STEP_ROW:
        return 0;
    case STEP_DONE:
        hex_from_bytes(sha256, SHA256_SIZE, hex);
        return fail(err, PROBLEM_NO_SUCH_ARTIFACT, "artifact %s", hex);
    case STEP_FAILED:
        break;
    }
    return -1;
}

/* Moves one release that the artifact belongs to. */
static int move_release(struct tx *tx, struct query *release, const char *from, const char *to,
                        int64_t now, struct error *err)
{
    struct query q = query_start(tx, artifact_release_state_sql);
    struct event event = {
        .at = now,
        .tenant_row = query_number(release, 1),
        .kind = "release.state",
        .from_state = from,
        .to_state = to,
        .cause = "server",
        .detail = query_text(release, 2),
    };

    query_bind_text(&q, ":state", to);
    query_bind_number(&q, ":release", query_number(release, 0));
    return query_run(&q, err) || event_append(tx, &event, err) ? -1 : 0;
}

static int move_releases(struct tx *tx, const uint8_t sha256[SHA256_SIZE], bool is_mended,
                         int64_t now, struct error *err)
{
    CLEANUP(query_finish)
    struct query q =
        query_start(tx, is_mended ? artifact_releases_mended_sql : artifact_releases_sql);
    const char *from = is_mended ? "quarantined" : "published";
    const char *to = is_mended ? "published" : "quarantined";
    enum step step;

    query_bind_blob(&q, ":sha256", sha256, SHA256_SIZE);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (move_release(tx, &q, from, to, now, err))
            return -1;
    return step == STEP_FAILED ? -1 : 0;
}

int artifact_keep(struct tx *tx, const struct artifact *artifact, struct error *err)
{
    struct query q = query_start(tx, artifact_keep_sql);

    query_bind_blob(&q, ":sha256", artifact->sha256, sizeof artifact->sha256);
    query_bind_blob(&q, ":sha512", artifact->sha512, sizeof artifact->sha512);
    query_bind_blob(&q, ":sha1", artifact->sha1, sizeof artifact->sha1);
    query_bind_blob(&q, ":md5", artifact->md5, sizeof artifact->md5);
    query_bind_number(&q, ":size", artifact->size);
    query_bind_text(&q, ":encoding", artifact->is_encrypted ? "aes128gcm" : "identity");
    query_bind_blob_or_null(&q, ":enc_header",
                            artifact->enc_header_size ? artifact->enc_header : NULL,
                            artifact->enc_header_size);
    query_bind_number(&q, ":chunk_offset", artifact->chunk_offset);
    query_bind_number(&q, ":chunk_size", artifact->chunk_size);
    query_bind_number(&q, ":chunk_count", artifact->chunk_count);
    query_bind_blob_or_null(&q, ":chunks_sha256", artifact->has_list ? artifact->list_sha256 : NULL,
                            SHA256_SIZE);
    query_bind_number(&q, ":created_at", artifact->created_at);
    if (query_run(&q, err))
        return -1;
    return move_releases(tx, artifact->sha256, true, artifact->created_at, err);
}

int artifact_mark_broken(struct tx *tx, const uint8_t sha256[SHA256_SIZE], int64_t now,
                         struct error *err)
{
    struct query q = query_start(tx, artifact_break_sql);

    query_bind_blob(&q, ":sha256", sha256, SHA256_SIZE);
    if (query_run(&q, err))
        return -1;
    return move_releases(tx, sha256, false, now, err);
}

int artifact_list(struct tx *tx, const uint8_t *after, int64_t limit, artifact_fn each, void *arg,
                  struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, artifact_page_sql);
    struct artifact artifact;
    enum step step;

    query_bind_blob(&q, ":after", after, after ? SHA256_SIZE : 0);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (read_artifact(&q, &artifact, err) || each(&artifact, arg, err))
            return -1;
    return step == STEP_FAILED ? -1 : 0;
}
