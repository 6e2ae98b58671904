/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include "core/error.h"
#include "core/text.h"

#include <errno.h>

static enum log_level most_detailed = LOG_LEVEL_INFO;
static _Thread_local const char *request_id;

static void append_field(struct text *line, const struct log_field *field)
{
    text_format(line, " %s=", field->name);
    if (field->text)
        text_json_string(line, field->text);
    else
        text_number(line, field->number);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    CLEANUP(text_clear) struct text line = {0};
    int saved = errno;

    if (level > most_detailed)
        return;
    text_format(&line, "<%d>%s", (int)level, event);
    for (; fields->name; fields++)
        append_field(&line, fields);
    if (request_id)
        append_field(&line, &TEXT("request", request_id));
    text_append(&line, "\n");

    /* A log that cannot be written must not stop the service: nothing is left to tell it to. */
    const char *whole = line.is_broken ? "<3>log.no_memory\n" : line.at;
    size_t length = line.is_broken ? sizeof "<3>log.no_memory\n" - 1 : line.length;
    if (write(STDERR_FILENO, whole, length) < 0)
        errno = saved;
    errno = saved;
}

void log_set_level(enum log_level most)
{
    most_detailed = most;
}

const char *log_cause(const struct error *err)
{
    return err->cause[0] ? err->cause : err->detail;
}

void log_set_request(const char *id)
{
    request_id = id;
}
