/* SPDX-License-Identifier: Apache-2.0 */
/* How a verb fails. The first refusal counts: what is refused later only follows from it. */
#include "cli/cli.h"

#include <stdarg.h>
#include <string.h>

int refuse(struct cli *cli, enum exit_code code, const char *message, ...)
{
    char *line = NULL;
    va_list values;

    if (cli->failure.code != ENDS_WELL)
        return -1;
    cli->failure.code = code;
    va_start(values, message);
    if (vasprintf(&line, message, values) < 0)
        line = NULL;
    va_end(values);
    text_append(&cli->failure.message, line ? line : "out of memory");
    free(line);
    return -1;
}

int refuse_error(struct cli *cli, const struct error *err)
{
    return refuse(cli, ENDS_MISUSED, "%s", error_text(err));
}

void advise(struct cli *cli, const char *advice, ...)
{
    char *line = NULL;
    va_list values;

    va_start(values, advice);
    if (vasprintf(&line, advice, values) < 0)
        line = NULL;
    va_end(values);
    text_format(&cli->failure.advice, "  %s\n", line ? line : "out of memory");
    free(line);
}

bool was_refused_for(const struct cli *cli, const char *slug)
{
    return cli->failure.problem && !strcmp(cli->failure.problem, slug);
}

void forget_failure(struct cli *cli)
{
    free(cli->failure.problem);
    text_clear(&cli->failure.message);
    text_clear(&cli->failure.advice);
    cli->failure = (struct failure){0};
}

struct failure failure_set_aside(struct cli *cli)
{
    struct failure failure = cli->failure;

    cli->failure = (struct failure){0};
    return failure;
}

void failure_put_back(struct cli *cli, struct failure failure)
{
    forget_failure(cli);
    cli->failure = failure;
}
