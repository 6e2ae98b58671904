/* SPDX-License-Identifier: Apache-2.0 */
/* What the person sees: aligned tables, sizes and times for humans, or the server's JSON as it is.
 * Text from the server may hold a device's own words; none of it reaches the terminal unsifted. */
#ifndef OTAD_CLI_OUTPUT_H
#define OTAD_CLI_OUTPUT_H

#include "cli/cli.h"

enum form {
    AS_TEXT,
    AS_NUMBER,  /* to the right */
    AS_BYTES,   /* 12.3 MiB */
    AS_SHARE,   /* 0.45 is 45 % */
    AS_SECONDS, /* 1 h 5 min */
    AS_AGO,     /* 3 min ago */
    AS_TIME,    /* 2026-11-20 10:15:03Z (3 min ago) */
    AS_LIST,    /* members of an array, with commas */
    AS_SHORT,   /* the first 12 characters: of a digest */
};

struct column {
    const char *title;
    const char *member; /* of the item; "counts.failed" looks inside */
    enum form form;
};
#define COLUMNS(list) (list), COUNT_OF(list)

bool wants_json(const struct cli *cli);
int print_json(const json_t *document);

/* One line per item under the titles; `nothing` where there is none. */
void print_table(const json_t *items, const struct column *columns, size_t count,
                 const char *nothing);
/* One line per member: "title: value"; members that are absent, null or empty are left out. */
void print_fields(const json_t *object, const struct column *columns, size_t count);
/* A document of unknown form: members as fields, arrays of objects as tables. */
void print_document(json_t *document);

/* A list verb: fetches a page (or with --all everything), prints it, says how to get more. */
/* clang-format off */
#define LIST_OPTIONS                                                                               \
    {"limit", "N", "at most N items (1 to 500, default 100)"},                                     \
    {"after", "CURSOR", "go on behind the cursor a list ended with"},                              \
    {"all", NULL, "everything, however long"}
/* clang-format on */
struct listing {
    const struct column *columns;
    size_t count;
    const char *nothing; /* said when the list is empty */
    const char *cursor;  /* "after", or "before" where the newest come first */
};
int print_list(struct cli *cli, const char *path, const struct listing *listing) MUST_CHECK;

/* A show verb: fetches one document and prints it as fields. */
int print_one(struct cli *cli, const char *path, const struct column *columns,
              size_t count) MUST_CHECK;

/* Text without control and direction characters. */
void put_safely(FILE *out, const char *string);
/* printf of trusted text to standard output, with %s sifted too: everything goes through here. */
void say(const char *format, ...) PRINTF_LIKE(1, 2);

const char *member_text(const json_t *object, const char *member, const char *otherwise);
int64_t member_number(const json_t *object, const char *member);
const json_t *member_at(const json_t *object, const char *path);

#define SHORT_TEXT_SIZE 48
const char *bytes_text(int64_t bytes, char ret[SHORT_TEXT_SIZE]);
const char *seconds_text(int64_t seconds, char ret[SHORT_TEXT_SIZE]);
/* "3 min ago", "in 2 d"; `now` is an argument so that tests need no clock. */
const char *ago_text(int64_t then, int64_t now, char ret[SHORT_TEXT_SIZE]);

#endif
