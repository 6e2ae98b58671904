/* SPDX-License-Identifier: Apache-2.0 */
/* Which peer certificates are good, and the memory of those that were found good before.
 *
 * Building and checking a chain costs more than half of a handshake's own cryptography. The proof
 * of possession is checked by OpenSSL in every full handshake; only the chain's verdict is
 * remembered, by the SHA-256 of the leaf and the generation of the trust store, and its dates are
 * looked at again every time. A verdict that leaned on certificates the client sent along is not
 * remembered: next time they may be missing. */
#ifndef OTAD_TLS_VERIFY_H
#define OTAD_TLS_VERIFY_H

#include "core/cleanup.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verified; /* bounded; shared by reference; any thread */

struct verified *verified_new(size_t most); /* NULL when memory is out */
struct verified *verified_keep(struct verified *verified);
void verified_release(struct verified **verified);

bool verified_holds(struct verified *verified, const uint8_t fingerprint[32], uint64_t generation,
                    int64_t now);
void verified_add(struct verified *verified, const uint8_t fingerprint[32], uint64_t generation,
                  int64_t not_before, int64_t not_after);
void verified_forget(struct verified *verified, const uint8_t *fingerprint); /* NULL: all */
size_t verified_count(struct verified *verified);

/* What a leaf must be beyond what X.509 demands: a v3 certificate, no authority, able to sign; a
 * key on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits; a signature with at least 112 bits
 * of strength. X509_V_OK or the verification error that fits best. */
int verify_leaf(X509 *leaf);

/* For SSL_CTX_set_cert_verify_callback(); `arg` is the context's struct context_facts. */
int verify_chain(X509_STORE_CTX *chain, void *arg);

#endif
