/* SPDX-License-Identifier: Apache-2.0 */
/* Signing with private key files: for otactl and for tests. The daemon never calls this. */
#ifndef OTAD_TRUST_SIGN_H
#define OTAD_TRUST_SIGN_H

#include "core/json.h"
#include "core/text.h"

/* A new private key of a kind ("ed25519", "ecdsa" for P-256, "rsa" for 3072 bits) as PKCS#8 PEM. */
int sign_make_key(const char *kind, struct text *ret_pem, struct error *err) MUST_CHECK;

/* The key object of a PEM public key, `openssl pkey -pubout`. The value is yours. */
int sign_key_object(const char *pem, json_t **ret, struct error *err) MUST_CHECK;

struct signer; /* one private key and its public key object */

/* From a PEM private key without passphrase. */
int signer_read(const char *pem, struct signer **ret, struct error *err) MUST_CHECK;
int signer_load(const char *path, struct signer **ret, struct error *err) MUST_CHECK;
void signer_free(struct signer **signer);

const char *signer_keyid(const struct signer *signer);
const json_t *signer_key_object(const struct signer *signer); /* borrowed */

/* Appends the signature over `count` bytes in hex, as POST …/signatures takes it. */
int signer_sign(const struct signer *signer, const void *bytes, size_t count, struct text *ret_hex,
                struct error *err) MUST_CHECK;

#endif
