/* SPDX-License-Identifier: Apache-2.0 */
/* The published API description and the route tables name the same things. */
#include "api/app.h"
#include "campaign/rules.h"
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

/* -- references and examples -- */

/* "#/components/schemas/Wave": what it names, or NULL. */
static const json_t *at_pointer(const json_t *whole, const char *pointer)
{
    char name[128];

    if (strncmp(pointer, "#/", 2) != 0)
        return NULL;
    for (const char *at = pointer + 2; whole && *at;
         at += strlen(name) + (at[strlen(name)] == '/')) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "/"), at);
        whole = json_object_get(whole, name);
    }
    return whole;
}

static void check_references(const json_t *value, const json_t *whole)
{
    const char *key;
    json_t *member;
    size_t index;

    if (json_is_array(value)) {
        json_array_foreach(value, index, member) check_references(member, whole);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (strcmp(key, "$ref") == 0 && !at_pointer(whole, json_string_value(member)))
            fail_msg("%s leads nowhere", json_string_value(member));
        check_references(member, whole);
    }
}

static void every_reference_leads_somewhere(void **state)
{
    (void)state;
    json_auto_t *whole = description();

    check_references(whole, whole);
}

/* As much of JSON Schema as the description uses. `what` is for the message. */
struct check {
    const json_t *whole;
    const char *what;
};

static const json_t *resolved(const struct check *check, const json_t *schema)
{
    const char *pointer = json_string_value(json_object_get(schema, "$ref"));

    return pointer ? at_pointer(check->whole, pointer) : schema;
}

static bool is_of_type(const json_t *value, const char *type)
{
    return strcmp(type, "object") == 0    ? json_is_object(value)
           : strcmp(type, "array") == 0   ? json_is_array(value)
           : strcmp(type, "string") == 0  ? json_is_string(value)
           : strcmp(type, "integer") == 0 ? json_is_integer(value)
           : strcmp(type, "number") == 0  ? json_is_number(value)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(value)
                                          : json_is_null(value);
}

static bool has_type(const json_t *value, const json_t *types)
{
    bool has = json_is_string(types) && is_of_type(value, json_string_value(types));

    for (size_t i = 0; i < json_array_size(types); i++)
        has |= is_of_type(value, json_string_value(json_array_get(types, i)));
    return has;
}

static bool is_listed(const json_t *value, const json_t *list)
{
    bool is = false;

    for (size_t i = 0; i < json_array_size(list); i++)
        is |= json_equal(value, json_array_get(list, i));
    return is;
}

static bool fits(const struct check *check, const json_t *value, const json_t *schema);

/* Named by the schema, or by one of those it is made of. */
static const json_t *property(const struct check *check, const json_t *schema, const char *name)
{
    const json_t *parts = json_object_get(resolved(check, schema), "allOf");
    const json_t *found =
        json_object_get(json_object_get(resolved(check, schema), "properties"), name);

    for (size_t i = 0; i < json_array_size(parts) && !found; i++)
        found = property(check, json_array_get(parts, i), name);
    return found;
}

static bool members_fit(const struct check *check, const json_t *value, const json_t *schema)
{
    const json_t *required = json_object_get(schema, "required");
    bool is_closed = json_is_false(json_object_get(schema, "additionalProperties")) ||
                     json_is_false(json_object_get(schema, "unevaluatedProperties"));
    const char *name;
    json_t *member;
    size_t index;

    json_array_foreach(required, index, member)
    {
        if (!json_object_get(value, json_string_value(member)))
            fail_msg("%s: the example lacks %s", check->what, json_string_value(member));
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        const json_t *known = property(check, schema, name);

        if (!known && is_closed)
            fail_msg("%s: the schema has no %s", check->what, name);
        if (known && !fits(check, member, known))
            fail_msg("%s: %s does not fit its schema", check->what, name);
    }
    return true;
}

/* One of several: only types and words are looked at, which tells ours apart. */
static bool fits_one(const struct check *check, const json_t *value, const json_t *schemas)
{
    bool fits_any = false;

    for (size_t i = 0; i < json_array_size(schemas) && !fits_any; i++) {
        const json_t *schema = resolved(check, json_array_get(schemas, i));
        const json_t *types = json_object_get(schema, "type");

        if (!types || has_type(value, types))
            fits_any = fits(check, value, schema);
    }
    return fits_any;
}

static bool fits(const struct check *check, const json_t *value, const json_t *schema)
{
    schema = resolved(check, schema);
    const json_t *types = json_object_get(schema, "type");
    const json_t *words = json_object_get(schema, "enum");
    const json_t *items = json_object_get(schema, "items");
    const json_t *parts = json_object_get(schema, "allOf");
    const json_t *any = json_object_get(schema, "anyOf");

    if (!any)
        any = json_object_get(schema, "oneOf");
    if ((types && !has_type(value, types)) || (words && !is_listed(value, words)) ||
        (any && !fits_one(check, value, any)))
        return false;
    for (size_t i = 0; i < json_array_size(parts); i++)
        if (!fits(check, value, json_array_get(parts, i)))
            return false;
    for (size_t i = 0; items && i < json_array_size(value); i++)
        if (!fits(check, json_array_get(value, i), items))
            return false;
    return !json_is_object(value) || members_fit(check, value, schema);
}

/* -- each request and answer -- */

/* A plan as an operator would send it: ours is the last word on whether it is one. */
static void check_plan_example(const struct check *check, const json_t *example)
{
    struct config *config;
    struct rules rules;
    struct rules_extra extra;
    struct error err = {0};

    assert_int_equal(config_defaults("/nonexistent", &config, &err), 0);
    if (rules_read(example, config, &rules, &extra, &err))
        fail_msg("%s: %s %s", check->what, err.field, err.detail);
    rules_clear(&rules);
    config_free(&config);
}

static bool is_plan(const json_t *schema)
{
    const char *pointer = json_string_value(json_object_get(schema, "$ref"));

    return pointer && strcmp(pointer, "#/components/schemas/NewCampaign") == 0;
}

static size_t check_example(const struct check *check, const json_t *example, const json_t *schema)
{
    if (!example)
        return 0;
    if (!fits(check, example, schema))
        fail_msg("%s: an example does not fit its schema", check->what);
    if (is_plan(schema))
        check_plan_example(check, example);
    return 1;
}

/* Those beside the schema and those inside it. */
static size_t check_media(const struct check *check, const json_t *media)
{
    const json_t *schema = json_object_get(media, "schema");
    const json_t *own = json_object_get(resolved(check, schema), "examples");
    size_t checked = check_example(check, json_object_get(media, "example"), schema);
    const char *name;
    json_t *example;

    json_object_foreach(json_object_get(media, "examples"), name, example) checked +=
        check_example(check, json_object_get(resolved(check, example), "value"), schema);
    for (size_t i = 0; i < json_array_size(own); i++)
        checked += check_example(check, json_array_get(own, i), schema);
    return checked;
}

static const json_t *json_content(const json_t *message)
{
    return json_object_get(json_object_get(message, "content"), "application/json");
}

static void check_operation(struct check *check, const json_t *operation, bool needs_examples)
{
    const json_t *request = json_content(json_object_get(operation, "requestBody"));
    const char *status;
    json_t *answer;

    if (request && check_media(check, request) == 0 && needs_examples)
        fail_msg("%s: no example of the request", check->what);
    json_object_foreach(json_object_get(operation, "responses"), status, answer)
    {
        const json_t *media = json_content(answer);

        if (media && check_media(check, media) == 0 && needs_examples)
            fail_msg("%s: no example of answer %s", check->what, status);
    }
}

static void every_example_fits_its_schema(void **state)
{
    (void)state;
    json_auto_t *whole = description();
    struct check check = {.whole = whole};
    const char *path, *method;
    json_t *methods, *operation;

    json_object_foreach(json_object_get(whole, "paths"), path, methods)
    {
        json_object_foreach(methods, method, operation)
        {
            char what[160];

            snprintf(what, sizeof what, "%s %s", method, path);
            check.what = what;
            check_operation(&check, operation, strncmp(path, "/api/v1/campaigns", 17) == 0);
        }
    }
}

/* A member of a plan that the description does not name would be refused by whoever checks by it,
 * and one that the reader does not know by us. */
static void a_plan_has_the_members_the_description_names(void **state)
{
    (void)state;
    json_auto_t *whole = description();
    const struct check check = {whole, "a plan"};
    json_auto_t *asked = json_pack("{s:s, s:s}", "release", "gw:2", "target", "all");
    const json_t *schema = at_pointer(whole, "#/components/schemas/Plan");
    const json_t *named = at_pointer(whole, "#/components/schemas/PlanMembers/properties");
    struct rules rules;
    struct error err = {0};

    assert_int_equal(rules_read(asked, NULL, &rules, NULL, &err), 0);
    assert_true(fits(&check, rules.json, schema));
    assert_int_equal(json_object_size(named) + 1, json_object_size(rules.json)); /* and waves */
    rules_clear(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described_and_nothing_else),
        cmocka_unit_test(every_reference_leads_somewhere),
        cmocka_unit_test(every_example_fits_its_schema),
        cmocka_unit_test(a_plan_has_the_members_the_description_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
