/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTAD_API_CONSOLE_H
#define OTAD_API_CONSOLE_H

#include "http/server.h"

extern const struct routes console_routes;

/* "text/html; charset=utf-8" and the like, by the ending of a file's name. */
const char *console_type(const char *path);

#endif
