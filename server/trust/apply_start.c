/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored is not believed: each start verifies it as a device would, from the first root on.
 */
#include "trust/apply_parts.h"

#include "core/text.h"
#include "store/metadata.h"
#include "store/release.h"
#include "trust/canonical.h"

#include <string.h>

/* Puts the name of the file in front of what is wrong with it. */
static int blame(struct error *err, const char *role, int64_t version)
{
    const struct error told = *err;

    return fail(err, PROBLEM_BAD_METADATA, "stored %s version %lld: %.130s", role,
                (long long)version, error_text(&told));
}

static int check_roots(struct tx *tx, int64_t tenant_row, int64_t newest, struct stored *ret,
                       struct error *err)
{
    for (int64_t version = 1; version <= newest; version++) {
        CLEANUP(stored_clear) struct stored next = {.role = NULL};
        enum step step = stored_load(tx, tenant_row, "root", version, &next, err);
        if (step == STEP_DONE)
            return fail(err, PROBLEM_BAD_METADATA, "stored root version %lld is missing",
                        (long long)version);
        if (step == STEP_FAILED || role_check_root(ret->role, next.role, &next.envelope, err))
            return blame(err, "root", version);
        stored_clear(ret);
        *ret = next;
        next = (struct stored){.role = NULL};
    }
    return 0;
}

/* The rows that devices are served by say what the signed file says. */
static int check_rows(struct tx *tx, int64_t tenant_row, const struct role *role, struct error *err)
{
    for (size_t i = 0; i < role->entry_count; i++) {
        const struct entry *entry = &role->entries[i];
        CLEANUP(target_clear) struct target target = {0};
        CLEANUP(text_clear) struct text custom = {0};
        enum step step = target_by_path(tx, tenant_row, entry->path, &target, err);
        if (step == STEP_FAILED || canonical_wire_form(entry->ota, &custom, err))
            return -1;
        if (step == STEP_DONE || strcmp(target.sha256, entry->sha256) != 0 ||
            target.size != entry->length || strcmp(target.custom, custom.at) != 0 ||
            target.security_version != entry->counters.security_version)
            return fail(err, PROBLEM_BAD_METADATA, "%.100s: its row differs", entry->path);
    }
    return 0;
}

struct start_check {
    struct tx *tx;
    struct trusted trusted;
    int64_t tenant_row;
};

static int check_signed(struct start_check *check, const char *name, int64_t version,
                        struct stored *ret, struct error *err)
{
    const struct authority *authority;

    *err = (struct error){0};
    if (stored_load(check->tx, check->tenant_row, name, version, ret, err) != STEP_ROW ||
        trusted_authority(&check->trusted, name, &authority, err) ||
        envelope_check(&ret->envelope, &authority, 1, err) ||
        check_rows(check->tx, check->tenant_row, ret->role, err))
        return blame(err, name, version);
    return 0;
}

/* All of one tenant when its first role comes by; its products when they do. */
static int check_tenant(struct start_check *check, int64_t tenant_row, struct error *err)
{
    int64_t root, targets;

    trusted_clear(&check->trusted);
    check->tenant_row = tenant_row;
    if (metadata_version(check->tx, tenant_row, "root", &root, err) ||
        metadata_version(check->tx, tenant_row, "targets", &targets, err) ||
        check_roots(check->tx, tenant_row, root, &check->trusted.root, err))
        return -1;
    return targets ? check_signed(check, "targets", targets, &check->trusted.targets, err) : 0;
}

static int check_role(int64_t tenant_row, const char *name, int64_t version, void *arg,
                      struct error *err)
{
    struct start_check *check = arg;
    CLEANUP(stored_clear) struct stored product = {.role = NULL};

    if (tenant_row != check->tenant_row && check_tenant(check, tenant_row, err))
        return -1;
    if (strcmp(name, "root") == 0 || strcmp(name, "targets") == 0)
        return 0;
    return check_signed(check, name, version, &product, err);
}

int trust_check_store(struct store *store, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct start_check check = {.tx = &tx};

    if (tx_read(&tx, store, err))
        return -1;
    int result = metadata_roles(&tx, check_role, &check, err);
    trusted_clear(&check.trusted);
    return result;
}
