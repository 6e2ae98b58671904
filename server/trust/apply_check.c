/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/apply_parts.h"

#include "core/text.h"
#include "store/metadata.h"

#include <string.h>

/* -- V5, V6, V9, V13, V14: the file in its place -- */

struct role_policy policy_of(const struct trust_request *request)
{
    return (struct role_policy){
        .now = request->now,
        .life_max = {[ROLE_ROOT] = request->config->trust_root_expiry_max,
                     [ROLE_TARGETS] = request->config->trust_targets_expiry_max,
                     [ROLE_PRODUCT] = request->config->trust_product_expiry_max},
        .is_lab = request->config->trust_lab,
    };
}

struct products_check {
    struct tx *tx;
    int64_t tenant_row;
    const struct role *targets; /* the new one */
};

static int check_product_stays(int64_t tenant_row, const char *name, int64_t version, void *arg,
                               struct error *err)
{
    const struct products_check *check = arg;
    CLEANUP(stored_clear) struct stored product = {.role = NULL};
    struct error why = {0};
    enum role_kind kind;

    if (tenant_row != check->tenant_row || !role_kind_of(name, &kind) || kind != ROLE_PRODUCT)
        return 0;
    const struct authority *authority = role_authority(check->targets, name);
    if (!authority)
        return fail(err, PROBLEM_BAD_METADATA, "V14: %s is published and must stay delegated",
                    name);
    if (stored_load(check->tx, tenant_row, name, version, &product, err) != STEP_ROW)
        return -1;
    if (envelope_check(&product.envelope, &authority, 1, &why))
        return fail(err, PROBLEM_BAD_METADATA,
                    "V14: these keys would no longer vouch for %s version %lld", name,
                    (long long)version);
    return 0;
}

int check_place(struct tx *tx, const struct trust_request *request, const struct trusted *trusted,
                const struct role *role, struct error *err)
{
    struct role_policy policy = policy_of(request);
    struct products_check products = {tx, request->tenant_row, role};
    int64_t version;

    if (metadata_version(tx, request->tenant_row, role->name, &version, err))
        return -1;
    if (role->version != version + 1)
        return fail(err, PROBLEM_BAD_METADATA, "V5: version must be %lld", (long long)version + 1);
    if (role_check_policy(role, &policy, err))
        return -1;
    if (role->kind != ROLE_TARGETS)
        return 0;
    if (role_check_apart(trusted->root.role, role, err))
        return -1;
    return metadata_roles(tx, check_product_stays, &products, err);
}

static bool is_published_already(const struct history *history, const char *path)
{
    for (size_t low = 0, high = history->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, history->at[middle].path);
        if (order == 0)
            return history->at[middle].is_published;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* -- V16: the images -- */

static int wrong_image(struct error *err, const struct entry *entry, const char *what)
{
    return fail(err, PROBLEM_BAD_METADATA, "V16: %.110s: %s", entry->path, what);
}

static bool is_hex_of(const char *hex, const void *bytes, size_t count)
{
    char text[2 * DIGEST_MAX_SIZE + 1];

    hex_from_bytes(bytes, count, text);
    return strcmp(hex, text) == 0;
}

int artifact_of(struct tx *tx, const struct entry *entry, struct artifact *ret, struct error *err)
{
    uint8_t hash[SHA256_SIZE] = {0};
    bool is_hash = hex_to_bytes(entry->sha256, hash, sizeof hash);
    enum step step = is_hash ? artifact_find(tx, hash, ret, err) : STEP_DONE;

    if (step == STEP_DONE)
        return wrong_image(err, entry, "no image with this hash is stored");
    return step == STEP_ROW ? 0 : -1;
}

static bool same_chunking(const struct entry *entry, const struct artifact *artifact)
{
    return entry->chunks.offset == artifact->chunk_offset &&
           entry->chunks.size == artifact->chunk_size &&
           entry->chunks.count == artifact->chunk_count && artifact->has_list &&
           is_hex_of(entry->list_sha256, artifact->list_sha256, SHA256_SIZE);
}

static int check_artifact(struct tx *tx, const struct entry *entry, struct error *err)
{
    struct artifact artifact;

    if (artifact_of(tx, entry, &artifact, err))
        return -1;
    if (artifact.is_broken)
        return wrong_image(err, entry, "the stored image is broken");
    if (artifact.size != entry->length)
        return wrong_image(err, entry, "the stored image has another length");
    if (!is_hex_of(entry->sha512, artifact.sha512, sizeof artifact.sha512))
        return wrong_image(err, entry, "the stored image has another SHA-512");
    if (entry->kind == ENTRY_CHUNKS)
        return 0;
    if (artifact.is_encrypted != (entry->enc_header != NULL))
        return wrong_image(err, entry, "the stored image has another encoding");
    if (entry->enc_header &&
        !is_hex_of(entry->enc_header, artifact.enc_header, artifact.enc_header_size))
        return wrong_image(err, entry, "the stored image begins with another header");
    if (!same_chunking(entry, &artifact))
        return wrong_image(err, entry, "the stored image is cut into other chunks");
    return 0;
}

/* From disk, all of it: length, both hashes, every chunk. */
static int check_blob(struct blob_store *blobs, const struct entry *entry, struct error *err)
{
    bool is_image = entry->kind != ENTRY_CHUNKS;
    struct blob_digests digests;
    struct blob_chunks chunks = {.offset = is_image ? entry->chunks.offset : 0,
                                 .size = is_image ? entry->chunks.size : entry->length};
    uint8_t hash[SHA256_SIZE] = {0};
    char list[SHA256_HEX_SIZE];

    if (!hex_to_bytes(entry->sha256, hash, sizeof hash))
        return -1;
    if (blob_digest(blobs, hash, &digests, &chunks, err))
        return err->problem == PROBLEM_INTERNAL
                   ? -1
                   : wrong_image(err, entry, "the stored image cannot be read");
    CLEANUP(free_memory) uint8_t *hashes = chunks.list;
    sha256_hex(hashes, (size_t)chunks.count * SHA256_SIZE, list);
    if (digests.size != entry->length || !is_hex_of(entry->sha256, digests.sha256, SHA256_SIZE) ||
        !is_hex_of(entry->sha512, digests.sha512, sizeof digests.sha512))
        return wrong_image(err, entry, "the stored image has changed");
    if (is_image && strcmp(list, entry->list_sha256) != 0)
        return wrong_image(err, entry, "the stored image has other chunks");
    return 0;
}

/* All that needs no signature and no disk. */
int check_content(struct tx *tx, const struct trust_request *request, const struct role *role,
                  struct history *ret_history, struct error *err)
{
    if (role->kind != ROLE_PRODUCT)
        return 0;
    if (history_load(tx, request->tenant_row, role_product(role->name), ret_history, err) ||
        release_rules_check(role->entries, role->entry_count, ret_history->at, ret_history->count,
                            err))
        return -1;
    for (size_t i = 0; i < role->entry_count; i++)
        if (check_artifact(tx, &role->entries[i], err))
            return -1;
    return 0;
}

int check_images(struct blob_store *blobs, const struct role *role, const struct history *history,
                 struct error *err)
{
    for (size_t i = 0; i < role->entry_count; i++) {
        const struct entry *entry = &role->entries[i];
        if (!is_published_already(history, entry->path) && check_blob(blobs, entry, err))
            return -1;
    }
    return 0;
}
