/* SPDX-License-Identifier: Apache-2.0 */
/* Files on this side: read whole, created but never overwritten. */
#ifndef OTAD_CLI_FILES_H
#define OTAD_CLI_FILES_H

#include "cli/cli.h"

#include <sys/types.h>

/* "-" is standard input. Refuses more than `limit` bytes. The text is cleared on failure. */
int file_read(struct cli *cli, const char *path, size_t limit, struct text *ret) MUST_CHECK;
/* Fails when the file is there already; leaves none behind when it cannot be written. */
int file_create(struct cli *cli, const char *path, mode_t mode, const void *bytes,
                size_t length) MUST_CHECK;
int file_create_text(struct cli *cli, const char *path, mode_t mode, struct text *text) MUST_CHECK;
/* Makes the folder and, with ordinary modes, those above it; one that exists keeps its mode. */
int folder_make(struct cli *cli, const char *path, mode_t mode) MUST_CHECK;
/* True for a folder with nothing in it, and for none at all. */
bool folder_is_free(const char *path);

#endif
