/* SPDX-License-Identifier: Apache-2.0 */
/* Role files: the root of trust, the top-level targets that delegate to products, and one file per
 * product that lists its releases. Reading one checks all that it can be checked for alone. */
#ifndef OTAD_TRUST_ROLE_H
#define OTAD_TRUST_ROLE_H

#include "trust/entry.h"
#include "trust/envelope.h"

#define SPEC_VERSION "1.0.31"

enum role_kind { ROLE_ROOT, ROLE_TARGETS, ROLE_PRODUCT };

/* "root", "targets" or "product-<p>". */
bool role_kind_of(const char *name, enum role_kind *ret);
/* Largest envelope of it: V1. */
size_t role_size_max(enum role_kind kind);

struct role {
    enum role_kind kind;
    char name[ROLE_NAME_SIZE];
    int64_t version, expires_at;
    json_t *document;

    /* Whom it gives authority: root to root, snapshot, targets and timestamp; targets to products.
     */
    struct key **keys;
    size_t key_count;
    struct authority *authorities;
    size_t authority_count;

    /* What a product's file lists, in order of path. */
    struct entry *entries;
    size_t entry_count;
};

/* V3, V4, V5 and V6 (form), V7, V8, V9, V12, V13 (inside a root), V14, V15, V17 (schema). Takes a
 * reference to the document. */
int role_read(const char *name, json_t *document, struct role **ret, struct error *err) MUST_CHECK;
void role_free(struct role **role);

/* The product of a product's role: its name without "product-". */
const char *role_product(const char *name);

/* NULL when it gives none. */
const struct authority *role_authority(const struct role *role, const char *name);

/* What holds for a file that is new, but not for one that has been published: V6, V9 (policy). */
struct role_policy {
    int64_t now;
    int64_t life_max[ROLE_PRODUCT + 1]; /* by enum role_kind */
    bool is_lab;
};
int role_check_policy(const struct role *role, const struct role_policy *policy,
                      struct error *err) MUST_CHECK;

/* V13: no online key of the root signs for a product. */
int role_check_apart(const struct role *root, const struct role *targets,
                     struct error *err) MUST_CHECK;

/* V5 and V11: `root` follows `previous` (NULL: it is the first) and both sign it. */
int role_check_root(const struct role *previous, const struct role *root,
                    const struct envelope *envelope, struct error *err) MUST_CHECK;

#endif
