/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that are one request, written down instead of programmed: which method and path, which
 * options are members of the body (or of the query of a GET), and how the answer is shown. */
#ifndef OTAD_CLI_CALL_H
#define OTAD_CLI_CALL_H

#include "cli/output.h"

/* What the typed text is in JSON; NULL when it cannot be that, with or without a refusal of its
 * own. */
typedef json_t *(*value_fn)(struct cli *cli, const char *text);

/* An option that is a member of the request. */
struct setting {
    struct option option;
    const char *member; /* "caps.leases": inside the object `caps`; "": the value is an object
                           of members */
    value_fn value;
};
#define SETTINGS(list) .settings = (list), .setting_count = COUNT_OF(list)

struct call {
    const char *method;
    const char *path; /* below /api/v1; each %s is an operand */
    struct {          /* the operands after those: members of the body */
        const char *member;
        value_fn value;
    } words[3];
    const char *body; /* JSON of what every request of this kind has; NULL: nothing */
    const struct setting *settings;
    size_t setting_count;
    const char *needs; /* options without which it is no request, "reason until" */

    const char *said; /* when it is done; the first %s is the first operand. NULL: the answer is
                         shown */
    const struct column *columns; /* of the answer; none: a document of unknown form */
    size_t column_count;
    const char *nothing; /* the answer is a list, and this is said of an empty one */
    const char *cursor;  /* of a list that is read backwards: "before" */
};
#define GET(address) .method = "GET", .path = (address)
#define POST(address) .method = "POST", .path = (address)
#define PUT(address) .method = "PUT", .path = (address)
#define PATCH(address) .method = "PATCH", .path = (address)
#define DELETE(address) .method = "DELETE", .path = (address)
#define SHOWS(list) .columns = (list), .column_count = COUNT_OF(list)

/* In a verb's row, instead of options of its own. */
#define CALL(call) NULL, 0, &(call)
#define LIST_CALL(call) paging_options, COUNT_OF(paging_options), &(call)
extern const struct option paging_options[3];

/* Makes the request of cli->verb->call. */
int call_run(struct cli *cli) MUST_CHECK;

/* Its parts, for verbs that have more to say: the settings given as an object, the path, and the
 * request itself. */
int call_body(struct cli *cli, json_t **ret) MUST_CHECK;
char *call_path(const struct cli *cli, const char *pattern) MUST_CHECK;
int call_ask(struct cli *cli, json_t **ret) MUST_CHECK;

/* values.c */
json_t *text_value(struct cli *cli, const char *text);
json_t *number_value(struct cli *cli, const char *text);
json_t *percent_value(struct cli *cli, const char *text); /* 10 or 10% is 10 */
json_t *share_value(struct cli *cli, const char *text);   /* 80% is 0.8, and 0.8 is too */
json_t *seconds_value(struct cli *cli, const char *text); /* 90, 10m, 7d */
json_t *bytes_value(struct cli *cli, const char *text);   /* 500000, 500k, 20M, 1G */
/* 2026-12-24T18:00:00Z, 2026-12-24, "2026-12-24 18:00" (both UTC), now, +6h */
json_t *moment_value(struct cli *cli, const char *text);
json_t *file_value(struct cli *cli, const char *path); /* a JSON object in a file; - is stdin */
json_t *yes_value(struct cli *cli, const char *text);
json_t *no_value(struct cli *cli, const char *text);
json_t *switch_value(struct cli *cli, const char *text); /* yes or no */
/* "model,version" or "model+version": an array of words */
json_t *words_value(struct cli *cli, const char *text);

#endif
