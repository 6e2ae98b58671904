/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9110 lets a server answer a range it dislikes with the whole representation. A device that
 * resumes a download would append that to what it has, so here everything that speaks of bytes and
 * is not plainly satisfiable is unsatisfiable. */
#include "http/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* Digits at `*at`; numbers past INT64_MAX stay there, which is past the end of everything. */
static bool read_number(const char **at, int64_t *ret)
{
    const char *start = *at;
    int64_t number = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, **at - '0', &number))
            number = INT64_MAX;
    *ret = number;
    return *at > start;
}

static bool read_suffix(const char **at, int64_t size, struct range *ret)
{
    int64_t length;

    if (!read_number(at, &length) || length == 0 || size == 0)
        return false;
    ret->first = length < size ? size - length : 0;
    ret->last = size - 1;
    return true;
}

/* One of "a-b", "a-" and "-n". */
static bool read_span(const char **at, int64_t size, struct range *ret)
{
    if (**at == '-') {
        (*at)++;
        return read_suffix(at, size, ret);
    }
    if (!read_number(at, &ret->first) || *(*at)++ != '-' || ret->first >= size)
        return false;
    if (!read_number(at, &ret->last))
        ret->last = size - 1;
    if (ret->last < ret->first)
        return false;
    if (ret->last >= size)
        ret->last = size - 1;
    return true;
}

static bool is_token(const char *at, size_t length)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < length; i++) {
        char c = at[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!plain && !(c && strchr(others, c)))
            return false;
    }
    return length > 0;
}

enum range_result range_parse(const char *header, int64_t size, unsigned most, struct range *ret,
                              unsigned *ret_count)
{
    const char *equals = strchr(header, '=');
    size_t unit = equals ? (size_t)(equals - header) : 0;
    unsigned count = 0;

    if (!equals || !is_token(header, unit))
        return RANGE_UNSATISFIABLE;
    if (unit != 5 || strncasecmp(header, "bytes", 5) != 0)
        return RANGE_IGNORED;

    for (const char *at = skip_blanks(equals + 1); *at; at = skip_blanks(at)) {
        if (*at == ',') { /* lists may have empty elements: RFC 9110 section 5.6.1.2 */
            at++;
            continue;
        }
        if (count == most || !read_span(&at, size, &ret[count]))
            return RANGE_UNSATISFIABLE;
        if (count > 0 && ret[count].first <= ret[count - 1].last)
            return RANGE_UNSATISFIABLE;
        count++;
        at = skip_blanks(at);
        if (*at && *at != ',')
            return RANGE_UNSATISFIABLE;
    }
    *ret_count = count;
    return count > 0 ? RANGE_SATISFIABLE : RANGE_UNSATISFIABLE;
}
