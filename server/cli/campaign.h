/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of otactl campaign … share. */
#ifndef OTAD_CLI_CAMPAIGN_H
#define OTAD_CLI_CAMPAIGN_H

#include "cli/call.h"

/* campaign_options.c: the plan, on the command line and in --plan FILE. */
#define CAMPAIGN_SETTING_COUNT 45
extern const struct setting campaign_settings[CAMPAIGN_SETTING_COUNT];
#define PLAN_OPTION_COUNT 2
extern const struct option plan_options[PLAN_OPTION_COUNT];
/* "install mon-fri 22:00 6h" or "download 01:00 4h": {"install": […]}. */
json_t *window_value(struct cli *cli, const char *text);
/* `base`, or instead of it the file of --plan, with what the options say; changes `base`. */
int campaign_describe(struct cli *cli, json_t *base, json_t **ret) MUST_CHECK;

/* campaign_show.c: for people. */
void campaign_print(const json_t *campaign);
void preview_print(const json_t *preview);
/* "5 devices", "to 10 %", "tag office" */
#define MEASURE_SIZE 96
const char *wave_measure(const json_t *wave, char ret[MEASURE_SIZE]);
/* "≤ 14 %" of all devices would fail, by what was seen; "" when nothing was. */
const char *wave_bound(const json_t *wave, char ret[SHORT_TEXT_SIZE]);
/* Why it stands still, who must do what; a line each, nothing when it goes on by itself. */
void campaign_needs(const json_t *campaign, struct text *out);

/* watch.c */
int campaign_watch(struct cli *cli) MUST_CHECK;
/* "[#####==x......]": confirmed, under way, failed, still to come. `size` includes the NUL. */
void wave_bar(const json_t *wave, char *ret, size_t size);

#endif
