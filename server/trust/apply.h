/* SPDX-License-Identifier: Apache-2.0 */
/* Trust for the rest of the house: loads role files through store/, asks the pure files, writes
 * back. What is published here is what devices verify; nothing else makes a release. */
#ifndef OTAD_TRUST_APPLY_H
#define OTAD_TRUST_APPLY_H

#include "core/config.h"
#include "core/json.h"
#include "store/audit.h"
#include "store/blob.h"
#include "store/draft.h"

/* Who asks, for which tenant, when. */
struct trust_request {
    struct store *store;
    const struct config *config;
    int64_t tenant_row, now;
    struct audit who; /* actor_kind, actor, source, request */
};

/* At start: rebuilds trust from the oldest stored root, verifies every current role file and
 * compares the releases with it. The detail names the file at fault. */
int trust_check_store(struct store *store, struct error *err) MUST_CHECK;

/* All below write and wait for the commit: on a worker, never on the writer. */

/* The first root; ALREADY_EXISTS when there is one. */
int trust_publish_root(const struct trust_request *request, const void *bytes, size_t length,
                       struct error *err) MUST_CHECK;

/* A draft of the next "targets" or "product-<p>", checked as far as it can be without signatures
 * and without reading images. */
int trust_make_draft(const struct trust_request *request, const char *role, json_t *document,
                     char ret_id[DRAFT_ID_SIZE], struct error *err) MUST_CHECK;
/* One image of a release. */
struct release_file {
    const char *component, *file;
    uint8_t artifact[SHA256_SIZE];
    int64_t security_version, security_floor; /* -1: as the component's release before */
    const json_t *hardware_ids;
    const char *plain_sha256; /* of an encrypted image; NULL */
};
#define RELEASE_FILES_MAX 32
struct release_wish {
    const char *product, *version, *severity;
    int64_t expires_at;
    const json_t *notes, *advisories; /* NULL: none */
    struct release_file files[RELEASE_FILES_MAX];
    size_t file_count;
};
/* The same, from what is published and one more release. When it fails for one of the files,
 * *ret_fault is which and the field is a member of it; else *ret_fault stays. */
int trust_draft_release(const struct trust_request *request, const struct release_wish *wish,
                        size_t *ret_fault, char ret_id[DRAFT_ID_SIZE],
                        struct error *err) MUST_CHECK;
/* A signature that does not verify, or by a key that does not count, is refused. */
int trust_sign_draft(const struct trust_request *request, const char *id, const char *keyid,
                     const char *hex, struct error *err) MUST_CHECK;
int trust_drop_draft(const struct trust_request *request, const char *id,
                     struct error *err) MUST_CHECK;

/* What a publication changed. Zeroed is empty. */
struct publication {
    char role[DRAFT_ROLE_SIZE];
    int64_t version;
    json_t *releases, *withdrawn; /* arrays of ids */
    int64_t *withdrawn_rows;
    size_t withdrawn_count;
};
void publication_clear(struct publication *publication);
/* Reads every image that is new, checks every rule, writes file, releases and events at once. */
int trust_publish_draft(const struct trust_request *request, struct blob_store *blobs,
                        const char *id, struct publication *ret, struct error *err) MUST_CHECK;

/* {id,role,version,sha256,state,keyids_allowed,threshold,signatures}; the value is yours. */
int trust_draft_json(struct tx *tx, const struct draft *draft, json_t **ret,
                     struct error *err) MUST_CHECK;

#endif
