/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/rule.h"

#include "core/clock.h"
#include "core/digest.h"
#include "core/text.h"

#include <string.h>

int rule_broken(struct error *err, const char *rule)
{
    struct error told = *err;

    if (told.problem == PROBLEM_INTERNAL)
        return -1;
    fail(err, PROBLEM_BAD_METADATA, "%s: %s", rule, told.detail);
    memcpy(err->field, told.field, sizeof err->field);
    return -1;
}

int rule_get_hex(const json_t *object, const char *name, size_t bytes, const char *rule,
                 const char **ret, struct error *err)
{
    uint8_t value[DIGEST_MAX_SIZE];
    const char *text;

    if (json_get_string(object, name, &text, err))
        return rule_broken(err, rule);
    if (bytes > sizeof value || !hex_to_bytes(text, value, bytes))
        return fail_field(err, PROBLEM_BAD_METADATA, name,
                          "%s: \"%s\" must be %zu digits of lower-case hex", rule, name, 2 * bytes);
    *ret = text;
    return 0;
}

int rule_get_time(const json_t *object, const char *name, const char *rule, int64_t *ret,
                  struct error *err)
{
    const char *text;

    if (json_get_string(object, name, &text, err))
        return rule_broken(err, rule);
    if (!clock_parse(text, ret))
        return fail_field(err, PROBLEM_BAD_METADATA, name,
                          "%s: \"%s\" must be a time like 2026-11-20T00:00:00Z", rule, name);
    return 0;
}
