/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/build.h"

#include "core/clock.h"
#include "core/text.h"
#include "trust/key.h"
#include "trust/role.h"

#include <string.h>

static int no_memory(struct error *err)
{
    return fail_internal(err, "out of memory for a role file");
}

/* jansson counts references without const. */
static json_t *shared(const json_t *value)
{
    return json_incref((json_t *)(uintptr_t)value);
}

/* Adds the keys to `keys` and gives {"keyids":[…],"threshold":n}. */
static int describe_signers(const struct build_signers *signers, json_t *keys, json_t **ret,
                            struct error *err)
{
    json_auto_t *keyids = json_array();

    for (size_t i = 0; i < signers->count; i++) {
        CLEANUP(key_free) struct key *key = NULL;
        if (key_read(signers->keys[i], &key, err))
            return -1;
        if (json_object_set_new(keys, key_id(key), shared(signers->keys[i])) ||
            json_array_append_new(keyids, json_string(key_id(key))))
            return no_memory(err);
    }
    *ret = json_pack("{s:O, s:I}", "keyids", keyids, "threshold", (json_int_t)signers->threshold);
    return *ret ? 0 : no_memory(err);
}

/* Members that every role file has. */
static json_t *head(const char *type, int64_t version, int64_t expires_at)
{
    char expires[CLOCK_TEXT_SIZE];

    return json_pack("{s:s, s:s, s:I, s:s}", "_type", type, "spec_version", SPEC_VERSION, "version",
                     (json_int_t)version, "expires", clock_text(expires_at, expires));
}

int build_root(const struct build_root *wish, json_t **ret, struct error *err)
{
    const struct {
        const char *name;
        const struct build_signers *signers;
    } roles[] = {
        {"root",      &wish->root     },
        {"snapshot",  &wish->snapshot },
        {"targets",   &wish->targets  },
        {"timestamp", &wish->timestamp},
    };
    json_auto_t *document = head("root", wish->version, wish->expires_at);
    json_auto_t *keys = json_object(), *described = json_object();

    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        json_t *role;
        if (describe_signers(roles[i].signers, keys, &role, err))
            return -1;
        if (json_object_set_new(described, roles[i].name, role))
            return no_memory(err);
    }
    if (json_object_set(document, "keys", keys) || json_object_set(document, "roles", described) ||
        json_object_set_new(document, "consistent_snapshot", json_true()))
        return no_memory(err);
    *ret = MOVE(document);
    return 0;
}

static int add_delegation(const struct build_delegation *delegation, json_t *keys, json_t *roles,
                          struct error *err)
{
    char name[64], pattern[64];
    json_auto_t *role = NULL;

    snprintf(name, sizeof name, "product-%s", delegation->product);
    snprintf(pattern, sizeof pattern, "%s/*/*", delegation->product);
    if (describe_signers(&delegation->signers, keys, &role, err))
        return -1;
    if (json_object_set_new(role, "name", json_string(name)) ||
        json_object_set_new(role, "paths", json_pack("[s]", pattern)) ||
        json_object_set_new(role, "terminating", json_true()) || json_array_append(roles, role))
        return no_memory(err);
    return 0;
}

int build_targets(int64_t version, int64_t expires_at, const struct build_delegation *delegations,
                  size_t count, json_t **ret, struct error *err)
{
    json_auto_t *document = head("targets", version, expires_at);
    json_auto_t *keys = json_object(), *roles = json_array();

    for (size_t i = 0; i < count; i++)
        if (add_delegation(&delegations[i], keys, roles, err))
            return -1;
    if (json_object_set_new(document, "targets", json_object()) ||
        json_object_set_new(document, "delegations",
                            json_pack("{s:O, s:O}", "keys", keys, "roles", roles)))
        return no_memory(err);
    *ret = MOVE(document);
    return 0;
}

int build_product(const json_t *before, int64_t version, int64_t expires_at, json_t **ret,
                  struct error *err)
{
    json_auto_t *document = before ? json_deep_copy(before) : json_object();
    json_auto_t *now = head("targets", version, expires_at);

    if (json_object_update(document, now) ||
        (!before && json_object_set_new(document, "targets", json_object())))
        return no_memory(err);
    *ret = MOVE(document);
    return 0;
}

static int describe_encoding(json_t *ota, const struct build_image *image, struct error *err)
{
    char header[2 * ENC_HEADER_SIZE + 1];

    if (!image->enc)
        return json_object_set_new(ota, "encoding", json_string("identity")) ? no_memory(err) : 0;
    hex_from_bytes(image->enc->bytes, sizeof image->enc->bytes, header);
    if (json_object_set_new(ota, "encoding", json_string("aes128gcm")) ||
        json_object_set_new(ota, "enc",
                            json_pack("{s:s, s:s}", "kid", image->enc->kid, "header", header)) ||
        json_object_set_new(ota, "plain",
                            json_pack("{s:I, s:s}", "length",
                                      (json_int_t)enc_plain_length(image->length, &image->chunks),
                                      "sha256", image->plain_sha256)))
        return no_memory(err);
    return 0;
}

static json_t *describe_chunks(const struct build_image *image, const char *list_path)
{
    return json_pack("{s:I, s:I, s:I, s:{s:s, s:I, s:s}}", "offset",
                     (json_int_t)image->chunks.offset, "size", (json_int_t)image->chunks.size,
                     "count", (json_int_t)image->chunks.count, "list", "path", list_path, "length",
                     (json_int_t)(image->chunks.count * SHA256_SIZE), "sha256", image->list_sha256);
}

static int describe_image(const struct build_image *image, const char *list_path, json_t **ret,
                          struct error *err)
{
    const struct counters *counters = &image->counters;
    json_auto_t *ota = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:O, s:{s:s}, s:s}", "format", 1, "kind", "image",
        "product", image->product, "component", image->component, "version", image->version,
        "security_version", (json_int_t)counters->security_version, "security_floor",
        (json_int_t)counters->security_floor, "release_counter",
        (json_int_t)counters->release_counter, "hardware_ids", image->hardware_ids, "install",
        "mode", "full", "severity", image->severity);

    if (!ota || json_object_set_new(ota, "chunks", describe_chunks(image, list_path)) ||
        (image->notes && json_object_set_new(ota, "notes", shared(image->notes))) ||
        (image->advisories && json_object_set_new(ota, "advisories", shared(image->advisories))))
        return no_memory(err);
    if (describe_encoding(ota, image, err))
        return -1;
    *ret = MOVE(ota);
    return 0;
}

static json_t *describe_target(int64_t length, const char *sha256, const char *sha512, json_t *ota)
{
    return json_pack("{s:I, s:{s:s, s:s}, s:{s:O}}", "length", (json_int_t)length, "hashes",
                     "sha256", sha256, "sha512", sha512, "custom", "ota", ota);
}

int build_add_image(json_t *product_file, const struct build_image *image, struct error *err)
{
    json_t *targets = json_object_get(product_file, "targets");
    char path[2 * ENTRY_PATH_MAX], list_path[2 * ENTRY_PATH_MAX + 8];
    json_auto_t *ota = NULL, *list_ota = json_pack("{s:i, s:s}", "format", 1, "kind", "chunks");

    snprintf(path, sizeof path, "%s/%s/%s", image->product, image->version, image->file);
    snprintf(list_path, sizeof list_path, "%s.chunks", path);
    if (json_object_get(targets, path) || json_object_get(targets, list_path))
        return fail_field(err, PROBLEM_ALREADY_EXISTS, "file", "%.120s is released already",
                          json_object_get(targets, path) ? path : list_path);
    if (describe_image(image, list_path, &ota, err))
        return -1;
    if (json_object_set_new(targets, path,
                            describe_target(image->length, image->sha256, image->sha512, ota)) ||
        json_object_set_new(targets, list_path,
                            describe_target(image->chunks.count * SHA256_SIZE, image->list_sha256,
                                            image->list_sha512, list_ota)))
        return no_memory(err);
    return 0;
}
