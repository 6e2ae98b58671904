/* SPDX-License-Identifier: Apache-2.0 */
/* What headers of a proxy say, and when they say nothing. */
#include "api/proxied.h"
#include "core/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct field {
    const char *name, *value;
};

static const char *header = "X-Controller-Id";

static const char *named(const char *authorities, const struct field *fields)
{
    static struct proxied proxied;

    proxied = (struct proxied){.header = header, .authorities = authorities};
    for (; fields->name; fields++)
        proxied_take(&proxied, fields->name, fields->value);
    return proxied_name(&proxied);
}
/* clang-format off */
#define NAMED(authorities, ...)                                                                    \
    named(authorities, (const struct field[]){__VA_ARGS__, {NULL, NULL}})
/* clang-format on */

static int choose_present(void **state)
{
    (void)state;
    header = "X-Controller-Id";
    return 0;
}

static int choose_legacy(void **state)
{
    (void)state;
    header = "X-Ssl-Client-Cn";
    return 0;
}

static void one_header_names_the_device(void **state)
{
    (void)state;
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}), "d1");
    assert_string_equal(NAMED("", {"x-controller-ID", "d1"}), "d1");
    assert_string_equal(NAMED("", {"X-Controller-Id-1", "d1"}, {"X-Controller", "d1"}), "");
    assert_string_equal(NAMED("", {"Host", "d1"}), "");
}

static void the_other_generation_names_nobody(void **state)
{
    (void)state;
    assert_string_equal(NAMED("", {"X-Ssl-Client-Cn", "d1"}), "");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Ssl-Client-Cn", "d2"}), "");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Ssl-Client-Cn", "D1"}), "");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Ssl-Client-Cn", "d1"}), "d1");
    assert_string_equal(NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Ssl-Issuer-Hash-1", "aa"}), "");
    assert_string_equal(NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Authority", "aa"},
                              {"X-Ssl-Issuer-Hash-1", "zz"}),
                        "d1");
}

static void the_older_generation_can_be_chosen(void **state)
{
    (void)state;
    assert_string_equal(NAMED("", {"X-Ssl-Client-Cn", "d1"}), "d1");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}), "");
    assert_string_equal(NAMED("aa", {"X-Ssl-Issuer-Hash-1", "aa"}, {"X-Ssl-Client-Cn", "d1"}),
                        "d1");
    assert_string_equal(NAMED("aa", {"X-Authority", "aa"}, {"X-Ssl-Client-Cn", "d1"}), "");
}

static void what_is_told_twice_is_not_told(void **state)
{
    (void)state;
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Controller-Id", "d2"}), "");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Controller-Id", "d1"}), "");
    assert_string_equal(
        NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Authority", "zz"}, {"X-Authority", "aa"}), "");
    assert_string_equal(
        NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Authority-1", "aa"}, {"x-authority-1", "aa"}),
        "");
}

static void one_of_the_authorities_must_be_known(void **state)
{
    static const char *const good[] = {"aa", "AA", "zz;aa", "zz,BB", " zz , bb ", "aa,aa"};
    static const char *const bad[] = {"", "a", "aaa", "zz", ";", "aa-bb"};
    static const char known[] = "aa, Bb";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_string_equal(NAMED(known, {"X-Controller-Id", "d1"}, {"X-Authority", good[i]}),
                            "d1");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_string_equal(NAMED(known, {"X-Controller-Id", "d1"}, {"X-Authority", bad[i]}), "");
    assert_string_equal(NAMED(known, {"X-Controller-Id", "d1"}), "");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Authority", "zz"}), "d1");
}

static void authorities_may_come_in_numbered_fields(void **state)
{
    static const char *const others[] = {"X-Authority-",   "X-Authority-1x", "X-Authority1",
                                         "X-Authority-10", "X-Authority-x",  "X-Authority--1"};

    (void)state;
    assert_string_equal(
        NAMED("aa", {"X-Authority-0", "zz"}, {"X-Authority-9", "aa"}, {"X-Controller-Id", "d1"}),
        "d1");
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_string_equal(NAMED("aa", {others[i], "aa"}, {"X-Controller-Id", "d1"}), "");
}

static void a_number_beside_a_field_without_is_a_clients(void **state)
{
    (void)state;
    assert_string_equal(
        NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Authority", "zz"}, {"X-Authority-9", "aa"}), "");
    assert_string_equal(
        NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Authority-0", "aa"}, {"X-Authority", "aa"}), "");
}

#define PRESENT(name) cmocka_unit_test_setup(name, choose_present)
#define LEGACY(name) cmocka_unit_test_setup(name, choose_legacy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PRESENT(one_header_names_the_device),
        PRESENT(the_other_generation_names_nobody),
        LEGACY(the_older_generation_can_be_chosen),
        PRESENT(what_is_told_twice_is_not_told),
        PRESENT(one_of_the_authorities_must_be_known),
        PRESENT(authorities_may_come_in_numbered_fields),
        PRESENT(a_number_beside_a_field_without_is_a_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
