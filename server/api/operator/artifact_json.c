/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/artifact_json.h"

#include "api/operator/frame.h"
#include "trust/chunks.h"

static json_t *json_from_hex(const void *bytes, size_t count)
{
    char hex[2 * DIGEST_MAX_SIZE + 1];

    hex_from_bytes(bytes, count, hex);
    return json_string(hex);
}

static int add_encryption(const struct artifact *artifact, json_t *json, struct error *err)
{
    struct enc_header header;

    if (!artifact->is_encrypted)
        return 0;
    if (enc_header_read(artifact->enc_header, artifact->enc_header_size, &header, err))
        return -1;
    if (json_object_set_new(json, "enc",
                            json_pack("{s:s, s:o}", "kid", header.kid, "header",
                                      json_from_hex(header.bytes, sizeof header.bytes))))
        return fail_internal(err, "out of memory");
    return 0;
}

static json_t *chunks_to_json(const struct artifact *artifact)
{
    if (!artifact->has_list)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:o, s:I}", "offset", (json_int_t)artifact->chunk_offset,
                     "size", (json_int_t)artifact->chunk_size, "count",
                     (json_int_t)artifact->chunk_count, "sha256",
                     json_from_hex(artifact->list_sha256, SHA256_SIZE), "length",
                     (json_int_t)(artifact->chunk_count * SHA256_SIZE));
}

int artifact_to_json(const struct artifact *artifact, json_t **ret, struct error *err)
{
    json_auto_t *json = json_pack(
        "{s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:s, s:o}", "sha256",
        json_from_hex(artifact->sha256, SHA256_SIZE), "sha512",
        json_from_hex(artifact->sha512, sizeof artifact->sha512), "sha1",
        json_from_hex(artifact->sha1, sizeof artifact->sha1), "md5",
        json_from_hex(artifact->md5, sizeof artifact->md5), "size", (json_int_t)artifact->size,
        "encoding", artifact->is_encrypted ? "aes128gcm" : "identity", "chunks",
        chunks_to_json(artifact), "state", artifact->is_broken ? "broken" : "whole", "created_at",
        json_from_time(artifact->created_at));

    if (!json)
        return fail_internal(err, "out of memory");
    if (add_encryption(artifact, json, err))
        return -1;
    *ret = MOVE(json);
    return 0;
}
