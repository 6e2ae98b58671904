/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/csv.h"

#include "core/text.h"

#include <string.h>

void csv_start(struct csv *csv, const char *bytes, size_t length)
{
    static const char mark[] = "\xef\xbb\xbf"; /* spreadsheets begin with it */
    size_t mark_length = length >= 3 && memcmp(bytes, mark, 3) == 0 ? 3 : 0;

    csv->at = bytes + mark_length;
    csv->end = bytes + length;
    csv->line = 0;
    csv->cell_count = 0;
}

/* The next line without its end; false at the end of all. */
static bool next_line(struct csv *csv, const char **ret, size_t *ret_length)
{
    if (csv->at == csv->end)
        return false;
    const char *end = memchr(csv->at, '\n', (size_t)(csv->end - csv->at));
    const char *next = end ? end + 1 : csv->end;
    if (!end)
        end = csv->end;
    if (end > csv->at && end[-1] == '\r')
        end--;
    *ret = csv->at;
    *ret_length = (size_t)(end - csv->at);
    csv->at = next;
    csv->line++;
    return true;
}

/* Takes one cell off `*from`, unquoted into `*to`; false when its quotes are wrong. */
static bool take_cell(const char **from, const char *end, char **to)
{
    const char *at = *from;
    bool is_quoted = at < end && *at == '"';

    at += is_quoted;
    for (; at < end; at++) {
        if (is_quoted && *at == '"') {
            if (at + 1 < end && at[1] == '"')
                at++;
            else
                break;
        } else if (!is_quoted && *at == ',') {
            break;
        }
        *(*to)++ = *at;
    }
    if (is_quoted && (at == end || (++at < end && *at != ',')))
        return false;
    *(*to)++ = '\0';
    *from = at;
    return true;
}

static int split(struct csv *csv, const char *line, size_t length, struct error *err)
{
    const char *end = line + length;
    char *to = csv->row;

    csv->cell_count = 0;
    for (;;) {
        if (csv->cell_count == CSV_CELLS_MAX)
            return fail(err, PROBLEM_UNPROCESSABLE, "more than %d cells", CSV_CELLS_MAX);
        csv->cells[csv->cell_count++] = to;
        if (!take_cell(&line, end, &to))
            return fail(err, PROBLEM_UNPROCESSABLE, "a quoted cell does not end as it should");
        if (line == end)
            return 1;
        line++; /* the comma */
    }
}

int csv_next(struct csv *csv, struct error *err)
{
    const char *line;
    size_t length;

    do {
        if (!next_line(csv, &line, &length))
            return 0;
    } while (length == 0);
    /* Every cell's NUL takes the place of its comma; the last one needs one more. */
    if (length >= sizeof csv->row)
        return fail(err, PROBLEM_UNPROCESSABLE, "longer than %d bytes", CSV_ROW_MAX - 1);
    if (memchr(line, '\0', length) || !utf8_ok(line, length))
        return fail(err, PROBLEM_UNPROCESSABLE, "not UTF-8 text");
    return split(csv, line, length, err);
}
