/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int never_called(struct request *req, struct reply *reply, struct error *err)
{
    (void)req, (void)reply;
    return fail_internal(err, "called");
}

#define ROW(method_, path_)                                                                        \
    {                                                                                              \
        .method = method_, .path = path_, .handle = never_called                                   \
    }
static const struct route device_rows[] = {
    ROW("GET", "/:tenant/controller/v1/:device"),
    ROW("PUT", "/:tenant/controller/v1/:device/configData"),
    ROW("GET", "/:tenant/controller/v1/:device/softwaremodules/:module/artifacts/:file"),
    ROW("GET", "/tuf/root.json"),
    ROW("GET", "/tuf/:name"),
};
static const struct route operator_rows[] = {
    ROW("GET", "/api/v1/devices"),
    ROW("POST", "/api/v1/devices"),
    ROW("GET", "/api/v1/devices/:id"),
    ROW("DELETE", "/api/v1/devices/:id"),
    ROW("POST", "/api/v1/devices/:id/approve"),
    ROW("GET", "/api/:other/devices/:id/history"),
    ROW("GET", "/console/"),
    ROW("GET", "/"),
};
static const struct routes devices = {device_rows, COUNT_OF(device_rows)};
static const struct routes operators = {operator_rows, COUNT_OF(operator_rows)};
static const struct routes *const tables[] = {&devices, &operators, NULL};

static struct routed found;
static char allowed[64];
static char decoded[PATH_LENGTH_MAX + 1];

/* The path of the row that is found, "405" or "404". */
static const char *find(const char *method, const char *path)
{
    CLEANUP(router_free) struct router *router = NULL;
    struct path split;
    struct error err;

    assert_int_equal(router_new(tables, &router, &err), 0);
    assert_int_equal(path_split(path, decoded, &split, &err), 0);
    found = (struct routed){0};
    router_find(router, method_from_text(method), &split, &found);
    snprintf(allowed, sizeof allowed, "%s", found.allow ? found.allow : "");
    if (found.route)
        return found.route->path;
    return found.allow ? "405" : "404";
}

static void each_row_finds_itself(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(routes_check(tables, &err), 0);
}

static void written_out_segments_win_over_names(void **state)
{
    (void)state;
    assert_string_equal(find("GET", "/tuf/root.json"), "/tuf/root.json");
    assert_string_equal(find("GET", "/tuf/timestamp.json"), "/tuf/:name");
    assert_string_equal(find("GET", "/"), "/");
    assert_string_equal(find("GET", "/console/"), "/console/");
}

static void a_wrong_turn_is_taken_back(void **state)
{
    (void)state;
    assert_string_equal(find("GET", "/api/v1/devices/d1/history"),
                        "/api/:other/devices/:id/history");
    assert_string_equal(found.parameters[0], "v1");
    assert_string_equal(found.parameters[1], "d1");
    assert_string_equal(find("GET", "/tuf/controller/v1/d1"), "/:tenant/controller/v1/:device");
}

static void parameters_are_decoded_and_in_order(void **state)
{
    (void)state;
    find("GET", "/DEFAULT/controller/v1/d%2D1/softwaremodules/7/artifacts/caf%C3%A9.swu");
    assert_string_equal(found.parameters[0], "DEFAULT");
    assert_string_equal(found.parameters[1], "d-1");
    assert_string_equal(found.parameters[2], "7");
    assert_string_equal(found.parameters[3], "caf\xc3\xa9.swu");
}

static void head_is_get(void **state)
{
    (void)state;
    assert_string_equal(find("HEAD", "/api/v1/devices/d1"), "/api/v1/devices/:id");
    assert_string_equal(find("HEAD", "/api/v1/devices/d1/approve"), "405");
}

static void what_is_not_there_is_404_and_other_methods_405_with_allow(void **state)
{
    (void)state;
    assert_string_equal(find("GET", "/api/v1"), "404");
    assert_string_equal(find("GET", "/api/v1/devices/"), "404");
    assert_string_equal(find("GET", "/api/v1/devices/d1/approve/x"), "404");
    assert_string_equal(find("GET", "/console"), "404");
    assert_string_equal(find("GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20"), "404");
    assert_string_equal(find("PATCH", "/api/v1/devices/d1"), "405");
    assert_string_equal(allowed, "GET, HEAD, DELETE");
    find("GET", "/api/v1/devices/d1/approve");
    assert_string_equal(allowed, "POST");
}

static const char *why_not(const struct route *rows, size_t count)
{
    static struct error err;
    const struct routes table = {rows, count};
    const struct routes *const one[] = {&table, NULL};

    err = (struct error){0};
    assert_int_equal(routes_check(one, &err), -1);
    return err.cause;
}
#define ASSERT_REFUSED(reason, ...)                                                                \
    do {                                                                                           \
        const struct route rows_[] = {__VA_ARGS__};                                                \
        assert_non_null(strstr(why_not(rows_, COUNT_OF(rows_)), reason));                          \
    } while (0)

static void tables_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    ASSERT_REFUSED("there twice", ROW("GET", "/a/:x"), ROW("GET", "/a/:y"));
    ASSERT_REFUSED("malformed", ROW("GET", "a"));
    ASSERT_REFUSED("malformed", ROW("GET", "/a//b"));
    ASSERT_REFUSED("malformed", ROW("GET", "/a/:"));
    ASSERT_REFUSED("not a path", ROW("GET", "/a/../b"));
    ASSERT_REFUSED("not a path", ROW("GET", "/a b"));
    ASSERT_REFUSED("no such method", ROW("HEAD", "/a"));
    ASSERT_REFUSED("no such method", ROW("FETCH", "/a"));
    ASSERT_REFUSED("no handler", {.method = "GET", .path = "/a"});
    ASSERT_REFUSED("open_body",
                   {.method = "PUT", .path = "/a", .body = FILE_BODY, .handle = never_called});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_finds_itself),
        cmocka_unit_test(written_out_segments_win_over_names),
        cmocka_unit_test(a_wrong_turn_is_taken_back),
        cmocka_unit_test(parameters_are_decoded_and_in_order),
        cmocka_unit_test(head_is_get),
        cmocka_unit_test(what_is_not_there_is_404_and_other_methods_405_with_allow),
        cmocka_unit_test(tables_that_contradict_themselves_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
