/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/ddi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    return json;
}

/* -- polling -- */

static void sleep_is_always_eight_characters_below_a_day(void **state)
{
    char text[DDI_SLEEP_SIZE];

    (void)state;
    assert_string_equal(ddi_sleep_text(3, text), "00:00:03");
    assert_string_equal(ddi_sleep_text(300, text), "00:05:00");
    assert_string_equal(ddi_sleep_text(86399, text), "23:59:59");
    assert_string_equal(ddi_sleep_text(86400, text), "23:59:59");
    assert_string_equal(ddi_sleep_text(INT64_MAX, text), "23:59:59");
    assert_string_equal(ddi_sleep_text(-1, text), "00:00:00");
}

static void everyone_comes_in_its_slot_unless_told_otherwise(void **state)
{
    const struct config config = {.device_poll = 300, .device_poll_minimum = 30};
    struct device device = {.id = "dev-1"};
    struct decision decision = {0};
    int64_t now = 1800000000;

    (void)state;
    now += ddi_poll_after(&config, &device, &decision, now);
    for (int i = 0; i < 3; i++) { /* who comes in time is told one interval */
        assert_int_equal(ddi_poll_after(&config, &device, &decision, now), 300);
        now += 300;
    }
    decision.poll_after = 77;
    assert_int_equal(ddi_poll_after(&config, &device, &decision, now), 77);
    decision.poll_after = 5;
    assert_int_equal(ddi_poll_after(&config, &device, &decision, now), 30);
}

static void a_fast_poll_is_faster_than_the_minimum(void **state)
{
    const struct config config = {.device_poll = 2, .device_poll_minimum = 30};
    const struct device device = {.id = "dev-1"};
    const struct decision decision = {0};

    (void)state;
    assert_in_range(ddi_poll_after(&config, &device, &decision, 1800000000), 2, 3);
}

static void the_hash_of_a_link_follows_what_it_leads_to(void **state)
{
    const struct decision decision = {.action = 12, .release_row = 3, .attempt = 1};
    struct decision others[] = {decision, decision, decision, decision,
                                decision, decision, decision};
    int32_t hash = ddi_content_hash(&decision);

    (void)state;
    assert_int_equal(hash, ddi_content_hash(&others[0]));
    others[0].action = 13;
    others[1].release_row = 4;
    others[2].attempt = 2;
    others[3].install = INSTALL_PRESTAGE;
    others[4].has_window = true;
    others[5].has_window = others[5].window_is_open = true;
    others[6].awaits_consent = true;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_not_equal(hash, ddi_content_hash(&others[i]));
}

static void installations_bear_the_words_of_the_protocol(void **state)
{
    static const struct {
        struct decision terms;
        const char *download, *update, *window;
    } cases[] = {
        {{.install = INSTALL_FORCED},                                             "forced",  "forced",  NULL         },
        {{.install = INSTALL_OPTIONAL},                                           "attempt", "attempt", NULL         },
        {{.install = INSTALL_PRESTAGE, .is_download_only = true},                 "forced",  "skip",    NULL         },
        {{.install = INSTALL_FORCED, .has_window = true, .window_is_open = true},
         "forced",                                                                           "forced",
         "available"                                                                                                 },
        {{.install = INSTALL_PRESTAGE, .has_window = true},                       "forced",  "skip",    "unavailable"},
 /* it began before the window closed and goes on */
        {{.install = INSTALL_FORCED, .has_window = true},                         "forced",  "forced",  "available"  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct ddi_handling handling = ddi_handling(&cases[i].terms);
        assert_string_equal(handling.download, cases[i].download);
        assert_string_equal(handling.update, cases[i].update);
        if (cases[i].window)
            assert_string_equal(handling.window, cases[i].window);
        else
            assert_null(handling.window);
    }
}

static void only_clients_that_understand_are_told_ahead(void **state)
{
    (void)state;
    assert_int_equal(ddi_prestaging(ANNOUNCE_AUTO, "rauc-hawkbit-c-agent/1.0"), PRESTAGES);
    assert_int_equal(ddi_prestaging(ANNOUNCE_AUTO, "libcurl-agent/1.0"), INSTALLS_AT_ONCE);
    assert_int_equal(ddi_prestaging(ANNOUNCE_AUTO, NULL), INSTALLS_AT_ONCE);
    assert_int_equal(ddi_prestaging(ANNOUNCE_YES, "libcurl-agent/1.0"), PRESTAGES);
    assert_int_equal(ddi_prestaging(ANNOUNCE_NO, "rauc-hawkbit-c-agent/1.0"), INSTALLS_AT_ONCE);
}

static void states_bear_the_words_of_the_protocol(void **state)
{
    static const struct {
        struct deployment deployment;
        bool awaits_consent;
        const char *word;
    } cases[] = {
        {{.state = "offered", .is_open = true},                            false, "RETRIEVED"            },
        {{.state = "offered", .is_open = true},                            true,  "WAIT_FOR_CONFIRMATION"},
        {{.state = "downloaded", .is_open = true},                         false, "RETRIEVED"            },
        {{.state = "downloading", .is_open = true, .is_cancelling = true}, false, "CANCELING"            },
        {{.state = "downloaded"},                                          false, "DOWNLOADED"           },
        {{.state = "verifying"},                                           false, "FINISHED"             },
        {{.state = "confirmed"},                                           false, "FINISHED"             },
        {{.state = "failed"},                                              false, "ERROR"                },
        {{.state = "reverted"},                                            false, "ERROR"                },
        {{.state = "cancelled"},                                           false, "CANCELED"             },
        {{.state = "cancelled"},                                           true,  "CANCELED"             },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(ddi_action_status(&cases[i].deployment, cases[i].awaits_consent),
                            cases[i].word);
}

static void what_is_cancelled_hides_and_what_is_over_does_not(void **state)
{
    static const struct {
        struct deployment deployment;
        bool is_readable;
    } cases[] = {
        {{.state = "offered", .is_open = true},                            true },
        {{.state = "downloading", .is_open = true},                        true },
        {{.state = "downloading", .is_open = true, .is_cancelling = true}, false},
        {{.state = "confirmed"},                                           true },
        {{.state = "failed"},                                              true },
        {{.state = "not_applicable"},                                      true },
        {{.state = "cancelled"},                                           false},
        {{.state = "withdrawn"},                                           false},
        {{.state = "superseded"},                                          false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(ddi_is_readable(&cases[i].deployment), cases[i].is_readable);
}

static void parts_bear_the_names_clients_know(void **state)
{
    (void)state;
    assert_string_equal(ddi_part("app"), "bApp");
    assert_string_equal(ddi_part("application"), "bApp");
    assert_string_equal(ddi_part("runtime"), "jvm");
    assert_string_equal(ddi_part("os"), "os");
}

/* -- feedback -- */

static struct ddi_feedback feedback_of(const char *text)
{
    json_auto_t *json = parse(text);
    struct ddi_feedback feedback;
    struct error err;

    assert_int_equal(ddi_feedback_from_json(json, &feedback, &err), 0);
    return feedback;
}

static struct ddi_feedback message(const char *execution, const char *finished)
{
    char text[256];

    snprintf(text, sizeof text,
             "{\"status\":{\"execution\":\"%s\",\"result\":{\"finished\":\"%s\"}}}", execution,
             finished);
    return feedback_of(text);
}

static void every_pair_of_execution_and_result_has_its_meaning(void **state)
{
    static const struct {
        const char *execution, *finished;
        enum report_kind kind;
        bool is_final;
        enum report_kind cancel_kind;
        bool is_cancel_final;
    } rows[] = {
        {"closed",     "success", REPORT_SUCCESS,     true,  REPORT_CANCELLED,      true },
        {"closed",     "none",    REPORT_SUCCESS,     true,  REPORT_CANCELLED,      true },
        {"closed",     "failure", REPORT_FAILURE,     true,  REPORT_CANCEL_REFUSED, false},
        {"proceeding", "none",    REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"proceeding", "success", REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"proceeding", "failure", REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"scheduled",  "none",    REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"scheduled",  "success", REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"scheduled",  "failure", REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"resumed",    "none",    REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"resumed",    "success", REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"resumed",    "failure", REPORT_PROGRESS,    false, REPORT_NOTE,           false},
        {"download",   "none",    REPORT_DOWNLOADING, false, REPORT_NOTE,           false},
        {"download",   "success", REPORT_DOWNLOADING, false, REPORT_NOTE,           false},
        {"download",   "failure", REPORT_DOWNLOADING, false, REPORT_NOTE,           false},
        {"downloaded", "none",    REPORT_DOWNLOADED,  false, REPORT_NOTE,           false},
        {"downloaded", "success", REPORT_DOWNLOADED,  false, REPORT_NOTE,           false},
        {"downloaded", "failure", REPORT_DOWNLOADED,  false, REPORT_NOTE,           false},
        {"rejected",   "none",    REPORT_REJECTED,    false, REPORT_CANCEL_REFUSED, false},
        {"rejected",   "success", REPORT_REJECTED,    false, REPORT_CANCEL_REFUSED, false},
        {"rejected",   "failure", REPORT_REJECTED,    false, REPORT_CANCEL_REFUSED, false},
        {"canceled",   "none",    REPORT_NOTE,        false, REPORT_NOTE,           false},
        {"canceled",   "success", REPORT_NOTE,        false, REPORT_NOTE,           false},
        {"canceled",   "failure", REPORT_NOTE,        false, REPORT_NOTE,           false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ddi_feedback feedback = message(rows[i].execution, rows[i].finished);
        struct report report;
        ddi_report(&feedback, false, &report);
        assert_int_equal(report.kind, rows[i].kind);
        assert_int_equal(report.is_final, rows[i].is_final);
        ddi_cancel_report(&feedback, &report);
        assert_int_equal(report.kind, rows[i].cancel_kind);
        assert_int_equal(report.is_final, rows[i].is_cancel_final);
    }
}

static void a_device_that_gives_up_while_cancelled_has_acknowledged(void **state)
{
    struct ddi_feedback feedback = message("canceled", "success");
    struct report report;

    (void)state;
    ddi_report(&feedback, true, &report);
    assert_int_equal(report.kind, REPORT_CANCELLED);
    assert_true(report.is_final);
}

static void a_skipped_update_is_no_success(void **state)
{
    struct ddi_feedback feedback =
        feedback_of("{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"success\"},"
                    "\"details\":[\"Skipped Update.\"]}}");
    struct report report;

    (void)state;
    ddi_report(&feedback, false, &report);
    assert_int_equal(report.kind, REPORT_NOTE);
    assert_false(report.is_final);
}

static void old_members_in_any_type_do_no_harm(void **state)
{
    static const char *const messages[] = {
        "{\"id\":1,\"time\":\"20261120T080020\",\"status\":{\"result\":{\"progress\":{\"cnt\":0,"
        "\"of\":0},"
        "\"finished\":\"none\"},\"execution\":\"proceeding\",\"details\":[\"a\"]}}",
        "{\"id\":\"1\",\"status\":{\"result\":{\"finished\":\"none\"},\"execution\":\"proceeding\","
        "\"details\":[\"a\"]}}",
        "{\"id\":\"\",\"timestamp\":null,\"status\":{\"result\":{\"finished\":\"none\","
        "\"progress\":5},"
        "\"execution\":\"proceeding\",\"code\":\"x\",\"details\":\"a\"}}",
        "{\"status\":{\"result\":{\"finished\":\"none\"},\"execution\":\"proceeding\","
        "\"details\":[1,null,\"a\",{}]}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(messages); i++)
        assert_int_equal(feedback_of(messages[i]).execution, DDI_PROCEEDING);
}

static void what_must_be_there_is_demanded(void **state)
{
    static const char *const messages[] = {
        "{}",
        "[]",
        "{\"status\":5}",
        "{\"status\":{}}",
        "{\"status\":{\"execution\":\"closed\"}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":{}}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"maybe\"}}}",
        "{\"status\":{\"execution\":\"CLOSED\",\"result\":{\"finished\":\"none\"}}}",
        "{\"status\":{\"execution\":7,\"result\":{\"finished\":\"none\"}}}",
    };
    struct ddi_feedback feedback;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        json_auto_t *json = parse(messages[i]);
        struct error err = {0};
        assert_int_equal(ddi_feedback_from_json(json, &feedback, &err), -1);
        assert_int_equal(problem_status(err.problem), 400);
    }
}

static void messages_are_equal_by_what_they_tell_not_by_when(void **state)
{
    static const char form[] =
        "{\"id\":%s,\"time\":\"%s\",\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":"
        "\"success\",\"progress\":{\"cnt\":%d,\"of\":3}},\"details\":[\"%s\"]}}";
    char text[512];

    (void)state;
    snprintf(text, sizeof text, form, "1", "t1", 1, "x");
    struct ddi_feedback first = feedback_of(text);
    snprintf(text, sizeof text, form, "\"1\"", "t2", 1, "x");
    struct ddi_feedback again = feedback_of(text);
    snprintf(text, sizeof text, form, "1", "t1", 2, "x");
    struct ddi_feedback further = feedback_of(text);
    snprintf(text, sizeof text, form, "1", "t1", 1, "y");
    struct ddi_feedback other = feedback_of(text);
    assert_memory_equal(first.hash, again.hash, sizeof first.hash);
    assert_memory_not_equal(first.hash, further.hash, sizeof first.hash);
    assert_memory_not_equal(first.hash, other.hash, sizeof first.hash);
}

/* -- attributes -- */

static enum problem attributes_of(const char *text, struct ddi_attributes *ret)
{
    json_t *json = parse(text);
    struct error err = {0};
    int failed = ddi_attributes_from_json(json, 16, ret, &err);

    json_decref(json);
    assert_int_equal(failed, err.problem ? -1 : 0);
    return err.problem;
}

static void attributes_are_merged_unless_told_otherwise(void **state)
{
    struct ddi_attributes attributes;

    (void)state;
    assert_int_equal(attributes_of("{\"data\":{\"a\":\"b\"}}", &attributes), PROBLEM_NONE);
    assert_int_equal(attributes.mode, DDI_MERGE);
    assert_int_equal(attributes_of("{\"mode\":null,\"data\":{\"a\":\"b\"}}", &attributes),
                     PROBLEM_NONE);
    assert_int_equal(attributes.mode, DDI_MERGE);
    assert_int_equal(attributes_of("{\"mode\":\"replace\",\"data\":{\"a\":null}}", &attributes), 0);
    assert_int_equal(attributes.mode, DDI_REPLACE);
    assert_int_equal(attributes_of("{\"mode\":\"remove\",\"data\":{\"a\":5}}", &attributes),
                     PROBLEM_NONE);
    assert_int_equal(attributes.mode, DDI_REMOVE);
}

static void attributes_must_be_short_printable_ascii(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"data\":{}}",
        "{\"data\":[]}",
        "{\"data\":{\"\":\"b\"}}",
        "{\"data\":{\"a\":[5]}}",
        "{\"data\":{\"a\":\"\\u00fc\"}}",
        "{\"data\":{\"\\u00fc\":\"a\"}}",
        "{\"data\":{\"a\":\"\\u0001\"}}",
        "{\"data\":{\"12345678901234567\":\"a\"}}",
        "{\"data\":{\"a\":\"12345678901234567\"}}",
        "{\"mode\":\"Merge\",\"data\":{\"a\":\"b\"}}",
        "{\"mode\":1,\"data\":{\"a\":\"b\"}}",
    };
    struct ddi_attributes attributes;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_int_equal(attributes_of(bodies[i], &attributes), PROBLEM_BAD_FIELD);
    assert_int_equal(
        attributes_of("{\"data\":{\"1234567890123456\":\"1234567890 ~}|\\n\"}}", &attributes), 0);
    assert_int_equal(attributes_of("{\"data\":{\"a\":5,\"b\":true}}", &attributes), 0);
}

static void reserved_attributes_are_evidence_when_they_can_be_right(void **state)
{
    struct config config = {
        .device_version_attribute = "v",
        .device_boot_id_attribute = "b",
        .device_uptime_attribute = "u",
        .device_floor_attribute = "",
    };
    json_auto_t *good = parse("{\"v\":\"1.2\",\"b\":\"boot-1\",\"u\":\"600\",\"\":\"9\"}");
    json_auto_t *bad = parse("{\"v\":\"1 2\",\"u\":\"-5\"}");
    struct evidence evidence;

    (void)state;
    ddi_evidence(&config, good, &evidence);
    assert_string_equal(evidence.version, "1.2");
    assert_string_equal(evidence.boot_id, "boot-1");
    assert_int_equal(evidence.uptime, 600);
    assert_int_equal(evidence.floor, -1);
    ddi_evidence(&config, bad, &evidence);
    assert_null(evidence.version);
    assert_null(evidence.boot_id);
    assert_int_equal(evidence.uptime, -1);
}

/* -- errors -- */

static void errors_on_ddi_paths_have_the_shape_clients_log(void **state)
{
    CLEANUP(text_clear) struct text text = {0};
    struct error err = {.problem = PROBLEM_GONE, .detail = "the \"action\" is over"};

    (void)state;
    assert_string_equal(ddi_write_error("/DEFAULT/controller/v1/d1/x", &err, &text),
                        "application/json");
    text_append_bytes(&text, "", 1);
    json_auto_t *json = parse(text.at);
    assert_string_equal(json_string_value(json_object_get(json, "message")),
                        "the \"action\" is over");
    assert_non_null(json_object_get(json, "exceptionClass"));
    assert_non_null(json_object_get(json, "errorCode"));
}

static void a_401_has_no_body_and_other_paths_keep_their_own_shape(void **state)
{
    CLEANUP(text_clear) struct text text = {0};
    struct error err = {.problem = PROBLEM_UNAUTHENTICATED};

    (void)state;
    assert_non_null(ddi_write_error("/DEFAULT/controller/v1/d1", &err, &text));
    assert_int_equal(text.length, 0);
    assert_null(ddi_write_error("/v1/device/update", &err, &text));
    assert_null(ddi_write_error("/controller/v1/x", &err, &text));
    assert_null(ddi_write_error("/DEFAULT/controller/v10", &err, &text));
    assert_non_null(ddi_write_error("/DEFAULT/controller/v1", &err, &text));
    assert_null(ddi_write_error("", &err, &text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleep_is_always_eight_characters_below_a_day),
        cmocka_unit_test(everyone_comes_in_its_slot_unless_told_otherwise),
        cmocka_unit_test(a_fast_poll_is_faster_than_the_minimum),
        cmocka_unit_test(installations_bear_the_words_of_the_protocol),
        cmocka_unit_test(only_clients_that_understand_are_told_ahead),
        cmocka_unit_test(states_bear_the_words_of_the_protocol),
        cmocka_unit_test(what_is_cancelled_hides_and_what_is_over_does_not),
        cmocka_unit_test(the_hash_of_a_link_follows_what_it_leads_to),
        cmocka_unit_test(parts_bear_the_names_clients_know),
        cmocka_unit_test(every_pair_of_execution_and_result_has_its_meaning),
        cmocka_unit_test(a_device_that_gives_up_while_cancelled_has_acknowledged),
        cmocka_unit_test(a_skipped_update_is_no_success),
        cmocka_unit_test(old_members_in_any_type_do_no_harm),
        cmocka_unit_test(what_must_be_there_is_demanded),
        cmocka_unit_test(messages_are_equal_by_what_they_tell_not_by_when),
        cmocka_unit_test(attributes_are_merged_unless_told_otherwise),
        cmocka_unit_test(attributes_must_be_short_printable_ascii),
        cmocka_unit_test(reserved_attributes_are_evidence_when_they_can_be_right),
        cmocka_unit_test(errors_on_ddi_paths_have_the_shape_clients_log),
        cmocka_unit_test(a_401_has_no_body_and_other_paths_keep_their_own_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
