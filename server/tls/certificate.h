/* SPDX-License-Identifier: Apache-2.0 */
/* Reading certificates and keys from files, and what a certificate says of its holder. */
#ifndef OTAD_TLS_CERTIFICATE_H
#define OTAD_TLS_CERTIFICATE_H

#include "core/error.h"
#include "tls/peer.h"

#include <openssl/types.h>

/* fail_internal() with OpenSSL's own first reason appended; empties OpenSSL's error queue. */
int fail_openssl(struct error *err, const char *what, ...) PRINTF_LIKE(2, 3);

/* For CLEANUP(). */
void certificate_free(X509 **certificate);
void private_key_free(EVP_PKEY **key);

/* The first certificate of a PEM file. */
int certificate_read(const char *path, X509 **ret, struct error *err) MUST_CHECK;
/* A private key from a PEM file; never asks for a passphrase. */
int private_key_read(const char *path, EVP_PKEY **ret, struct error *err) MUST_CHECK;

/* Seconds since 1970. Returns false for a time that cannot be read. */
bool certificate_time(const ASN1_TIME *time, int64_t *ret);

/* Fills what the certificate says (not address, not was_resumed). Names that do not fit are left
 * empty: they are cross-checks, never the identity. False when the certificate cannot be encoded.
 */
bool certificate_describe(const X509 *certificate, struct peer *ret);

/* The same of a certificate somebody sent as PEM text: UNPROCESSABLE when it is none. */
int certificate_describe_pem(const char *pem, struct peer *ret, struct error *err) MUST_CHECK;

#endif
