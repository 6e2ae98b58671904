/* SPDX-License-Identifier: Apache-2.0 */
/* What the apply files share: the only ones of trust/ that see store/. */
#ifndef OTAD_TRUST_APPLY_PARTS_H
#define OTAD_TRUST_APPLY_PARTS_H

#include "store/artifact.h"
#include "trust/apply.h"
#include "trust/release_rules.h"
#include "trust/role.h"

/* -- apply_load.c -- */

/* A role file read back, with the envelope its signatures are in. Zeroed is empty. */
struct stored {
    struct envelope envelope;
    struct role *role;
};
void stored_clear(struct stored *stored);
/* The newest when `version` is 0. STEP_DONE: there is none. */
enum step stored_load(struct tx *tx, int64_t tenant_row, const char *role, int64_t version,
                      struct stored *ret, struct error *err) MUST_CHECK;

/* The whole of trust of one tenant: products hang on targets, targets on the root. */
struct trusted {
    struct stored root, targets; /* role NULL: not published yet */
};
void trusted_clear(struct trusted *trusted);
int trusted_load(struct tx *tx, int64_t tenant_row, struct trusted *ret,
                 struct error *err) MUST_CHECK;
/* Who must sign the next file of a role; borrowed from `trusted`. */
int trusted_authority(const struct trusted *trusted, const char *role, const struct authority **ret,
                      struct error *err) MUST_CHECK;

/* Every target a product ever had, in order of path. Zeroed is empty. */
struct history {
    struct published *at;
    size_t count, room;
};
void history_clear(struct history *history);
int history_load(struct tx *tx, int64_t tenant_row, const char *product, struct history *ret,
                 struct error *err) MUST_CHECK;

/* -- apply_check.c -- */

struct role_policy policy_of(const struct trust_request *request);
/* V5, V6, V9, V13, V14: the file in its place after what is published. */
int check_place(struct tx *tx, const struct trust_request *request, const struct trusted *trusted,
                const struct role *role, struct error *err) MUST_CHECK;
/* V16 as far as rows tell, V17, V18. Fills the history of a product. */
int check_content(struct tx *tx, const struct trust_request *request, const struct role *role,
                  struct history *ret_history, struct error *err) MUST_CHECK;
/* V16 from disk, for what is not published at present: the rest was read when it was, and the scrub
 * watches over it. Takes long. */
int check_images(struct blob_store *blobs, const struct role *role, const struct history *history,
                 struct error *err) MUST_CHECK;
int artifact_of(struct tx *tx, const struct entry *entry, struct artifact *ret,
                struct error *err) MUST_CHECK;

/* -- apply.c -- */

int write_trace(struct tx *tx, const struct trust_request *request, const char *action,
                const char *object, const char *detail, struct error *err) MUST_CHECK;

#endif
