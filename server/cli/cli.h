/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb of otactl is given, and how it ends: 0, or -1 after refuse(). */
#ifndef OTAD_CLI_CLI_H
#define OTAD_CLI_CLI_H

#include "core/error.h"
#include "core/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Documented in otactl(1) and in --help; scripts build on them. */
enum exit_code {
    ENDS_WELL = 0,
    ENDS_REFUSED = 1,     /* the server said no (4xx), or the answer to the question is no */
    ENDS_MISUSED = 2,     /* the command line, otactl.conf or a local file cannot be used */
    ENDS_UNREACHABLE = 3, /* no answer: wrong address, no network, TLS refused */
    ENDS_SERVER = 4,      /* the server failed (5xx) */
};

struct option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands after it: FILE, N, …; NULL for a switch */
    const char *help;
};

struct cli;
struct call; /* call.h */

struct verb {
    const char *name;     /* "issue"; "" where the group itself is the verb (upload) */
    const char *operands; /* "DRAFT", "[PREFIX]", "KEY..."; "" for none */
    const char *summary;
    const char *help; /* paragraphs, then examples that begin with "$ " */
    const struct option *options;
    size_t option_count;
    const struct call *call; /* the request it makes, whose settings are options too; or NULL */
    int (*run)(struct cli *cli);
};
#define NO_OPTIONS NULL, 0, NULL
#define OPTIONS(list) (list), COUNT_OF(list), NULL

struct group {
    const char *name;
    const char *summary;
    const struct verb *verbs;
    size_t verb_count;
};

extern const struct group *const groups[];
extern const size_t group_count;
extern const struct option global_options[];
extern const size_t global_option_count;

/* One option as it was given; value is "" for a switch. Borrowed from argv. */
struct given {
    const struct option *option;
    const char *value;
};

/* Why the verb failed. Zeroed: it did not. */
struct failure {
    enum exit_code code;
    char *problem; /* the slug of the server's problem; NULL for our own */
    struct text message, advice;
};

struct settings;
struct http;

struct cli {
    const struct group *group;
    const struct verb *verb;
    const char **operands;
    size_t operand_count;
    struct given *given;
    size_t given_count;
    bool wants_help;

    struct settings *settings; /* NULL until settings_need() */
    struct http *http;         /* NULL until the first request */

    struct failure failure;
};

/* -- what the person typed -- */

/* The nth operand, or NULL. */
const char *operand(const struct cli *cli, size_t n);
/* The last value given, or NULL. Asking for an option the verb does not have is a bug. */
const char *option(const struct cli *cli, const char *name);
bool has_option(const struct cli *cli, const char *name);
/* Repeatable ones: the nth value, or NULL. */
const char *option_at(const struct cli *cli, const char *name, size_t n);
/* Stays at `otherwise` when not given. */
int option_number(struct cli *cli, const char *name, int64_t least, int64_t most, int64_t otherwise,
                  int64_t *ret) MUST_CHECK;
/* The same for an option the verb cannot do without. */
int option_needed(struct cli *cli, const char *name, const char **ret) MUST_CHECK;

/* -- how a verb fails: always -1, so that `return refuse(…)` reads as a sentence -- */

int refuse(struct cli *cli, enum exit_code code, const char *message, ...) PRINTF_LIKE(3, 4);
/* What a function of the house could not do with a local file or key. */
int refuse_error(struct cli *cli, const struct error *err);
/* Adds a line of what to do next; printed below the message. */
void advise(struct cli *cli, const char *advice, ...) PRINTF_LIKE(2, 3);
/* True when the last failure was this problem of the server. */
bool was_refused_for(const struct cli *cli, const char *slug);
/* Takes a failure back, for verbs that know another way. */
void forget_failure(struct cli *cli);
/* To ask the server something more before the failure is told: everything said meanwhile is lost.
 */
struct failure failure_set_aside(struct cli *cli);
void failure_put_back(struct cli *cli, struct failure failure);

#endif
