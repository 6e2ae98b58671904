/* SPDX-License-Identifier: Apache-2.0 */
/* How far a transfer is, on standard error: one line that is redrawn on a terminal, a plain line
 * every few seconds elsewhere. */
#ifndef OTAD_CLI_PROGRESS_H
#define OTAD_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *name; /* borrowed */
    int64_t total, at_start, started_ms, drawn_ms;
    bool is_terminal;
};

void progress_start(struct progress *progress, const char *name, int64_t done, int64_t total);
void progress_show(struct progress *progress, int64_t done);
void progress_end(struct progress *progress, int64_t done);

#endif
