/* SPDX-License-Identifier: Apache-2.0 */
/* What a new product file may say, given all that was ever published of the product: a path never
 * changes its content and a release never its files (V18), counters only grow (V17).
 */
#ifndef OTAD_TRUST_RELEASE_RULES_H
#define OTAD_TRUST_RELEASE_RULES_H

#include "trust/entry.h"

/* A target of the past, still listed or not. */
struct published {
    char path[ENTRY_PATH_MAX + 1];
    char component[33]; /* empty for chunk lists */
    char sha256[SHA256_HEX_SIZE];
    int64_t length;
    struct counters counters;
    bool is_published; /* its release is, now: the image was read when that happened */
};

/* Both in order of path. `history` holds each path once. */
int release_rules_check(const struct entry *entries, size_t count, const struct published *history,
                        size_t history_count, struct error *err) MUST_CHECK;

/* Of a component's newest release; zeros when there is none. */
struct counters release_newest(const char *component, const struct published *history,
                               size_t count);

/* Counters of a release as a whole, from its images (chunk lists are passed over): it can be
 * refused for its weakest part and raises the floor by its strictest. */
struct counters release_counters(const struct entry *release, size_t count);

#endif
