/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys of people and machines who sign role files: three kinds, no more. */
#ifndef OTAD_TRUST_KEY_H
#define OTAD_TRUST_KEY_H

#include "core/digest.h"
#include "core/json.h"

#include <stdbool.h>

#define KEYID_SIZE SHA256_HEX_SIZE
#define SIGNATURE_MAX 1024 /* bytes: RSA with 8192 bits */

struct key; /* verifies; constant, any thread */

/* Reads a key object: a known pair of keytype and scheme, a sound key, in the one spelling that
 * `openssl pkey -pubout` (or 64 hex digits for Ed25519) has. Fails with V8. */
int key_read(const json_t *object, struct key **ret, struct error *err) MUST_CHECK;
void key_free(struct key **key);

/* SHA-256 over the canonical key object. */
const char *key_id(const struct key *key);
/* The same key under another id would count twice: compared by what is inside. */
bool key_is_same(const struct key *a, const struct key *b);

/* A signature that does not verify and one that cannot be read are the same thing: false. */
bool key_verifies(const struct key *key, const void *bytes, size_t count, const uint8_t *signature,
                  size_t signature_size);

#endif
