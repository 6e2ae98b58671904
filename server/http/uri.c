/* SPDX-License-Identifier: Apache-2.0 */
#include "http/uri.h"

#include "core/text.h"

#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte of "%xy", -1 when malformed. */
static int decoded_byte(const char *at)
{
    int high = hex_value(at[1]);
    int low = high < 0 ? -1 : hex_value(at[2]);

    return low < 0 ? -1 : high << 4 | low;
}

/* RFC 3986's pchar without the percent sign. */
static bool is_path_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("-._~!$&'()*+,;=:@", c));
}

static bool is_dangerous(int byte)
{
    return byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\' || byte == '%';
}

static bool segment_ok(const char *segment, size_t length)
{
    if (segment[0] == '.' && (length == 1 || (length == 2 && segment[1] == '.')))
        return false;
    return utf8_ok(segment, length);
}

/* Copies one segment from `*from` to `*to` with a NUL; false when it is not acceptable. */
static bool take_segment(const char **from, char **to)
{
    char *start = *to;
    const char *at = *from;

    for (; *at && *at != '/'; at++) {
        int byte = (unsigned char)*at;
        if (*at == '%') {
            byte = decoded_byte(at);
            if (is_dangerous(byte))
                return false;
            at += 2;
        } else if (!is_path_character(*at)) {
            return false;
        }
        *(*to)++ = (char)byte;
    }
    *(*to)++ = '\0';
    *from = at;
    return segment_ok(start, (size_t)(*to - start) - 1);
}

int path_split(const char *path, char *decoded, struct path *ret, struct error *err)
{
    const char *at = path;
    char *to = decoded;

    ret->count = 0;
    if (*at != '/')
        return fail(err, PROBLEM_BAD_REQUEST, "the path must start with a slash");
    while (*at == '/') {
        const char *segment = to;
        at++;
        if (!take_segment(&at, &to) || (!*segment && *at))
            return fail(err, PROBLEM_BAD_REQUEST, "the path is malformed");
        if (ret->count < PATH_SEGMENTS_MAX)
            ret->segments[ret->count] = segment;
        if (ret->count <= PATH_SEGMENTS_MAX)
            ret->count++;
    }
    return 0;
}

/* Decodes in place up to `stop` or the end; returns where it stopped, NULL when malformed. */
static char *decode_value(char *at, const char *stops)
{
    char *start = at, *to = at;

    for (; *at && !strchr(stops, *at); at++) {
        int byte = *at == '+' ? ' ' : (unsigned char)*at;
        if (*at == '%') {
            byte = decoded_byte(at);
            at += 2;
        }
        if (byte < 0x20 || byte == 0x7f)
            return NULL;
        *to++ = (char)byte;
    }
    if (!utf8_ok(start, (size_t)(to - start)))
        return NULL;
    /* What stops is kept for the caller: the decoded text may end right there. */
    if (to < at)
        *to = '\0';
    return at;
}

static bool is_repeated(const struct query_values *values, const char *name)
{
    for (unsigned i = 0; i < values->count; i++)
        if (strcmp(values->at[i].name, name) == 0)
            return true;
    return false;
}

int query_split(char *query, struct query_values *ret, struct error *err)
{
    ret->count = 0;
    for (char *at = query; *at;) {
        struct query_value value = {.name = at, .value = ""};
        char *end = decode_value(at, "=&");
        if (end && *end == '=') {
            *end++ = '\0';
            value.value = end;
            end = decode_value(end, "&");
        }
        if (!end)
            return fail(err, PROBLEM_BAD_REQUEST, "the query is malformed");
        at = end;
        if (*at)
            *at++ = '\0';
        if (!*value.name && !*value.value)
            continue;
        if (is_repeated(ret, value.name))
            return fail_field(err, PROBLEM_BAD_FIELD, value.name, "given more than once");
        if (ret->count == QUERY_VALUES_MAX)
            return fail(err, PROBLEM_BAD_REQUEST, "the query has too many values");
        ret->at[ret->count++] = value;
    }
    return 0;
}
