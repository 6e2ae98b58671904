/* SPDX-License-Identifier: Apache-2.0 */
/* What a product's file may say after what was published before. */
#include "trust/release_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* lock/<version>/<file>; counters as security version, floor, counter. */
#define ENTRY(version_, file_, component_, ...)                                                    \
    {                                                                                              \
        .path = "lock/" version_ "/" file_, .version = version_, .length = 10, .sha256 = HASH_A,   \
        .kind = ENTRY_IMAGE, .component = component_, .severity = "feature",                       \
        .rollback_of = NOT_A_ROLLBACK, .counters = {__VA_ARGS__},                                  \
    }
#define PAST(version_, file_, component_, ...)                                                     \
    {                                                                                              \
        .path = "lock/" version_ "/" file_, .component = component_, .sha256 = HASH_A,             \
        .length = 10, .counters = {__VA_ARGS__}, .is_published = true,                             \
    }

/* `file` points into `path`. */
static void settle(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        entries[i].file = strrchr(entries[i].path, '/') + 1;
}

static void check(struct entry *entries, size_t count, const struct published *past,
                  size_t past_count, const char *detail)
{
    struct error err = {0};

    settle(entries, count);
    int result = release_rules_check(entries, count, past, past_count, &err);
    assert_string_equal(err.detail, detail);
    assert_int_equal(result, *detail ? -1 : 0);
}

#define CHECK(entries, past, detail) check(entries, COUNT_OF(entries), past, COUNT_OF(past), detail)

static const struct published history[] = {
    PAST("1.0", "a.bin", "app", 1, 1, 1),
    PAST("1.1", "a.bin", "app", 3, 2, 2),
};

static void the_next_release_counts_on(void **state)
{
    struct entry entries[] = {ENTRY("1.1", "a.bin", "app", 3, 2, 2),
                              ENTRY("1.2", "a.bin", "app", 3, 2, 3)};

    (void)state;
    CHECK(entries, history, "");
}

static void a_first_release_is_free(void **state)
{
    struct entry entries[] = {ENTRY("1.2", "a.bin", "boot", 0, 0, 1)};

    (void)state;
    CHECK(entries, history, "");
}

static void a_counter_is_never_used_again(void **state)
{
    struct entry same[] = {ENTRY("1.2", "a.bin", "app", 3, 2, 2)};
    struct entry lower[] = {ENTRY("1.2", "a.bin", "app", 3, 2, 1)};
    struct entry twice[] = {ENTRY("1.2", "a.bin", "app", 3, 2, 3),
                            ENTRY("1.3", "a.bin", "app", 3, 2, 3)};

    (void)state;
    CHECK(same, history, "V17: release_counter of app must be above 2");
    CHECK(lower, history, "V17: release_counter of app must be above 2");
    CHECK(twice, history, "V17: release_counter 3 of app is used twice");
}

static void security_never_goes_back(void **state)
{
    struct entry version[] = {ENTRY("1.2", "a.bin", "app", 2, 2, 3)};
    struct entry floor[] = {ENTRY("1.2", "a.bin", "app", 3, 1, 3)};

    (void)state;
    CHECK(version, history, "V17: security_version of app must be at least 3");
    CHECK(floor, history, "V17: security_floor of app must be at least 2");
}

static void what_is_new_counts_among_itself(void **state)
{
    struct entry entries[] = {ENTRY("1.2", "a.bin", "app", 5, 2, 3),
                              ENTRY("1.3", "a.bin", "app", 4, 2, 4)};

    (void)state;
    CHECK(entries, history, "V17: security_version of app must be at least 5");
}

static void a_rollback_may_undo_features_but_not_the_floor(void **state)
{
    struct entry allowed[] = {ENTRY("1.2", "a.bin", "app", 2, 1, 3)};
    struct entry too_low[] = {ENTRY("1.2", "a.bin", "app", 1, 1, 3)};
    struct entry of_nothing[] = {ENTRY("1.2", "a.bin", "app", 2, 1, 3)};

    (void)state;
    allowed[0].rollback_of = 2;
    CHECK(allowed, history, "");
    too_low[0].rollback_of = 2;
    CHECK(too_low, history, "V17: a rollback of app cannot go below the published floor 2");
    of_nothing[0].rollback_of = 3;
    CHECK(of_nothing, history, "V17: rollback_of names no earlier release of app");
}

/* The floor that counts is the highest of all, not the newest: a rollback lowered that one. */
static void a_second_rollback_cannot_go_below_the_first_floor(void **state)
{
    static const struct published past[] = {
        PAST("1.0", "a.bin", "app", 5, 5, 1),
        PAST("1.1", "a.bin", "app", 5, 1, 2),
    };
    struct entry entries[] = {ENTRY("1.2", "a.bin", "app", 4, 1, 3)};

    (void)state;
    entries[0].rollback_of = 1;
    CHECK(entries, past, "V17: a rollback of app cannot go below the published floor 5");
}

static void a_path_keeps_its_content_and_its_counters(void **state)
{
    struct entry hash[] = {ENTRY("1.1", "a.bin", "app", 3, 2, 2)};
    struct entry length[] = {ENTRY("1.1", "a.bin", "app", 3, 2, 2)};
    struct entry counters[] = {ENTRY("1.1", "a.bin", "app", 3, 2, 9)};

    (void)state;
    hash[0].sha256 = HASH_B;
    CHECK(hash, history, "V18: lock/1.1/a.bin was published with another content");
    length[0].length = 11;
    CHECK(length, history, "V18: lock/1.1/a.bin was published with another content");
    CHECK(counters, history, "V17: lock/1.1/a.bin was published with other counters");
}

static void a_release_neither_gains_nor_loses_a_file(void **state)
{
    static const struct published past[] = {
        PAST("1.0", "a.bin", "app", 1, 1, 1),
        PAST("1.0", "b.bin", "boot", 1, 1, 1),
    };
    struct entry fewer[] = {ENTRY("1.0", "a.bin", "app", 1, 1, 1)};
    struct entry more[] = {ENTRY("1.0", "a.bin", "app", 1, 1, 1),
                           ENTRY("1.0", "b.bin", "boot", 1, 1, 1),
                           ENTRY("1.0", "c.bin", "radio", 1, 1, 1)};
    struct entry other[] = {ENTRY("1.0", "a.bin", "app", 1, 1, 1),
                            ENTRY("1.0", "c.bin", "boot", 1, 1, 2)};

    (void)state;
    CHECK(fewer, past, "V18: version 1.0 was published with other files");
    CHECK(more, past, "V18: version 1.0 was published with other files");
    CHECK(other, past, "V18: version 1.0 was published with other files");
}

/* "1.0" is no prefix of "1.0+b" here, although the text is. */
static void versions_that_begin_alike_are_two(void **state)
{
    struct entry entries[] = {ENTRY("1.0+b", "a.bin", "app", 3, 2, 3),
                              ENTRY("1.0", "a.bin", "app", 1, 1, 1)};

    (void)state;
    CHECK(entries, history, "");
}

static void images_for_several_boards_are_one_release(void **state)
{
    struct entry good[] = {ENTRY("1.2", "a.bin", "app", 3, 2, 3),
                           ENTRY("1.2", "b.bin", "app", 3, 2, 3)};
    struct entry bad[] = {ENTRY("1.2", "a.bin", "app", 3, 2, 3),
                          ENTRY("1.2", "b.bin", "app", 3, 2, 4)};

    (void)state;
    CHECK(good, history, "");
    CHECK(bad, history, "V17: version 1.2 of app has two sets of counters");
}

static void withdrawing_needs_no_rule(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(release_rules_check(NULL, 0, history, COUNT_OF(history), &err), 0);
}

static void a_release_is_as_weak_as_its_weakest_image(void **state)
{
    struct entry entries[] = {ENTRY("1.2", "a.bin", "app", 3, 2, 8),
                              ENTRY("1.2", "a.bin.chunks", "", 0, 0, 0),
                              ENTRY("1.2", "b.bin", "boot", 9, 1, 4)};

    (void)state;
    entries[1].kind = ENTRY_CHUNKS;
    struct counters all = release_counters(entries, COUNT_OF(entries));
    assert_int_equal(all.security_version, 3);
    assert_int_equal(all.security_floor, 2);
    assert_int_equal(all.release_counter, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_release_counts_on),
        cmocka_unit_test(a_first_release_is_free),
        cmocka_unit_test(a_counter_is_never_used_again),
        cmocka_unit_test(security_never_goes_back),
        cmocka_unit_test(what_is_new_counts_among_itself),
        cmocka_unit_test(a_rollback_may_undo_features_but_not_the_floor),
        cmocka_unit_test(a_second_rollback_cannot_go_below_the_first_floor),
        cmocka_unit_test(a_path_keeps_its_content_and_its_counters),
        cmocka_unit_test(a_release_neither_gains_nor_loses_a_file),
        cmocka_unit_test(versions_that_begin_alike_are_two),
        cmocka_unit_test(images_for_several_boards_are_one_release),
        cmocka_unit_test(withdrawing_needs_no_rule),
        cmocka_unit_test(a_release_is_as_weak_as_its_weakest_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
