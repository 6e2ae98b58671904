/* SPDX-License-Identifier: Apache-2.0 */
/* A failure on its way up: a named problem, a detail for the client, a cause for the log.
 *
 * Three kinds, never mixed. A bug: assert(). A failure of the machine: fail_internal(); the client
 * learns 500 and the request id, the log the cause. Something the client did or should know:
 * fail() with a problem of problem.def. By value and without allocation, so it works when memory
 * is out. Every fallible function takes `struct error *err` last and returns 0 or -1. */
#ifndef OTAD_CORE_ERROR_H
#define OTAD_CORE_ERROR_H

#include "core/cleanup.h"

enum problem {
    PROBLEM_NONE,
#define PROBLEM(name, status, slug, title) PROBLEM_##name,
#include "core/problem.def"
#undef PROBLEM
    PROBLEM_COUNT
};

struct error {
    enum problem problem;
    char field[48];   /* the member, parameter or header at fault; empty when there is none */
    char detail[192]; /* for the client: names the thing, never the machine */
    char cause[192];  /* for the log: what the library or the kernel said */
};

/* All three always return -1, so that `return fail(…)` reads as a sentence. */
int fail(struct error *err, enum problem problem, const char *detail, ...) PRINTF_LIKE(3, 4);
int fail_field(struct error *err, enum problem problem, const char *field, const char *detail, ...)
    PRINTF_LIKE(4, 5);
/* `cause` may use %m. The client sees none of it. */
int fail_internal(struct error *err, const char *cause, ...) PRINTF_LIKE(2, 3);

int problem_status(enum problem problem);
const char *problem_slug(enum problem problem);
const char *problem_title(enum problem problem);

/* What a person at a terminal should read: detail, else cause, else the title. Borrowed from err.
 */
const char *error_text(const struct error *err);

#endif
