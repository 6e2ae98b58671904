/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/certificate.h"

#include "core/digest.h"
#include "core/text.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <string.h>

int fail_openssl(struct error *err, const char *what, ...)
{
    char said[sizeof err->cause];
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    va_list arguments;

    va_start(arguments, what);
    vsnprintf(said, sizeof said, what, arguments);
    va_end(arguments);
    ERR_clear_error();
    return reason ? fail_internal(err, "%s: %s", said, reason) : fail_internal(err, "%s", said);
}

void certificate_free(X509 **certificate)
{
    X509_free(*certificate);
}

void private_key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

int certificate_read(const char *path, X509 **ret, struct error *err)
{
    CLEANUP(close_file) FILE *file = fopen(path, "re");

    if (!file)
        return fail_internal(err, "open %s: %m", path);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    if (!certificate)
        return fail_openssl(err, "%s: no certificate in PEM", path);
    *ret = certificate;
    return 0;
}

/* An encrypted key fails instead of asking a terminal that a daemon does not have. */
static int no_passphrase(char *buffer, int size, int is_writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

int private_key_read(const char *path, EVP_PKEY **ret, struct error *err)
{
    CLEANUP(close_file) FILE *file = fopen(path, "re");

    if (!file)
        return fail_internal(err, "open %s: %m", path);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
    if (!key)
        return fail_openssl(err, "%s: no private key in PEM without passphrase", path);
    *ret = key;
    return 0;
}

bool certificate_time(const ASN1_TIME *time, int64_t *ret)
{
    struct tm broken_down;

    if (!ASN1_TIME_to_tm(time, &broken_down))
        return false;
    *ret = timegm(&broken_down);
    return true;
}

/* The one common name, when there is exactly one and it is short and without NUL. */
static void describe_name(const X509_NAME *subject, char ret[65])
{
    unsigned char *utf8 = NULL;

    ret[0] = '\0';
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return;
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
    int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    if (length > 0 && length <= 64 && !memchr(utf8, 0, (size_t)length) &&
        utf8_ok((const char *)utf8, (size_t)length))
        snprintf(ret, 65, "%.*s", length, (const char *)utf8);
    OPENSSL_free(utf8);
}

static void describe_serial(const ASN1_INTEGER *serial, char ret[43])
{
    int length = ASN1_STRING_length(serial);

    ret[0] = '\0';
    if (length > 0 && length <= 20 && ASN1_STRING_type(serial) == V_ASN1_INTEGER)
        hex_from_bytes(ASN1_STRING_get0_data(serial), (size_t)length, ret);
}

bool certificate_describe(const X509 *certificate, struct peer *ret)
{
    unsigned char *name = NULL;

    if (!X509_digest(certificate, EVP_sha256(), ret->fingerprint, NULL) ||
        !certificate_time(X509_get0_notBefore(certificate), &ret->not_before) ||
        !certificate_time(X509_get0_notAfter(certificate), &ret->not_after))
        return false;
    int length = i2d_X509_NAME(X509_get_issuer_name(certificate), &name);
    if (length < 0)
        return false;
    sha256(name, (size_t)length, ret->issuer);
    OPENSSL_free(name);
    describe_name(X509_get_subject_name(certificate), ret->common_name);
    describe_serial(X509_get0_serialNumber(certificate), ret->serial);
    ret->has_certificate = true;
    return true;
}

static void bio_free(BIO **bio)
{
    BIO_free(*bio);
}

int certificate_describe_pem(const char *pem, struct peer *ret, struct error *err)
{
    CLEANUP(bio_free) BIO *bio = BIO_new_mem_buf(pem, -1);
    CLEANUP(certificate_free)
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

    *ret = (struct peer){0};
    bool is_read = certificate && certificate_describe(certificate, ret);
    ERR_clear_error();
    return is_read ? 0 : fail(err, PROBLEM_UNPROCESSABLE, "this is no certificate in PEM");
}
