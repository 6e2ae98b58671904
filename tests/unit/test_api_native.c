/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The status borrows from the JSON, which lives until the next call. */
static enum problem status_of(const char *text, struct native_status *ret)
{
    static json_t *json;
    struct error err = {0};

    json_decref(json);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    int failed = native_status_from_json(json, ret, &err);
    assert_int_equal(failed, err.problem ? -1 : 0);
    return err.problem;
}

static void a_whole_report_is_read(void **state)
{
    struct native_status status;

    (void)state;
    assert_int_equal(
        status_of("{\"seq\":7,\"boot_id\":\"b1\",\"uptime\":60,\"floor\":6,"
                  "\"components\":[{\"component\":\"boot\",\"version\":\"9\"},"
                  "{\"component\":\"app\",\"version\":\"2.1.0\",\"release_counter\":42}],"
                  "\"deployment_id\":\"d-12\",\"state\":\"failed\","
                  "\"error\":{\"code\":\"storage\",\"detail\":\"full\"},\"progress\":50,"
                  "\"tuf\":{\"image_root\":3},\"attack\":\"rollback\"}",
                  &status),
        PROBLEM_NONE);
    assert_int_equal(status.seq, 7);
    assert_string_equal(status.evidence.version, "2.1.0");
    assert_string_equal(status.evidence.boot_id, "b1");
    assert_int_equal(status.evidence.uptime, 60);
    assert_int_equal(status.evidence.floor, 6);
    assert_int_equal(status.action, 12);
    assert_true(status.has_report && status.is_final);
    assert_int_equal(status.kind, REPORT_FAILURE);
    assert_string_equal(status.class, "storage");
    assert_string_equal(status.detail, "storage: full");
    assert_string_equal(status.attack, "rollback");
    assert_int_equal(status.root_version, 3);
}

static void a_report_of_nothing_but_its_number_is_enough(void **state)
{
    struct native_status status;

    (void)state;
    assert_int_equal(status_of("{\"seq\":1}", &status), PROBLEM_NONE);
    assert_false(status.has_report);
    assert_null(status.evidence.version);
    assert_null(status.attack);
    assert_int_equal(status.evidence.uptime, -1);
    assert_int_equal(status.evidence.floor, -1);
}

static void the_first_component_stands_for_a_device_without_app(void **state)
{
    struct native_status status;

    (void)state;
    assert_int_equal(
        status_of("{\"seq\":1,\"components\":[{\"component\":\"os\",\"version\":\"1\"},"
                  "{\"component\":\"boot\",\"version\":\"2\"}]}",
                  &status),
        PROBLEM_NONE);
    assert_string_equal(status.evidence.version, "1");
}

static void a_code_that_is_no_class_is_only_told(void **state)
{
    struct native_status status;

    (void)state;
    assert_int_equal(status_of("{\"seq\":1,\"deployment_id\":\"d-9\",\"state\":\"failed\","
                               "\"error\":{\"code\":\"E17\",\"detail\":\"\"}}",
                               &status),
                     PROBLEM_NONE);
    assert_null(status.class);
    assert_string_equal(status.detail, "E17");
}

static void malformed_reports_are_refused(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"seq\":0}",
        "{\"seq\":-1}",
        "{\"seq\":1.0}",
        "{\"seq\":\"1\"}",
        "{\"seq\":1,\"progress\":101}",
        "{\"seq\":1,\"progress\":1e308}",
        "{\"seq\":1,\"state\":\"done\"}",
        "{\"seq\":1,\"deployment_id\":\"12\"}",
        "{\"seq\":1,\"deployment_id\":\"d-\"}",
        "{\"seq\":1,\"deployment_id\":\"d--1\"}",
        "{\"seq\":1,\"attack\":\"all\"}",
        "{\"seq\":1,\"components\":[5]}",
        "{\"seq\":1,\"components\":[{\"component\":\"app\",\"version\":\"1/2\"}]}",
        "{\"seq\":1,\"components\":[{\"component\":\"APP\",\"version\":\"1\"}]}",
        "{\"seq\":1,\"floor\":-1}",
        "{\"seq\":1,\"boot_id\":"
        "\"12345678901234567890123456789012345678901234567890123456789012345\"}",
    };
    struct native_status status;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_int_equal(status_of(bodies[i], &status), PROBLEM_BAD_FIELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_report_is_read),
        cmocka_unit_test(a_report_of_nothing_but_its_number_is_enough),
        cmocka_unit_test(the_first_component_stands_for_a_device_without_app),
        cmocka_unit_test(a_code_that_is_no_class_is_only_told),
        cmocka_unit_test(malformed_reports_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
