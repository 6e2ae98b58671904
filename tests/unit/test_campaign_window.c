/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: by the clocks of real places, by a scan that looks at each minute, in JSON and in words.
 * The facts were worked out with another implementation of time zones. */
#include "campaign/window.h"

#include "core/clock.h"
#include "core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "unit/zone_steps.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400
#define EVERY_DAY 0x7f

/* -- windows in time -- */

static void windows_open_and_close_by_the_clocks_there(void **state)
{
    static const char berlin[] = "Europe/Berlin", new_york[] = "America/New_York",
                      lord_howe[] = "Australia/Lord_Howe", kathmandu[] = "Asia/Kathmandu",
                      apia[] = "Pacific/Apia", sao_paulo[] = "America/Sao_Paulo",
                      st_johns[] = "America/St_Johns", casablanca[] = "Africa/Casablanca",
                      troll[] = "Antarctica/Troll";
    /* clang-format off */
    static const struct {
        const char *zone;
        struct window window;
        const char *now;
        bool is_open;
        const char *until;
    } facts[] = {
        /* 02:30 was left out: at the end of the gap, and nowhere else that day. */
        {berlin, {0x7f, 9000, HOUR}, "2024-03-30T02:30:00Z", false, "2024-03-31T01:00:00Z"},
        {berlin, {0x7f, 9000, HOUR}, "2024-03-31T01:00:00Z", true, "2024-03-31T02:00:00Z"},
        {berlin, {0x7f, 9000, HOUR}, "2024-03-31T02:00:00Z", false, "2024-04-01T00:30:00Z"},
        /* 02:30 came twice: only the first. */
        {berlin, {0x7f, 9000, HOUR}, "2024-10-27T00:29:59Z", false, "2024-10-27T00:30:00Z"},
        {berlin, {0x7f, 9000, HOUR}, "2024-10-27T01:29:59Z", true, "2024-10-27T01:30:00Z"},
        {berlin, {0x7f, 9000, HOUR}, "2024-10-27T01:30:00Z", false, "2024-10-28T01:30:00Z"},
        /* Six hours are six hours, whatever the clocks do meanwhile. */
        {berlin, {0x20, 79200, 21600}, "2024-03-31T02:59:59Z", true, "2024-03-31T03:00:00Z"},
        {berlin, {0x20, 79200, 21600}, "2024-10-26T20:00:00Z", true, "2024-10-27T02:00:00Z"},
        {berlin, {0x40, 0, DAY}, "2024-03-31T12:00:00Z", true, "2024-03-31T23:00:00Z"},
        {berlin, {0x40, 0, DAY}, "2024-10-27T12:00:00Z", true, "2024-10-27T22:00:00Z"},
        {new_york, {0x40, 7200, 1800}, "2007-03-11T06:59:59Z", false, "2007-03-11T07:00:00Z"},
        {new_york, {0x40, 7200, 1800}, "2007-11-04T06:30:00Z", false, "2007-11-04T07:00:00Z"},
        {new_york, {0x40, 5400, HOUR}, "2007-11-04T05:30:00Z", true, "2007-11-04T06:30:00Z"},
        {new_york, {0x40, 5400, HOUR}, "2007-11-04T06:30:00Z", false, "2007-11-11T06:30:00Z"},
        /* Half an hour forward and back. */
        {lord_howe, {0x40, 8100, 900}, "2023-09-30T15:29:00Z", false, "2023-09-30T15:30:00Z"},
        {lord_howe, {0x40, 8100, 900}, "2023-09-30T15:30:00Z", true, "2023-09-30T15:45:00Z"},
        {lord_howe, {0x40, 6300, 900}, "2023-04-01T14:45:00Z", true, "2023-04-01T15:00:00Z"},
        {lord_howe, {0x40, 6300, 900}, "2023-04-01T15:15:00Z", false, "2023-04-08T15:15:00Z"},
        {kathmandu, {0x02, 0, HOUR}, "2024-07-01T18:14:59Z", false, "2024-07-01T18:15:00Z"},
        {kathmandu, {0x02, 0, HOUR}, "2024-07-01T18:15:00Z", true, "2024-07-01T19:15:00Z"},
        /* A Friday that never was. */
        {apia, {0x10, 43200, HOUR}, "2011-12-30T09:59:59Z", false, "2011-12-30T10:00:00Z"},
        {apia, {0x10, 43200, HOUR}, "2011-12-30T10:00:00Z", true, "2011-12-30T11:00:00Z"},
        {apia, {0x10, 43200, HOUR}, "2011-12-30T11:00:00Z", false, "2012-01-05T22:00:00Z"},
        {apia, {0x20, 1800, HOUR}, "2011-12-30T10:00:00Z", false, "2011-12-30T10:30:00Z"},
        /* Midnight left out, and Saturday's last hour twice. */
        {sao_paulo, {0x40, 0, HOUR}, "2018-11-04T02:59:59Z", false, "2018-11-04T03:00:00Z"},
        {sao_paulo, {0x20, 84600, HOUR}, "2019-02-17T01:30:00Z", true, "2019-02-17T02:30:00Z"},
        {sao_paulo, {0x20, 84600, HOUR}, "2019-02-17T02:30:00Z", false, "2019-02-24T02:30:00Z"},
        /* Sunday began, fell back into Saturday a minute later, and began again. */
        {st_johns, {0x40, 0, 120}, "2006-10-29T02:29:59Z", false, "2006-10-29T02:30:00Z"},
        {st_johns, {0x40, 0, 120}, "2006-10-29T02:31:30Z", true, "2006-10-29T02:32:00Z"},
        {st_johns, {0x40, 0, 120}, "2006-10-29T03:30:30Z", false, "2006-11-05T03:30:00Z"},
        {casablanca, {0x40, 9000, HOUR}, "2020-05-31T01:59:00Z", false, "2020-05-31T02:00:00Z"},
        /* Two hours at once. */
        {troll, {0x40, 3600, HOUR}, "2016-03-27T01:00:00Z", true, "2016-03-27T02:00:00Z"},
        {troll, {0x40, 3600, HOUR}, "2016-10-30T01:00:00Z", false, "2016-11-06T01:00:00Z"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct windows windows = {{facts[i].window}, 1};
        const struct zone *zone = zone_named(facts[i].zone);
        int64_t until = -1;

        assert_non_null(zone);
        bool is_open = windows_are_open(&windows, zone, at(facts[i].now), &until);
        if (is_open != facts[i].is_open || until != at(facts[i].until))
            fail_msg("%s at %s: %s until %s", facts[i].zone, facts[i].now,
                     is_open ? "open" : "shut", written(until));
        assert_int_equal(windows_are_open(&windows, zone, at(facts[i].now), NULL), is_open);
    }
}

static int64_t closes(const struct windows *windows, const char *zone, const char *now)
{
    int64_t until = -1;

    assert_true(windows_are_open(windows, zone_named(zone), at(now), &until));
    return until;
}

static void windows_that_overlap_or_touch_are_one(void **state)
{
    /* clang-format off */
    static const struct windows touching = {
        {{0x01, 8 * HOUR, HOUR}, {0x01, 10 * HOUR, HOUR}, {0x01, 9 * HOUR, HOUR}}, 3};
    static const struct windows nested = {{{0x7f, 0, 10 * HOUR}, {0x7f, HOUR, HOUR}}, 2};
    static const struct windows workdays = {{{0x1f, 6 * HOUR, DAY}}, 1};
    /* clang-format on */

    (void)state;
    assert_int_equal(closes(&touching, "UTC", "2024-07-01T08:30:00Z"), at("2024-07-01T11:00:00Z"));
    assert_int_equal(closes(&nested, "UTC", "2024-07-01T01:30:00Z"), at("2024-07-01T10:00:00Z"));
    assert_int_equal(closes(&workdays, "UTC", "2024-07-01T06:00:00Z"), at("2024-07-06T06:00:00Z"));
}

static void windows_without_an_end_never_close(void **state)
{
    static const struct windows none = {.count = 0};
    static const struct windows all_day = {{{0x7f, 0, DAY}}, 1};
    static const struct windows all_week = {{{0x04, 7 * HOUR, 7 * DAY}}, 1};
    static const struct windows spare_hour = {{{0x7f, 0, DAY + HOUR}}, 1};

    (void)state;
    assert_int_equal(closes(&none, "Europe/Berlin", "2024-07-01T08:30:00Z"), 0);
    assert_int_equal(closes(&all_day, "UTC", "2024-07-01T08:30:00Z"), 0);
    assert_int_equal(closes(&all_week, "Asia/Kathmandu", "2024-07-01T08:30:00Z"), 0);
    assert_int_equal(closes(&spare_hour, "Europe/Berlin", "2024-07-01T08:30:00Z"), 0);
    /* The day of 25 hours has one that no day of 24 covers. */
    assert_int_equal(closes(&all_day, "Europe/Berlin", "2024-07-01T08:30:00Z"),
                     at("2024-10-27T22:00:00Z"));
    assert_int_equal(closes(&all_week, "Europe/Berlin", "2024-07-01T08:30:00Z"),
                     at("2024-10-30T05:00:00Z"));
}

/* -- windows against a scan of each minute -- */

#define SCAN_DAYS 26
#define SCAN_MINUTES (SCAN_DAYS * 24 * 60)
#define SETTLED (10 * 24 * 60) /* by then no window opened before the scan is open */

/* Goes through the minutes as the clock on the wall does; a window opens when the clock first shows
 * its start, or has jumped over it. */
static void scan(const struct windows *windows, const struct zone *zone, int64_t from,
                 uint8_t is_open[SCAN_MINUTES])
{
    int64_t seen = INT64_MIN;
    int64_t closing = INT64_MIN;

    for (int64_t minute = 0; minute < SCAN_MINUTES; minute++) {
        int64_t now = from + minute * MINUTE, shown = now + zone_offset(zone, now);

        for (int64_t local = seen == INT64_MIN ? shown : seen + MINUTE; local <= shown;
             local += MINUTE)
            for (size_t i = 0; i < windows->count; i++) {
                const struct window *window = &windows->items[i];
                bool is_listed = window->days >> ((local / DAY + 3) % 7) & 1;
                if (is_listed && local % DAY == window->start && now + window->length > closing)
                    closing = now + window->length;
            }
        if (shown > seen)
            seen = shown;
        is_open[minute] = now < closing;
    }
}

static void any_windows(struct windows *ret)
{
    *ret = (struct windows){.count = (size_t)any(1, 4)};
    for (size_t i = 0; i < ret->count; i++) {
        struct window *window = &ret->items[i];

        window->days = (uint8_t)any(1, EVERY_DAY);
        window->start = (int32_t)(any(0, 1) ? any(0, 1439) : any(0, 4 * 60)) * MINUTE;
        window->length = (int32_t)(any(0, 3) ? any(1, 600) : any(600, 7 * 1440)) * MINUTE;
        if (any(0, 3) == 0 && i > 0) /* touches the one before */
            window->start = (ret->items[i - 1].start + ret->items[i - 1].length) % DAY;
    }
}

/* Most of the times are near a change of the clocks. */
static int64_t any_time(const struct zone *zone)
{
    int64_t time = any(at("1990-01-01T00:00:00Z"), at("2060-01-01T00:00:00Z"));

    if (any(0, 3) > 0) {
        struct zone_span span = zone_span(zone, time);
        if (span.until < at("2060-01-01T00:00:00Z"))
            time = span.until + any(-6 * 24, 2 * 24) * HOUR;
    }
    return time - time % MINUTE;
}

static void check_against_scan(const struct windows *windows, const struct zone *zone, int64_t from,
                               const uint8_t is_open[SCAN_MINUTES])
{
    for (int question = 0; question < 100; question++) {
        int64_t first = any(SETTLED, SETTLED + 7 * 1440), minute = first, until = -1;
        int64_t now = from + first * MINUTE + any(0, MINUTE - 1);
        bool answer = windows_are_open(windows, zone, now, &until);

        assert_true(answer || until <= now + 8 * DAY);
        while (minute < SCAN_MINUTES && is_open[minute] == is_open[first])
            minute++;
        int64_t expected = from + minute * MINUTE;
        bool is_right = minute < SCAN_MINUTES ? until == expected : until == 0 || until >= expected;
        if (answer != is_open[first] || !is_right) {
            char text[WINDOWS_TEXT_SIZE];
            fail_msg("%s, offset %lld, at %s: %s until %s, not %s",
                     windows_text(windows, text, sizeof text), (long long)zone_offset(zone, now),
                     written(now), answer ? "open" : "shut", written(until), written(expected));
        }
    }
}

static void windows_are_what_a_scan_of_each_minute_says(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin",    "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
        "Pacific/Apia",     "Antarctica/Troll", "America/Sao_Paulo",   "Africa/Casablanca",
        "America/St_Johns", "Asia/Gaza",        "America/Nuuk",        "Pacific/Kwajalein",
        "Europe/Dublin",    "Africa/Cairo",     "Pacific/Chatham",     "UTC",
    };
    static uint8_t is_open[SCAN_MINUTES];

    (void)state;
    for (int round = 0; round < 160; round++) {
        const struct zone *zone = zone_named(names[round % (int)COUNT_OF(names)]);
        struct windows windows;

        assert_non_null(zone);
        int64_t from = any_time(zone) - (SETTLED + 3 * 1440) * MINUTE;
        any_windows(&windows);
        scan(&windows, zone, from, is_open);
        check_against_scan(&windows, zone, from, is_open);
    }
}

/* -- windows in JSON and for people -- */

/* JSON with ' for ", so that it can be read here. */
static json_t *json_of(const char *text)
{
    CLEANUP(free_string) char *quoted = strdup(text);
    struct error err = {0};
    json_t *json = NULL;

    assert_non_null(quoted);
    for (char *quote = quoted; (quote = strchr(quote, '\'')); quote++)
        *quote = '"';
    if (json_read(quoted, strlen(quoted), &json, &err))
        fail_msg("%s: %s", text, error_text(&err));
    return json;
}

static int read_windows(const char *text, struct windows *ret, struct error *err)
{
    json_auto_t *json = json_of(text);

    return windows_read(json_object_get(json, "w"), "w", ret, err);
}

static void check_same(const struct windows *a, const struct windows *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->items[i].days, b->items[i].days);
        assert_int_equal(a->items[i].start, b->items[i].start);
        assert_int_equal(a->items[i].length, b->items[i].length);
    }
}

static void windows_are_read_written_and_read_again(void **state)
{
    /* clang-format off */
    static const struct {
        const char *json;
        struct windows windows;
        const char *text;
    } cases[] = {
        {"{}", {.count = 0}, "at any time"},
        {"{'w': null}", {.count = 0}, "at any time"},
        {"{'w': []}", {.count = 0}, "at any time"},
        {"{'w': [{'start': '22:00', 'length': '6h'}]}",
         {{{0x7f, 79200, 21600}}, 1},
         "daily 22:00 for 6 h"},
        {"{'w': [{'days': ['fri','mon','tue','wed','thu'], 'start': '00:00', 'length': 5400}]}",
         {{{0x1f, 0, 5400}}, 1},
         "Mon-Fri 00:00 for 90 min"},
        {"{'w': [{'days': ['sat', 'sun'], 'start': '23:59:59', 'length': '7d'},"
         "       {'days': ['mon', 'wed', 'thu', 'fri'], 'start': '08:05', 'length': '61s'}]}",
         {{{0x60, 86399, 604800}, {0x1d, 29100, 61}}, 2},
         "Sat,Sun 23:59:59 for 7 d; Mon,Wed-Fri 08:05 for 61 s"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct windows windows, again;
        struct error err = {0};
        char text[WINDOWS_TEXT_SIZE];

        if (read_windows(cases[i].json, &windows, &err))
            fail_msg("%s: %s", cases[i].json, error_text(&err));
        check_same(&windows, &cases[i].windows);
        assert_string_equal(windows_text(&windows, text, sizeof text), cases[i].text);
        json_auto_t *json = windows_to_json(&windows);
        assert_non_null(json);
        assert_int_equal(windows_read(json, "w", &again, &err), 0);
        check_same(&again, &windows);
    }
}

static void windows_are_written_with_every_member(void **state)
{
    static const struct windows windows = {{{0x7f, 79200, 21600}}, 1};
    json_auto_t *json = windows_to_json(&windows);
    CLEANUP(free_string) char *text = json_dumps(json, JSON_COMPACT);

    (void)state;
    assert_string_equal(text,
                        "[{\"days\":[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\",\"sat\",\"sun\"],"
                        "\"start\":\"22:00\",\"length\":21600}]");
}

static void a_bad_window_is_refused_by_its_place(void **state)
{
    static const struct {
        const char *field, *json;
    } cases[] = {
        {"w",           "{'w': {}}"                                                               },
        {"w",           "{'w': '22:00'}"                                                          },
        {"w[1]",        "{'w': [{'start': '22:00', 'length': '6h'}, 1]}"                          },
        {"w[0].start",  "{'w': [{'length': '6h'}]}"                                               },
        {"w[0].length", "{'w': [{'start': '22:00'}]}"                                             },
        {"w[0].zone",   "{'w': [{'start': '22:00', 'length': '6h', 'zone': 'UTC'}]}"              },
        {"w[0].start",  "{'w': [{'start': '24:00', 'length': '6h'}]}"                             },
        {"w[0].start",  "{'w': [{'start': '22:60', 'length': '6h'}]}"                             },
        {"w[0].start",  "{'w': [{'start': '22:00:60', 'length': '6h'}]}"                          },
        {"w[0].start",  "{'w': [{'start': '2:00', 'length': '6h'}]}"                              },
        {"w[0].start",  "{'w': [{'start': '22', 'length': '6h'}]}"                                },
        {"w[0].start",  "{'w': [{'start': '22-00', 'length': '6h'}]}"                             },
        {"w[0].start",  "{'w': [{'start': '22:00:00:00', 'length': '6h'}]}"                       },
        {"w[0].start",  "{'w': [{'start': '22:00 ', 'length': '6h'}]}"                            },
        {"w[0].start",  "{'w': [{'start': '', 'length': '6h'}]}"                                  },
        {"w[0].start",  "{'w': [{'start': 22, 'length': '6h'}]}"                                  },
        {"w[0].length", "{'w': [{'start': '22:00', 'length': 59}]}"                               },
        {"w[0].length", "{'w': [{'start': '22:00', 'length': 604801}]}"                           },
        {"w[0].length", "{'w': [{'start': '22:00', 'length': '8d'}]}"                             },
        {"w[0].length", "{'w': [{'start': '22:00', 'length': '-6h'}]}"                            },
        {"w[0].length", "{'w': [{'start': '22:00', 'length': 90.5}]}"                             },
        {"w[1].days",
         "{'w': [{'start': '22:00', 'length': 60}, {'days': [], 'start': '22:00', 'length': 60}]}"},
        {"w[0].days",   "{'w': [{'days': 'mon', 'start': '22:00', 'length': '6h'}]}"              },
        {"w[0].days",   "{'w': [{'days': ['Mon'], 'start': '22:00', 'length': '6h'}]}"            },
        {"w[0].days",   "{'w': [{'days': [1], 'start': '22:00', 'length': '6h'}]}"                },
        {"w[0].days",   "{'w': [{'days': ['mon', 'mon'], 'start': '22:00', 'length': '6h'}]}"     },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct windows windows = {.count = 77};
        struct error err = {0};

        if (read_windows(cases[i].json, &windows, &err) != -1)
            fail_msg("%s is taken", cases[i].json);
        assert_int_equal(err.problem, PROBLEM_BAD_FIELD);
        assert_string_equal(err.field, cases[i].field);
        assert_non_null(strstr(err.detail, "w"));
        assert_int_equal(windows.count, 77);
    }
}

static void more_windows_than_there_is_room_for_are_refused(void **state)
{
    json_auto_t *json = json_array();
    struct windows windows = {.count = 0};
    struct error err = {0};

    (void)state;
    for (int i = 0; i < WINDOWS_MAX; i++)
        json_array_append_new(json, json_pack("{s:s, s:i}", "start", "01:02:03", "length", 604799));
    assert_int_equal(windows_read(json, "w", &windows, &err), 0);
    assert_int_equal(windows.count, WINDOWS_MAX);
    json_array_append_new(json, json_pack("{s:s, s:i}", "start", "22:00", "length", 60));
    assert_int_equal(windows_read(json, "w", &windows, &err), -1);
    assert_string_equal(err.field, "w");
}

static void the_longest_text_has_room_and_a_short_one_is_cut(void **state)
{
    struct windows windows = {.count = WINDOWS_MAX};
    char text[WINDOWS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < WINDOWS_MAX; i++)
        windows.items[i] = (struct window){0x5b, 86399, 604799};
    windows_text(&windows, text, sizeof text);
    assert_string_equal(text + strlen(text) - 43, "; Mon,Tue,Thu,Fri,Sun 23:59:59 for 604799 s");
    assert_string_equal(windows_text(&windows, text, 8), "Mon,Tue");
}

static void spans_of_time_are_read_from_text(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"0",                    0     },
        {"90",                   90    },
        {"90s",                  90    },
        {"10m",                  600   },
        {"4h",                   14400 },
        {"7d",                   604800},
        {"8d",                   -1    },
        {"604801",               -1    },
        {"",                     -1    },
        {"h",                    -1    },
        {"-1",                   -1    },
        {" 1",                   -1    },
        {"1 h",                  -1    },
        {"1H",                   -1    },
        {"1h30m",                -1    },
        {"9223372036854775807d", -1    },
        {"9223372036854775808",  -1    },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t seconds = -1;
        int result = seconds_from_text(cases[i].text, 7 * DAY, &seconds);
        if (seconds != cases[i].seconds || result != (cases[i].seconds < 0 ? -1 : 0))
            fail_msg("\"%s\": %lld", cases[i].text, (long long)seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_open_and_close_by_the_clocks_there),
        cmocka_unit_test(windows_that_overlap_or_touch_are_one),
        cmocka_unit_test(windows_without_an_end_never_close),
        cmocka_unit_test(windows_are_what_a_scan_of_each_minute_says),
        cmocka_unit_test(windows_are_read_written_and_read_again),
        cmocka_unit_test(windows_are_written_with_every_member),
        cmocka_unit_test(a_bad_window_is_refused_by_its_place),
        cmocka_unit_test(more_windows_than_there_is_room_for_are_refused),
        cmocka_unit_test(the_longest_text_has_room_and_a_short_one_is_cut),
        cmocka_unit_test(spans_of_time_are_read_from_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
