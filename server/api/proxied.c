/* SPDX-License-Identifier: Apache-2.0 */
#include "api/proxied.h"

#include "core/text.h"

#include <string.h>
#include <strings.h>

#define SEPARATORS " \t,;"

static const struct {
    const char *name, *authority;
} generations[PROXIED_GENERATIONS] = {
    {"X-Controller-Id", "X-Authority"      },
    {"X-Ssl-Client-Cn", "X-Ssl-Issuer-Hash"},
};

/* Itself, or with a number: X-Authority-1. */
static bool is_numbered(const char *header, const char *start)
{
    size_t length = strlen(start);

    if (strncasecmp(header, start, length) != 0)
        return false;
    header += length;
    return !*header ||
           (*header == '-' && header[1] && !header[1 + strspn(header + 1, "0123456789")]);
}

/* The next word of a list, and the way behind it; NULL at the end. */
static const char *next_word(const char **list, size_t *ret_length)
{
    const char *word = *list + strspn(*list, SEPARATORS);

    *ret_length = strcspn(word, SEPARATORS);
    *list = word + *ret_length;
    return *ret_length ? word : NULL;
}

static bool has_word(const char *list, const char *wanted, size_t length)
{
    size_t size;

    for (const char *word; (word = next_word(&list, &size));)
        if (size == length && strncasecmp(word, wanted, length) == 0)
            return true;
    return false;
}

static bool have_word_in_common(const char *list, const char *other)
{
    size_t size;

    for (const char *word; (word = next_word(&list, &size));)
        if (has_word(other, word, size))
            return true;
    return false;
}

void proxied_take(struct proxied *proxied, const char *header, const char *value)
{
    for (size_t i = 0; i < PROXIED_GENERATIONS; i++) {
        if (text_same_ignoring_case(header, generations[i].name)) {
            proxied->is_contradictory |= proxied->name && strcmp(proxied->name, value) != 0;
            proxied->name = value;
        } else if (is_numbered(header, generations[i].authority)) {
            proxied->authority[i].is_told = true;
            proxied->authority[i].is_good |= have_word_in_common(value, proxied->authorities);
        }
    }
}

const char *proxied_name(const struct proxied *proxied)
{
    bool is_good = !*proxied->authorities;

    for (size_t i = 0; i < PROXIED_GENERATIONS && *proxied->authorities; i++) {
        if (proxied->authority[i].is_told && !proxied->authority[i].is_good)
            return "";
        is_good |= proxied->authority[i].is_good;
    }
    return is_good && proxied->name && !proxied->is_contradictory ? proxied->name : "";
}
