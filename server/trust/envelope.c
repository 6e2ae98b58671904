/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/envelope.h"

#include "trust/canonical.h"
#include "trust/rule.h"

#include <string.h>

#define SIGNATURES_BYTES_MAX (8 * KIB)

void envelope_clear(struct envelope *envelope)
{
    json_decref(envelope->document);
    text_clear(&envelope->payload);
    free(envelope->signatures);
    *envelope = (struct envelope){0};
}

int envelope_around(json_t *document, struct envelope *ret, struct error *err)
{
    CLEANUP(envelope_clear) struct envelope envelope = {.document = json_incref(document)};

    if (!json_is_object(document))
        return fail(err, PROBLEM_BAD_METADATA, "V3: \"signed\" must be an object");
    if (canonical_sign_form(document, &envelope.payload, err))
        return -1;
    *ret = envelope;
    envelope = (struct envelope){0};
    return 0;
}

int signature_read(const char *keyid, const char *hex, struct signature *ret, struct error *err)
{
    uint8_t id[SHA256_SIZE];
    size_t size = strlen(hex) / 2;

    if (!hex_to_bytes(keyid, id, sizeof id))
        return fail_field(err, PROBLEM_BAD_METADATA, "keyid",
                          "V10: a keyid is 64 digits of lower-case hex");
    if (!size || size > sizeof ret->bytes || !hex_to_bytes(hex, ret->bytes, size))
        return fail_field(err, PROBLEM_BAD_METADATA, "sig",
                          "V10: a signature is at most 1024 bytes of lower-case hex");
    memcpy(ret->keyid, keyid, sizeof ret->keyid);
    ret->size = size;
    return 0;
}

static size_t bytes_of_all(const struct envelope *envelope)
{
    size_t bytes = 0;

    for (size_t i = 0; i < envelope->count; i++)
        bytes += envelope->signatures[i].size;
    return bytes;
}

int envelope_add(struct envelope *envelope, const char *keyid, const char *hex, struct error *err)
{
    struct signature signature;
    size_t place = 0;

    if (signature_read(keyid, hex, &signature, err))
        return -1;
    while (place < envelope->count && strcmp(envelope->signatures[place].keyid, keyid) < 0)
        place++;
    if (place < envelope->count && strcmp(envelope->signatures[place].keyid, keyid) == 0)
        return fail(err, PROBLEM_ALREADY_EXISTS, "V10: key %.16s… signed twice", keyid);
    if (envelope->count == SIGNATURES_MAX)
        return fail(err, PROBLEM_BAD_METADATA, "V10: more than %d signatures", SIGNATURES_MAX);
    if (2 * (bytes_of_all(envelope) + signature.size) > SIGNATURES_BYTES_MAX)
        return fail(err, PROBLEM_BAD_METADATA, "V1: the signatures are larger than 8 KiB");

    struct signature *grown =
        realloc(envelope->signatures, (envelope->count + 1) * sizeof *envelope->signatures);
    if (!grown)
        return fail_internal(err, "out of memory for a signature");
    envelope->signatures = grown;
    memmove(grown + place + 1, grown + place, (envelope->count - place) * sizeof *grown);
    grown[place] = signature;
    envelope->count++;
    return 0;
}

static int read_signatures(const json_t *list, struct envelope *envelope, struct error *err)
{
    static const char *const members[] = {"keyid", "sig", NULL};

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *keyid, *sig;
        if (!json_is_object(item))
            return fail(err, PROBLEM_BAD_METADATA, "V10: a signature must be an object");
        if (json_only_members(item, members, err) || json_get_string(item, "keyid", &keyid, err) ||
            json_get_string(item, "sig", &sig, err))
            return rule_broken(err, "V10");
        if (envelope_add(envelope, keyid, sig, err)) {
            err->problem =
                err->problem == PROBLEM_ALREADY_EXISTS ? PROBLEM_BAD_METADATA : err->problem;
            return -1;
        }
    }
    return 0;
}

int envelope_read(const void *bytes, size_t length, size_t limit, struct envelope *ret,
                  struct error *err)
{
    static const char *const members[] = {"signatures", "signed", NULL};
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    json_auto_t *whole = NULL;
    const json_t *list, *document;

    if (length > limit)
        return fail(err, PROBLEM_BAD_METADATA, "V1: larger than %zu bytes", limit);
    if (json_read(bytes, length, &whole, err))
        return rule_broken(err, "V2");
    if (!json_is_object(whole))
        return fail(err, PROBLEM_BAD_METADATA, "V2: the envelope must be an object");
    if (json_only_members(whole, members, err) || json_get_array(whole, "signatures", &list, err) ||
        json_get_object(whole, "signed", &document, err))
        return rule_broken(err, "V2");
    if (envelope_around(json_object_get(whole, "signed"), &envelope, err) ||
        read_signatures(list, &envelope, err))
        return -1;
    *ret = envelope;
    envelope = (struct envelope){0};
    return 0;
}

int envelope_write(const struct envelope *envelope, struct text *ret, struct error *err)
{
    text_append(ret, "{\"signatures\":[");
    for (size_t i = 0; i < envelope->count; i++) {
        const struct signature *signature = &envelope->signatures[i];
        text_format(ret, "%s{\"keyid\":\"%s\",\"sig\":\"", i ? "," : "", signature->keyid);
        text_hex(ret, signature->bytes, signature->size);
        text_append(ret, "\"}");
    }
    text_append(ret, "],\"signed\":");
    if (canonical_wire_form(envelope->document, ret, err))
        return -1;
    text_append(ret, "}");
    return ret->is_broken ? fail_internal(err, "out of memory for an envelope") : 0;
}

static const struct key *find_key(const struct authority *authority, const char *keyid)
{
    for (size_t i = 0; i < authority->count; i++)
        if (strcmp(key_id(authority->keys[i]), keyid) == 0)
            return authority->keys[i];
    return NULL;
}

int signature_check(const struct signature *signature, const struct text *payload,
                    const struct authority *const authorities[], size_t count, struct error *err)
{
    const struct key *key = NULL;

    for (size_t i = 0; i < count && !key; i++)
        key = find_key(authorities[i], signature->keyid);
    if (!key)
        return fail(err, PROBLEM_BAD_SIGNATURE, "V10: key %.16s… may not sign %s", signature->keyid,
                    authorities[0]->role);
    if (!key_verifies(key, payload->at, payload->length, signature->bytes, signature->size))
        return fail(err, PROBLEM_BAD_SIGNATURE, "V10: the signature of key %.16s… does not verify",
                    signature->keyid);
    return 0;
}

static int check_threshold(const struct envelope *envelope, const struct authority *authority,
                           struct error *err)
{
    int64_t valid = 0;

    for (size_t i = 0; i < envelope->count; i++)
        if (find_key(authority, envelope->signatures[i].keyid))
            valid++;
    if (valid < authority->threshold)
        return fail(err, PROBLEM_TOO_FEW_SIGNATURES, "V10: %lld of %lld signatures of %s",
                    (long long)valid, (long long)authority->threshold, authority->role);
    return 0;
}

int envelope_check(const struct envelope *envelope, const struct authority *const authorities[],
                   size_t count, struct error *err)
{
    for (size_t i = 0; i < envelope->count; i++)
        if (signature_check(&envelope->signatures[i], &envelope->payload, authorities, count, err))
            return -1;
    for (size_t i = 0; i < count; i++)
        if (check_threshold(envelope, authorities[i], err))
            return -1;
    return 0;
}
