/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/role.h"

#include "core/text.h"
#include "trust/canonical.h"
#include "trust/rule.h"

#include <string.h>

#define KEYS_MAX 256
#define ENTRIES_MAX 20000
#define PRODUCT_PREFIX "product-"

static const char *const root_roles[] = {"root", "snapshot", "targets", "timestamp"};

bool role_kind_of(const char *name, enum role_kind *ret)
{
    if (strcmp(name, "root") == 0)
        *ret = ROLE_ROOT;
    else if (strcmp(name, "targets") == 0)
        *ret = ROLE_TARGETS;
    else if (text_starts_with(name, PRODUCT_PREFIX) &&
             identifier_ok(IDENTIFIER_PRODUCT, role_product(name)))
        *ret = ROLE_PRODUCT;
    else
        return false;
    return true;
}

const char *role_product(const char *name)
{
    return name + strlen(PRODUCT_PREFIX);
}

size_t role_size_max(enum role_kind kind)
{
    return kind == ROLE_ROOT ? 256 * KIB : 2 * MIB;
}

void role_free(struct role **role)
{
    struct role *r = MOVE(*role);

    if (!r)
        return;
    for (size_t i = 0; i < r->authority_count; i++)
        free(r->authorities[i].keys);
    for (size_t i = 0; i < r->key_count; i++)
        key_free(&r->keys[i]);
    free(r->authorities);
    free(r->keys);
    free(r->entries);
    json_decref(r->document);
    free(r);
}

const struct authority *role_authority(const struct role *role, const char *name)
{
    for (size_t i = 0; i < role->authority_count; i++)
        if (strcmp(role->authorities[i].role, name) == 0)
            return &role->authorities[i];
    return NULL;
}

static const struct key *find_key(const struct role *role, const char *keyid)
{
    for (size_t i = 0; i < role->key_count; i++)
        if (strcmp(key_id(role->keys[i]), keyid) == 0)
            return role->keys[i];
    return NULL;
}

/* V7, V8: ids are what the keys hash to, and no key stands there twice. */
static int read_keys(const json_t *object, struct role *role, struct error *err)
{
    size_t count = json_object_size(object);
    const char *keyid;
    json_t *value;

    if (count > KEYS_MAX)
        return fail(err, PROBLEM_BAD_METADATA, "V7: more than %d keys", KEYS_MAX);
    role->keys = calloc(count + 1, sizeof(struct key *));
    if (!role->keys)
        return fail_internal(err, "out of memory for keys");
    json_object_foreach((json_t *)(uintptr_t)object, keyid, value)
    {
        struct key **key = &role->keys[role->key_count];
        if (key_read(value, key, err))
            return -1;
        role->key_count++;
        if (strcmp(key_id(*key), keyid) != 0)
            return fail(err, PROBLEM_BAD_METADATA, "V7: keyid %.16s… is not the key's hash", keyid);
        for (size_t i = 0; i + 1 < role->key_count; i++)
            if (key_is_same(role->keys[i], *key))
                return fail(err, PROBLEM_BAD_METADATA, "V7: key %.16s… is listed twice", keyid);
    }
    return 0;
}

static bool has_key(const struct authority *authority, const struct key *key)
{
    for (size_t i = 0; i < authority->count; i++)
        if (authority->keys[i] == key)
            return true;
    return false;
}

/* V9: known keys, each once, and a threshold they can meet. */
static int read_authority(struct role *role, const char *name, const json_t *object,
                          struct error *err)
{
    struct authority *authority = &role->authorities[role->authority_count++];
    const json_t *keyids;

    snprintf(authority->role, sizeof authority->role, "%s", name);
    if (json_get_array(object, "keyids", &keyids, err))
        return rule_broken(err, "V9");
    size_t count = json_array_size(keyids);
    if (count < 1 || count > KEYS_MAX)
        return fail(err, PROBLEM_BAD_METADATA, "V9: %s must have 1 to %d keys", name, KEYS_MAX);
    authority->keys = calloc(count, sizeof(struct key *));
    if (!authority->keys)
        return fail_internal(err, "out of memory for keys");
    for (size_t i = 0; i < count; i++) {
        const char *keyid = json_string_value(json_array_get(keyids, i));
        const struct key *key = keyid ? find_key(role, keyid) : NULL;
        if (!key)
            return fail(err, PROBLEM_BAD_METADATA, "V9: %s names a key that is not listed", name);
        if (has_key(authority, key))
            return fail(err, PROBLEM_BAD_METADATA, "V9: %s names key %.16s… twice", name, keyid);
        authority->keys[authority->count++] = key;
    }
    if (json_get_integer(object, "threshold", 1, (int64_t)count, &authority->threshold, err))
        return rule_broken(err, "V9");
    return 0;
}

static int make_authorities(struct role *role, size_t count, struct error *err)
{
    role->authorities = calloc(count + 1, sizeof *role->authorities);
    return role->authorities ? 0 : fail_internal(err, "out of memory for roles");
}

/* V13: keys that a running server could hold may not decide what is firmware. */
static int check_online_keys(const struct role *root, struct error *err)
{
    static const char *const offline[] = {"root", "targets"}, *const online[] = {"snapshot",
                                                                                 "timestamp"};

    for (size_t i = 0; i < COUNT_OF(offline); i++)
        for (size_t k = 0; k < COUNT_OF(online); k++) {
            const struct authority *from = role_authority(root, online[k]);
            for (size_t n = 0; n < from->count; n++)
                if (has_key(role_authority(root, offline[i]), from->keys[n]))
                    return fail(err, PROBLEM_BAD_METADATA, "V13: one key signs %s and %s",
                                offline[i], online[k]);
        }
    return 0;
}

static int read_root(const json_t *document, struct role *role, struct error *err)
{
    static const char *const members[] = {"keyids", "threshold", NULL};
    const json_t *keys, *roles;

    if (!json_is_true(json_object_get(document, "consistent_snapshot")))
        return fail(err, PROBLEM_BAD_METADATA, "V12: consistent_snapshot must be true");
    if (json_get_object(document, "keys", &keys, err))
        return rule_broken(err, "V7");
    if (json_get_object(document, "roles", &roles, err))
        return rule_broken(err, "V9");
    if (json_object_size(roles) != COUNT_OF(root_roles))
        return fail(err, PROBLEM_BAD_METADATA,
                    "V9: a root names root, snapshot, targets and timestamp, no other role");
    if (read_keys(keys, role, err) || make_authorities(role, COUNT_OF(root_roles), err))
        return -1;
    for (size_t i = 0; i < COUNT_OF(root_roles); i++) {
        const json_t *object;
        if (json_get_object(roles, root_roles[i], &object, err) ||
            json_only_members(object, members, err))
            return rule_broken(err, "V9");
        if (read_authority(role, root_roles[i], object, err))
            return -1;
    }
    return check_online_keys(role, err);
}

/* V14: a delegation covers one product, wholly, and ends the search. */
static int read_delegation(const json_t *object, struct role *role, struct error *err)
{
    static const char *const members[] = {"keyids",      "name",      "paths",
                                          "terminating", "threshold", NULL};
    char pattern[ROLE_NAME_SIZE + 8];
    const json_t *paths;
    const char *name;
    enum role_kind kind;

    if (!json_is_object(object))
        return fail(err, PROBLEM_BAD_METADATA, "V14: a delegation must be an object");
    if (json_only_members(object, members, err) || json_get_string(object, "name", &name, err) ||
        json_get_array(object, "paths", &paths, err))
        return rule_broken(err, "V14");
    if (!role_kind_of(name, &kind) || kind != ROLE_PRODUCT)
        return fail(err, PROBLEM_BAD_METADATA, "V14: %.48s is not product-<product>", name);
    if (role_authority(role, name))
        return fail(err, PROBLEM_BAD_METADATA, "V14: %s is delegated twice", name);
    snprintf(pattern, sizeof pattern, "%s/*/*", role_product(name));
    const char *path = json_string_value(json_array_get(paths, 0));
    if (json_array_size(paths) != 1 || !path || strcmp(path, pattern) != 0)
        return fail(err, PROBLEM_BAD_METADATA, "V14: paths of %s must be [\"%s\"]", name, pattern);
    if (!json_is_true(json_object_get(object, "terminating")))
        return fail(err, PROBLEM_BAD_METADATA, "V14: %s must be terminating", name);
    return read_authority(role, name, object, err);
}

static int read_targets(const json_t *document, struct role *role, struct error *err)
{
    static const char *const members[] = {"keys", "roles", NULL};
    const json_t *targets, *delegations, *keys, *roles;

    if (json_get_object(document, "targets", &targets, err))
        return rule_broken(err, "V15");
    if (json_object_size(targets))
        return fail(err, PROBLEM_BAD_METADATA, "V15: the top-level targets list no target");
    if (json_get_object(document, "delegations", &delegations, err) ||
        json_only_members(delegations, members, err) ||
        json_get_object(delegations, "keys", &keys, err) ||
        json_get_array(delegations, "roles", &roles, err))
        return rule_broken(err, "V14");
    size_t count = json_array_size(roles);
    if (count > KEYS_MAX)
        return fail(err, PROBLEM_BAD_METADATA, "V14: more than %d delegations", KEYS_MAX);
    if (read_keys(keys, role, err) || make_authorities(role, count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (read_delegation(json_array_get(roles, i), role, err))
            return -1;
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static int read_product(const json_t *document, struct role *role, struct error *err)
{
    const char *product = role_product(role->name), *path;
    const json_t *targets;
    json_t *target;

    if (json_object_get(document, "delegations"))
        return fail(err, PROBLEM_BAD_METADATA, "V14: a product delegates to nobody");
    if (json_get_object(document, "targets", &targets, err))
        return rule_broken(err, "V15");
    size_t count = json_object_size(targets);
    if (count > ENTRIES_MAX)
        return fail(err, PROBLEM_BAD_METADATA, "V15: more than %d targets", ENTRIES_MAX);
    role->entries = calloc(count + 1, sizeof *role->entries);
    if (!role->entries)
        return fail_internal(err, "out of memory for %zu targets", count);
    json_object_foreach((json_t *)(uintptr_t)targets, path,
                        target) if (entry_read(product, path, target,
                                               &role->entries[role->entry_count++], err)) return -1;
    qsort(role->entries, count, sizeof *role->entries, by_path);
    return entries_check_lists(role->entries, count, err);
}

static bool spec_version_ok(const char *text)
{
    int64_t patch;

    return text_starts_with(text, "1.0.") && number_from_text(text + 4, &patch);
}

static int read_head(const json_t *document, struct role *role, struct error *err)
{
    const char *type, *spec_version;

    if (json_get_string(document, "_type", &type, err))
        return rule_broken(err, "V3");
    if (strcmp(type, role->kind == ROLE_ROOT ? "root" : "targets") != 0)
        return fail(err, PROBLEM_BAD_METADATA, "V3: _type %.32s is not that of %s", type,
                    role->name);
    if (json_get_string(document, "spec_version", &spec_version, err))
        return rule_broken(err, "V4");
    if (!spec_version_ok(spec_version))
        return fail(err, PROBLEM_BAD_METADATA, "V4: spec_version must be 1.0 with a patch number");
    if (json_get_integer(document, "version", 1, CANONICAL_INTEGER_MAX, &role->version, err))
        return rule_broken(err, "V5");
    return rule_get_time(document, "expires", "V6", &role->expires_at, err);
}

int role_read(const char *name, json_t *document, struct role **ret, struct error *err)
{
    CLEANUP(role_free) struct role *role = calloc(1, sizeof *role);
    int result;

    if (!role)
        return fail_internal(err, "out of memory for a role");
    if (!role_kind_of(name, &role->kind))
        return fail(err, PROBLEM_BAD_METADATA, "V3: %.48s is not a role kept here", name);
    if (!json_is_object(document))
        return fail(err, PROBLEM_BAD_METADATA, "V3: \"signed\" must be an object");
    snprintf(role->name, sizeof role->name, "%s", name);
    role->document = json_incref(document);
    if (read_head(document, role, err))
        return -1;
    if (role->kind == ROLE_ROOT)
        result = read_root(document, role, err);
    else if (role->kind == ROLE_TARGETS)
        result = read_targets(document, role, err);
    else
        result = read_product(document, role, err);
    if (result)
        return -1;
    *ret = MOVE(role);
    return 0;
}

int role_check_policy(const struct role *role, const struct role_policy *policy, struct error *err)
{
    int64_t life_max = policy->life_max[role->kind];

    if (role->expires_at <= policy->now)
        return fail(err, PROBLEM_BAD_METADATA, "V6: expires must be in the future");
    if (role->expires_at - policy->now > life_max)
        return fail(err, PROBLEM_BAD_METADATA, "V6: expires more than %lld days ahead",
                    (long long)(life_max / 86400));
    for (size_t i = 0; i < role->authority_count && !policy->is_lab; i++) {
        const struct authority *authority = &role->authorities[i];
        bool is_online = role->kind == ROLE_ROOT && (strcmp(authority->role, "snapshot") == 0 ||
                                                     strcmp(authority->role, "timestamp") == 0);
        if (!is_online && authority->threshold < 2)
            return fail(err, PROBLEM_BAD_METADATA, "V9: the threshold of %s must be at least 2",
                        authority->role);
    }
    return 0;
}

int role_check_apart(const struct role *root, const struct role *targets, struct error *err)
{
    static const char *const online[] = {"snapshot", "timestamp"};

    for (size_t i = 0; i < COUNT_OF(online); i++) {
        const struct authority *authority = role_authority(root, online[i]);
        for (size_t n = 0; n < authority->count; n++)
            for (size_t k = 0; k < targets->key_count; k++)
                if (key_is_same(authority->keys[n], targets->keys[k]))
                    return fail(err, PROBLEM_BAD_METADATA, "V13: the %s key %.16s… is online",
                                online[i], key_id(targets->keys[k]));
    }
    return 0;
}

int role_check_root(const struct role *previous, const struct role *root,
                    const struct envelope *envelope, struct error *err)
{
    const struct authority *authorities[2] = {role_authority(root, "root")};
    size_t count = 1;

    if (root->version != (previous ? previous->version + 1 : 1))
        return fail(err, PROBLEM_BAD_METADATA, "V5: version must be %lld",
                    previous ? (long long)previous->version + 1 : 1LL);
    if (previous)
        authorities[count++] = role_authority(previous, "root");
    return envelope_check(envelope, authorities, count, err);
}
