/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and random bytes; the only place outside tls/ and trust/ where libcrypto shows. */
#ifndef OTAD_CORE_DIGEST_H
#define OTAD_CORE_DIGEST_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_HEX_SIZE 65 /* with the NUL */

enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };
#define DIGEST_MAX_SIZE 64

struct digest; /* one running hash; belongs to one thread at a time */

struct digest *digest_new(enum digest_kind kind); /* NULL when memory is out */
void digest_add(struct digest *digest, const void *bytes, size_t count);
size_t digest_size(enum digest_kind kind);
/* Writes digest_size(kind) bytes and starts anew, so one object hashes many chunks. */
void digest_end(struct digest *digest, uint8_t *ret);
void digest_free(struct digest **digest);

void sha256(const void *bytes, size_t count, uint8_t ret[SHA256_SIZE]);
void sha256_hex(const void *bytes, size_t count, char ret[SHA256_HEX_SIZE]);

/* From the kernel's generator. Aborts when it cannot answer: nothing safe can follow. */
void random_bytes(void *ret, size_t count);
uint64_t random_number(void);

/* Compares in a time that does not depend on where the difference is. */
int bytes_differ(const void *a, const void *b, size_t count);

#endif
