/* SPDX-License-Identifier: Apache-2.0 */
/* Exact bytes of every role file ever published. */
#ifndef OTAD_STORE_METADATA_H
#define OTAD_STORE_METADATA_H

#include "core/digest.h"
#include "store/store.h"

struct metadata {
    int64_t version, expires_at, published_at;
    char *bytes; /* owned */
    size_t length;
    uint8_t sha256[SHA256_SIZE];
};
void metadata_clear(struct metadata *metadata);

/* The newest, when `version` is 0. */
enum step metadata_find(struct tx *tx, int64_t tenant_row, const char *role, int64_t version,
                        struct metadata *ret, struct error *err) MUST_CHECK;
/* 0 when the role has no file yet. */
int metadata_version(struct tx *tx, int64_t tenant_row, const char *role, int64_t *ret,
                     struct error *err) MUST_CHECK;
/* ALREADY_EXISTS when this version is there. */
int metadata_insert(struct tx *tx, int64_t tenant_row, const char *role,
                    const struct metadata *metadata, const char *published_by,
                    struct error *err) MUST_CHECK;

/* Every role that has a file, of every tenant, with its newest version. */
typedef int (*metadata_role_fn)(int64_t tenant_row, const char *role, int64_t version, void *arg,
                                struct error *err);
int metadata_roles(struct tx *tx, metadata_role_fn each, void *arg, struct error *err) MUST_CHECK;

#endif
