/* SPDX-License-Identifier: Apache-2.0 */
/* One target of a product's role file: an image of a release, or the chunk list of one
 * (the entry of one file in a product role). Everything is borrowed from the JSON it was read from.
 */
#ifndef OTAD_TRUST_ENTRY_H
#define OTAD_TRUST_ENTRY_H

#include "core/json.h"
#include "trust/chunks.h"

#define ENTRY_PATH_MAX (32 + 1 + 64 + 1 + 128)
#define SECURITY_VERSION_MAX INT32_MAX
#define NOT_A_ROLLBACK (-1)

enum entry_kind { ENTRY_IMAGE, ENTRY_CHUNKS, ENTRY_SUIT };

struct counters {
    int64_t security_version, security_floor, release_counter;
};

struct entry {
    const char *path, *file; /* file points into path */
    char version[65];
    int64_t length;
    const char *sha256, *sha512;
    enum entry_kind kind;
    const json_t *ota; /* custom.ota */

    /* Empty for chunk lists. */
    const char *component, *severity;
    struct counters counters;
    int64_t rollback_of;
    const json_t *hardware_ids;
    const char *enc_header; /* hex; NULL: not encrypted */
    struct chunking chunks;
    const char *list_path, *list_sha256;
    int64_t list_length;
};

const char *entry_kind_name(enum entry_kind kind);

/* V15 and the schema part of V17 for the target at `path`. */
int entry_read(const char *product, const char *path, const json_t *target, struct entry *ret,
               struct error *err) MUST_CHECK;

/* V17: every image's chunk list is a target too, as the image says, and every list has its image.
 */
int entries_check_lists(const struct entry *entries, size_t count, struct error *err) MUST_CHECK;

/* How many from `first` on are of its version: in order of path they stand together. */
size_t entries_of_version(const struct entry *first, size_t count);

/* NULL when there is none. `entries` are in order of path. */
const struct entry *entry_find(const struct entry *entries, size_t count, const char *path);

#endif
