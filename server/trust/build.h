/* SPDX-License-Identifier: Apache-2.0 */
/* Role files before they are signed: what `otactl init` and a release's draft begin with. Keys are
 * given as key objects (trust/sign.h). */
#ifndef OTAD_TRUST_BUILD_H
#define OTAD_TRUST_BUILD_H

#include "core/json.h"
#include "trust/entry.h"

/* Who signs one role. */
struct build_signers {
    const json_t *const *keys;
    size_t count;
    int64_t threshold;
};

struct build_root {
    int64_t version, expires_at;
    struct build_signers root, snapshot, targets, timestamp;
};
/* The `signed` part; the value is yours, here as below. */
int build_root(const struct build_root *wish, json_t **ret, struct error *err) MUST_CHECK;

struct build_delegation {
    const char *product;
    struct build_signers signers;
};
int build_targets(int64_t version, int64_t expires_at, const struct build_delegation *delegations,
                  size_t count, json_t **ret, struct error *err) MUST_CHECK;

/* A product's file: a copy of `before` (NULL: lists nothing) with another version and expiry. */
int build_product(const json_t *before, int64_t version, int64_t expires_at, json_t **ret,
                  struct error *err) MUST_CHECK;

/* An image as it is stored, and what its release says of it. */
struct build_image {
    const char *product, *version, *component, *file;
    struct counters counters;
    const char *severity;
    const json_t *hardware_ids;       /* array */
    const json_t *notes, *advisories; /* NULL: none */
    int64_t length;
    const char *sha256, *sha512;
    struct chunking chunks;
    const char *list_sha256, *list_sha512;
    const struct enc_header *enc; /* NULL: not encrypted */
    const char *plain_sha256;     /* of an encrypted image */
};
/* Adds the image and its chunk list to a product's file. ALREADY_EXISTS when the path is listed. */
int build_add_image(json_t *product_file, const struct build_image *image,
                    struct error *err) MUST_CHECK;

#endif
