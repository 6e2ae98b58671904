/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows while it is written, and the small questions asked of foreign text. */
#ifndef OTAD_CORE_TEXT_H
#define OTAD_CORE_TEXT_H

#include "core/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty and valid. The first failed allocation empties it and is remembered in
 * `is_broken`; appending goes on harmlessly, so only the end is checked (text_take). */
struct text {
    char *at; /* NUL-terminated whenever length > 0 */
    size_t length;
    size_t room;
    bool is_broken;
};

void text_append(struct text *text, const char *string);
void text_append_bytes(struct text *text, const void *bytes, size_t count);
void text_format(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void text_number(struct text *text, int64_t number);
/* A JSON string with its quotes: `"`, `\` and control characters escaped, the rest as it is.
 * NULL is written as null. The caller vouches for UTF-8. */
void text_json_string(struct text *text, const char *string);
void text_hex(struct text *text, const void *bytes, size_t count);
/* Percent-encodes all but RFC 3986's unreserved characters: for one path segment or query value. */
void text_url_segment(struct text *text, const char *string);
/* The heap string, yours to free(); NULL if memory ran out on the way. The text is empty after. */
char *text_take(struct text *text) MUST_CHECK;
void text_clear(struct text *text);

/* Lower-case hex. `ret` has room for 2 * count + 1. */
void hex_from_bytes(const void *bytes, size_t count, char *ret);
/* Exactly `count` bytes of lower-case hex, nothing else. */
bool hex_to_bytes(const char *hex, void *ret, size_t count);
/* RFC 4648 section 5 without padding. `ret` has room for base64url_size(count). */
#define base64url_size(count) (((count)*4 + 2) / 3 + 1)
void base64url_from_bytes(const void *bytes, size_t count, char *ret);
/* RFC 4648 section 4, padded, in one line; false past `room` bytes. */
bool base64_to_bytes(const char *base64, void *ret, size_t room, size_t *ret_count);

/* Decimal digits only, no sign, no blanks, no overflow past INT64_MAX. */
bool number_from_text(const char *string, int64_t *ret);
/* A time span: "90" and "90s", "10m", "4h", "7d". -1, and `ret` untouched, when it is written
 * otherwise or longer than `most` seconds. */
int seconds_from_text(const char *string, int64_t most, int64_t *ret) MUST_CHECK;

/* One row of the identifiers' table: first character, other characters, longest length. */
enum identifier {
    IDENTIFIER_PRODUCT,   /* [a-z0-9][a-z0-9-]{0,31} */
    IDENTIFIER_COMPONENT, /* same as product */
    IDENTIFIER_VERSION,   /* [0-9A-Za-z][0-9A-Za-z.+_~-]{0,63}, no ".." */
    IDENTIFIER_FILE,      /* [A-Za-z0-9][A-Za-z0-9._+~-]{0,127}, no ".." */
    IDENTIFIER_HARDWARE,  /* [a-z0-9][a-z0-9._-]{0,63} */
    IDENTIFIER_DEVICE,    /* [A-Za-z0-9][A-Za-z0-9._:-]{0,63} */
    IDENTIFIER_NAME, /* campaigns, channels, tags, operators: [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
};
bool identifier_ok(enum identifier kind, const char *string);

bool utf8_ok(const char *string, size_t length); /* RFC 3629: no surrogates, no overlong forms */
bool text_same_ignoring_case(const char *a, const char *b); /* ASCII only */
bool text_starts_with(const char *string, const char *prefix);
bool text_ends_with(const char *string, const char *suffix);

#endif
