/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/apply_parts.h"

#include "core/text.h"
#include "store/metadata.h"
#include "store/release.h"

#include <string.h>

void stored_clear(struct stored *stored)
{
    envelope_clear(&stored->envelope);
    role_free(&stored->role);
}

void trusted_clear(struct trusted *trusted)
{
    stored_clear(&trusted->root);
    stored_clear(&trusted->targets);
}

enum step stored_load(struct tx *tx, int64_t tenant_row, const char *name, int64_t version,
                      struct stored *ret, struct error *err)
{
    CLEANUP(metadata_clear) struct metadata metadata = {0};
    uint8_t hash[SHA256_SIZE];
    enum role_kind kind;
    enum step step = metadata_find(tx, tenant_row, name, version, &metadata, err);

    if (step != STEP_ROW)
        return step;
    sha256(metadata.bytes, metadata.length, hash);
    if (!role_kind_of(name, &kind) || memcmp(hash, metadata.sha256, sizeof hash) != 0) {
        fail_internal(err, "the stored bytes of %s version %lld are not what was stored", name,
                      (long long)metadata.version);
        return STEP_FAILED;
    }
    if (envelope_read(metadata.bytes, metadata.length, role_size_max(kind), &ret->envelope, err) ||
        role_read(name, ret->envelope.document, &ret->role, err))
        return STEP_FAILED;
    return STEP_ROW;
}

int trusted_load(struct tx *tx, int64_t tenant_row, struct trusted *ret, struct error *err)
{
    if (stored_load(tx, tenant_row, "root", 0, &ret->root, err) == STEP_FAILED ||
        stored_load(tx, tenant_row, "targets", 0, &ret->targets, err) == STEP_FAILED)
        return -1;
    return 0;
}

int trusted_authority(const struct trusted *trusted, const char *role, const struct authority **ret,
                      struct error *err)
{
    bool is_targets = strcmp(role, "targets") == 0;
    const struct role *from = is_targets ? trusted->root.role : trusted->targets.role;

    if (!from)
        return fail(err, PROBLEM_BAD_METADATA, "V10: there is no %s yet that delegates to %s",
                    is_targets ? "root" : "targets", role);
    *ret = role_authority(from, role);
    if (!*ret)
        return fail(err, PROBLEM_BAD_METADATA, "V14: %s is not delegated", role);
    return 0;
}

void history_clear(struct history *history)
{
    free(history->at);
    *history = (struct history){0};
}

static int remember_past(const struct past_target *past, void *arg, struct error *err)
{
    struct history *history = arg;

    if (history->count == history->room) {
        size_t room = history->room ? 2 * history->room : 64;
        struct published *grown = realloc(history->at, room * sizeof *grown);
        if (!grown)
            return fail_internal(err, "out of memory for a product's history");
        history->at = grown;
        history->room = room;
    }
    struct published *published = &history->at[history->count++];
    *published = (struct published){
        .length = past->size,
        .counters = {past->security_version, past->security_floor, past->release_counter},
        .is_published = past->state == RELEASE_PUBLISHED,
    };
    snprintf(published->path, sizeof published->path, "%s", past->path);
    snprintf(published->component, sizeof published->component, "%s", past->component);
    hex_from_bytes(past->sha256, SHA256_SIZE, published->sha256);
    return 0;
}

int history_load(struct tx *tx, int64_t tenant_row, const char *product, struct history *ret,
                 struct error *err)
{
    return product_history(tx, tenant_row, product, remember_past, ret, err);
}
