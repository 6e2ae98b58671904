/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts: what is to be signed, checked before anybody signs it. */
#include "trust/apply_parts.h"

#include "core/clock.h"
#include "core/text.h"
#include "trust/build.h"

#include <string.h>

#define DRAFTS_OPEN_MAX 64

/* -- drafts -- */

static int check_draft(struct tx *tx, const struct trust_request *request, const struct role *role,
                       struct error *err)
{
    CLEANUP(trusted_clear) struct trusted trusted = {.root = {.role = NULL}};
    CLEANUP(history_clear) struct history history = {0};
    const struct authority *authority;

    if (role->kind == ROLE_ROOT)
        return fail(err, PROBLEM_BAD_METADATA, "V3: a root is not drafted here");
    if (trusted_load(tx, request->tenant_row, &trusted, err) ||
        trusted_authority(&trusted, role->name, &authority, err) ||
        check_place(tx, request, &trusted, role, err))
        return -1;
    return check_content(tx, request, role, &history, err);
}

struct draft_job {
    const struct trust_request *request;
    const struct draft *draft;
};

static int write_draft(struct tx *tx, void *arg, struct error *err)
{
    const struct draft_job *job = arg;
    int64_t open;

    if (draft_count_open(tx, job->request->tenant_row, &open, err))
        return -1;
    if (open >= DRAFTS_OPEN_MAX)
        return fail(err, PROBLEM_TOO_MANY, "%d drafts are open; publish or delete some",
                    DRAFTS_OPEN_MAX);
    if (draft_insert(tx, job->draft, job->request->who.actor, err))
        return -1;
    return write_trace(tx, job->request, "tuf.draft", job->draft->id, job->draft->role, err);
}

int trust_make_draft(const struct trust_request *request, const char *role_name, json_t *document,
                     char ret_id[DRAFT_ID_SIZE], struct error *err)
{
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    CLEANUP(role_free) struct role *role = NULL;
    CLEANUP(tx_end) struct tx tx = {0};
    uint8_t random[16];

    if (envelope_around(document, &envelope, err) || role_read(role_name, document, &role, err))
        return -1;
    if (envelope.payload.length > role_size_max(role->kind))
        return fail(err, PROBLEM_BAD_METADATA, "V1: larger than %zu bytes",
                    role_size_max(role->kind));
    if (tx_read(&tx, request->store, err) || check_draft(&tx, request, role, err))
        return -1;
    tx_end(&tx);

    struct draft draft = {
        .tenant_row = request->tenant_row,
        .version = role->version,
        .payload = envelope.payload.at,
        .length = envelope.payload.length,
        .created_at = request->now,
    };
    struct draft_job job = {request, &draft};
    random_bytes(random, sizeof random);
    hex_from_bytes(random, sizeof random, draft.id);
    snprintf(draft.role, sizeof draft.role, "%s", role->name);
    if (store_write(request->store, write_draft, &job, err))
        return -1;
    memcpy(ret_id, draft.id, sizeof draft.id);
    return 0;
}

/* -- a release in one step -- */

static int describe_stored(struct tx *tx, const struct artifact *artifact,
                           struct build_image *image, struct artifact *ret_list, struct error *err)
{
    if (!artifact->has_list || artifact->is_broken)
        return fail_field(err, PROBLEM_UNPROCESSABLE, "artifact",
                          "this artifact cannot be released: it is %s",
                          artifact->is_broken ? "broken" : "a chunk list");
    if (artifact->is_encrypted && !image->plain_sha256)
        return fail_field(err, PROBLEM_BAD_FIELD, "plain_sha256",
                          "\"plain_sha256\" is required: the image is encrypted");
    image->length = artifact->size;
    image->chunks =
        (struct chunking){artifact->chunk_offset, artifact->chunk_size, artifact->chunk_count};
    return artifact_get(tx, artifact->list_sha256, ret_list, err);
}

/* The image with hashes and encryption header spelt out, then added. */
static int add_stored(struct tx *tx, const struct artifact *artifact, struct build_image *image,
                      json_t *document, struct error *err)
{
    char sha256_text[SHA256_HEX_SIZE], list_sha256[SHA256_HEX_SIZE], sha512[129], list_sha512[129];
    struct artifact list;
    struct enc_header enc;

    if (describe_stored(tx, artifact, image, &list, err))
        return -1;
    hex_from_bytes(artifact->sha256, SHA256_SIZE, sha256_text);
    hex_from_bytes(artifact->sha512, sizeof artifact->sha512, sha512);
    hex_from_bytes(list.sha256, SHA256_SIZE, list_sha256);
    hex_from_bytes(list.sha512, sizeof list.sha512, list_sha512);
    image->sha256 = sha256_text;
    image->sha512 = sha512;
    image->list_sha256 = list_sha256;
    image->list_sha512 = list_sha512;
    if (artifact->is_encrypted) {
        if (enc_header_read(artifact->enc_header, artifact->enc_header_size, &enc, err))
            return -1;
        image->enc = &enc;
    }
    return build_add_image(document, image, err);
}

/* A product's next file while it is put together. */
struct next {
    struct tx *tx;
    const struct release_wish *wish;
    struct history history;
    json_t *document;
};

static void next_clear(struct next *next)
{
    history_clear(&next->history);
    json_decref(next->document);
}

static struct counters next_counters(const struct history *history, const struct release_file *file)
{
    struct counters counters = release_newest(file->component, history->at, history->count);

    counters.release_counter++;
    if (file->security_version >= 0)
        counters.security_version = file->security_version;
    if (file->security_floor >= 0)
        counters.security_floor = file->security_floor;
    return counters;
}

/* Like artifact_get(), but says which member named it. */
static int find_artifact(struct tx *tx, const struct release_file *file, struct artifact *ret,
                         struct error *err)
{
    if (artifact_get(tx, file->artifact, ret, err) == 0)
        return 0;
    if (err->problem == PROBLEM_NO_SUCH_ARTIFACT)
        snprintf(err->field, sizeof err->field, "artifact");
    return -1;
}

/* The role is read as a whole later; by then a mistake could be any file's. */
static int check_entry(const struct next *next, const struct release_file *file, struct error *err)
{
    char path[ENTRY_PATH_MAX + 1];
    struct entry entry;

    snprintf(path, sizeof path, "%s/%s/%s", next->wish->product, next->wish->version, file->file);
    const json_t *target = json_object_get(json_object_get(next->document, "targets"), path);
    return entry_read(next->wish->product, path, target, &entry, err);
}

static int add_file(const struct next *next, const struct release_file *file, struct error *err)
{
    struct build_image image = {
        .product = next->wish->product,
        .version = next->wish->version,
        .component = file->component,
        .file = file->file,
        .counters = next_counters(&next->history, file),
        .severity = next->wish->severity,
        .hardware_ids = file->hardware_ids,
        .notes = next->wish->notes,
        .advisories = next->wish->advisories,
        .plain_sha256 = file->plain_sha256,
    };
    struct artifact artifact;

    if (find_artifact(next->tx, file, &artifact, err) ||
        add_stored(next->tx, &artifact, &image, next->document, err))
        return -1;
    return check_entry(next, file, err);
}

static int build_next(struct tx *tx, const struct trust_request *request,
                      const struct release_wish *wish, size_t *ret_fault, json_t **ret,
                      struct error *err)
{
    CLEANUP(stored_clear) struct stored before = {.role = NULL};
    CLEANUP(next_clear) struct next next = {.tx = tx, .wish = wish};
    char role_name[ROLE_NAME_SIZE];

    snprintf(role_name, sizeof role_name, "product-%s", wish->product);
    if (stored_load(tx, request->tenant_row, role_name, 0, &before, err) == STEP_FAILED ||
        history_load(tx, request->tenant_row, wish->product, &next.history, err) ||
        build_product(before.envelope.document, before.role ? before.role->version + 1 : 1,
                      wish->expires_at, &next.document, err))
        return -1;
    for (size_t i = 0; i < wish->file_count; i++)
        if (add_file(&next, &wish->files[i], err)) {
            *ret_fault = i;
            return -1;
        }
    *ret = MOVE(next.document);
    return 0;
}

/* An unknown product is the more likely mistake: said before anything about the image. */
static int find_product(struct tx *tx, const struct trust_request *request, const char *product,
                        struct error *err)
{
    CLEANUP(trusted_clear) struct trusted trusted = {.root = {.role = NULL}};
    char role_name[ROLE_NAME_SIZE];

    snprintf(role_name, sizeof role_name, "product-%s", product);
    if (trusted_load(tx, request->tenant_row, &trusted, err))
        return -1;
    if (!trusted.targets.role || !role_authority(trusted.targets.role, role_name))
        return fail(err, PROBLEM_NOT_FOUND, "nobody may sign for product %s", product);
    return 0;
}

int trust_draft_release(const struct trust_request *request, const struct release_wish *wish,
                        size_t *ret_fault, char ret_id[DRAFT_ID_SIZE], struct error *err)
{
    char role_name[ROLE_NAME_SIZE];
    json_auto_t *document = NULL;
    CLEANUP(tx_end) struct tx tx = {0};

    snprintf(role_name, sizeof role_name, "product-%s", wish->product);
    if (tx_read(&tx, request->store, err) || find_product(&tx, request, wish->product, err) ||
        build_next(&tx, request, wish, ret_fault, &document, err))
        return -1;
    tx_end(&tx);
    return trust_make_draft(request, role_name, document, ret_id, err);
}

/* -- signatures -- */

struct sign_job {
    const struct trust_request *request;
    const char *id, *keyid, *hex;
};

static int write_signature(struct tx *tx, void *arg, struct error *err)
{
    const struct sign_job *job = arg;
    CLEANUP(draft_clear) struct draft draft = {0};
    CLEANUP(trusted_clear) struct trusted trusted = {.root = {.role = NULL}};
    const struct authority *authority;
    struct signature signature;

    if (draft_get(tx, job->request->tenant_row, job->id, &draft, err) ||
        trusted_load(tx, job->request->tenant_row, &trusted, err) ||
        trusted_authority(&trusted, draft.role, &authority, err) ||
        signature_read(job->keyid, job->hex, &signature, err))
        return -1;
    if (!draft.is_open)
        return fail(err, PROBLEM_WRONG_STATE, "the draft is published already");
    const struct text payload = {.at = draft.payload, .length = draft.length};
    if (signature_check(&signature, &payload, &authority, 1, err))
        return -1;
    struct draft_signature row = {job->keyid, job->hex, job->request->who.actor, job->request->now};
    if (draft_signature_insert(tx, &draft, &row, err))
        return -1;
    return write_trace(tx, job->request, "tuf.sign", draft.id, job->keyid, err);
}

int trust_sign_draft(const struct trust_request *request, const char *id, const char *keyid,
                     const char *hex, struct error *err)
{
    struct sign_job job = {request, id, keyid, hex};

    return store_write(request->store, write_signature, &job, err);
}

static int write_drop(struct tx *tx, void *arg, struct error *err)
{
    const struct sign_job *job = arg;
    CLEANUP(draft_clear) struct draft draft = {0};

    if (draft_get(tx, job->request->tenant_row, job->id, &draft, err) ||
        draft_drop(tx, &draft, err))
        return -1;
    return write_trace(tx, job->request, "tuf.drop", draft.id, draft.role, err);
}

int trust_drop_draft(const struct trust_request *request, const char *id, struct error *err)
{
    struct sign_job job = {.request = request, .id = id};

    return store_write(request->store, write_drop, &job, err);
}

/* -- for operators to read -- */

static int add_signer(const struct draft_signature *signature, void *arg, struct error *err)
{
    char at[CLOCK_TEXT_SIZE];

    if (json_array_append_new(arg, json_pack("{s:s, s:s, s:s}", "keyid", signature->keyid,
                                             "added_by", signature->added_by, "added_at",
                                             clock_text(signature->added_at, at))))
        return fail_internal(err, "out of memory for a draft");
    return 0;
}

int trust_draft_json(struct tx *tx, const struct draft *draft, json_t **ret, struct error *err)
{
    CLEANUP(trusted_clear) struct trusted trusted = {.root = {.role = NULL}};
    json_auto_t *keyids = json_array(), *signatures = json_array();
    const struct authority *authority;
    char hash[SHA256_HEX_SIZE], at[CLOCK_TEXT_SIZE];

    if (trusted_load(tx, draft->tenant_row, &trusted, err) ||
        trusted_authority(&trusted, draft->role, &authority, err) ||
        draft_signatures(tx, draft, add_signer, signatures, err))
        return -1;
    for (size_t i = 0; i < authority->count; i++)
        if (json_array_append_new(keyids, json_string(key_id(authority->keys[i]))))
            return fail_internal(err, "out of memory for a draft");
    sha256_hex(draft->payload, draft->length, hash);
    *ret = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:O, s:I, s:O}", "id", draft->id, "role",
                     draft->role, "version", (json_int_t)draft->version, "sha256", hash, "state",
                     draft->is_open ? "open" : "published", "created_at",
                     clock_text(draft->created_at, at), "keyids_allowed", keyids, "threshold",
                     (json_int_t)authority->threshold, "signatures", signatures);
    return *ret ? 0 : fail_internal(err, "out of memory for a draft");
}
