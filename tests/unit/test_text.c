/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void text_grows_past_its_first_room(void **state)
{
    (void)state;
    CLEANUP(text_clear) struct text text = {0};

    for (int i = 0; i < 1000; i++)
        text_format(&text, "%d,", i);
    assert_int_equal(text.length, 10 * 2 + 90 * 3 + 900 * 4);
    assert_string_equal(text.at + text.length - 4, "999,");
}

static void empty_text_is_taken_as_an_empty_string(void **state)
{
    (void)state;
    struct text text = {0};
    CLEANUP(free_string) char *taken = text_take(&text);

    assert_string_equal(taken, "");
}

static void json_strings_escape_what_could_end_or_forge_them(void **state)
{
    (void)state;
    CLEANUP(text_clear) struct text text = {0};

    text_json_string(&text, "a\"b\\c\nd\x01 \xc3\xa9");
    assert_string_equal(text.at, "\"a\\\"b\\\\c\\u000ad\\u0001 \xc3\xa9\"");
}

static void numbers_are_written_to_the_edges(void **state)
{
    (void)state;
    CLEANUP(text_clear) struct text text = {0};

    text_number(&text, INT64_MIN);
    text_append(&text, " ");
    text_number(&text, 0);
    text_append(&text, " ");
    text_number(&text, INT64_MAX);
    assert_string_equal(text.at, "-9223372036854775808 0 9223372036854775807");
}

static void numbers_with_anything_but_digits_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "-1", "+1", " 1", "1 ", "0x1", "9223372036854775808",
                                      "1e3"};
    int64_t number = 77;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(number_from_text(bad[i], &number));
    assert_int_equal(number, 77);
    assert_true(number_from_text("9223372036854775807", &number));
    assert_true(number == INT64_MAX);
}

static void hex_is_lower_case_and_of_exact_length(void **state)
{
    (void)state;
    unsigned char bytes[2] = {0};
    char hex[5];

    assert_true(hex_to_bytes("00ff", bytes, 2));
    hex_from_bytes(bytes, 2, hex);
    assert_string_equal(hex, "00ff");
    assert_false(hex_to_bytes("00FF", bytes, 2));
    assert_false(hex_to_bytes("00f", bytes, 2));
    assert_false(hex_to_bytes("00fff", bytes, 2));
    assert_false(hex_to_bytes("00fg", bytes, 2));
}

static void base64url_follows_rfc_4648(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *encoded;
    } cases[] = {
        {"",         ""    },
        {"f",        "Zg"  },
        {"fo",       "Zm8" },
        {"foo",      "Zm9v"},
        {"\xff\xfe", "__4" }
    };
    char encoded[base64url_size(8)];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        base64url_from_bytes(cases[i].plain, strlen(cases[i].plain), encoded);
        assert_string_equal(encoded, cases[i].encoded);
    }
}

static void base64_is_read_in_its_one_form(void **state)
{
    static const char *const bad[] = {
        "Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Z-9v", " Zg=", "Zm9vYg==Zg=="};
    uint8_t bytes[8];
    size_t count;

    (void)state;
    assert_true(base64_to_bytes("Zm9vYg==", bytes, sizeof bytes, &count));
    assert_int_equal(count, 4);
    assert_memory_equal(bytes, "foob", 4);
    assert_true(base64_to_bytes("/+8=", bytes, sizeof bytes, &count));
    assert_int_equal(count, 2);
    assert_memory_equal(bytes, "\xff\xef", 2);
    assert_true(base64_to_bytes("", bytes, sizeof bytes, &count));
    assert_int_equal(count, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(base64_to_bytes(bad[i], bytes, sizeof bytes, &count));
    assert_false(base64_to_bytes("Zm9vYmFyZm9v", bytes, sizeof bytes, &count));
}

static void identifiers_keep_to_their_alphabet(void **state)
{
    (void)state;
    assert_true(identifier_ok(IDENTIFIER_PRODUCT, "acme-lock"));
    assert_false(identifier_ok(IDENTIFIER_PRODUCT, "Acme"));
    assert_false(identifier_ok(IDENTIFIER_PRODUCT, "-acme"));
    assert_false(identifier_ok(IDENTIFIER_PRODUCT, ""));
    assert_false(identifier_ok(IDENTIFIER_PRODUCT, "a23456789012345678901234567890123"));
    assert_true(identifier_ok(IDENTIFIER_VERSION, "2.1.0-rc1+b7~x"));
    assert_false(identifier_ok(IDENTIFIER_VERSION, "2..1"));
    assert_false(identifier_ok(IDENTIFIER_FILE, "../x"));
    assert_false(identifier_ok(IDENTIFIER_FILE, "a/b"));
    assert_true(identifier_ok(IDENTIFIER_DEVICE, "urn:dev:0A"));
    assert_false(identifier_ok(IDENTIFIER_DEVICE, "a b"));
}

static void utf8_refuses_overlong_forms_and_surrogates(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\xc0\xae", "\xe0\x80\xae", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3", "\x80"};

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(utf8_ok(bad[i], strlen(bad[i])));
    assert_true(utf8_ok("\xc3\xbc\xe2\x82\xac\xf0\x9f\x94\x92", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_past_its_first_room),
        cmocka_unit_test(empty_text_is_taken_as_an_empty_string),
        cmocka_unit_test(json_strings_escape_what_could_end_or_forge_them),
        cmocka_unit_test(numbers_are_written_to_the_edges),
        cmocka_unit_test(numbers_with_anything_but_digits_are_refused),
        cmocka_unit_test(hex_is_lower_case_and_of_exact_length),
        cmocka_unit_test(base64url_follows_rfc_4648),
        cmocka_unit_test(base64_is_read_in_its_one_form),
        cmocka_unit_test(identifiers_keep_to_their_alphabet),
        cmocka_unit_test(utf8_refuses_overlong_forms_and_surrogates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
