/* SPDX-License-Identifier: Apache-2.0 */
#include "api/proxied.h"

#include "core/text.h"

#include <string.h>
#include <strings.h>

#define SEPARATORS " \t,;"

#define UNNUMBERED 10

static const struct {
    const char *name, *authority;
} generations[] = {
    {"X-Controller-Id", "X-Authority"      },
    {"X-Ssl-Client-Cn", "X-Ssl-Issuer-Hash"},
};

/* X-Authority-0 to -9, or UNNUMBERED; -1 for other fields. */
static int number_of(const char *header, const char *start)
{
    size_t length = strlen(start);

    if (strncasecmp(header, start, length) != 0)
        return -1;
    header += length;
    if (!*header)
        return UNNUMBERED;
    return header[0] == '-' && header[1] >= '0' && header[1] <= '9' && !header[2] ? header[1] - '0'
                                                                                  : -1;
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

static void take_name(struct proxied *proxied, bool is_ours, const char *value)
{
    const char **name = is_ours ? &proxied->name : &proxied->other_name;

    proxied->is_contradictory |= *name != NULL;
    *name = value;
}

static void take_authority(struct proxied *proxied, int number, const char *value)
{
    unsigned bit = 1u << number;

    proxied->is_contradictory |= (proxied->told & bit) != 0;
    proxied->told |= bit;
    proxied->is_known |= have_word_in_common(value, proxied->authorities);
}

void proxied_take(struct proxied *proxied, const char *header, const char *value)
{
    for (size_t i = 0; i < COUNT_OF(generations); i++) {
        bool is_ours = text_same_ignoring_case(generations[i].name, proxied->header);
        int number = is_ours ? number_of(header, generations[i].authority) : -1;

        if (text_same_ignoring_case(header, generations[i].name))
            take_name(proxied, is_ours, value);
        else if (number >= 0)
            take_authority(proxied, number, value);
    }
}

/* A proxy numbers its list, or does not. */
static bool is_told_in_two_ways(unsigned told)
{
    return told >> UNNUMBERED && told != 1u << UNNUMBERED;
}

const char *proxied_name(const struct proxied *proxied)
{
    const char *name = proxied->name, *other = proxied->other_name;

    if (!name || proxied->is_contradictory || (other && strcmp(name, other) != 0))
        return "";
    if (*proxied->authorities && (!proxied->is_known || is_told_in_two_ways(proxied->told)))
        return "";
    return name;
}
