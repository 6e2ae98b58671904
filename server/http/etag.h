/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags: RFC 9110 section 8.8.3. */
#ifndef OTAD_HTTP_ETAG_H
#define OTAD_HTTP_ETAG_H

#include <stdbool.h>
#include <stddef.h>

#define ETAG_SIZE sizeof "\"0123456789abcdef\""

/* The tag of a small document: tells versions of one resource apart, and is no proof of anything.
 */
void etag_of(const void *bytes, size_t length, char ret[ETAG_SIZE]);

/* Is `etag` (strong, with its quotes) in the list of If-Match (`is_strong`) or If-None-Match? "*"
 * is every tag. Clients that leave the quotes away are understood. */
bool etag_is_listed(const char *list, const char *etag, bool is_strong);

#endif
