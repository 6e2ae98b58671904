/* SPDX-License-Identifier: Apache-2.0 */
#include "http/etag.h"

#include "core/text.h"

#include <string.h>

/* Multiplies to 128 bits and folds: eight bytes a step, far cheaper than a cryptographic hash on
 * the path of every poll. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    __extension__ unsigned __int128 product =
        (unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15u;

    return (uint64_t)product ^ (uint64_t)(product >> 64) ^ 0xd6e8feb86659fd93u;
}

void etag_of(const void *bytes, size_t length, char ret[ETAG_SIZE])
{
    const char *at = bytes;
    uint64_t hash = length, word;

    for (; length >= sizeof word; at += sizeof word, length -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, at, length);
    hash = mix(mix(hash, word), 0);
    ret[0] = '"';
    hex_from_bytes(&hash, sizeof hash, ret + 1);
    memcpy(ret + 17, "\"", 2);
}

static bool is_same(const char *tag, size_t length, const char *etag)
{
    size_t quoted = strlen(etag);

    if (length == quoted && memcmp(tag, etag, length) == 0)
        return true;
    return length + 2 == quoted && memcmp(tag, etag + 1, length) == 0;
}

bool etag_is_listed(const char *list, const char *etag, bool is_strong)
{
    for (const char *at = list + strspn(list, " \t,"); *at; at += strspn(at, " \t,")) {
        bool is_weak = at[0] == 'W' && at[1] == '/';
        at += is_weak ? 2 : 0;
        /* A tag in quotes may hold commas and blanks. */
        const char *closing = *at == '"' ? strchr(at + 1, '"') : NULL;
        size_t length = closing ? (size_t)(closing + 1 - at) : strcspn(at, " \t,");
        if (length == 1 && *at == '*')
            return true;
        if (!(is_weak && is_strong) && is_same(at, length, etag))
            return true;
        at += length;
    }
    return false;
}
