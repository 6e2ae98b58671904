/* SPDX-License-Identifier: Apache-2.0 */
/* Reading foreign JSON with jansson: strict, bounded, and every complaint names the member. */
#ifndef OTAD_CORE_JSON_H
#define OTAD_CORE_JSON_H

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 32

/* Parses one whole document, an object or an array: no duplicate keys, no NUL, no trailing bytes,
 * at most JSON_MAX_DEPTH deep (checked before parsing). Fails with BAD_JSON. The result is yours
 * (json_auto_t). */
int json_read(const char *bytes, size_t length, json_t **ret, struct error *err) MUST_CHECK;
/* The same for what devices in the field send: of a key said twice the last one counts. */
int json_read_leniently(const char *bytes, size_t length, json_t **ret,
                        struct error *err) MUST_CHECK;

/* Members of an object, all borrowed from it. `name` is told to the client as the field at fault.
 * The plain form demands the member; with `_or` an absent or null member gives `otherwise`. */
int json_get_string(const json_t *object, const char *name, const char **ret,
                    struct error *err) MUST_CHECK;
int json_get_string_or(const json_t *object, const char *name, const char *otherwise,
                       const char **ret, struct error *err) MUST_CHECK;
int json_get_integer(const json_t *object, const char *name, int64_t least, int64_t most,
                     int64_t *ret, struct error *err) MUST_CHECK;
int json_get_integer_or(const json_t *object, const char *name, int64_t least, int64_t most,
                        int64_t otherwise, int64_t *ret, struct error *err) MUST_CHECK;
int json_get_number_or(const json_t *object, const char *name, double least, double most,
                       double otherwise, double *ret, struct error *err) MUST_CHECK;
int json_get_bool_or(const json_t *object, const char *name, bool otherwise, bool *ret,
                     struct error *err) MUST_CHECK;
int json_get_object(const json_t *object, const char *name, const json_t **ret,
                    struct error *err) MUST_CHECK;
int json_get_array(const json_t *object, const char *name, const json_t **ret,
                   struct error *err) MUST_CHECK;
/* NULL when absent. */
int json_get_object_or_none(const json_t *object, const char *name, const json_t **ret,
                            struct error *err) MUST_CHECK;
int json_get_array_or_none(const json_t *object, const char *name, const json_t **ret,
                           struct error *err) MUST_CHECK;

/* Refuses members that are not in `names` (NULL-terminated): for operator writes, where a
 * misspelt option must not be lost silently. Fails with BAD_FIELD. */
int json_only_members(const json_t *object, const char *const names[],
                      struct error *err) MUST_CHECK;

/* RFC 3339 text of seconds since 1970; null for 0. A new reference. */
json_t *json_from_time(int64_t at);

#endif
