/* SPDX-License-Identifier: Apache-2.0 */
/* A small certificate authority for laboratories, demos and tests: P-256 keys, X.509 certificates.
 * Production keeps its authorities elsewhere. */
#ifndef OTAD_TLS_PKI_H
#define OTAD_TLS_PKI_H

#include "core/error.h"

#include <openssl/types.h>
#include <stdint.h>

enum pki_purpose { PKI_CA, PKI_SERVER, PKI_DEVICE, PKI_OPERATOR };

struct pki_request {
    enum pki_purpose purpose;
    const char *common_name; /* at most 64 characters */
    const char *host_names;  /* PKI_SERVER: names and addresses for subjectAltName, by blanks */
    int64_t days;            /* from now, cut at the issuer's own end */
};

/* An authority loaded once, for making many certificates. Any number of threads may issue. */
struct pki_issuer;
int pki_issuer_open(const char *certificate_path, const char *key_path, struct pki_issuer **ret,
                    struct error *err) MUST_CHECK;
void pki_issuer_close(struct pki_issuer **issuer);

/* Makes a P-256 key pair and a certificate for it, in memory; both are the caller's to free. With
 * NULL issuer the certificate is self-signed (PKI_CA only). */
int pki_issue(const struct pki_issuer *issuer, const struct pki_request *request, X509 **ret,
              EVP_PKEY **ret_key, struct error *err) MUST_CHECK;

/* An issuer of what pki_issue() made with PKI_CA; takes its own references. */
int pki_issuer_from(X509 *certificate, EVP_PKEY *key, struct pki_issuer **ret,
                    struct error *err) MUST_CHECK;

/* Writes both as PEM. Files are created, never overwritten (ALREADY_EXISTS); keys get mode 0400,
 * certificates 0644. On failure neither file is left. */
int pki_write(X509 *certificate, EVP_PKEY *key, const char *certificate_path, const char *key_path,
              struct error *err) MUST_CHECK;

/* All of that for one certificate, from files to files. With NULL issuer files: self-signed. */
int pki_make(const struct pki_request *request, const char *issuer_certificate,
             const char *issuer_key, const char *certificate_path, const char *key_path,
             struct error *err) MUST_CHECK;

/* SHA-256 of the first certificate in a PEM file, and its validity. */
int pki_fingerprint(const char *certificate_path, uint8_t ret[32], int64_t *ret_not_before,
                    int64_t *ret_not_after, struct error *err) MUST_CHECK;

#endif
