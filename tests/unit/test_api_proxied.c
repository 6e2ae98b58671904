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

static const char *named(const char *authorities, const struct field *fields)
{
    static struct proxied proxied;

    proxied = (struct proxied){.authorities = authorities};
    for (; fields->name; fields++)
        proxied_take(&proxied, fields->name, fields->value);
    return proxied_name(&proxied);
}
/* clang-format off */
#define NAMED(authorities, ...)                                                                    \
    named(authorities, (const struct field[]){__VA_ARGS__, {NULL, NULL}})
/* clang-format on */

static void both_generations_name_the_device(void **state)
{
    (void)state;
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}), "d1");
    assert_string_equal(NAMED("", {"x-ssl-client-cn", "d1"}), "d1");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Ssl-Client-Cn", "d1"}), "d1");
    assert_string_equal(NAMED("", {"X-Controller-Id-1", "d1"}, {"X-Controller", "d1"}), "");
    assert_string_equal(NAMED("", {"Host", "d1"}), "");
}

static void a_name_told_twice_and_differently_is_none(void **state)
{
    (void)state;
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Ssl-Client-Cn", "d2"}), "");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Controller-Id", "d2"}), "");
    assert_string_equal(
        NAMED("", {"X-Controller-Id", "d1"}, {"X-Controller-Id", "d2"}, {"X-Controller-Id", "d1"}),
        "");
    assert_string_equal(NAMED("", {"X-Controller-Id", "d1"}, {"X-Ssl-Client-Cn", "D1"}), "");
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
    (void)state;
    assert_string_equal(
        NAMED("aa", {"X-Authority-0", "zz"}, {"X-Authority-12", "aa"}, {"X-Controller-Id", "d1"}),
        "d1");
    assert_string_equal(NAMED("aa", {"X-Ssl-Issuer-Hash-1", "aa"}, {"X-Ssl-Client-Cn", "d1"}),
                        "d1");
    assert_string_equal(NAMED("aa", {"X-Authority-", "aa"}, {"X-Controller-Id", "d1"}), "");
    assert_string_equal(NAMED("aa", {"X-Authority-1x", "aa"}, {"X-Controller-Id", "d1"}), "");
    assert_string_equal(NAMED("aa", {"X-Authority1", "aa"}, {"X-Controller-Id", "d1"}), "");
}

static void each_generation_that_is_told_must_be_good(void **state)
{
    (void)state;
    assert_string_equal(NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Authority", "aa"},
                              {"X-Ssl-Issuer-Hash-1", "zz"}),
                        "");
    assert_string_equal(NAMED("aa", {"X-Controller-Id", "d1"}, {"X-Authority", "aa"},
                              {"X-Ssl-Issuer-Hash-1", "aa"}),
                        "d1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_generations_name_the_device),
        cmocka_unit_test(a_name_told_twice_and_differently_is_none),
        cmocka_unit_test(one_of_the_authorities_must_be_known),
        cmocka_unit_test(authorities_may_come_in_numbered_fields),
        cmocka_unit_test(each_generation_that_is_told_must_be_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
