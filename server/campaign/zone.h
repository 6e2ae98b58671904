/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones by their IANA name: how far a place's clocks are from UTC at any instant.
 *
 * The C library knows one zone per process; a server asks for its devices'. So the files of the
 * system's time zone database are read here, without the library's TZ. */
#ifndef OTAD_CAMPAIGN_ZONE_H
#define OTAD_CAMPAIGN_ZONE_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

#define ZONE_NAME_SIZE 65
/* No zone's clocks are this many seconds or more from UTC. */
#define ZONE_OFFSET_MAX (26 * 3600)

struct zone; /* constant once loaded: any number of threads may ask */

/* A stretch of time with one offset, `from` included, `until` not; the neighbours' may be the same.
 * INT64_MIN and INT64_MAX: since ever, for ever. */
struct zone_span {
    int64_t from, until;
    int32_t offset; /* seconds east of UTC */
};

/* Fails with BAD_FIELD, field "zone", when the name is none of the database's. "UTC" is known
 * without it. */
int zone_load(const char *name, struct zone **ret, struct error *err) MUST_CHECK;
/* The same from a file's bytes: TZif as in RFC 9636, version 2 or later. Foreign bytes are welcome:
 * what is malformed or counts leap seconds fails with BAD_FIELD. */
int zone_parse(const uint8_t *bytes, size_t count, struct zone **ret, struct error *err) MUST_CHECK;
void zone_free(struct zone **zone);

/* Loaded at the first use of its name and kept as long as the process lives; any thread. NULL when
 * there is no such zone, or when it cannot be read now, which is logged. A change of the database
 * is seen after a restart. */
const struct zone *zone_named(const char *name);

struct zone_span zone_span(const struct zone *zone, int64_t at);
int64_t zone_offset(const struct zone *zone, int64_t at);

#endif
