/* SPDX-License-Identifier: Apache-2.0 */
/* What devices say, cut to what is kept of it: as text for people and for finding out why it
 * failed, and as JSON for the record. */
#include "api/device/ddi.h"

#include "core/clock.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TIME_MOST 64
#define LAST_TIMESTAMP INT64_C(253402300799) /* year 9999 */

/* The longest start of `line` that has at most `most` bytes and ends with a whole character. */
static size_t whole_characters(const char *line, size_t most)
{
    size_t length = strnlen(line, most + 1);

    if (length <= most)
        return length;
    for (length = most; length > 0 && ((unsigned char)line[length] & 0xc0) == 0x80;)
        length--;
    return length;
}

/* -- as text -- */

/* "ERROR : HASH mismatch", "[ERROR] ..." */
bool ddi_is_error_line(const char *line)
{
    line += strspn(line, " \t[");
    return strncasecmp(line, "error", 5) == 0 && !isalpha((unsigned char)line[5]);
}

static const char *line_at(const json_t *lines, size_t i)
{
    const char *line = json_string_value(json_array_get(lines, i));

    return line ? line : "";
}

/* With what separates it from the next. */
static size_t cost_of(const char *line, size_t room)
{
    size_t length = strlen(line);

    return length < room ? length + 1 : room;
}

static bool all_fit(const json_t *lines, size_t room)
{
    size_t used = 0, count = json_array_size(lines);

    for (size_t i = 0; i < count && used <= room; i++)
        used += *line_at(lines, i) ? strlen(line_at(lines, i)) + 1 : 0;
    return used <= room;
}

/* The first of the lines about errors that are kept, the later ones first; takes their room away
 * from others. */
static size_t keep_errors(const json_t *lines, size_t room, size_t *room_for_others)
{
    size_t first = json_array_size(lines);

    for (*room_for_others = room; first > 0; first--) {
        const char *line = line_at(lines, first - 1);
        size_t cost = cost_of(line, room);
        if (!ddi_is_error_line(line))
            continue;
        if (cost > *room_for_others)
            break;
        *room_for_others -= cost;
    }
    return first;
}

void ddi_join(const json_t *lines, char *ret, size_t room)
{
    size_t others = room, used = 0, count = json_array_size(lines);
    size_t first_error = all_fit(lines, room) ? 0 : keep_errors(lines, room, &others);

    for (size_t i = 0; i < count; i++) {
        const char *line = line_at(lines, i);
        bool is_error = ddi_is_error_line(line);
        size_t most = is_error ? (i >= first_error ? room : 0) : others;
        size_t length = most ? whole_characters(line, most - 1) : 0;
        if (!is_error && *line)
            others = most && !line[length] ? others - length - 1 : 0;
        if (!length)
            continue;
        if (used)
            ret[used++] = '\n';
        memcpy(ret + used, line, length);
        used += length;
    }
    ret[used] = '\0';
}

/* -- as JSON -- */

/* How much of a line makes at most `room` bytes inside a JSON string. */
static size_t fitting(const char *line, size_t room)
{
    size_t length = 0, width = 0;

    for (; line[length]; length++) {
        unsigned char c = (unsigned char)line[length];
        width += c < 0x20 ? sizeof "\\u0000" - 1 : c == '"' || c == '\\' ? 2 : 1;
        if (width > room)
            break;
    }
    return line[length] ? whole_characters(line, length) : length;
}

/* Up to the first line that is cut. */
static void write_details(struct text *told, const json_t *lines, size_t most)
{
    const json_t *line;
    size_t i, kept = 0;

    json_array_foreach(lines, i, line)
    {
        const char *words = json_string_value(line);
        size_t taken = told->length + sizeof ",\"details\":[\"\"]}" - 1; /* around it, at most */
        if (!words)
            continue;
        size_t length = taken < most ? fitting(words, most - taken) : 0;
        if (taken > most || (!length && *words))
            break;
        CLEANUP(free_string) char *cut = strndup(words, length);
        text_append(told, kept++ ? "," : ",\"details\":[");
        text_json_string(told, cut);
        told->is_broken = told->is_broken || !cut;
        if (words[length])
            break;
    }
    if (kept)
        text_append(told, "]");
}

/* The present form counts milliseconds; the old one is a text of the device's making. */
static void write_time(struct text *told, const json_t *json)
{
    const json_t *timestamp = json_object_get(json, "timestamp");
    const char *time = json_string_value(json_object_get(json, "time"));
    int64_t seconds = json_integer_value(timestamp) / 1000;
    char text[CLOCK_TEXT_SIZE], cut[TIME_MOST + 1];

    if (seconds > 0 && seconds <= LAST_TIMESTAMP) {
        time = clock_text(seconds, text);
    } else if (time) {
        size_t length = whole_characters(time, TIME_MOST);
        memcpy(cut, time, length);
        cut[length] = '\0';
        time = cut;
    }
    if (!time || !*time)
        return;
    text_append(told, ",\"time\":");
    text_json_string(told, time);
}

static void write_progress(struct text *told, const json_t *progress)
{
    const json_t *count = json_object_get(progress, "cnt"), *of = json_object_get(progress, "of");

    if (json_is_integer(count) && json_is_integer(of))
        text_format(told, ",\"progress\":{\"count\":%lld,\"of\":%lld}",
                    (long long)json_integer_value(count), (long long)json_integer_value(of));
}

char *ddi_told(const json_t *json, size_t most)
{
    CLEANUP(text_clear) struct text told = {0};
    const json_t *status = json_object_get(json, "status");
    const json_t *result = json_object_get(status, "result");
    const json_t *code = json_object_get(status, "code");

    text_append(&told, "{\"execution\":");
    text_json_string(&told, json_string_value(json_object_get(status, "execution")));
    text_append(&told, ",\"finished\":");
    text_json_string(&told, json_string_value(json_object_get(result, "finished")));
    if (json_is_integer(code))
        text_format(&told, ",\"code\":%lld", (long long)json_integer_value(code));
    write_progress(&told, json_object_get(result, "progress"));
    write_time(&told, json);
    write_details(&told, json_object_get(status, "details"), most);
    text_append(&told, "}");
    return text_take(&told);
}
