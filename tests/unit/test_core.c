/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"
#include "core/digest.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void times_survive_the_way_there_and_back(void **state)
{
    (void)state;
    static const int64_t times[] = {0, 951782400, 1763625600, 4102444799};
    char text[CLOCK_TEXT_SIZE];
    int64_t back;

    for (size_t i = 0; i < COUNT_OF(times); i++) {
        assert_true(clock_parse(clock_text(times[i], text), &back));
        assert_int_equal(back, times[i]);
    }
}

static void times_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"2026-02-30T00:00:00Z",      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:60Z",      "2026-01-01T00:00:00",
                                      "2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00.5Z",
                                      "2026-13-01T00:00:00Z",      ""};
    int64_t wall;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(clock_parse(bad[i], &wall));
}

static json_t *read_text(const char *text, struct error *err)
{
    json_t *value = NULL;

    return json_read(text, strlen(text), &value, err) ? NULL : value;
}

static void json_with_surprises_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "{",    "{} {}", "{\"a\":1,\"a\":2}", "\"\\u0000\"",  "{\"a\\u0000b\":1}",
        "\"\xff\"", "[1,]", "NaN",   "\"\\ud800\"",       "{\"a\":1e999}"};
    struct error err;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_null(read_text(bad[i], &err));
        assert_int_equal(err.problem, PROBLEM_BAD_JSON);
    }
}

static void json_is_only_so_deep(void **state)
{
    (void)state;
    char text[2 * JSON_MAX_DEPTH + 3];
    struct error err;

    for (int depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        json_auto_t *value = read_text(text, &err);
        assert_int_equal(value != NULL, depth == JSON_MAX_DEPTH);
    }
    json_auto_t *brackets_in_a_string =
        read_text("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"]", &err);
    assert_non_null(brackets_in_a_string);
}

static void a_wrong_member_is_named(void **state)
{
    (void)state;
    struct error err = {0};
    int64_t number = 5;
    const char *text = "kept";
    json_auto_t *value = read_text("{\"count\":\"x\",\"name\":7,\"nothing\":null}", &err);

    assert_int_equal(json_get_integer(value, "count", 0, 9, &number, &err), -1);
    assert_string_equal(err.field, "count");
    assert_int_equal(json_get_string(value, "name", &text, &err), -1);
    assert_string_equal(err.field, "name");
    assert_int_equal(json_get_string(value, "nothing", &text, &err), -1);
    assert_int_equal(json_get_string(value, "absent", &text, &err), -1);
    assert_int_equal(number, 5);
    assert_string_equal(text, "kept");
    assert_int_equal(json_only_members(value, (const char *const[]){"count", "name", NULL}, &err),
                     -1);
    assert_string_equal(err.field, "nothing");
}

static void an_internal_failure_tells_the_client_nothing(void **state)
{
    (void)state;
    struct error err;

    errno = ENOSPC;
    assert_int_equal(fail_internal(&err, "write %s: %m", "/var/secret"), -1);
    assert_string_equal(err.detail, "");
    assert_non_null(strstr(err.cause, "No space left"));
    assert_int_equal(problem_status(err.problem), 500);
}

static void digests_start_anew_after_their_end(void **state)
{
    (void)state;
    CLEANUP(digest_free) struct digest *digest = digest_new(DIGEST_SHA256);
    uint8_t first[SHA256_SIZE], second[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    digest_add(digest, "abc", 3);
    digest_end(digest, first);
    digest_add(digest, "abc", 3);
    digest_end(digest, second);
    assert_memory_equal(first, second, sizeof first);
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_log_line_cannot_be_forged(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO), ends[2];
    char line[200] = "";

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_info("test.event", TEXT("name", "x\n<3>forged=\"1\""), NUMBER("n", -3));
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    close(ends[0]);
    close(ends[1]);
    assert_string_equal(line, "<6>test.event name=\"x\\u000a<3>forged=\\\"1\\\"\" n=-3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_survive_the_way_there_and_back),
        cmocka_unit_test(times_that_do_not_exist_are_refused),
        cmocka_unit_test(json_with_surprises_is_refused),
        cmocka_unit_test(json_is_only_so_deep),
        cmocka_unit_test(a_wrong_member_is_named),
        cmocka_unit_test(an_internal_failure_tells_the_client_nothing),
        cmocka_unit_test(digests_start_anew_after_their_end),
        cmocka_unit_test(a_log_line_cannot_be_forged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
