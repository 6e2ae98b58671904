/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/sign.h"

#include "trust/key.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#define PEM_FILE_MAX (64 * KIB)

struct signer {
    EVP_PKEY *private_key;
    json_t *object;
    char keyid[KEYID_SIZE];
};

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static int openssl_failed(struct error *err, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return fail_internal(err, "%s: %s", what, why ? why : "OpenSSL does not say");
}

static void append_bio(struct text *ret, BIO *bio)
{
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);

    text_append_bytes(ret, bytes, (size_t)length);
}

int sign_make_key(const char *kind, struct text *ret_pem, struct error *err)
{
    CLEANUP(free_key) EVP_PKEY *key = NULL;
    CLEANUP(free_bio) BIO *out = BIO_new(BIO_s_mem());

    if (strcmp(kind, "ed25519") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    else if (strcmp(kind, "ecdsa") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    else if (strcmp(kind, "rsa") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072);
    else
        return fail(err, PROBLEM_BAD_FIELD, "a key is ed25519, ecdsa or rsa, not %.32s", kind);
    if (!key || !out || !PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL))
        return openssl_failed(err, "make a signing key");
    append_bio(ret_pem, out);
    return ret_pem->is_broken ? fail_internal(err, "out of memory for a key") : 0;
}

static int object_of(EVP_PKEY *key, json_t **ret, struct error *err)
{
    CLEANUP(free_bio) BIO *out = BIO_new(BIO_s_mem());
    CLEANUP(text_clear) struct text value = {0};
    const char *keytype = "rsa", *scheme = "rsassa-pss-sha256";
    uint8_t raw[32];
    size_t size = sizeof raw;

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        if (!EVP_PKEY_get_raw_public_key(key, raw, &size))
            return openssl_failed(err, "read an Ed25519 key");
        text_hex(&value, raw, size);
        keytype = scheme = "ed25519";
    } else {
        if (!out || !PEM_write_bio_PUBKEY(out, key))
            return openssl_failed(err, "write a public key");
        append_bio(&value, out);
    }
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        keytype = "ecdsa";
        scheme = "ecdsa-sha2-nistp256";
    }
    *ret = json_pack("{s:s, s:{s:s}, s:s}", "keytype", keytype, "keyval", "public",
                     value.at ? value.at : "", "scheme", scheme);
    return *ret ? 0 : fail_internal(err, "out of memory for a key object");
}

int sign_key_object(const char *pem, json_t **ret, struct error *err)
{
    CLEANUP(free_bio) BIO *in = BIO_new_mem_buf(pem, -1);
    CLEANUP(free_key) EVP_PKEY *key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
    CLEANUP(key_free) struct key *checked = NULL;
    json_auto_t *object = NULL;

    ERR_clear_error();
    if (!key)
        return fail(err, PROBLEM_UNPROCESSABLE, "this is not a PEM public key");
    if (object_of(key, &object, err) || key_read(object, &checked, err))
        return -1;
    *ret = MOVE(object);
    return 0;
}

void signer_free(struct signer **signer)
{
    if (!*signer)
        return;
    EVP_PKEY_free((*signer)->private_key);
    json_decref((*signer)->object);
    free(*signer);
    *signer = NULL;
}

/* No prompt on the terminal: a key with a passphrase is refused. */
static int no_passphrase(char *buffer, int size, int is_writing, void *arg)
{
    (void)buffer, (void)size, (void)is_writing, (void)arg;
    return -1;
}

int signer_read(const char *pem, struct signer **ret, struct error *err)
{
    CLEANUP(free_bio) BIO *in = BIO_new_mem_buf(pem, -1);
    CLEANUP(signer_free) struct signer *signer = calloc(1, sizeof *signer);
    CLEANUP(key_free) struct key *checked = NULL;

    if (!in || !signer)
        return fail_internal(err, "out of memory for a signing key");
    signer->private_key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    ERR_clear_error();
    if (!signer->private_key)
        return fail(err, PROBLEM_UNPROCESSABLE, "this is not a PEM private key without passphrase");
    if (object_of(signer->private_key, &signer->object, err) ||
        key_read(signer->object, &checked, err))
        return -1;
    memcpy(signer->keyid, key_id(checked), sizeof signer->keyid);
    *ret = MOVE(signer);
    return 0;
}

int signer_load(const char *path, struct signer **ret, struct error *err)
{
    CLEANUP(close_file) FILE *in = fopen(path, "re");
    CLEANUP(free_string) char *pem = calloc(1, PEM_FILE_MAX + 1);

    if (!pem)
        return fail_internal(err, "out of memory for a key file");
    if (!in)
        return fail(err, PROBLEM_UNPROCESSABLE, "%.120s: %s", path, strerror(errno));
    int result = fread(pem, 1, PEM_FILE_MAX, in) > 0
                     ? signer_read(pem, ret, err)
                     : fail(err, PROBLEM_UNPROCESSABLE, "%.120s: cannot be read", path);
    OPENSSL_cleanse(pem, PEM_FILE_MAX);
    return result;
}

const char *signer_keyid(const struct signer *signer)
{
    return signer->keyid;
}

const json_t *signer_key_object(const struct signer *signer)
{
    return signer->object;
}

int signer_sign(const struct signer *signer, const void *bytes, size_t count, struct text *ret_hex,
                struct error *err)
{
    bool is_ed25519 = EVP_PKEY_get_base_id(signer->private_key) == EVP_PKEY_ED25519;
    bool is_rsa = EVP_PKEY_get_base_id(signer->private_key) == EVP_PKEY_RSA;
    uint8_t signature[SIGNATURE_MAX];
    size_t size = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context; /* belongs to `context` */

    bool is_signed =
        context &&
        EVP_DigestSignInit(context, &key_context, is_ed25519 ? NULL : EVP_sha256(), NULL,
                           signer->private_key) == 1 &&
        (!is_rsa || (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) > 0 &&
                     EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) > 0)) &&
        EVP_DigestSign(context, signature, &size, bytes, count) == 1;
    EVP_MD_CTX_free(context);
    if (!is_signed)
        return openssl_failed(err, "sign");
    text_hex(ret_hex, signature, size);
    return ret_hex->is_broken ? fail_internal(err, "out of memory for a signature") : 0;
}
