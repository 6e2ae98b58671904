/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, read by the verb table. */
#ifndef OTAD_CLI_ARGUMENTS_H
#define OTAD_CLI_ARGUMENTS_H

#include "cli/cli.h"

/* Fills group, verb, operands and options. Global options may stand anywhere. */
int arguments_read(struct cli *cli, int count, char *const *words) MUST_CHECK;
void arguments_clear(struct cli *cli);

/* The nth option of a verb: its own, then those of its request; NULL behind the last. */
const struct option *verb_option(const struct verb *verb, size_t n);

#endif
