/* SPDX-License-Identifier: Apache-2.0 */
/* --help at every level, written from the verb table. */
#ifndef OTAD_CLI_HELP_H
#define OTAD_CLI_HELP_H

#include "cli/cli.h"

/* Of the verb, of the group, or of otactl itself: whatever was named. */
void help_print(const struct cli *cli);

#endif
