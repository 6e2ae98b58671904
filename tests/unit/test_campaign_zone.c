/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones: what the clocks showed, what footers say of the years to come, and broken files. The
 * facts were worked out with another implementation. */
#include "campaign/zone.h"

#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "unit/zone_steps.h"

#define HOUR 3600

/* -- zone files made here -- */

struct file {
    uint8_t bytes[4096];
    size_t count;
};

static void put(struct file *file, uint64_t number, int size)
{
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
        file->bytes[file->count++] = (uint8_t)(number >> shift);
}

static void put_text(struct file *file, const char *text)
{
    memcpy(file->bytes + file->count, text, strlen(text));
    file->count += strlen(text);
}

static void put_header(struct file *file, unsigned leaps, unsigned changes, unsigned types)
{
    put_text(file, "TZif2");
    for (int i = 0; i < 15; i++)
        put(file, 0, 1);
    put(file, 0, 4);
    put(file, 0, 4);
    put(file, leaps, 4);
    put(file, changes, 4);
    put(file, types, 4);
    put(file, types ? 4 : 0, 4);
}

struct made {
    unsigned leaps, changes, types;
    int64_t times[4];
    uint8_t kinds[4];
    int32_t offsets[4];
    const char *footer;
};

static void make_file(const struct made *made, struct file *ret)
{
    ret->count = 0;
    put_header(ret, 0, 0, 1);
    for (int i = 0; i < 10; i++)
        put(ret, 0, 1);
    put_header(ret, made->leaps, made->changes, made->types);
    for (unsigned i = 0; i < made->changes; i++)
        put(ret, (uint64_t)made->times[i], 8);
    for (unsigned i = 0; i < made->changes; i++)
        put(ret, made->kinds[i], 1);
    for (unsigned i = 0; i < made->types; i++) {
        put(ret, (uint32_t)made->offsets[i], 4);
        put(ret, 0, 2);
    }
    put_text(ret, "ZZZ");
    put(ret, 0, 1);
    for (unsigned i = 0; i < 3 * made->leaps; i++)
        put(ret, 0, 4);
    put_text(ret, "\n");
    put_text(ret, made->footer);
    put_text(ret, "\n");
}

static struct zone *zone_made(const struct made *made)
{
    struct error err = {0};
    struct zone *zone = NULL;
    struct file file;

    make_file(made, &file);
    if (zone_parse(file.bytes, file.count, &zone, &err))
        fail_msg("%s: %s", made->footer, error_text(&err));
    return zone;
}

/* Of memory that ends where the bytes end, so that a sanitizer sees each step too far. */
static int parse_exactly(const uint8_t *bytes, size_t count, struct zone **ret, struct error *err)
{
    uint8_t *copy = malloc(count ? count : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, count);
    int result = zone_parse(copy, count, ret, err);
    free(copy);
    return result;
}

/* -- offsets -- */

static void check_change(const char *name, const struct zone *zone, int64_t change, int64_t before,
                         int64_t after)
{
    if (zone_offset(zone, change - 1) != before || zone_offset(zone, change) != after)
        fail_msg("%s at %s: from %lld to %lld", name, written(change),
                 (long long)zone_offset(zone, change - 1), (long long)zone_offset(zone, change));
}

static void clocks_changed_when_they_did(void **state)
{
    static const struct {
        const char *zone, *change;
        int before, after;
    } facts[] = {
        {"Europe/Berlin",       "1893-03-31T23:06:32Z", 3208,   3600  },
        {"Europe/Berlin",       "2024-03-31T01:00:00Z", 3600,   7200  },
        {"Europe/Berlin",       "2024-10-27T01:00:00Z", 7200,   3600  },
        {"America/New_York",    "2007-03-11T07:00:00Z", -18000, -14400},
        {"America/New_York",    "2007-11-04T06:00:00Z", -14400, -18000},
        {"Australia/Lord_Howe", "2023-04-01T15:00:00Z", 39600,  37800 },
        {"Australia/Lord_Howe", "2023-09-30T15:30:00Z", 37800,  39600 },
        {"Pacific/Apia",        "2011-09-24T14:00:00Z", -39600, -36000},
        {"Pacific/Apia",        "2011-12-30T10:00:00Z", -36000, 50400 },
        {"Pacific/Apia",        "2012-03-31T14:00:00Z", 50400,  46800 },
        {"America/Sao_Paulo",   "2018-11-04T03:00:00Z", -10800, -7200 },
        {"America/Sao_Paulo",   "2019-02-17T02:00:00Z", -7200,  -10800},
        {"Africa/Casablanca",   "2020-04-19T02:00:00Z", 3600,   0     },
        {"Africa/Casablanca",   "2020-05-31T02:00:00Z", 0,      3600  },
        {"Antarctica/Troll",    "2016-03-27T01:00:00Z", 0,      7200  },
        {"Antarctica/Troll",    "2016-10-30T01:00:00Z", 7200,   0     },
        {"America/St_Johns",    "2006-04-02T03:31:00Z", -12600, -9000 },
        {"America/St_Johns",    "2006-10-29T02:31:00Z", -9000,  -12600},
        {"Europe/Dublin",       "1972-03-19T02:00:00Z", 0,      3600  },
        {"Asia/Kathmandu",      "1985-12-31T18:30:00Z", 19800,  20700 },
        {"Africa/Monrovia",     "1972-01-07T00:44:30Z", -2670,  0     },
        {"America/Nuuk",        "2023-03-26T01:00:00Z", -10800, -7200 },
        {"Etc/GMT+12",          "2024-07-01T00:00:00Z", -43200, -43200},
        {"Pacific/Kiritimati",  "2024-07-01T00:00:00Z", 50400,  50400 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        const struct zone *zone = zone_named(facts[i].zone);
        if (!zone)
            fail_msg("there is no %s", facts[i].zone);
        check_change(facts[i].zone, zone, at(facts[i].change), facts[i].before, facts[i].after);
    }
}

static void beyond_the_table_the_footer_rules(void **state)
{
    /* clang-format off */
    static const struct {
        const char *footer, *change;
        int before, after;
    } facts[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2040-03-25T01:00:00Z", 3600, 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2040-10-28T01:00:00Z", 7200, 3600},
        {"EST5EDT,M3.2.0,M11.1.0", "2040-03-11T07:00:00Z", -18000, -14400},
        {"EST5EDT,M3.2.0,M11.1.0", "2040-11-04T06:00:00Z", -14400, -18000},
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2040-03-31T15:00:00Z", 39600, 37800},
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2040-10-06T15:30:00Z", 37800, 39600},
        {"<+00>0<+02>-2,M3.5.0/1,M10.5.0/3", "2040-03-25T01:00:00Z", 0, 7200},
        {"<+00>0<+02>-2,M3.5.0/1,M10.5.0/3", "2040-10-28T01:00:00Z", 7200, 0},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2040-03-25T01:00:00Z", 0, 3600},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2040-10-28T01:00:00Z", 3600, 0},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2040-03-24T00:00:00Z", 7200, 10800},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2040-10-26T23:00:00Z", 10800, 7200},
        {"EET-2EEST,M4.5.5/0,M10.5.4/24", "2040-04-26T22:00:00Z", 7200, 10800},
        {"EET-2EEST,M4.5.5/0,M10.5.4/24", "2040-10-25T21:00:00Z", 10800, 7200},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2040-03-25T01:00:00Z", -7200, -3600},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2040-10-28T01:00:00Z", -3600, -7200},
        {"<-04>4<-03>,M9.1.6/24,M4.1.6/24", "2040-04-08T03:00:00Z", -10800, -14400},
        {"<-04>4<-03>,M9.1.6/24,M4.1.6/24", "2040-09-02T04:00:00Z", -14400, -10800},
        {"<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "2040-03-31T14:00:00Z", 49500, 45900},
        {"<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "2040-09-29T14:00:00Z", 45900, 49500},
        {"UTC0", "2040-07-01T00:00:00Z", 0, 0},
        {"<+0545>-5:45", "2040-07-01T00:00:00Z", 20700, 20700},
        /* The 60th day of the year, with 29 February and without. */
        {"AAA0BBB,J60/0,J300/0", "2040-03-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,59/0,300/0", "2040-02-29T00:00:00Z", 0, 3600},
        {"AAA0BBB,59/0,300/0", "2041-03-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,J59/0,J300/0", "2040-02-28T00:00:00Z", 0, 3600},
        {"AAA0BBB,M2.1.3/0,M6.1.0/0", "2040-02-01T00:00:00Z", 0, 3600},
        {"AAA0BBB,M2.5.3/0,M6.1.0/0", "2040-02-29T00:00:00Z", 0, 3600},
        /* Rules that reach into the next year and the one before. */
        {"AAA0BBB,365/160,364/160", "2041-01-05T15:00:00Z", 3600, 0},
        {"AAA0BBB,M12.5.0/167,M6.1.0/0", "2041-01-05T23:00:00Z", 0, 3600},
        {"AAA0BBB,M1.1.0/-167,M6.1.0/0", "2039-12-25T01:00:00Z", 0, 3600},
        /* Always summer: its end is the next one's beginning. */
        {"AAA3BBB4,0/0,J365/23", "2041-01-01T03:00:00Z", -14400, -14400},
        {"AAA3BBB4,0/0,J365/23", "2040-07-01T00:00:00Z", -14400, -14400},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        /* Up to 2030 the table says 0:20. */
        struct made made = {.changes = 1, .types = 2, .footer = facts[i].footer};

        made.times[0] = at("2030-01-01T00:00:00Z");
        made.kinds[0] = 1;
        made.offsets[0] = 1200;
        CLEANUP(zone_free) struct zone *zone = zone_made(&made);

        check_change(facts[i].footer, zone, at(facts[i].change), facts[i].before, facts[i].after);
        assert_int_equal(zone_offset(zone, at("2029-12-31T23:59:59Z")), 1200);
    }
}

/* 400 years are 146,097 days, whole weeks, so that all repeats. */
static void a_footer_alone_rules_all_times(void **state)
{
    struct made made = {.types = 1, .footer = "EST5EDT,M3.2.0,M11.1.0"};
    CLEANUP(zone_free) struct zone *zone = zone_made(&made);

    (void)state;
    for (int i = 0; i < 2000; i++) {
        int64_t time = any(at("2000-01-01T00:00:00Z"), at("2010-01-01T00:00:00Z"));
        int64_t cycles = any(-1000, 1000);

        assert_int_equal(zone_offset(zone, time + cycles * 146097 * 86400),
                         zone_offset(zone, time));
    }
}

static void without_a_footer_the_last_change_stands(void **state)
{
    /* clang-format off */
    struct made made = {
        .changes = 2, .types = 2, .kinds = {1, 0}, .offsets = {-93599, 93599}, .footer = "",
        .times = {INT64_MIN + 5, at("2001-01-01T00:00:00Z")},
    };
    /* clang-format on */
    CLEANUP(zone_free) struct zone *zone = zone_made(&made);

    (void)state;
    assert_int_equal(zone_offset(zone, INT64_MIN), -93599);
    assert_int_equal(zone_offset(zone, 0), 93599);
    assert_int_equal(zone_offset(zone, at("2001-01-01T00:00:00Z")), -93599);
    assert_int_equal(zone_offset(zone, INT64_MAX), -93599);
}

/* From a long past into a far future: no holes, no overlaps, one offset within each. */
static void check_spans(const struct zone *zone, int64_t from, int64_t until)
{
    struct zone_span span = zone_span(zone, from);

    assert_true(span.from <= from && span.until > from);
    while (span.until < until) {
        struct zone_span next = zone_span(zone, span.until);
        struct zone_span again = zone_span(zone, next.until - 1);

        assert_int_equal(next.from, span.until);
        assert_true(next.until > next.from);
        assert_int_equal(next.offset, zone_offset(zone, next.from / 2 + next.until / 2));
        assert_int_equal(next.offset, again.offset);
        assert_int_equal(next.from, again.from);
        assert_true(next.offset > -ZONE_OFFSET_MAX && next.offset < ZONE_OFFSET_MAX);
        span = next;
    }
}

static void spans_of_time_join_without_gaps(void **state)
{
    static const char *const names[] = {"Europe/Berlin", "America/Sao_Paulo", "Africa/Casablanca",
                                        "Pacific/Apia", "UTC"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        check_spans(zone_named(names[i]), -(INT64_C(1) << 40), at("2200-01-01T00:00:00Z"));
    assert_int_equal(zone_offset(zone_named("Europe/Berlin"), INT64_MAX), 3600);
    assert_int_equal(zone_offset(zone_named("UTC"), INT64_MIN), 0);
}

/* -- names -- */

static void what_is_no_zone_is_a_bad_field(void **state)
{
    static const char *const names[] = {
        "",
        "Europe",
        "Europe/",
        "/Europe/Berlin",
        "Europe//Berlin",
        "Europe/Nowhere",
        "Europe/Berlin/Mitte",
        "europe/berlin",
        "../../../etc/localtime",
        "Europe/../UTC",
        "Europe/Berlin ",
        "localtime",
        "posixrules",
        "right/UTC",
        "zone.tab",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "A2345678901234567890123456789012345678901234567890123456789012345",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct error err = {0};
        struct zone *zone = NULL;

        if (zone_load(names[i], &zone, &err) != -1 || zone_named(names[i]))
            fail_msg("\"%s\" is taken for a zone", names[i]);
        assert_int_equal(err.problem, PROBLEM_BAD_FIELD);
        assert_string_equal(err.field, "zone");
        assert_null(zone);
    }
}

static void *name_all(void *ret)
{
    static const char *const names[] = {"Asia/Tokyo", "Asia/Seoul", "Asia/Nowhere", "Asia/Manila"};
    const struct zone **zones = ret;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        zones[i] = zone_named(names[i]);
    return NULL;
}

static void each_zone_is_there_once_for_all_threads(void **state)
{
    const struct zone *found[4][4];
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, name_all, found[i]), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_memory_equal(found[i], found[0], sizeof found[0]);
    assert_non_null(found[0][0]);
    assert_null(found[0][2]);
    assert_ptr_not_equal(found[0][0], found[0][1]);
}

static void any_number_of_unknown_names_is_answered(void **state)
{
    char name[24];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "Nowhere/Town_%d", i % 1000);
        assert_null(zone_named(name));
    }
    assert_int_equal(zone_offset(zone_named("Asia/Kolkata"), 0), 19800);
}

/* -- malformed files -- */

static void load_file(const char *name, struct file *ret)
{
    char path[80];

    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("%s: tzdata is not installed", path);
    ret->count = fread(ret->bytes, 1, sizeof ret->bytes, file);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    struct error err = {0};
    struct zone *zone = NULL;
    struct file file;

    (void)state;
    load_file("Europe/Berlin", &file);
    for (size_t count = 0; count < file.count; count++) {
        assert_int_equal(parse_exactly(file.bytes, count, &zone, &err), -1);
        assert_int_equal(err.problem, PROBLEM_BAD_FIELD);
    }
    assert_int_equal(parse_exactly(file.bytes, file.count, &zone, &err), 0);
    zone_free(&zone);
    assert_null(zone);
}

static void flipped_bytes_are_refused_or_harmless(void **state)
{
    static const char *const names[] = {"Europe/Berlin", "Asia/Kathmandu", "Africa/Cairo"};
    struct error err = {0};
    struct file file;

    (void)state;
    for (size_t name = 0; name < COUNT_OF(names); name++) {
        load_file(names[name], &file);
        for (int i = 0; i < 4000; i++) {
            struct file broken = file;
            CLEANUP(zone_free) struct zone *zone = NULL;

            /* The footer is small and has the most to say: a part of its own. */
            for (int64_t flips = any(1, 3); flips > 0; flips--) {
                size_t where = (size_t)any(0, (int64_t)file.count - 1);
                if (any(0, 3) == 0)
                    where = file.count - 1 - (size_t)any(0, 29);
                broken.bytes[where] ^= (uint8_t)any(1, 255);
            }
            if (parse_exactly(broken.bytes, broken.count, &zone, &err))
                assert_int_equal(err.problem, PROBLEM_BAD_FIELD);
            else
                check_spans(zone, -(INT64_C(1) << 36), at("2060-01-01T00:00:00Z"));
        }
    }
}

static void check_refused(const struct made *made)
{
    struct error err = {0};
    struct zone *zone = NULL;
    struct file file;

    make_file(made, &file);
    if (parse_exactly(file.bytes, file.count, &zone, &err) != -1)
        fail_msg("footer \"%s\", %u changes, %u types: taken", made->footer, made->changes,
                 made->types);
    assert_int_equal(err.problem, PROBLEM_BAD_FIELD);
}

static void a_file_that_contradicts_itself_is_refused(void **state)
{
    /* clang-format off */
    static const struct made bad[] = {
        {.footer = "UTC0"},
        {.types = 1, .leaps = 1, .footer = "UTC0"},
        {.types = 1, .offsets = {26 * HOUR}, .footer = "UTC0"},
        {.types = 1, .offsets = {INT32_MIN}, .footer = "UTC0"},
        {.types = 2, .changes = 1, .kinds = {2}, .footer = "UTC0"},
        {.types = 1, .changes = 2, .times = {5, 5}, .footer = "UTC0"},
        {.types = 1, .changes = 2, .times = {5, 4}, .footer = "UTC0"},
        {.types = 1, .footer = "UTC"},
        {.types = 1, .footer = "UT0"},
        {.types = 1, .footer = "UTC0 "},
        {.types = 1, .footer = "UTC0\n"},
        {.types = 1, .footer = "UTC25"},
        {.types = 1, .footer = "<UTC0"},
        {.types = 1, .footer = "<UTC>"},
        {.types = 1, .footer = "CET-1:60"},
        {.types = 1, .footer = "CET-1CEST"},
        {.types = 1, .footer = "CET-1CEST,M3.5.0"},
        {.types = 1, .footer = "CET-1CEST,M3.5.0,M10.5.0/3,"},
        {.types = 1, .footer = "CET-1CEST,M13.5.0,M10.5.0"},
        {.types = 1, .footer = "CET-1CEST,M0.5.0,M10.5.0"},
        {.types = 1, .footer = "CET-1CEST,M3.6.0,M10.5.0"},
        {.types = 1, .footer = "CET-1CEST,M3.0.0,M10.5.0"},
        {.types = 1, .footer = "CET-1CEST,M3.5.7,M10.5.0"},
        {.types = 1, .footer = "CET-1CEST,M3.5.0/168,M10.5.0"},
        {.types = 1, .footer = "CET-1CEST,J0,J300"},
        {.types = 1, .footer = "CET-1CEST,J1,J366"},
        {.types = 1, .footer = "CET-1CEST,1,366"},
        {.types = 1, .footer = "CET-1CEST,1,"},
        {.types = 1, .footer = "CET-1CEST,1,99999999999999999999"},
        {.types = 1, .footer = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_refused(&bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_changed_when_they_did),
        cmocka_unit_test(beyond_the_table_the_footer_rules),
        cmocka_unit_test(a_footer_alone_rules_all_times),
        cmocka_unit_test(without_a_footer_the_last_change_stands),
        cmocka_unit_test(spans_of_time_join_without_gaps),
        cmocka_unit_test(what_is_no_zone_is_a_bad_field),
        cmocka_unit_test(each_zone_is_there_once_for_all_threads),
        cmocka_unit_test(any_number_of_unknown_names_is_answered),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(flipped_bytes_are_refused_or_harmless),
        cmocka_unit_test(a_file_that_contradicts_itself_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
