/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical JSON as TUF signs it (OLPC): one spelling per value, so that a signature over bytes is
 * a signature over meaning. Keys in byte order, no blanks, strings escape only `"` and `\`. */
#ifndef OTAD_TRUST_CANONICAL_H
#define OTAD_TRUST_CANONICAL_H

#include "core/json.h"
#include "core/text.h"

/* Integers beyond this are not the same number to every JSON reader (RFC 8259 section 6). */
#define CANONICAL_INTEGER_MAX ((INT64_C(1) << 53) - 1)

/* Appends the bytes that are signed and hashed. Control characters stay raw, which JSON readers
 * refuse. Fails with BAD_METADATA (V2): reals, larger integers, keys outside printable ASCII. */
int canonical_sign_form(const json_t *value, struct text *ret, struct error *err) MUST_CHECK;

/* The same bytes, except that control characters are escaped: what is served. Equal to the signed
 * form for every document without control characters, so small devices may verify a slice of it. */
int canonical_wire_form(const json_t *value, struct text *ret, struct error *err) MUST_CHECK;

/* Reads what canonical_sign_form() wrote. */
int canonical_read(const char *bytes, size_t length, json_t **ret, struct error *err) MUST_CHECK;

#endif
