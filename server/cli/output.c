/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include "cli/http.h"
#include "core/clock.h"

#include <stdarg.h>
#include <string.h>

#define COLUMN_GAP 2

/* -- text from outside -- */

/* How many bytes at `at` must not reach a terminal: C0, DEL and C1 controls, and the marks that
 * turn the direction of writing. */
static size_t hostile_bytes(const unsigned char *at)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return 1;
    if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
        return 2;
    if (at[0] == 0xe2 && ((at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
                          (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9)))
        return 3;
    return 0;
}

static void sift(struct text *out, const char *string, bool keep_line_ends)
{
    while (*string) {
        size_t hostile = hostile_bytes((const unsigned char *)string);

        if (keep_line_ends && *string == '\n')
            hostile = 0;
        text_append_bytes(out, hostile ? "?" : string, 1);
        string += hostile ? hostile : 1;
    }
}

void put_safely(FILE *out, const char *string)
{
    struct text text = {0};

    sift(&text, string, true);
    CLEANUP(free_string) char *safe = text_take(&text);
    fputs(safe ? safe : "?", out);
}

void say(const char *format, ...)
{
    CLEANUP(free_string) char *line = NULL;
    va_list values;

    va_start(values, format);
    if (vasprintf(&line, format, values) < 0)
        line = NULL;
    va_end(values);
    put_safely(stdout, line ? line : "?");
}

/* -- values -- */

const char *bytes_text(int64_t bytes, char ret[SHORT_TEXT_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double amount = (double)bytes;
    size_t unit = 0;

    while (amount >= 1024 && unit + 1 < COUNT_OF(units)) {
        amount /= 1024;
        unit++;
    }
    snprintf(ret, SHORT_TEXT_SIZE, unit ? "%.1f %s" : "%.0f %s", amount, units[unit]);
    return ret;
}

const char *seconds_text(int64_t seconds, char ret[SHORT_TEXT_SIZE])
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {
        {86400, "d"  },
        {3600,  "h"  },
        {60,    "min"},
        {1,     "s"  }
    };
    size_t at = 0;

    while (at + 1 < COUNT_OF(units) && seconds < units[at].seconds)
        at++;
    int64_t whole = seconds / units[at].seconds, rest = seconds % units[at].seconds;
    if (at + 1 < COUNT_OF(units) && whole < 10 && rest >= units[at + 1].seconds)
        snprintf(ret, SHORT_TEXT_SIZE, "%lld %s %lld %s", (long long)whole, units[at].name,
                 (long long)(rest / units[at + 1].seconds), units[at + 1].name);
    else
        snprintf(ret, SHORT_TEXT_SIZE, "%lld %s", (long long)whole, units[at].name);
    return ret;
}

const char *ago_text(int64_t then, int64_t now, char ret[SHORT_TEXT_SIZE])
{
    char amount[SHORT_TEXT_SIZE];

    if (then == now)
        return strcpy(ret, "now");
    seconds_text(then > now ? then - now : now - then, amount);
    snprintf(ret, SHORT_TEXT_SIZE, then > now ? "in %.40s" : "%.40s ago", amount);
    return ret;
}

const json_t *member_at(const json_t *object, const char *path)
{
    while (object && path) {
        const char *dot = strchr(path, '.');
        char name[64];

        snprintf(name, sizeof name, "%.*s", (int)(dot ? (size_t)(dot - path) : strlen(path)), path);
        object = json_object_get(object, name);
        path = dot ? dot + 1 : NULL;
    }
    return object;
}

const char *member_text(const json_t *object, const char *member, const char *otherwise)
{
    const char *text = json_string_value(member_at(object, member));

    return text ? text : otherwise;
}

int64_t member_number(const json_t *object, const char *member)
{
    return json_integer_value(member_at(object, member));
}

static void cell_scalar(struct text *cell, const json_t *value)
{
    if (json_is_string(value))
        text_append(cell, json_string_value(value));
    else if (json_is_integer(value))
        text_number(cell, json_integer_value(value));
    else if (json_is_real(value))
        text_format(cell, "%.4g", json_real_value(value));
    else if (json_is_boolean(value))
        text_append(cell, json_is_true(value) ? "yes" : "no");
}

static void cell_list(struct text *cell, const json_t *value)
{
    size_t i;
    json_t *element;

    json_array_foreach(value, i, element)
    {
        text_append(cell, i ? ", " : "");
        cell_scalar(cell, element);
    }
}

static void cell_time(struct text *cell, const json_t *value, enum form form)
{
    const char *text = json_string_value(value);
    char ago[SHORT_TEXT_SIZE];
    int64_t then;

    if (!text)
        return;
    if (!clock_parse(text, &then)) {
        text_append(cell, text);
        return;
    }
    ago_text(then, clock_wall(), ago);
    if (form == AS_AGO)
        text_append(cell, ago);
    else
        text_format(cell, "%.10s %s (%s)", text, text + sizeof "2026-11-20", ago);
}

/* The text of one value, sifted; the caller's to free. Empty for what is not there. */
static char *cell_text(const json_t *value, enum form form)
{
    struct text cell = {0}, safe = {0};
    char buffer[SHORT_TEXT_SIZE];

    if (json_is_array(value))
        cell_list(&cell, value);
    else if (form == AS_AGO || form == AS_TIME)
        cell_time(&cell, value, form);
    else if (form == AS_BYTES && json_is_integer(value))
        text_append(&cell, bytes_text(json_integer_value(value), buffer));
    else if (form == AS_SECONDS && json_is_integer(value))
        text_append(&cell, seconds_text(json_integer_value(value), buffer));
    else if (form == AS_SHARE && json_is_number(value))
        text_format(&cell, "%.3g %%", json_number_value(value) * 100);
    else if (form == AS_SHORT && json_is_string(value))
        text_format(&cell, "%.12s", json_string_value(value));
    else
        cell_scalar(&cell, value);

    CLEANUP(free_string) char *raw = text_take(&cell);
    sift(&safe, raw ? raw : "?", false);
    return text_take(&safe);
}

/* -- tables -- */

/* Columns on the screen: code points, which is right for what device names are made of. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool is_right_aligned(enum form form)
{
    return form == AS_NUMBER || form == AS_BYTES || form == AS_SHARE;
}

static void put_cell(const char *text, size_t width, enum form form, bool is_last)
{
    int padding = (int)(width - width_of(text));

    if (is_right_aligned(form))
        printf("%*s%s", padding, "", text);
    else if (is_last)
        printf("%s", text);
    else
        printf("%s%*s", text, padding, "");
    printf("%*s", is_last ? 0 : COLUMN_GAP, "");
}

static void put_row(char *const *cells, const size_t *widths, const struct column *columns,
                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_cell(cells[i] ? cells[i] : "?", widths[i], columns[i].form, i + 1 == count);
    putchar('\n');
}

static void free_cells(char **cells, size_t count)
{
    for (size_t i = 0; cells && i < count; i++)
        free(cells[i]);
    free(cells);
}

void print_table(const json_t *items, const struct column *columns, size_t count,
                 const char *nothing)
{
    size_t rows = json_array_size(items) + 1;
    char **cells = calloc(rows * count, sizeof *cells);
    size_t *widths = calloc(count, sizeof *widths);

    if (rows == 1)
        printf("%s\n", nothing);
    for (size_t i = 0; cells && widths && rows > 1 && i < rows * count; i++) {
        const struct column *column = &columns[i % count];
        const json_t *item = i < count ? NULL : json_array_get(items, i / count - 1);

        cells[i] = i < count ? strdup(column->title)
                             : cell_text(member_at(item, column->member), column->form);
        size_t width = width_of(cells[i] ? cells[i] : "?");
        if (width > widths[i % count])
            widths[i % count] = width;
    }
    for (size_t row = 0; cells && widths && rows > 1 && row < rows; row++)
        put_row(cells + row * count, widths, columns, count);
    free_cells(cells, rows * count);
    free(widths);
}

static void put_field(const char *title, size_t widest, const json_t *value, enum form form)
{
    CLEANUP(free_string) char *cell = cell_text(value, form);
    int padding = (int)(widest - width_of(title)) + COLUMN_GAP;

    if (cell && *cell)
        say("%s:%*s%s\n", title, padding, "", cell);
}

void print_fields(const json_t *object, const struct column *columns, size_t count)
{
    size_t widest = 0;

    for (size_t i = 0; i < count; i++)
        if (width_of(columns[i].title) > widest)
            widest = width_of(columns[i].title);
    for (size_t i = 0; i < count; i++)
        put_field(columns[i].title, widest, member_at(object, columns[i].member), columns[i].form);
}

/* -- documents of unknown form -- */

static enum form likely_form(const char *name, const json_t *value)
{
    int64_t time;

    if (json_is_string(value) && clock_parse(json_string_value(value), &time))
        return AS_TIME;
    if (!strcmp(name, "size") || text_starts_with(name, "bytes"))
        return AS_BYTES;
    if (!strcmp(name, "soak") || !strcmp(name, "uptime"))
        return AS_SECONDS;
    return json_is_number(value) ? AS_NUMBER : AS_TEXT;
}

static void print_objects(json_t *array)
{
    struct column columns[16];
    size_t count = 0;
    const char *name;
    json_t *value;

    json_object_foreach(json_array_get(array, 0), name, value)
    {
        if (count < COUNT_OF(columns) && !json_is_object(value))
            columns[count++] = (struct column){name, name, likely_form(name, value)};
    }
    print_table(array, columns, count, "");
}

static bool is_nested(const json_t *value)
{
    return json_is_object(value) || json_is_object(json_array_get(value, 0));
}

void print_document(json_t *document)
{
    size_t widest = 0;
    const char *name;
    json_t *value;

    json_object_foreach(document, name, value)
    {
        if (!is_nested(value) && width_of(name) > widest)
            widest = width_of(name);
    }
    json_object_foreach(document, name, value)
    {
        if (!is_nested(value))
            put_field(name, widest, value, likely_form(name, value));
    }
    json_object_foreach(document, name, value)
    {
        if (!is_nested(value) || (json_is_object(value) && !json_object_size(value)))
            continue;
        say("\n%s\n", name);
        json_is_object(value) ? print_document(value) : print_objects(value);
    }
}

/* -- verbs that only show -- */

bool wants_json(const struct cli *cli)
{
    return has_option(cli, "json");
}

int print_json(const json_t *document)
{
    json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    putchar('\n');
    return 0;
}

/* Appends one page to `items`; *cursor becomes the next one or NULL. */
static int fetch_page(struct cli *cli, const char *path, const char *parameter, json_t *items,
                      char **cursor)
{
    json_auto_t *page = NULL;
    struct text query = {0};

    text_append(&query, path);
    http_query(&query, "limit", has_option(cli, "all") ? "500" : option(cli, "limit"));
    http_query(&query, parameter, *cursor);
    CLEANUP(free_string) char *address = text_take(&query);
    if (http_json(cli, "GET", address, NULL, &page))
        return -1;
    const char *next = member_text(page, "next", NULL);
    free(*cursor);
    *cursor = next ? strdup(next) : NULL;
    return json_array_extend(items, json_object_get(page, "items"));
}

int print_list(struct cli *cli, const char *path, const struct listing *listing)
{
    json_auto_t *items = json_array();
    const char *after = option(cli, "after");
    CLEANUP(free_string) char *cursor = after ? strdup(after) : NULL;
    int64_t limit;

    if (option_number(cli, "limit", 1, 500, 100, &limit))
        return -1;
    do
        if (fetch_page(cli, path, listing->cursor, items, &cursor))
            return cli->failure.message.length
                       ? -1
                       : refuse(cli, ENDS_SERVER, "the server sent no list");
    while (cursor && has_option(cli, "all"));

    if (wants_json(cli)) {
        json_auto_t *page = json_pack("{sO ss?}", "items", items, "next", cursor);
        return print_json(page);
    }
    print_table(items, listing->columns, listing->count, listing->nothing);
    if (cursor)
        say("… and more: --all, or --after %s\n", cursor);
    return 0;
}

int print_one(struct cli *cli, const char *path, const struct column *columns, size_t count)
{
    json_auto_t *document = NULL;

    if (http_json(cli, "GET", path, NULL, &document))
        return -1;
    if (wants_json(cli))
        return print_json(document);
    print_fields(document, columns, count);
    return 0;
}
