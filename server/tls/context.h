/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS configuration of a listener, built from files. */
#ifndef OTAD_TLS_CONTEXT_H
#define OTAD_TLS_CONTEXT_H

#include "core/error.h"
#include "tls/session_store.h"
#include "tls/verify.h"

#include <openssl/types.h>

/* What our callbacks know about the context they are called for. Hangs on the SSL_CTX and is freed
 * with it, which is when its last connection ends. */
struct context_facts {
    struct session_store *sessions; /* NULL: no resumption */
    struct verified *verified;
    uint64_t generation;      /* of the trust store; set before the context is used */
    uint8_t trust[32];        /* SHA-256 of the trust store's and the revocation list's files */
    int64_t crl_until;        /* when the first revocation list runs out; INT64_MAX without */
    int64_t session_lifetime; /* seconds */
};

struct context_options {
    const char *name; /* sessions of one listener are none of another's */
    const char *certificate, *key;
    const char *ca;               /* "": nobody is asked for a certificate */
    const char *crl;              /* "" for none */
    bool is_certificate_optional; /* operators may bring a token instead */
    bool has_tls12;
    bool has_kernel_tls;            /* the kernel can encrypt and may */
    int64_t session_lifetime;       /* 0: no resumption */
    struct session_store *sessions; /* both borrowed; the context takes references */
    struct verified *verified;
};

/* Every failure names the file at fault. */
int context_new(const struct context_options *options, SSL_CTX **ret, struct error *err) MUST_CHECK;
void context_free(SSL_CTX **context); /* for CLEANUP() */

struct context_facts *context_facts(const SSL_CTX *context);

#endif
