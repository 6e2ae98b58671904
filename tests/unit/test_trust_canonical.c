/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/canonical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(value);
    return value;
}

static void assert_canonical(const char *json, const char *expected)
{
    json_auto_t *value = parsed(json);
    CLEANUP(text_clear) struct text text = {0};
    struct error err;

    assert_int_equal(canonical_sign_form(value, &text, &err), 0);
    assert_string_equal(text.at, expected);
}

static void assert_refused(const char *json, const char *detail)
{
    json_auto_t *value = parsed(json);
    CLEANUP(text_clear) struct text text = {0};
    struct error err = {0};

    assert_int_equal(canonical_sign_form(value, &text, &err), -1);
    assert_int_equal(err.problem, PROBLEM_BAD_METADATA);
    assert_string_equal(err.detail, detail);
}

static void values_have_one_spelling(void **state)
{
    (void)state;
    assert_canonical(" { \"b\" : [ 1 , true , null , false ] , \"a\" : { } } ",
                     "{\"a\":{},\"b\":[1,true,null,false]}");
    assert_canonical("-0", "0");
    assert_canonical("-17", "-17");
    assert_canonical("9007199254740991", "9007199254740991");
    assert_canonical("[]", "[]");
}

static void keys_stand_in_order_of_bytes(void **state)
{
    (void)state;
    assert_canonical("{\"aa\":1,\"a\":2,\"B\":3,\"_\":4,\"a-\":5,\"\":6}",
                     "{\"\":6,\"B\":3,\"_\":4,\"a\":2,\"a-\":5,\"aa\":1}");
}

static void only_quote_and_backslash_are_escaped_in_what_is_signed(void **state)
{
    (void)state;
    assert_canonical("\"a\\\"b\\\\c\\nd\\u0001\\t/\"", "\"a\\\"b\\\\c\nd\001\t/\"");
    assert_canonical("\"\\u00e9\\ud83d\\ude00\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

static void what_is_served_is_json_with_the_same_meaning(void **state)
{
    json_auto_t *value = parsed("{\"pem\":\"a\\nb\\\"\",\"n\":1}");
    CLEANUP(text_clear) struct text text = {0};
    struct error err;

    (void)state;
    assert_int_equal(canonical_wire_form(value, &text, &err), 0);
    json_auto_t *back = parsed(text.at);
    assert_true(json_equal(value, back));
    assert_null(strchr(text.at, '\n'));
}

static void what_was_signed_reads_back(void **state)
{
    json_auto_t *value = parsed("{\"pem\":\"-----\\nMII\\t\\u0001\\\\n\",\"deep\":[[{\"x\":-5}]]}");
    CLEANUP(text_clear) struct text text = {0};
    json_auto_t *back = NULL;
    struct error err;

    (void)state;
    assert_int_equal(canonical_sign_form(value, &text, &err), 0);
    assert_int_equal(canonical_read(text.at, text.length, &back, &err), 0);
    assert_true(json_equal(value, back));
}

static void numbers_that_readers_disagree_on_are_refused(void **state)
{
    (void)state;
    assert_refused("1.0", "V2: numbers must be integers");
    assert_refused("{\"a\":[1e3]}", "V2: numbers must be integers");
    assert_refused("9007199254740992", "V2: integers end at 9007199254740991");
    assert_refused("-9007199254740992", "V2: integers end at 9007199254740991");
}

static void keys_that_readers_order_differently_are_refused(void **state)
{
    (void)state;
    assert_refused("{\"\\ud83d\\ude00\":1}", "V2: keys must be printable ASCII");
    assert_refused("{\"a\\nb\":1}", "V2: keys must be printable ASCII");
    assert_refused("{\"\\u007f\":1}", "V2: keys must be printable ASCII");
}

static void depth_ends_where_reading_ends(void **state)
{
    json_t *value = json_array();
    CLEANUP(text_clear) struct text text = {0};
    struct error err = {0};

    (void)state;
    for (int i = 1; i < JSON_MAX_DEPTH; i++)
        value = json_pack("[o]", value);
    assert_int_equal(canonical_sign_form(value, &text, &err), 0);
    value = json_pack("[o]", value);
    assert_int_equal(canonical_sign_form(value, &text, &err), -1);
    assert_string_equal(err.detail, "V2: nested deeper than 32 levels");
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_one_spelling),
        cmocka_unit_test(keys_stand_in_order_of_bytes),
        cmocka_unit_test(only_quote_and_backslash_are_escaped_in_what_is_signed),
        cmocka_unit_test(what_is_served_is_json_with_the_same_meaning),
        cmocka_unit_test(what_was_signed_reads_back),
        cmocka_unit_test(numbers_that_readers_disagree_on_are_refused),
        cmocka_unit_test(keys_that_readers_order_differently_are_refused),
        cmocka_unit_test(depth_ends_where_reading_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
