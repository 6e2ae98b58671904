/* SPDX-License-Identifier: Apache-2.0 */
/* What devices say, in words: kept, cut, and answered in the form they take. */
#include "api/device/ddi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *json = NULL;
    struct error err;

    if (json_read(text, strlen(text), &json, &err))
        fail_msg("%s: %s", text, error_text(&err));
    return json;
}

/* -- the form of answers -- */

static void answers_are_hal_unless_plain_json_is_asked_for(void **state)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {
        {NULL,                                              "application/hal+json"},
        {"",                                                "application/hal+json"},
        {"*/*",                                             "application/hal+json"},
        {"application/*",                                   "application/hal+json"},
        {"application/hal+json",                            "application/hal+json"},
        {"application/json",                                "application/json"    },
        {"Application/JSON",                                "application/json"    },
        {"application/json;charset=UTF-8",                  "application/json"    },
        {"application/json ; charset=\"utf-8\" ; v=1",      "application/json"    },
        {"application/json, */*",                           "application/json"    },
        {"text/plain, application/json;q=0.5",              "application/json"    },
        {"application/json, application/hal+json",          "application/json"    },
        {"application/hal+json, application/json",          "application/hal+json"},
        {"application/hal+json;q=0.3,application/json;q=1", "application/json"    },
        {"application/hal+json;q=0,*/*;q=0.1",              "application/json"    },
        {"application/cbor, */*;q=0.1",                     "application/hal+json"},
        {"text/html;a=\"x,application/json\",*/*;q=0.001",  "application/hal+json"},
        {",, application/json",                             "application/json"    },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *type = ddi_media_type(cases[i].accept);
        if (!type || strcmp(type, cases[i].type) != 0)
            fail_msg("%s: %s", cases[i].accept ? cases[i].accept : "(none)", type ? type : "none");
    }
}

static void what_is_not_offered_is_not_acceptable(void **state)
{
    static const char *const cases[] = {
        "text/plain",
        "application/cbor",
        "application/jsonp",
        "application/json;q=0",
        "*/*;q=0",
        "application/json;q=2",
        "application/json;q=x",
        "application",
        "text/*",
        ",",
        ";q=1",
        "\"application/json\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (ddi_media_type(cases[i]))
            fail_msg("%s: %s", cases[i], ddi_media_type(cases[i]));
}

/* -- words as text -- */

static void lines_are_joined(void **state)
{
    json_auto_t *lines = parse("[\"a\",\"\",5,null,\"b\",\"c\"]");
    char text[16];

    (void)state;
    ddi_join(lines, text, sizeof text);
    assert_string_equal(text, "a\nb\nc");
    ddi_join(lines, text, 6);
    assert_string_equal(text, "a\nb\nc");
    ddi_join(lines, text, 5);
    assert_string_equal(text, "a\nb");
    ddi_join(NULL, text, sizeof text);
    assert_string_equal(text, "");
}

static void lines_about_errors_stay_when_others_are_cut(void **state)
{
    json_auto_t *lines =
        parse("[\"0123456789\",\"ERROR : one\",\"0123456789\",\"ERROR : HASH mismatch\",\"end\"]");
    json_auto_t *long_error = parse("[\"a\",\"[ERROR] 0123456789\"]");
    char text[64];

    (void)state;
    ddi_join(lines, text, 50);
    assert_string_equal(text, "0123456789\nERROR : one\n0123\nERROR : HASH mismatch");
    ddi_join(lines, text, 24);
    assert_string_equal(text, "0\nERROR : HASH mismatch");
    ddi_join(long_error, text, 11);
    assert_string_equal(text, "[ERROR] 01");
}

static void a_line_about_errors_begins_with_that_word(void **state)
{
    (void)state;
    assert_true(ddi_is_error_line("ERROR : HASH mismatch"));
    assert_true(ddi_is_error_line("[ERROR] : it"));
    assert_true(ddi_is_error_line(" error"));
    assert_false(ddi_is_error_line("Errors: none"));
    assert_false(ddi_is_error_line("no ERROR"));
    assert_false(ddi_is_error_line(""));
}

static void text_is_cut_between_characters(void **state)
{
    json_auto_t *lines = parse("[\"\\u00fc\\u00fc\\u00fc\\u00fc\"]");
    char text[8];

    (void)state;
    ddi_join(lines, text, 8);
    assert_string_equal(text, "\xc3\xbc\xc3\xbc\xc3\xbc");
}

/* -- words as JSON -- */

#define SAYS(details)                                                                              \
    "{\"id\":12,\"time\":\"20261120T080020\",\"status\":{\"execution\":\"proceeding\",\"code\":7," \
    "\"result\":{\"finished\":\"none\",\"progress\":{\"cnt\":2,\"of\":5}},\"details\":" details    \
    "}}"

static void check_told(const char *said, size_t most, const char *expected)
{
    json_auto_t *json = parse(said);
    char *told = ddi_told(json, most);

    assert_non_null(told);
    assert_string_equal(told, expected);
    json_decref(parse(told));
    free(told);
}

#define HEAD                                                                                       \
    "{\"execution\":\"proceeding\",\"finished\":\"none\",\"code\":7,\"progress\":{\"count\":2,"    \
    "\"of\":5},\"time\":\"20261120T080020\""

static void what_is_told_is_kept_word_for_word(void **state)
{
    (void)state;
    check_told(SAYS("[\"a\",\"say \\\"b\\\"\\n\",\"\",7]"), 1000,
               HEAD ",\"details\":[\"a\",\"say \\\"b\\\"\\u000a\",\"\"]}");
    check_told(SAYS("[]"), 1000, HEAD "}");
    check_told(SAYS("\"a\""), 1000, HEAD "}");
    check_told(
        "{\"timestamp\":1627997501890,\"time\":5,\"status\":{\"execution\":\"closed\","
        "\"result\":{\"finished\":\"success\",\"progress\":{\"cnt\":\"2\"}}}}",
        1000,
        "{\"execution\":\"closed\",\"finished\":\"success\",\"time\":\"2021-08-03T13:31:41Z\"}");
}

static void what_is_told_is_cut_at_its_end(void **state)
{
    static const size_t head = sizeof HEAD - 1;

    (void)state;
    check_told(SAYS("[\"0123456789\",\"x\"]"), head + 18, HEAD ",\"details\":[\"01\"]}");
    check_told(SAYS("[\"0123456789\",\"x\"]"), head + 16, HEAD "}");
    check_told(SAYS("[\"0\\u00012\"]"), head + 22, HEAD ",\"details\":[\"0\"]}");
    check_told(SAYS("[\"0\\u00fc2\"]"), head + 18, HEAD ",\"details\":[\"0\"]}");
    check_told(SAYS("[\"\",\"\",\"\"]"), head + 17, HEAD ",\"details\":[\"\"]}");
}

static void nothing_that_is_told_is_longer_than_is_kept(void **state)
{
    json_auto_t *json = parse(SAYS("[]"));
    json_t *details = json_object_get(json_object_get(json, "status"), "details");

    (void)state;
    for (int i = 0; i < 300; i++)
        json_array_append_new(details, json_string(i % 3 ? "\"\\\x01\xc3\xbc line" : ""));
    for (size_t most = 256; most < 1500; most += 7) {
        char *told = ddi_told(json, most);
        assert_in_range(strlen(told), most - 40, most);
        json_decref(parse(told));
        free(told);
    }
}

/* -- confirmation, installed, metadata -- */

static void a_confirmation_is_one_of_two_words(void **state)
{
    static const char *const wrong[] = {"{}", "{\"confirmation\":\"yes\"}", "{\"confirmation\":1}",
                                        "{\"confirmation\":\"CONFIRMED\"}"};
    json_auto_t *yes =
        parse("{\"confirmation\":\"confirmed\",\"code\":\"x\",\"details\":[\"ok\"]}");
    json_auto_t *no = parse("{\"confirmation\":\"denied\"}");
    struct ddi_confirmation confirmation;
    struct error err = {0};

    (void)state;
    assert_int_equal(ddi_confirmation_from_json(yes, &confirmation, &err), 0);
    assert_true(confirmation.is_given);
    assert_string_equal(confirmation.remark, "ok");
    assert_int_equal(ddi_confirmation_from_json(no, &confirmation, &err), 0);
    assert_false(confirmation.is_given);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        json_auto_t *json = parse(wrong[i]);
        assert_int_equal(ddi_confirmation_from_json(json, &confirmation, &err), -1);
        assert_int_equal(problem_status(err.problem), 400);
    }
}

static void who_confirms_ahead_may_say_so(void **state)
{
    json_auto_t *nothing = parse("{}");
    json_auto_t *all = parse("{\"initiator\":\"ann\",\"remark\":\"holidays\",\"x\":1}");
    json_auto_t *wrong = parse("{\"initiator\":5}");
    struct ddi_initiative initiative;
    struct error err = {0};

    (void)state;
    assert_int_equal(ddi_initiative_from_json(nothing, &initiative, &err), 0);
    assert_string_equal(initiative.initiator, "");
    assert_int_equal(ddi_initiative_from_json(all, &initiative, &err), 0);
    assert_string_equal(initiative.remark, "holidays");
    assert_int_equal(ddi_initiative_from_json(wrong, &initiative, &err), -1);
}

static int installed(const char *text, struct ddi_installed *ret)
{
    struct error err = {0};
    json_t *json = parse(text);
    int failed = ddi_installed_from_json(json, ret, &err);

    json_decref(json);
    return failed ? problem_status(err.problem) : 200;
}

static void what_is_installed_has_a_name_and_a_version(void **state)
{
    struct ddi_installed ret;

    (void)state;
    assert_int_equal(installed("{\"name\":\"gw\",\"version\":\"1.2\"}", &ret), 200);
    assert_string_equal(ret.release, "gw:1.2");
    assert_int_equal(installed("{\"name\":\"gw\"}", &ret), 400);
    assert_int_equal(installed("{\"name\":\"gw\",\"version\":\"\"}", &ret), 400);
    assert_int_equal(installed("{\"name\":1,\"version\":\"1\"}", &ret), 400);
    assert_int_equal(installed("{\"name\":\"No Such\",\"version\":\"1\"}", &ret), 404);
}

static void signed_strings_are_metadata(void **state)
{
    CLEANUP(text_clear) struct text text = {0};
    static const char *const none[] = {"{}", "{\"metadata\":{}}", "{\"metadata\":{\"a\":1}}",
                                       "{\"metadata\":\"a\"}"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(none); i++)
        ddi_write_metadata(&text, none[i]);
    assert_int_equal(text.length, 0);
    ddi_write_metadata(&text, "{\"metadata\":{\"slot\":\"b\",\"n\":1,\"q\":\"\\\"\"}}");
    assert_string_equal(text.at, ",\"metadata\":[{\"key\":\"slot\",\"value\":\"b\"},"
                                 "{\"key\":\"q\",\"value\":\"\\\"\"}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_hal_unless_plain_json_is_asked_for),
        cmocka_unit_test(what_is_not_offered_is_not_acceptable),
        cmocka_unit_test(lines_are_joined),
        cmocka_unit_test(lines_about_errors_stay_when_others_are_cut),
        cmocka_unit_test(a_line_about_errors_begins_with_that_word),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(what_is_told_is_kept_word_for_word),
        cmocka_unit_test(what_is_told_is_cut_at_its_end),
        cmocka_unit_test(nothing_that_is_told_is_longer_than_is_kept),
        cmocka_unit_test(a_confirmation_is_one_of_two_words),
        cmocka_unit_test(who_confirms_ahead_may_say_so),
        cmocka_unit_test(what_is_installed_has_a_name_and_a_version),
        cmocka_unit_test(signed_strings_are_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
