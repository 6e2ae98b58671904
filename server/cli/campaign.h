/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of otactl campaign … share. */
#ifndef OTAD_CLI_CAMPAIGN_H
#define OTAD_CLI_CAMPAIGN_H

#include "cli/cli.h"

/* campaign_options.c: the settings of a new campaign, on the command line and in --from FILE. */
#define CAMPAIGN_OPTION_COUNT 16
extern const struct option campaign_options[CAMPAIGN_OPTION_COUNT];
int campaign_describe(struct cli *cli, json_t **ret) MUST_CHECK;

/* watch.c */
int campaign_watch(struct cli *cli) MUST_CHECK;
/* "[#####==x......]": confirmed, under way, failed, still to come. `size` includes the NUL. */
void wave_bar(const json_t *wave, char *ret, size_t size);

#endif
