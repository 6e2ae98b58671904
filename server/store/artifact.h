/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of stored images and their chunk lists; the bytes are in store/blob.h. */
#ifndef OTAD_STORE_ARTIFACT_H
#define OTAD_STORE_ARTIFACT_H

#include "core/digest.h"
#include "store/store.h"

#define ENC_HEADER_MAX 64

struct artifact {
    int64_t row_id;
    uint8_t sha256[SHA256_SIZE], sha512[64], sha1[20], md5[16];
    int64_t size;
    bool is_encrypted; /* encoding aes128gcm; else identity */
    uint8_t enc_header[ENC_HEADER_MAX];
    size_t enc_header_size;
    int64_t chunk_offset, chunk_size, chunk_count;
    bool has_list; /* false for a chunk list itself */
    uint8_t list_sha256[SHA256_SIZE];
    bool is_broken;
    int64_t created_at;
};

enum step artifact_find(struct tx *tx, const uint8_t sha256[SHA256_SIZE], struct artifact *ret,
                        struct error *err) MUST_CHECK;
/* As artifact_find(), absent is NO_SUCH_ARTIFACT. */
int artifact_get(struct tx *tx, const uint8_t sha256[SHA256_SIZE], struct artifact *ret,
                 struct error *err) MUST_CHECK;
/* A known content stays as it is, except that it is whole again: its bytes were just read. Releases
 * quarantined for it alone are published again. */
int artifact_keep(struct tx *tx, const struct artifact *artifact, struct error *err) MUST_CHECK;
/* From now on it is not served; its published releases are quarantined. Harmless when unknown. */
int artifact_mark_broken(struct tx *tx, const uint8_t sha256[SHA256_SIZE], int64_t now,
                         struct error *err) MUST_CHECK;

/* Images (not chunk lists) in order of hash, past `after` (NULL: from the start). */
typedef int (*artifact_fn)(const struct artifact *artifact, void *arg, struct error *err);
int artifact_list(struct tx *tx, const uint8_t *after, int64_t limit, artifact_fn each, void *arg,
                  struct error *err) MUST_CHECK;

#endif
