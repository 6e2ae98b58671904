/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"

#include "core/clock.h"
#include "core/text.h"

#include <string.h>

/* jansson's own limit is 2048 levels of recursion; ours is counted on the bytes, before it starts.
 */
static bool is_too_deep(const char *bytes, size_t length)
{
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_MAX_DEPTH)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

static int read_with(const char *bytes, size_t length, size_t flags, json_t **ret,
                     struct error *err)
{
    json_error_t why;

    if (is_too_deep(bytes, length))
        return fail(err, PROBLEM_BAD_JSON, "nested deeper than %d levels", JSON_MAX_DEPTH);
    json_t *value = json_loadb(bytes, length, flags, &why);
    if (!value)
        return fail(err, PROBLEM_BAD_JSON, "line %d, column %d: not valid JSON", why.line,
                    why.column);
    *ret = value;
    return 0;
}

int json_read(const char *bytes, size_t length, json_t **ret, struct error *err)
{
    return read_with(bytes, length, JSON_REJECT_DUPLICATES, ret, err);
}

int json_read_leniently(const char *bytes, size_t length, json_t **ret, struct error *err)
{
    return read_with(bytes, length, 0, ret, err);
}

static const json_t *member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

static int missing(struct error *err, const char *name)
{
    return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" is required", name);
}

int json_get_string(const json_t *object, const char *name, const char **ret, struct error *err)
{
    if (!member(object, name))
        return missing(err, name);
    return json_get_string_or(object, name, NULL, ret, err);
}

int json_get_string_or(const json_t *object, const char *name, const char *otherwise,
                       const char **ret, struct error *err)
{
    const json_t *value = member(object, name);

    if (value && !json_is_string(value))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be a string", name);
    *ret = value ? json_string_value(value) : otherwise;
    return 0;
}

int json_get_integer(const json_t *object, const char *name, int64_t least, int64_t most,
                     int64_t *ret, struct error *err)
{
    if (!member(object, name))
        return missing(err, name);
    return json_get_integer_or(object, name, least, most, 0, ret, err);
}

int json_get_integer_or(const json_t *object, const char *name, int64_t least, int64_t most,
                        int64_t otherwise, int64_t *ret, struct error *err)
{
    const json_t *value = member(object, name);

    if (!value) {
        *ret = otherwise;
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return fail_field(err, PROBLEM_BAD_FIELD, name,
                          "\"%s\" must be an integer from %lld to %lld", name, (long long)least,
                          (long long)most);
    *ret = json_integer_value(value);
    return 0;
}

int json_get_number_or(const json_t *object, const char *name, double least, double most,
                       double otherwise, double *ret, struct error *err)
{
    const json_t *value = member(object, name);

    if (!value) {
        *ret = otherwise;
        return 0;
    }
    if (!json_is_number(value) || json_number_value(value) < least ||
        json_number_value(value) > most)
        return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be a number from %g to %g",
                          name, least, most);
    *ret = json_number_value(value);
    return 0;
}

int json_get_bool_or(const json_t *object, const char *name, bool otherwise, bool *ret,
                     struct error *err)
{
    const json_t *value = member(object, name);

    if (value && !json_is_boolean(value))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be true or false", name);
    *ret = value ? json_is_true(value) : otherwise;
    return 0;
}

int json_get_object_or_none(const json_t *object, const char *name, const json_t **ret,
                            struct error *err)
{
    const json_t *value = member(object, name);

    if (value && !json_is_object(value))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be an object", name);
    *ret = value;
    return 0;
}

int json_get_object(const json_t *object, const char *name, const json_t **ret, struct error *err)
{
    if (!member(object, name))
        return missing(err, name);
    return json_get_object_or_none(object, name, ret, err);
}

int json_get_array_or_none(const json_t *object, const char *name, const json_t **ret,
                           struct error *err)
{
    const json_t *value = member(object, name);

    if (value && !json_is_array(value))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be an array", name);
    *ret = value;
    return 0;
}

int json_get_array(const json_t *object, const char *name, const json_t **ret, struct error *err)
{
    if (!member(object, name))
        return missing(err, name);
    return json_get_array_or_none(object, name, ret, err);
}

int json_only_members(const json_t *object, const char *const names[], struct error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!names[i])
            return fail_field(err, PROBLEM_BAD_FIELD, key, "\"%.60s\" is not a member known here",
                              key);
    }
    return 0;
}

json_t *json_from_time(int64_t at)
{
    char text[CLOCK_TEXT_SIZE];

    return at ? json_string(clock_text(at, text)) : json_null();
}
