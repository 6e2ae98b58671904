/* SPDX-License-Identifier: Apache-2.0 */
/* Which of its two names a JSON answer bears (RFC 9110 section 12.5.1). hawkBit calls it
 * application/hal+json unless something else is asked for; some clients take only what they named.
 */
#include "api/device/ddi.h"

#include <string.h>
#include <strings.h>

static const char *const types[] = {"application/hal+json", "application/json"};

/* How much a type is wanted, and by which element of the list. */
struct wish {
    int precision; /* 0: by none; the more precise element decides */
    int quality;   /* thousandths */
    int position;
};

/* The end of an element, or of a parameter: quoted strings may hold the separators. */
static const char *end_of(const char *at, const char *separators)
{
    bool is_quoted = false;

    for (; *at && (is_quoted || !strchr(separators, *at)); at++) {
        if (is_quoted && *at == '\\' && at[1])
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
    }
    return at;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* "0", "1", "0.5", "1.000"; -1 when it is none of them. */
static int quality_of(const char *at, const char *end)
{
    int quality = *at == '1' ? 1000 : 0;

    if (at == end || (*at != '0' && *at != '1'))
        return -1;
    at++;
    if (at < end && *at == '.')
        at++;
    for (int unit = 100; at < end && *at >= '0' && *at <= '9'; at++, unit /= 10)
        quality += unit * (*at - '0');
    return skip_blanks(at) >= end && quality <= 1000 ? quality : -1;
}

/* Of all parameters only the quality matters: the types have none that tell them apart. */
static int read_quality(const char *at, const char *end)
{
    int quality = 1000;

    while (at < end) {
        const char *next = end_of(at + 1, ";,");
        at = skip_blanks(at + 1);
        if (at + 1 < next && (*at == 'q' || *at == 'Q') && at[1] == '=')
            quality = quality_of(at + 2, next);
        at = next;
    }
    return quality;
}

static int precision_for(const char *type, const char *range, size_t length)
{
    if (length == strlen(type) && strncasecmp(range, type, length) == 0)
        return 3;
    if (length == sizeof "application/*" - 1 && strncasecmp(range, "application/*", length) == 0)
        return 2;
    return length == 3 && strncmp(range, "*/*", 3) == 0 ? 1 : 0;
}

static bool is_better(const struct wish *a, const struct wish *b)
{
    if (a->quality != b->quality)
        return a->quality > b->quality;
    if (a->precision != b->precision)
        return a->precision > b->precision;
    return a->position < b->position;
}

const char *ddi_media_type(const char *accept)
{
    struct wish wishes[COUNT_OF(types)] = {0};
    int position = 0;

    if (!accept || !*skip_blanks(accept))
        return types[0];
    for (const char *at = accept, *end; *at; at = *end ? end + 1 : end, position++) {
        end = end_of(at, ",");
        const char *range = skip_blanks(at);
        size_t length = strcspn(range, " \t;,");
        int quality = read_quality(end_of(range, ";,"), end);
        for (size_t i = 0; i < COUNT_OF(types) && quality >= 0; i++) {
            int precision = precision_for(types[i], range, length);
            if (precision > wishes[i].precision)
                wishes[i] = (struct wish){precision, quality, position};
        }
    }
    size_t best = is_better(&wishes[1], &wishes[0]) ? 1 : 0;
    return wishes[best].quality > 0 ? types[best] : NULL;
}
