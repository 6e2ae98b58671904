/* SPDX-License-Identifier: Apache-2.0 */
#include "core/version.h"

#include <stdbool.h>
#include <string.h>

/* A piece of a version, not ended by NUL. */
struct piece {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes a run of digits from both and compares by value, however long they are. */
static int compare_numbers(struct piece *a, struct piece *b)
{
    while (a->at < a->end && *a->at == '0')
        a->at++;
    while (b->at < b->end && *b->at == '0')
        b->at++;
    const char *a_first = a->at, *b_first = b->at;
    while (a->at < a->end && is_digit(*a->at))
        a->at++;
    while (b->at < b->end && is_digit(*b->at))
        b->at++;
    long a_length = a->at - a_first, b_length = b->at - b_first;
    if (a_length != b_length)
        return a_length < b_length ? -1 : 1;
    return memcmp(a_first, b_first, (size_t)a_length);
}

static int compare_identifiers(struct piece a, struct piece b)
{
    while (a.at < a.end && b.at < b.end) {
        int order;

        if (is_digit(*a.at) && is_digit(*b.at))
            order = compare_numbers(&a, &b);
        else if (is_digit(*a.at) != is_digit(*b.at))
            order = is_digit(*a.at) ? -1 : 1;
        else
            order = (unsigned char)*a.at++ - (unsigned char)*b.at++;
        if (order)
            return order;
    }
    return (a.at < a.end) - (b.at < b.end);
}

static struct piece next_identifier(struct piece *from)
{
    const char *dot = memchr(from->at, '.', (size_t)(from->end - from->at));
    struct piece identifier = {from->at, dot ? dot : from->end};

    from->at = dot ? dot + 1 : from->end;
    return identifier;
}

/* `missing` stands for an identifier that one side has not. */
static int compare_dotted(struct piece a, struct piece b, const char *missing)
{
    const struct piece absent = {missing, missing + strlen(missing)};

    while (a.at < a.end || b.at < b.end) {
        struct piece x = a.at < a.end ? next_identifier(&a) : absent;
        struct piece y = b.at < b.end ? next_identifier(&b) : absent;
        int order = compare_identifiers(x, y);
        if (order)
            return order;
    }
    return 0;
}

struct parts {
    struct piece core, pre;
    bool is_pre;
};

static struct parts split(const char *version)
{
    if ((*version == 'v' || *version == 'V') && is_digit(version[1]))
        version++;
    const char *end = version + strcspn(version, "+");
    const char *core_end = version + strcspn(version, "-~+");
    bool is_pre = core_end < end;

    return (struct parts){
        .core = {version,                     core_end},
          .pre = {is_pre ? core_end + 1 : end, end     },
          .is_pre = is_pre
    };
}

int version_compare(const char *a, const char *b)
{
    struct parts x = split(a), y = split(b);
    int order = compare_dotted(x.core, y.core, "0");

    if (order)
        return order;
    if (x.is_pre != y.is_pre)
        return x.is_pre ? -1 : 1;
    return compare_dotted(x.pre, y.pre, "");
}
