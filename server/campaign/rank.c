/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/rank.h"

#include "core/digest.h"

#include <string.h>

int64_t rank_of(const uint8_t salt[SALT_SIZE], const char *device_id)
{
    uint8_t bytes[SALT_SIZE + 128], hash[SHA256_SIZE];
    size_t length = strnlen(device_id, sizeof bytes - SALT_SIZE);
    uint64_t rank = 0;

    memcpy(bytes, salt, SALT_SIZE);
    memcpy(bytes + SALT_SIZE, device_id, length);
    sha256(bytes, SALT_SIZE + length, hash);
    for (int i = 0; i < 8; i++)
        rank = rank << 8 | hash[i];
    return (int64_t)(rank >> 1);
}

int64_t rank_limit(double percent)
{
    if (percent >= 100)
        return RANK_MAX;
    return (int64_t)((long double)percent / 100 * 0x1p63L) - 1;
}
