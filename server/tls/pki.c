/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/pki.h"

#include "core/clock.h"
#include "core/digest.h"
#include "tls/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#define BACKDATED_SECONDS 3600 /* for devices whose clocks are a little behind */
#define DAY_SECONDS ((int64_t)86400)

struct pki_issuer {
    X509 *certificate;
    EVP_PKEY *key;
};

static const struct {
    const char *constraints, *usage, *extended_usage;
} profiles[] = {
    [PKI_CA] = {"critical,CA:TRUE",  "critical,keyCertSign,cRLSign",           NULL        },
    [PKI_SERVER] = {"critical,CA:FALSE", "critical,digitalSignature",              "serverAuth"},
    [PKI_DEVICE] = {"critical,CA:FALSE", "critical,digitalSignature,keyAgreement", "clientAuth"},
    [PKI_OPERATOR] = {"critical,CA:FALSE", "critical,digitalSignature",              "clientAuth"},
};

static bool set_serial(X509 *certificate)
{
    uint8_t bytes[16];

    random_bytes(bytes, sizeof bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always of the same length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return ok;
}

static bool set_validity(X509 *certificate, const X509 *issuer, int64_t days)
{
    int64_t now = clock_wall(), end = now + days * DAY_SECONDS, issuer_end;

    if (issuer && certificate_time(X509_get0_notAfter(issuer), &issuer_end) && end > issuer_end)
        end = issuer_end;
    return ASN1_TIME_set(X509_getm_notBefore(certificate), now - BACKDATED_SECONDS) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), end);
}

static bool set_subject(X509 *certificate, const char *common_name)
{
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                      MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
}

static bool add_extension(X509 *certificate, X509V3_CTX *context, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, kind, value);
    bool ok = extension && X509_add_ext(certificate, extension, -1);

    X509_EXTENSION_free(extension);
    return ok;
}

/* An address when it reads as one, else a DNS name. */
static bool push_host_name(GENERAL_NAMES *names, const char *host)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = a2i_IPADDRESS(host);
    int kind = value ? GEN_IPADD : GEN_DNS;

    if (!value && (value = ASN1_IA5STRING_new()) && !ASN1_STRING_set(value, host, -1)) {
        ASN1_STRING_free(value);
        value = NULL;
    }
    if (!name || !value || !sk_GENERAL_NAME_push(names, name)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, kind, value);
    return true;
}

static bool add_host_names(X509 *certificate, const char *host_names)
{
    CLEANUP(free_string) char *copy = strdup(host_names);
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = copy && names;
    char *rest = NULL;

    for (char *host = ok ? strtok_r(copy, " \t", &rest) : NULL; host && ok;
         host = strtok_r(NULL, " \t", &rest))
        ok = push_host_name(names, host);
    if (ok && sk_GENERAL_NAME_num(names) > 0)
        ok = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return ok;
}

static bool add_extensions(X509 *certificate, X509 *issuer, const struct pki_request *request)
{
    const char *extended_usage = profiles[request->purpose].extended_usage;
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    return add_extension(certificate, &context, NID_basic_constraints,
                         profiles[request->purpose].constraints) &&
           add_extension(certificate, &context, NID_key_usage, profiles[request->purpose].usage) &&
           (!extended_usage ||
            add_extension(certificate, &context, NID_ext_key_usage, extended_usage)) &&
           add_extension(certificate, &context, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, &context, NID_authority_key_identifier, "keyid:always") &&
           (request->purpose != PKI_SERVER || !request->host_names ||
            add_host_names(certificate, request->host_names));
}

int pki_issue(const struct pki_issuer *issuer, const struct pki_request *request, X509 **ret,
              EVP_PKEY **ret_key, struct error *err)
{
    CLEANUP(private_key_free) EVP_PKEY *key = EVP_EC_gen("P-256");
    CLEANUP(certificate_free) X509 *certificate = X509_new();

    if (!issuer && request->purpose != PKI_CA)
        return fail_internal(err, "only an authority signs itself");
    if (!request->common_name[0] || strlen(request->common_name) > 64)
        return fail(err, PROBLEM_BAD_FIELD, "a certificate's name has 1 to 64 characters");
    if (!key || !certificate)
        return fail_openssl(err, "make a key");

    X509 *by = issuer ? issuer->certificate : certificate;
    if (!X509_set_version(certificate, X509_VERSION_3) || !set_serial(certificate) ||
        !set_subject(certificate, request->common_name) ||
        !X509_set_issuer_name(certificate, X509_get_subject_name(by)) ||
        !set_validity(certificate, issuer ? issuer->certificate : NULL, request->days) ||
        !X509_set_pubkey(certificate, key) || !add_extensions(certificate, by, request) ||
        !X509_sign(certificate, issuer ? issuer->key : key, EVP_sha256()))
        return fail_openssl(err, "make a certificate for %s", request->common_name);
    *ret = MOVE(certificate);
    *ret_key = MOVE(key);
    return 0;
}

int pki_issuer_from(X509 *certificate, EVP_PKEY *key, struct pki_issuer **ret, struct error *err)
{
    struct pki_issuer *issuer = calloc(1, sizeof *issuer);

    if (!issuer)
        return fail_internal(err, "no memory for an issuer");
    X509_up_ref(certificate);
    EVP_PKEY_up_ref(key);
    *issuer = (struct pki_issuer){certificate, key};
    *ret = issuer;
    return 0;
}

int pki_issuer_open(const char *certificate_path, const char *key_path, struct pki_issuer **ret,
                    struct error *err)
{
    CLEANUP(certificate_free) X509 *certificate = NULL;
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;

    if (certificate_read(certificate_path, &certificate, err) ||
        private_key_read(key_path, &key, err))
        return -1;
    if (!X509_check_private_key(certificate, key))
        return fail_openssl(err, "%s is not the key of %s", key_path, certificate_path);
    return pki_issuer_from(certificate, key, ret, err);
}

void pki_issuer_close(struct pki_issuer **issuer)
{
    if (!*issuer)
        return;
    X509_free((*issuer)->certificate);
    EVP_PKEY_free((*issuer)->key);
    free(*issuer);
    *issuer = NULL;
}

static int create_file(const char *path, mode_t mode, FILE **ret, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0 && errno == EEXIST)
        return fail(err, PROBLEM_ALREADY_EXISTS, "%s is there already", path);
    if (fd < 0)
        return fail_internal(err, "create %s: %m", path);
    *ret = fdopen(fd, "w");
    if (!*ret) {
        close(fd);
        unlink(path);
        return fail_internal(err, "open %s: %m", path);
    }
    return 0;
}

/* Closes the file, and removes it unless all of it was written. */
static int finish_file(FILE *file, bool is_written, const char *path, struct error *err)
{
    if (is_written & !fclose(file))
        return 0;
    fail_openssl(err, "write %s", path);
    unlink(path);
    return -1;
}

int pki_write(X509 *certificate, EVP_PKEY *key, const char *certificate_path, const char *key_path,
              struct error *err)
{
    FILE *file;

    if (create_file(key_path, 0400, &file, err) ||
        finish_file(file, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), key_path,
                    err))
        return -1;
    if (create_file(certificate_path, 0644, &file, err) ||
        finish_file(file, PEM_write_X509(file, certificate), certificate_path, err)) {
        unlink(key_path);
        return -1;
    }
    return 0;
}

int pki_make(const struct pki_request *request, const char *issuer_certificate,
             const char *issuer_key, const char *certificate_path, const char *key_path,
             struct error *err)
{
    CLEANUP(pki_issuer_close) struct pki_issuer *issuer = NULL;
    CLEANUP(certificate_free) X509 *certificate = NULL;
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;

    if (issuer_certificate && pki_issuer_open(issuer_certificate, issuer_key, &issuer, err))
        return -1;
    if (pki_issue(issuer, request, &certificate, &key, err))
        return -1;
    return pki_write(certificate, key, certificate_path, key_path, err);
}

int pki_fingerprint(const char *certificate_path, uint8_t ret[32], int64_t *ret_not_before,
                    int64_t *ret_not_after, struct error *err)
{
    CLEANUP(certificate_free) X509 *certificate = NULL;
    struct peer peer;

    if (certificate_read(certificate_path, &certificate, err))
        return -1;
    if (!certificate_describe(certificate, &peer))
        return fail_openssl(err, "%s: the certificate cannot be read", certificate_path);
    memcpy(ret, peer.fingerprint, sizeof peer.fingerprint);
    *ret_not_before = peer.not_before;
    *ret_not_after = peer.not_after;
    return 0;
}
