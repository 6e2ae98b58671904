/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, role files and a product to publish for, for tests of trust/. Include after cmocka.h. */
#ifndef OTAD_TRUST_FIXTURE_H
#define OTAD_TRUST_FIXTURE_H

#include "temporary_store.h"
#include "trust/build.h"
#include "trust/canonical.h"
#include "trust/role.h"
#include "trust/sign.h"

#define NOW INT64_C(1795000000)
#define DAY INT64_C(86400)

enum {
    ROOT_A,
    ROOT_B,
    TARGETS_A,
    TARGETS_B,
    PRODUCT_A,
    PRODUCT_B,
    PRODUCT_C,
    SNAPSHOT,
    TIMESTAMP,
    KEYS
};

struct keyring {
    struct signer *signers[KEYS];
    const json_t *objects[KEYS];
};

static inline void keyring_make(struct keyring *keys)
{
    struct error err = {0};

    for (int i = 0; i < KEYS; i++) {
        CLEANUP(text_clear) struct text pem = {0};
        if (sign_make_key("ed25519", &pem, &err) || signer_read(pem.at, &keys->signers[i], &err))
            fail_msg("%s %s", err.detail, err.cause);
        keys->objects[i] = signer_key_object(keys->signers[i]);
    }
}

static inline void keyring_clear(struct keyring *keys)
{
    for (int i = 0; i < KEYS; i++)
        signer_free(&keys->signers[i]);
}

static inline json_t *root_document(const struct keyring *keys, int64_t version)
{
    const struct build_root wish = {
        .version = version,
        .expires_at = NOW + 365 * DAY,
        .root = {&keys->objects[ROOT_A],    2, 2},
        .targets = {&keys->objects[TARGETS_A], 2, 2},
        .snapshot = {&keys->objects[SNAPSHOT],  1, 1},
        .timestamp = {&keys->objects[TIMESTAMP], 1, 1},
    };
    struct error err = {0};
    json_t *document = NULL;

    if (build_root(&wish, &document, &err))
        fail_msg("%s %s", err.detail, err.cause);
    return document;
}

/* Delegates "lock" to two of three. */
static inline json_t *targets_document(const struct keyring *keys, int64_t version)
{
    const struct build_delegation lock = {
        "lock", {&keys->objects[PRODUCT_A], 3, 2}
    };
    struct error err = {0};
    json_t *document = NULL;

    if (build_targets(version, NOW + 180 * DAY, &lock, 1, &document, &err))
        fail_msg("%s %s", err.detail, err.cause);
    return document;
}

static inline void sign_with(struct envelope *envelope, const struct signer *signer)
{
    CLEANUP(text_clear) struct text hex = {0};
    struct error err = {0};

    if (signer_sign(signer, envelope->payload.at, envelope->payload.length, &hex, &err) ||
        envelope_add(envelope, signer_keyid(signer), hex.at, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

/* The envelope's bytes, signed by the keys given, which end with -1. */
static inline struct text signed_bytes(const struct keyring *keys, json_t *document, const int *by)
{
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    struct text bytes = {0};
    struct error err = {0};

    if (envelope_around(document, &envelope, &err))
        fail_msg("%s %s", err.detail, err.cause);
    for (; *by >= 0; by++)
        sign_with(&envelope, keys->signers[*by]);
    if (envelope_write(&envelope, &bytes, &err))
        fail_msg("%s %s", err.detail, err.cause);
    return bytes;
}

/* Replaces what stands at "a/b/0/c" (segments divided by `/`; a `|` in one stands for `/`), or
 * removes it when `json` is NULL. */
static inline void change(json_t *document, const char *path, const char *json)
{
    char copy[256], text[256], *rest = copy, *segment = NULL;
    json_t *parent = NULL, *at = document;

    snprintf(copy, sizeof copy, "%s", path);
    while (rest) {
        parent = at;
        segment = strsep(&rest, "/");
        for (char *c = segment; *c; c++)
            *c = *c == '|' ? '/' : *c;
        at = json_is_array(parent) ? json_array_get(parent, (size_t)atoi(segment))
                                   : json_object_get(parent, segment);
    }
    snprintf(text, sizeof text, "%s", json ? json : "");
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *value = json ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    assert_true(!json || value);
    int failed = json_is_array(parent) ? json_array_set_new(parent, (size_t)atoi(segment), value)
                 : value               ? json_object_set_new(parent, segment, value)
                                       : json_object_del(parent, segment);
    assert_int_equal(failed, 0);
}

/* An image of 300000 bytes in chunks of 64 KiB; hashes are made up. */
static inline void add_image(json_t *document, const char *version, const char *file,
                             int64_t counter)
{
    json_auto_t *hardware = json_pack("[s]", "lock-r2");
    char sha256_text[SHA256_HEX_SIZE], list[SHA256_HEX_SIZE], sha512[129], list_sha512[129];
    struct build_image image = {
        .product = "lock",
        .version = version,
        .component = "app",
        .file = file,
        .counters = {counter, 0,     counter},
        .severity = "feature",
        .hardware_ids = hardware,
        .length = 300000,
        .sha256 = sha256_text,
        .sha512 = sha512,
        .chunks = {0,       65536, 5      },
        .list_sha256 = list,
        .list_sha512 = list_sha512,
    };
    struct error err = {0};

    sha256_hex(version, strlen(version), sha256_text);
    sha256_hex(file, strlen(file), list);
    snprintf(sha512, sizeof sha512, "%s%s", sha256_text, sha256_text);
    snprintf(list_sha512, sizeof list_sha512, "%s%s", list, list);
    if (build_add_image(document, &image, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

static inline json_t *product_document(int64_t version)
{
    struct error err = {0};
    json_t *document = NULL;

    if (build_product(NULL, version, NOW + 90 * DAY, &document, &err))
        fail_msg("%s %s", err.detail, err.cause);
    return document;
}

#define assert_rule(err, name) assert_memory_equal((err).detail, name ": ", sizeof name ": " - 1)

#endif
