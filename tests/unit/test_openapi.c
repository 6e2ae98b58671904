/* SPDX-License-Identifier: Apache-2.0 */
/* The published API description and the route tables name the same things. */
#include "api/app.h"
#include "openapi.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static json_t *description(void)
{
    json_t *value = json_loads(openapi_json, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(value);
    return value;
}

/* "/a/:id/b" as the description writes it: "/a/{id}/b". */
static void described_path(const char *path, char *ret, size_t room)
{
    size_t length = 0;
    bool in_name = false;

    for (; *path && length + 2 < room; path++) {
        if (in_name && *path == '/') {
            ret[length++] = '}';
            in_name = false;
        }
        if (*path == ':' && path[-1] == '/') {
            ret[length++] = '{';
            in_name = true;
            continue;
        }
        ret[length++] = *path;
    }
    if (in_name)
        ret[length++] = '}';
    ret[length] = '\0';
}

static bool is_described(const json_t *paths, const struct route *route)
{
    char path[256], method[8] = "";

    described_path(route->path, path, sizeof path);
    for (size_t i = 0; i + 1 < sizeof method && route->method[i]; i++)
        method[i] = (char)tolower((unsigned char)route->method[i]);
    return json_object_get(json_object_get(paths, path), method) != NULL;
}

/* The console's files and the redirect to it are pages, not API. */
static bool is_page(const struct route *route)
{
    return strncmp(route->path, "/console", 8) == 0 || strcmp(route->path, "/") == 0;
}

static size_t check_tables(const json_t *paths, const struct routes *const *tables)
{
    size_t checked = 0;

    for (; *tables; tables++)
        for (size_t i = 0; i < (*tables)->count; i++) {
            const struct route *route = &(*tables)->at[i];
            if (is_page(route))
                continue;
            if (!is_described(paths, route))
                fail_msg("%s %s is not in schema/openapi.json", route->method, route->path);
            checked++;
        }
    return checked;
}

static void every_route_is_described_and_nothing_else(void **state)
{
    (void)state;
    json_auto_t *whole = description();
    const json_t *paths = json_object_get(whole, "paths");
    size_t described = 0;
    const char *path;
    json_t *methods;

    size_t routes = check_tables(paths, operator_routes) + check_tables(paths, device_routes);
    json_object_foreach(json_object_get(whole, "paths"), path, methods) described +=
        json_object_size(methods);
    assert_int_equal(routes, described);
}

static void check_references(const json_t *value, const json_t *schemas)
{
    const char *key;
    json_t *member;
    size_t index;

    if (json_is_array(value)) {
        json_array_foreach(value, index, member) check_references(member, schemas);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (strcmp(key, "$ref") == 0) {
            const char *name = strrchr(json_string_value(member), '/') + 1;
            if (!json_object_get(schemas, name))
                fail_msg("no schema %s", name);
        }
        check_references(member, schemas);
    }
}

static void every_reference_leads_somewhere(void **state)
{
    (void)state;
    json_auto_t *whole = description();

    check_references(whole, json_object_get(json_object_get(whole, "components"), "schemas"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described_and_nothing_else),
        cmocka_unit_test(every_reference_leads_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
