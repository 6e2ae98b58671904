/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/window.h"

#include "core/text.h"

#include <assert.h>
#include <string.h>

#define DAY 86400
#define DAYS_OF_WEEK 7
#define EVERY_DAY 0x7f

static const char *const day_members[DAYS_OF_WEEK] = {"mon", "tue", "wed", "thu",
                                                      "fri", "sat", "sun"};

/* -- when -- */

/* A zone with the stretch of time asked for last: questions come in bundles about a few days. */
struct clocks {
    const struct zone *zone;
    struct zone_span span;
};

/* The first instant at which the clocks show `local` or later. */
static int64_t first_instant(struct clocks *clocks, int64_t local)
{
    int64_t at = local - ZONE_OFFSET_MAX;

    for (;;) {
        if (at < clocks->span.from || at >= clocks->span.until)
            clocks->span = zone_span(clocks->zone, at);
        int64_t shown = local - clocks->span.offset;
        if (shown < clocks->span.until)
            return shown > at ? shown : at;
        at = clocks->span.until;
    }
}

static int64_t day_of(int64_t local)
{
    return local / DAY - (local % DAY < 0);
}

static bool opens_on(const struct window *window, int64_t day)
{
    int64_t weekday = (day % DAYS_OF_WEEK + DAYS_OF_WEEK + 3) % DAYS_OF_WEEK;

    return window->days >> weekday & 1; /* day 0, 1 January 1970, was a Thursday */
}

/* The last time it opened, up to and including `at`. */
static int64_t last_opening(const struct window *window, struct clocks *clocks, int64_t at)
{
    assert(window->days & EVERY_DAY); /* or the day is never found */
    for (int64_t day = day_of(at + ZONE_OFFSET_MAX);; day--)
        if (opens_on(window, day)) {
            int64_t opening = first_instant(clocks, day * DAY + window->start);
            if (opening <= at)
                return opening;
        }
}

static int64_t next_opening(const struct window *window, struct clocks *clocks, int64_t at)
{
    assert(window->days & EVERY_DAY); /* or the day is never found */
    for (int64_t day = day_of(at - ZONE_OFFSET_MAX);; day++)
        if (opens_on(window, day)) {
            int64_t opening = first_instant(clocks, day * DAY + window->start);
            if (opening > at)
                return opening;
        }
}

/* How far the windows that are open at `at` reach, going over into others until `limit` is passed.
 * `at` itself when all are shut. */
static int64_t end_of_open(const struct windows *windows, struct clocks *clocks, int64_t at,
                           int64_t limit)
{
    int64_t end = at, before;

    do {
        before = end;
        for (size_t i = 0; i < windows->count; i++) {
            const struct window *window = &windows->items[i];
            int64_t close = last_opening(window, clocks, end) + window->length;
            if (close > end)
                end = close;
        }
    } while (end > before && end <= limit);
    return end;
}

static int64_t earliest_opening(const struct windows *windows, struct clocks *clocks, int64_t at)
{
    int64_t earliest = INT64_MAX;

    for (size_t i = 0; i < windows->count; i++) {
        int64_t opening = next_opening(&windows->items[i], clocks, at);
        if (opening < earliest)
            earliest = opening;
    }
    return earliest;
}

bool windows_are_open(const struct windows *windows, const struct zone *zone, int64_t now,
                      int64_t *ret_until)
{
    struct clocks clocks = {zone, zone_span(zone, now)};
    int64_t limit = ret_until ? now + WINDOWS_FOREVER : now;
    int64_t end = windows->count ? end_of_open(windows, &clocks, now, limit) : INT64_MAX;

    if (ret_until && end > now)
        *ret_until = end <= limit ? end : 0;
    else if (ret_until)
        *ret_until = earliest_opening(windows, &clocks, now);
    return end > now;
}

/* -- JSON -- */

static int read_days(const json_t *json, uint8_t *ret, struct error *err)
{
    const json_t *days;
    unsigned read = 0;

    if (json_get_array_or_none(json, "days", &days, err))
        return -1;
    for (size_t i = 0; i < json_array_size(days); i++) {
        const char *name = json_string_value(json_array_get(days, i));
        size_t day = 0;

        while (day < DAYS_OF_WEEK && (!name || strcmp(day_members[day], name) != 0))
            day++;
        if (day == DAYS_OF_WEEK || read & 1u << day)
            return fail_field(err, PROBLEM_BAD_FIELD, "days",
                              "days are of \"mon\" to \"sun\", each once");
        read |= 1u << day;
    }
    if (days && read == 0)
        return fail_field(err, PROBLEM_BAD_FIELD, "days", "without days it never opens");
    *ret = days ? (uint8_t)read : EVERY_DAY;
    return 0;
}

/* Two digits below `most`, and the colon in front of them unless they are the first. */
static bool read_two(const char **at, bool is_first, int most, int32_t *ret)
{
    if (!is_first && *(*at)++ != ':')
        return false;
    for (int i = 0; i < 2; i++)
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
    *ret = ((*at)[0] - '0') * 10 + ((*at)[1] - '0');
    *at += 2;
    return *ret < most;
}

static int read_start(const json_t *json, int32_t *ret, struct error *err)
{
    int32_t hours, minutes, seconds = 0;
    const char *at;

    if (json_get_string(json, "start", &at, err))
        return -1;
    if (!read_two(&at, true, 24, &hours) || !read_two(&at, false, 60, &minutes) ||
        (*at && !read_two(&at, false, 60, &seconds)) || *at)
        return fail_field(err, PROBLEM_BAD_FIELD, "start",
                          "a start is a time of day such as \"22:00\"");
    *ret = hours * 3600 + minutes * 60 + seconds;
    return 0;
}

static int read_length(const json_t *json, int32_t *ret, struct error *err)
{
    const json_t *value = json_object_get(json, "length");
    int64_t length = 0;

    if (json_is_integer(value))
        length = json_integer_value(value);
    else if (!json_is_string(value) ||
             seconds_from_text(json_string_value(value), WINDOW_LENGTH_MAX, &length))
        length = 0;
    if (length < WINDOW_LENGTH_MIN || length > WINDOW_LENGTH_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, "length",
                          "a length is 60 s to 7 days, such as 3600, \"90m\" or \"6h\"");
    *ret = (int32_t)length;
    return 0;
}

static int read_window(const json_t *json, struct window *ret, struct error *err)
{
    static const char *const members[] = {"days", "start", "length", NULL};

    if (!json_is_object(json))
        return fail(err, PROBLEM_BAD_FIELD, "a window is an object");
    if (json_only_members(json, members, err) || read_days(json, &ret->days, err) ||
        read_start(json, &ret->start, err) || read_length(json, &ret->length, err))
        return -1;
    return 0;
}

/* The window's complaint, with the way to it. */
static int fail_at(const char *field, size_t index, const struct error *why, struct error *err)
{
    char path[128];

    snprintf(path, sizeof path, "%s[%zu]%s%s", field, index, why->field[0] ? "." : "", why->field);
    return fail_field(err, PROBLEM_BAD_FIELD, path, "%s[%zu]: %s", field, index, why->detail);
}

int windows_read(const json_t *json, const char *field, struct windows *ret, struct error *err)
{
    struct windows read = {.count = json_array_size(json)};
    struct error why = {0};

    if (json && !json_is_null(json) && !json_is_array(json))
        return fail_field(err, PROBLEM_BAD_FIELD, field, "%s is an array of windows", field);
    if (read.count > WINDOWS_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, field, "%s has at most %d windows", field,
                          WINDOWS_MAX);
    for (size_t i = 0; i < read.count; i++)
        if (read_window(json_array_get(json, i), &read.items[i], &why))
            return fail_at(field, i, &why, err);
    *ret = read;
    return 0;
}

static const char *start_text(const struct window *window, char text[12])
{
    unsigned start = (unsigned)window->start % DAY, seconds = start % 60;

    snprintf(text, 12, seconds ? "%02u:%02u:%02u" : "%02u:%02u", start / 3600, start / 60 % 60,
             seconds);
    return text;
}

static json_t *window_to_json(const struct window *window)
{
    json_auto_t *days = json_array();
    char start[12];

    for (size_t day = 0; day < DAYS_OF_WEEK; day++)
        if (window->days >> day & 1 && json_array_append_new(days, json_string(day_members[day])))
            return NULL;
    return json_pack("{s:O, s:s, s:i}", "days", days, "start", start_text(window, start), "length",
                     (int)window->length);
}

json_t *windows_to_json(const struct windows *windows)
{
    json_auto_t *array = json_array();

    for (size_t i = 0; i < windows->count; i++)
        if (json_array_append_new(array, window_to_json(&windows->items[i])))
            return NULL;
    return MOVE(array);
}

/* -- for people -- */

/* "Mon-Fri,Sun": three days in a row or more are a range. */
static void days_to_text(uint8_t days, struct text *text)
{
    static const char *const names[DAYS_OF_WEEK] = {"Mon", "Tue", "Wed", "Thu",
                                                    "Fri", "Sat", "Sun"};
    const char *between = "";

    for (size_t day = 0, last; day < DAYS_OF_WEEK; day = last + 1) {
        last = day;
        if (!(days >> day & 1))
            continue;
        while (last + 1 < DAYS_OF_WEEK && days >> (last + 1) & 1)
            last++;
        if (last - day < 2)
            last = day;
        text_format(text, "%s%s", between, names[day]);
        if (last > day)
            text_format(text, "-%s", names[last]);
        between = ",";
    }
}

static void length_to_text(int32_t length, struct text *text)
{
    static const struct {
        int32_t seconds;
        const char *name;
    } units[] = {
        {86400, "d"  },
        {3600,  "h"  },
        {60,    "min"},
        {1,     "s"  },
    };
    size_t unit = 0;

    while (length % units[unit].seconds)
        unit++;
    text_format(text, " for %d %s", length / units[unit].seconds, units[unit].name);
}

const char *windows_text(const struct windows *windows, char *text, size_t room)
{
    struct text whole = {0};
    char start[12];

    if (windows->count == 0)
        text_append(&whole, "at any time");
    for (size_t i = 0; i < windows->count; i++) {
        const struct window *window = &windows->items[i];

        text_append(&whole, i ? "; " : "");
        if (window->days == EVERY_DAY)
            text_append(&whole, "daily");
        else
            days_to_text(window->days, &whole);
        text_format(&whole, " %s", start_text(window, start));
        length_to_text(window->length, &whole);
    }
    CLEANUP(free_string) char *taken = text_take(&whole);
    snprintf(text, room, "%s", taken ? taken : "");
    return text;
}
