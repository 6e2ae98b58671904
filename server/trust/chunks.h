/* SPDX-License-Identifier: Apache-2.0 */
/* How an image is cut into the pieces whose hashes are signed, and the header of an encrypted one
 * (RFC 8188). The server never sees inside: one chunk is one record. */
#ifndef OTAD_TRUST_CHUNKS_H
#define OTAD_TRUST_CHUNKS_H

#include "core/digest.h"
#include "core/error.h"

#include <stdbool.h>

#define CHUNK_SIZE_MIN 4096
#define CHUNK_SIZE_MAX (16 * MIB)

#define KID_LENGTH 34 /* "k-" and 32 hex digits */
#define ENC_HEADER_SIZE (16 + 4 + 1 + KID_LENGTH)
#define ENC_RECORD_OVERHEAD 17 /* tag and delimiter */

/* Chunk k covers [offset + k * size, min(offset + (k + 1) * size, length)). */
struct chunking {
    int64_t offset, size, count;
};

/* Fails with V17 when `length` leaves no chunk or `size` is out of range. */
int chunking_of(int64_t length, int64_t offset, int64_t size, struct chunking *ret,
                struct error *err) MUST_CHECK;

struct enc_header {
    uint8_t bytes[ENC_HEADER_SIZE];
    int64_t record_size;
    char kid[KID_LENGTH + 1];
};
/* Reads the first bytes of an image; `count` of them are there. UNPROCESSABLE when they are not the
 * header of an image with a key id of our form. */
int enc_header_read(const uint8_t *bytes, size_t count, struct enc_header *ret,
                    struct error *err) MUST_CHECK;
/* What an encrypted image of `length` bytes holds, when its records carry no padding; -1 when the
 * last record is too short to be one. */
int64_t enc_plain_length(int64_t length, const struct chunking *chunks);

bool kid_ok(const char *kid);

#endif
