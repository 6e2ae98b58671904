/* SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <stdarg.h>
#include <string.h>

/* clang-format off */
static const struct {
    int status;
    const char *slug;
    const char *title;
} problems[PROBLEM_COUNT] = {
    [PROBLEM_NONE] = {200, "none", "No problem"},
#define PROBLEM(name, status, slug, title) [PROBLEM_##name] = {status, slug, title},
#include "core/problem.def"
#undef PROBLEM
};
/* clang-format on */

static void fill(struct error *err, enum problem problem, const char *field)
{
    err->problem = problem;
    err->detail[0] = '\0';
    err->cause[0] = '\0';
    snprintf(err->field, sizeof err->field, "%s", field);
}

int fail(struct error *err, enum problem problem, const char *detail, ...)
{
    va_list arguments;

    fill(err, problem, "");
    va_start(arguments, detail);
    vsnprintf(err->detail, sizeof err->detail, detail, arguments);
    va_end(arguments);
    return -1;
}

int fail_field(struct error *err, enum problem problem, const char *field, const char *detail, ...)
{
    va_list arguments;

    fill(err, problem, field);
    va_start(arguments, detail);
    vsnprintf(err->detail, sizeof err->detail, detail, arguments);
    va_end(arguments);
    return -1;
}

int fail_internal(struct error *err, const char *cause, ...)
{
    va_list arguments;

    va_start(arguments, cause); /* before fill(), so that %m still sees errno */
    fill(err, PROBLEM_INTERNAL, "");
    vsnprintf(err->cause, sizeof err->cause, cause, arguments);
    va_end(arguments);
    return -1;
}

int problem_status(enum problem problem)
{
    return problems[problem].status;
}

const char *problem_slug(enum problem problem)
{
    return problems[problem].slug;
}

const char *problem_title(enum problem problem)
{
    return problems[problem].title;
}

const char *error_text(const struct error *err)
{
    if (err->detail[0])
        return err->detail;
    if (err->cause[0])
        return err->cause;
    return problem_title(err->problem);
}
