/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/chunks.h"

#include "core/text.h"

#include <string.h>

int chunking_of(int64_t length, int64_t offset, int64_t size, struct chunking *ret,
                struct error *err)
{
    if (size < CHUNK_SIZE_MIN || size > CHUNK_SIZE_MAX)
        return fail(err, PROBLEM_BAD_METADATA, "V17: a chunk has %d to %d bytes", CHUNK_SIZE_MIN,
                    CHUNK_SIZE_MAX);
    if (offset < 0 || length <= offset)
        return fail(err, PROBLEM_BAD_METADATA, "V17: the image has no chunk");
    *ret = (struct chunking){offset, size, (length - offset - 1) / size + 1};
    return 0;
}

bool kid_ok(const char *kid)
{
    uint8_t random[16];

    return text_starts_with(kid, "k-") && hex_to_bytes(kid + 2, random, sizeof random);
}

int enc_header_read(const uint8_t *bytes, size_t count, struct enc_header *ret, struct error *err)
{
    struct enc_header header = {0};

    if (count < ENC_HEADER_SIZE)
        return fail(err, PROBLEM_UNPROCESSABLE, "too short for an aes128gcm header");
    memcpy(header.bytes, bytes, sizeof header.bytes);
    header.record_size = (int64_t)bytes[16] << 24 | bytes[17] << 16 | bytes[18] << 8 | bytes[19];
    if (header.record_size < CHUNK_SIZE_MIN || header.record_size > CHUNK_SIZE_MAX)
        return fail(err, PROBLEM_UNPROCESSABLE, "an aes128gcm record has %d to %d bytes, not %lld",
                    CHUNK_SIZE_MIN, CHUNK_SIZE_MAX, (long long)header.record_size);
    memcpy(header.kid, bytes + 21, KID_LENGTH);
    if (bytes[20] != KID_LENGTH || !kid_ok(header.kid))
        return fail(err, PROBLEM_UNPROCESSABLE,
                    "the aes128gcm key id must be k- and 32 digits of lower-case hex");
    *ret = header;
    return 0;
}

int64_t enc_plain_length(int64_t length, const struct chunking *chunks)
{
    int64_t last = length - chunks->offset - (chunks->count - 1) * chunks->size;

    if (last < ENC_RECORD_OVERHEAD)
        return -1;
    return length - chunks->offset - chunks->count * ENC_RECORD_OVERHEAD;
}
