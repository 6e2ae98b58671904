/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

static bool make_room(struct text *text, size_t more)
{
    size_t needed = text->length + more + 1;

    if (text->is_broken)
        return false;
    if (needed <= text->room)
        return true;
    size_t room = text->room ? text->room : 128;
    while (room < needed)
        room *= 2;
    char *grown = realloc(text->at, room);
    if (!grown) {
        text_clear(text);
        text->is_broken = true;
        return false;
    }
    text->at = grown;
    text->room = room;
    return true;
}

void text_append_bytes(struct text *text, const void *bytes, size_t count)
{
    if (!make_room(text, count))
        return;
    memcpy(text->at + text->length, bytes, count);
    text->length += count;
    text->at[text->length] = '\0';
}

void text_append(struct text *text, const char *string)
{
    text_append_bytes(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length >= 0 && make_room(text, (size_t)length)) {
        vsnprintf(text->at + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void text_number(struct text *text, int64_t number)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--at = '-';
    text_append_bytes(text, at, (size_t)(digits + sizeof digits - at));
}

void text_json_string(struct text *text, const char *string)
{
    if (!string) {
        text_append(text, "null");
        return;
    }
    text_append_bytes(text, "\"", 1);
    for (const char *plain = string;; string++) {
        unsigned char c = (unsigned char)*string;
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        text_append_bytes(text, plain, (size_t)(string - plain));
        if (!c)
            break;
        if (c == '"' || c == '\\')
            text_format(text, "\\%c", c);
        else
            text_format(text, "\\u%04x", c);
        plain = string + 1;
    }
    text_append_bytes(text, "\"", 1);
}

void text_hex(struct text *text, const void *bytes, size_t count)
{
    if (!make_room(text, 2 * count))
        return;
    hex_from_bytes(bytes, count, text->at + text->length);
    text->length += 2 * count;
}

void text_url_segment(struct text *text, const char *string)
{
    for (; *string; string++) {
        unsigned char c = (unsigned char)*string;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~')
            text_append_bytes(text, string, 1);
        else
            text_format(text, "%%%02X", c);
    }
}

char *text_take(struct text *text)
{
    if (!text->is_broken && !text->at)
        make_room(text, 0);
    if (!text->is_broken)
        text->at[text->length] = '\0';
    char *taken = MOVE(text->at);
    *text = (struct text){0};
    return taken;
}

void text_clear(struct text *text)
{
    free(text->at);
    *text = (struct text){0};
}

void hex_from_bytes(const void *bytes, size_t count, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = bytes;

    for (size_t i = 0; i < count; i++) {
        *ret++ = digits[at[i] >> 4];
        *ret++ = digits[at[i] & 15];
    }
    *ret = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool hex_to_bytes(const char *hex, void *ret, size_t count)
{
    unsigned char *out = ret;

    if (strlen(hex) != 2 * count)
        return false;
    for (size_t i = 0; i < 2 * count; i++)
        if (hex_digit(hex[i]) < 0)
            return false;
    for (size_t i = 0; i < count; i++)
        out[i] = (unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    return true;
}

void base64url_from_bytes(const void *bytes, size_t count, char *ret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *at = bytes;

    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t group = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) |
                         (left > 2 ? at[i + 2] : 0);
        for (size_t k = 0; k < (left > 2 ? 4 : left + 1); k++)
            *ret++ = digits[group >> (18 - 6 * k) & 63];
    }
    *ret = '\0';
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

bool base64_to_bytes(const char *base64, void *ret, size_t room, size_t *ret_count)
{
    size_t length = strlen(base64), digits = length, count = 0;
    unsigned char *out = ret;
    uint32_t bits = 0;

    while (digits > 0 && length - digits < 2 && base64[digits - 1] == '=')
        digits--;
    if (length % 4 || digits * 3 / 4 > room)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(base64[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4)
            out[count++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    /* What is left over of the last digit is zero, or several texts would say the same. */
    unsigned left = digits % 4 == 2 ? 4 : digits % 4 == 3 ? 2 : 0;
    if (digits % 4 == 1 || bits & ((1u << left) - 1))
        return false;
    *ret_count = count;
    return true;
}

bool number_from_text(const char *string, int64_t *ret)
{
    int64_t number = 0;

    if (!*string)
        return false;
    for (; *string; string++) {
        if (*string < '0' || *string > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *string - '0', &number))
            return false;
    }
    *ret = number;
    return true;
}

int seconds_from_text(const char *string, int64_t most, int64_t *ret)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    size_t length = strlen(string);
    char digits[24];
    int64_t number;

    if (length < 1 || length >= sizeof digits)
        return -1;
    memcpy(digits, string, length + 1);
    const char *unit = strchr(units, digits[length - 1]);
    if (unit)
        digits[length - 1] = '\0';
    if (!number_from_text(digits, &number) ||
        __builtin_mul_overflow(number, unit ? seconds[unit - units] : 1, &number) || number > most)
        return -1;
    *ret = number;
    return 0;
}

bool identifier_ok(enum identifier kind, const char *string)
{
    static const struct {
        const char *rest; /* allowed beside letters and digits, after the first character */
        size_t longest;
        bool upper_case;
    } kinds[] = {
        [IDENTIFIER_PRODUCT] = {"-",     32,  false},
          [IDENTIFIER_COMPONENT] = {"-",     32,  false},
        [IDENTIFIER_VERSION] = {".+_~-", 64,  true },
          [IDENTIFIER_FILE] = {"._+~-", 128, true },
        [IDENTIFIER_HARDWARE] = {"._-",   64,  false},
          [IDENTIFIER_DEVICE] = {"._:-",  64,  true },
        [IDENTIFIER_NAME] = {"._-",   64,  true },
    };
    size_t length = strlen(string);

    if (length < 1 || length > kinds[kind].longest || strstr(string, ".."))
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = string[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (kinds[kind].upper_case && c >= 'A' && c <= 'Z');
        if (!plain && (i == 0 || !strchr(kinds[kind].rest, c)))
            return false;
    }
    return true;
}

bool utf8_ok(const char *string, size_t length)
{
    const unsigned char *at = (const unsigned char *)string, *end = at + length;

    while (at < end) {
        unsigned char c = *at++;
        if (c < 0x80)
            continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || end - at < more)
            return false;
        /* The second byte's range excludes overlong forms, surrogates and what is past U+10FFFF. */
        unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        if (*at < low || *at > high)
            return false;
        for (at++; --more; at++)
            if ((*at & 0xc0) != 0x80)
                return false;
    }
    return true;
}

bool text_same_ignoring_case(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

bool text_starts_with(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool text_ends_with(const char *string, const char *suffix)
{
    size_t length = strlen(string), end = strlen(suffix);

    return length >= end && strcmp(string + length - end, suffix) == 0;
}
