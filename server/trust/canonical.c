/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/canonical.h"

#include <string.h>

struct writer {
    struct text *out;
    bool escapes_control; /* the wire form */
    int depth;
    struct error *err;
};

static int write_value(struct writer *w, const json_t *value);

static void write_string(struct writer *w, const char *string)
{
    if (w->escapes_control) {
        text_json_string(w->out, string);
        return;
    }
    text_append_bytes(w->out, "\"", 1);
    for (;;) {
        size_t plain = strcspn(string, "\"\\");
        text_append_bytes(w->out, string, plain);
        if (!string[plain])
            break;
        text_append_bytes(w->out, "\\", 1);
        text_append_bytes(w->out, string + plain, 1);
        string += plain + 1;
    }
    text_append_bytes(w->out, "\"", 1);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Outside printable ASCII, readers that sort by UTF-16 units would order keys differently. */
static bool key_ok(const char *key)
{
    for (; *key; key++)
        if (*key < 0x20 || *key > 0x7e)
            return false;
    return true;
}

static int write_object(struct writer *w, const json_t *object)
{
    size_t count = json_object_size(object), i = 0;
    CLEANUP(free_memory) const char **keys = calloc(count + 1, sizeof *keys);
    const char *key;
    json_t *value;

    if (!keys)
        return fail_internal(w->err, "out of memory for %zu keys", count);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!key_ok(key))
            return fail(w->err, PROBLEM_BAD_METADATA, "V2: keys must be printable ASCII");
        keys[i++] = key;
    }
    qsort(keys, count, sizeof *keys, by_bytes);

    text_append_bytes(w->out, "{", 1);
    for (i = 0; i < count; i++) {
        if (i)
            text_append_bytes(w->out, ",", 1);
        write_string(w, keys[i]);
        text_append_bytes(w->out, ":", 1);
        if (write_value(w, json_object_get(object, keys[i])))
            return -1;
    }
    text_append_bytes(w->out, "}", 1);
    return 0;
}

static int write_array(struct writer *w, const json_t *array)
{
    text_append_bytes(w->out, "[", 1);
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i)
            text_append_bytes(w->out, ",", 1);
        if (write_value(w, json_array_get(array, i)))
            return -1;
    }
    text_append_bytes(w->out, "]", 1);
    return 0;
}

static int write_integer(struct writer *w, int64_t number)
{
    if (number > CANONICAL_INTEGER_MAX || number < -CANONICAL_INTEGER_MAX)
        return fail(w->err, PROBLEM_BAD_METADATA, "V2: integers end at 9007199254740991");
    text_number(w->out, number);
    return 0;
}

static int write_nested(struct writer *w, const json_t *value)
{
    if (++w->depth > JSON_MAX_DEPTH)
        return fail(w->err, PROBLEM_BAD_METADATA, "V2: nested deeper than %d levels",
                    JSON_MAX_DEPTH);
    int result = json_is_object(value) ? write_object(w, value) : write_array(w, value);
    w->depth--;
    return result;
}

static int write_value(struct writer *w, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return write_nested(w, value);
    case JSON_STRING:
        write_string(w, json_string_value(value));
        return 0;
    case JSON_INTEGER:
        return write_integer(w, json_integer_value(value));
    case JSON_REAL:
        return fail(w->err, PROBLEM_BAD_METADATA, "V2: numbers must be integers");
    case JSON_TRUE:
    case JSON_FALSE:
        text_append(w->out, json_is_true(value) ? "true" : "false");
        return 0;
    case JSON_NULL:
        break;
    }
    text_append(w->out, "null");
    return 0;
}

static int write_document(const json_t *value, bool escapes_control, struct text *ret,
                          struct error *err)
{
    struct writer w = {ret, escapes_control, 0, err};

    if (write_value(&w, value))
        return -1;
    if (ret->is_broken)
        return fail_internal(err, "out of memory for canonical JSON");
    return 0;
}

int canonical_sign_form(const json_t *value, struct text *ret, struct error *err)
{
    return write_document(value, false, ret, err);
}

int canonical_wire_form(const json_t *value, struct text *ret, struct error *err)
{
    return write_document(value, true, ret, err);
}

/* Control characters stand in strings alone, where JSON wants them escaped. */
int canonical_read(const char *bytes, size_t length, json_t **ret, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    size_t plain = 0;

    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)bytes[i] >= 0x20)
            continue;
        text_append_bytes(&json, bytes + plain, i - plain);
        text_format(&json, "\\u%04x", bytes[i]);
        plain = i + 1;
    }
    text_append_bytes(&json, bytes + plain, length - plain);
    if (json.is_broken)
        return fail_internal(err, "out of memory for canonical JSON");
    return json_read(json.at, json.length, ret, err);
}
