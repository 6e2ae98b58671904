/* SPDX-License-Identifier: Apache-2.0 */
/* The server's two clocks: wall time for what is written down, monotonic time for every timeout. */
#ifndef OTAD_CORE_CLOCK_H
#define OTAD_CORE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_wall(void);         /* seconds since 1970, UTC */
int64_t clock_wall_ms(void);      /* milliseconds since 1970, UTC */
int64_t clock_monotonic_ms(void); /* from an arbitrary start; never goes back */

#define CLOCK_TEXT_SIZE sizeof "2026-11-20T00:00:00Z"

/* The one form of time in every document we write: RFC 3339, UTC, whole seconds, "Z".
 * Times outside the years 0 to 9999 are clamped. Returns `text`. */
const char *clock_text(int64_t wall, char text[CLOCK_TEXT_SIZE]);

/* Reads exactly that form; a date that does not exist (30 February) is refused. */
bool clock_parse(const char *text, int64_t *ret_wall);

/* "Fri, 20 Nov 2026 00:00:00 GMT" (RFC 9110 section 5.6.7). Returns `text`. */
#define CLOCK_HTTP_SIZE sizeof "Fri, 20 Nov 2026 00:00:00 GMT"
const char *clock_http(int64_t wall, char text[CLOCK_HTTP_SIZE]);

#endif
