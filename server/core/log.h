/* SPDX-License-Identifier: Apache-2.0 */
/* One event, one line, one write to standard error with the journal's priority prefix.
 *
 *     log_info("campaign.paused", TEXT("campaign", id), NUMBER("failed", failed));
 *     <6>campaign.paused campaign="c-12" failed=7
 *
 * The event name is constant and searchable; values are escaped here, so nobody can forge a line.
 * ERROR: someone must act. WARNING: someone may have to. INFO: each change of state and each
 * refused request. DEBUG: off by default. Never bodies, tokens or keys. Any thread. */
#ifndef OTAD_CORE_LOG_H
#define OTAD_CORE_LOG_H

#include <stddef.h>
#include <stdint.h>

struct error;

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

struct log_field {
    const char *name;
    const char *text; /* NULL: the number counts */
    int64_t number;
};

/* A function, because compilers warn when an array is compared with NULL. */
static inline const char *log_text(const char *text_or_null)
{
    return text_or_null ? text_or_null : "";
}

#define TEXT(name_, text_) ((struct log_field){.name = (name_), .text = log_text(text_)})
#define NUMBER(name_, number_) ((struct log_field){.name = (name_), .number = (int64_t)(number_)})
/* The cause of a failure, or its detail where there is no cause. */
#define CAUSE(error_) TEXT("cause", log_cause(error_))

#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[])                                                                     \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, LOG_FIELDS(__VA_ARGS__))
#define log_warning(event, ...) log_event(LOG_LEVEL_WARNING, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_event(LOG_LEVEL_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, LOG_FIELDS(__VA_ARGS__))

/* Fields end at the first without a name. At least one field is always given: an event that
 * concerns nothing in particular is seldom worth a line. */
void log_event(enum log_level level, const char *event, const struct log_field *fields);
void log_set_level(enum log_level most); /* before threads start; default INFO */
const char *log_cause(const struct error *err);

/* The id of the request this thread works on, added to every line of it; NULL for none.
 * Borrowed until the next call. */
void log_set_request(const char *id);

#endif
