/* SPDX-License-Identifier: Apache-2.0 */
/* What came of the runs: on standard output for people, as JUnit XML for check.py. */
#ifndef OTAD_SIM_REPORT_H
#define OTAD_SIM_REPORT_H

#include "runner.h"
#include "stories.h"

/* One case for each invariant, and one for runs that broke down. `path` may be NULL. */
void report_properties(const struct runs *runs, const char *path);
/* One case for each story, and one for each without its rule. */
void report_stories(const struct runs *runs, const struct story_choice *choice, const char *path);

#endif
