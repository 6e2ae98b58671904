/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/key.h"

#include "core/text.h"
#include "trust/canonical.h"
#include "trust/rule.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define ED25519_KEY_SIZE 32
#define ED25519_SIGNATURE_SIZE 64
#define P256_SPKI_SIZE 91 /* named curve, uncompressed point: the only form openssl prints */
#define RSA_BITS_MIN 3072
#define RSA_BITS_MAX 8192

enum key_kind { KEY_ED25519, KEY_P256, KEY_RSA };

static const struct {
    const char *keytype, *scheme;
} kinds[] = {
    [KEY_ED25519] = {"ed25519", "ed25519"            },
    [KEY_P256] = {"ecdsa",   "ecdsa-sha2-nistp256"},
    [KEY_RSA] = {"rsa",     "rsassa-pss-sha256"  },
};

struct key {
    enum key_kind kind;
    EVP_PKEY *public_key;
    char id[KEYID_SIZE];
};

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

void key_free(struct key **key)
{
    if (!*key)
        return;
    EVP_PKEY_free((*key)->public_key);
    free(*key);
    *key = NULL;
}

const char *key_id(const struct key *key)
{
    return key->id;
}

bool key_is_same(const struct key *a, const struct key *b)
{
    return EVP_PKEY_eq(a->public_key, b->public_key) == 1;
}

static int bad_key(struct error *err, const char *why)
{
    ERR_clear_error();
    return fail(err, PROBLEM_BAD_METADATA, "V8: %s", why);
}

static EVP_PKEY *ed25519_from_hex(const char *hex)
{
    uint8_t bytes[ED25519_KEY_SIZE];

    if (!hex_to_bytes(hex, bytes, sizeof bytes))
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, sizeof bytes);
}

/* One key has one spelling, else it would have several ids. */
static bool is_printed_so(EVP_PKEY *public_key, const char *pem)
{
    CLEANUP(free_bio) BIO *out = BIO_new(BIO_s_mem());
    char *bytes;

    if (!out || !PEM_write_bio_PUBKEY(out, public_key))
        return false;
    long length = BIO_get_mem_data(out, &bytes);
    return (size_t)length == strlen(pem) && memcmp(bytes, pem, (size_t)length) == 0;
}

static EVP_PKEY *from_pem(const char *pem)
{
    CLEANUP(free_bio) BIO *in = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *public_key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;

    if (public_key && !is_printed_so(public_key, pem)) {
        EVP_PKEY_free(public_key);
        return NULL;
    }
    return public_key;
}

static bool is_on_p256(EVP_PKEY *public_key)
{
    char group[32];

    return EVP_PKEY_get_base_id(public_key) == EVP_PKEY_EC &&
           i2d_PUBKEY(public_key, NULL) == P256_SPKI_SIZE &&
           EVP_PKEY_get_group_name(public_key, group, sizeof group, NULL) &&
           strcmp(group, "prime256v1") == 0;
}

static bool is_sound(EVP_PKEY *public_key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(public_key, NULL);
    bool sound = context && EVP_PKEY_public_check(context) == 1;

    EVP_PKEY_CTX_free(context);
    return sound;
}

static int check_public(enum key_kind kind, EVP_PKEY *public_key, struct error *err)
{
    if (kind == KEY_P256 && (!is_on_p256(public_key) || !is_sound(public_key)))
        return bad_key(err, "the key is not a point on P-256");
    if (kind == KEY_RSA) {
        int bits = EVP_PKEY_get_bits(public_key);
        if (EVP_PKEY_get_base_id(public_key) != EVP_PKEY_RSA || bits < RSA_BITS_MIN ||
            bits > RSA_BITS_MAX || !is_sound(public_key))
            return bad_key(err, "an RSA key must have 3072 to 8192 bits");
    }
    return 0;
}

static int read_kind(const json_t *object, enum key_kind *ret, struct error *err)
{
    const char *keytype, *scheme;

    if (json_get_string(object, "keytype", &keytype, err) ||
        json_get_string(object, "scheme", &scheme, err))
        return rule_broken(err, "V8");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].keytype, keytype) == 0 && strcmp(kinds[i].scheme, scheme) == 0) {
            *ret = (enum key_kind)i;
            return 0;
        }
    return fail(err, PROBLEM_BAD_METADATA, "V8: keytype %.32s with scheme %.32s is not known",
                keytype, scheme);
}

static int read_public(const json_t *object, enum key_kind kind, EVP_PKEY **ret, struct error *err)
{
    static const char *const members[] = {"public", NULL};
    const json_t *keyval;
    const char *text;

    if (json_get_object(object, "keyval", &keyval, err) ||
        json_only_members(keyval, members, err) || json_get_string(keyval, "public", &text, err))
        return rule_broken(err, "V8");
    EVP_PKEY *public_key = kind == KEY_ED25519 ? ed25519_from_hex(text) : from_pem(text);
    if (!public_key)
        return bad_key(err, kind == KEY_ED25519 ? "the key must be 64 digits of lower-case hex"
                                                : "the key must be PEM as openssl prints it");
    *ret = public_key;
    return check_public(kind, public_key, err);
}

static int take_id(const json_t *object, char ret[KEYID_SIZE], struct error *err)
{
    CLEANUP(text_clear) struct text bytes = {0};

    if (canonical_sign_form(object, &bytes, err))
        return -1;
    sha256_hex(bytes.at, bytes.length, ret);
    return 0;
}

int key_read(const json_t *object, struct key **ret, struct error *err)
{
    static const char *const members[] = {"keytype", "keyval", "scheme", NULL};
    CLEANUP(key_free) struct key *key = calloc(1, sizeof *key);

    if (!key)
        return fail_internal(err, "out of memory for a key");
    if (!json_is_object(object))
        return bad_key(err, "a key must be an object");
    if (json_only_members(object, members, err))
        return rule_broken(err, "V8");
    if (read_kind(object, &key->kind, err) ||
        read_public(object, key->kind, &key->public_key, err) || take_id(object, key->id, err))
        return -1;
    *ret = MOVE(key);
    return 0;
}

static bool set_padding(EVP_PKEY_CTX *context)
{
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

bool key_verifies(const struct key *key, const void *bytes, size_t count, const uint8_t *signature,
                  size_t signature_size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context; /* belongs to `context` */
    const EVP_MD *method = key->kind == KEY_ED25519 ? NULL : EVP_sha256();

    if (key->kind == KEY_ED25519 && signature_size != ED25519_SIGNATURE_SIZE) {
        EVP_MD_CTX_free(context);
        return false;
    }
    bool verifies =
        context &&
        EVP_DigestVerifyInit(context, &key_context, method, NULL, key->public_key) == 1 &&
        (key->kind != KEY_RSA || set_padding(key_context)) &&
        EVP_DigestVerify(context, signature, signature_size, bytes, count) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return verifies;
}
