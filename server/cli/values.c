/* SPDX-License-Identifier: Apache-2.0 */
/* What people type, as the server's JSON. */
#include "cli/call.h"

#include "cli/files.h"
#include "core/clock.h"
#include "core/json.h"

#include <string.h>

#define FILE_MAX_BYTES MIB
#define YEARS ((int64_t)100 * 365 * 86400)

json_t *text_value(struct cli *cli, const char *text)
{
    (void)cli;
    return json_string(text);
}

json_t *number_value(struct cli *cli, const char *text)
{
    int64_t number;

    (void)cli;
    return number_from_text(text, &number) ? json_integer(number) : NULL;
}

/* False for what is no number from 0 to `most`; *ret_rest is what follows it. */
static bool real_from_text(const char *text, double most, double *ret, const char **ret_rest)
{
    char *end;

    *ret = strtod(text, &end);
    *ret_rest = end;
    return end != text && *ret >= 0 && *ret <= most;
}

json_t *percent_value(struct cli *cli, const char *text)
{
    const char *rest;
    double number;

    (void)cli;
    if (!real_from_text(text, 100, &number, &rest) || (*rest && strcmp(rest, "%")))
        return NULL;
    return json_real(number);
}

json_t *share_value(struct cli *cli, const char *text)
{
    const char *rest;
    double number;

    (void)cli;
    if (!real_from_text(text, 100, &number, &rest))
        return NULL;
    if (!strcmp(rest, "%"))
        return json_real(number / 100);
    return *rest || number > 1 ? NULL : json_real(number);
}

json_t *seconds_value(struct cli *cli, const char *text)
{
    int64_t seconds;

    (void)cli;
    return seconds_from_text(text, YEARS, &seconds) ? NULL : json_integer(seconds);
}

json_t *bytes_value(struct cli *cli, const char *text)
{
    static const char units[] = "kMGT";
    CLEANUP(free_string) char *digits = strdup(text);
    size_t length = strlen(text);
    const char *unit = length ? strchr(units, text[length - 1]) : NULL;
    int64_t number;

    (void)cli;
    if (digits && unit)
        digits[length - 1] = '\0';
    if (!digits || !number_from_text(digits, &number))
        return NULL;
    for (const char *at = units; unit && at <= unit; at++)
        if (__builtin_mul_overflow(number, 1000, &number))
            return NULL;
    return json_integer(number);
}

json_t *moment_value(struct cli *cli, const char *text)
{
    char written[64];
    int64_t at;
    size_t length = strlen(text);

    (void)cli;
    if (!strcmp(text, "now"))
        return json_string(clock_text(clock_wall(), written));
    if (*text == '+')
        return seconds_from_text(text + 1, YEARS, &at)
                   ? NULL
                   : json_string(clock_text(clock_wall() + at, written));
    if (length == sizeof "2026-12-24" - 1)
        snprintf(written, sizeof written, "%sT00:00:00Z", text);
    else if (length == sizeof "2026-12-24 18:00" - 1)
        snprintf(written, sizeof written, "%.10sT%s:00Z", text, text + 11);
    else
        snprintf(written, sizeof written, "%s", text);
    return clock_parse(written, &at) ? json_string(written) : NULL;
}

json_t *file_value(struct cli *cli, const char *path)
{
    CLEANUP(text_clear) struct text content = {0};
    json_auto_t *json = NULL;
    struct error err = {0};

    if (file_read(cli, path, FILE_MAX_BYTES, &content))
        return NULL;
    if (json_read(content.at ? content.at : "", content.length, &json, &err)) {
        refuse(cli, ENDS_MISUSED, "%s: %s", path, error_text(&err));
        return NULL;
    }
    if (!json_is_object(json)) {
        refuse(cli, ENDS_MISUSED, "%s holds no JSON object", path);
        return NULL;
    }
    return MOVE(json);
}

json_t *yes_value(struct cli *cli, const char *text)
{
    (void)cli, (void)text;
    return json_true();
}

json_t *no_value(struct cli *cli, const char *text)
{
    (void)cli, (void)text;
    return json_false();
}

json_t *switch_value(struct cli *cli, const char *text)
{
    (void)cli;
    return !strcmp(text, "yes") ? json_true() : !strcmp(text, "no") ? json_false() : NULL;
}

json_t *words_value(struct cli *cli, const char *text)
{
    json_t *list = json_array();

    (void)cli;
    for (; *text; text += strcspn(text, ",+"), text += strspn(text, ",+"))
        json_array_append_new(list, json_stringn(text, strcspn(text, ",+")));
    return list;
}
