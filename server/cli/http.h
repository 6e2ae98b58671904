/* SPDX-License-Identifier: Apache-2.0 */
/* The operator API of one server, over one kept connection. */
#ifndef OTAD_CLI_HTTP_H
#define OTAD_CLI_HTTP_H

#include "cli/cli.h"

/* One request. Everything is borrowed for the call. */
struct ask {
    const char *method;
    const char *path; /* below /api/v1, from http_path(); NULL counts as "memory is out" */
    const char *type; /* of the body; NULL: no body */
    const void *body;
    size_t length;
    bool has_offset; /* send `offset` as Upload-Offset */
    int64_t offset;
    const char *if_match; /* the state that is to be changed; NULL: whatever it is */
    void (*on_sent)(void *context, int64_t bytes); /* of this body; may be NULL */
    void *context;
};

struct answer {
    long status; /* 0: none came */
    char *bytes; /* with a NUL behind them */
    size_t length;
    json_t *json;   /* NULL when the body is something else */
    int64_t offset; /* Upload-Offset, or -1 */
};
void answer_clear(struct answer *answer);

/* 0 for a 2xx answer. Otherwise refuses with what the server said; `ret` is filled all the same. */
int http_ask(struct cli *cli, const struct ask *ask, struct answer *ret) MUST_CHECK;

/* The usual case: JSON there (NULL: no body) and JSON back (ret NULL: whatever comes is dropped).
 */
int http_json(struct cli *cli, const char *method, const char *path, const json_t *body,
              json_t **ret) MUST_CHECK;

/* Sends a member nobody but this call wants: takes the body's reference. */
int http_post(struct cli *cli, const char *path, json_t *body, json_t **ret) MUST_CHECK;

/* `pattern` with every %s percent-encoded, the caller's to free; NULL when memory is out. */
char *http_path(const char *pattern, ...) PRINTF_LIKE(1, 2) MUST_CHECK;
/* Appends ?name=value or &name=value, encoded; nothing when value is NULL. */
void http_query(struct text *path, const char *name, const char *value);

void http_close(struct http **http);

#endif
