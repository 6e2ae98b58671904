/* SPDX-License-Identifier: Apache-2.0 */
/* A signed document: {"signatures":[…],"signed":{…}}, and who must have signed it. */
#ifndef OTAD_TRUST_ENVELOPE_H
#define OTAD_TRUST_ENVELOPE_H

#include "trust/key.h"

#include "core/text.h"

#define ROLE_NAME_SIZE (sizeof "product-" + 32)
#define SIGNATURES_MAX 64

struct signature {
    char keyid[KEYID_SIZE];
    uint8_t bytes[SIGNATURE_MAX];
    size_t size;
};

/* Zeroed is empty. */
struct envelope {
    json_t *document;    /* what is signed */
    struct text payload; /* its canonical bytes */
    struct signature *signatures;
    size_t count;
};

/* The keys that count for one role, and how many of them it takes. Borrows the keys. */
struct authority {
    char role[ROLE_NAME_SIZE];
    const struct key **keys;
    size_t count;
    int64_t threshold;
};

/* Reads foreign bytes: V1 (`limit`), V2, V10 (form and uniqueness of signatures). */
int envelope_read(const void *bytes, size_t length, size_t limit, struct envelope *ret,
                  struct error *err) MUST_CHECK;
/* Around a document without signatures yet; takes a reference of its own. */
int envelope_around(json_t *document, struct envelope *ret, struct error *err) MUST_CHECK;
void envelope_clear(struct envelope *envelope);

/* Adds one in order of keyid. ALREADY_EXISTS when this key signed before. */
int envelope_add(struct envelope *envelope, const char *keyid, const char *hex,
                 struct error *err) MUST_CHECK;

/* The bytes that are published: they never change afterwards. */
int envelope_write(const struct envelope *envelope, struct text *ret, struct error *err) MUST_CHECK;

/* V10: every signature is by a key of one of the authorities and verifies, and each authority's
 * threshold is met. Two authorities: a new root, which the old one and itself must sign (V11). */
int envelope_check(const struct envelope *envelope, const struct authority *const authorities[],
                   size_t count, struct error *err) MUST_CHECK;
/* The same for one signature, without a threshold. */
int signature_check(const struct signature *signature, const struct text *payload,
                    const struct authority *const authorities[], size_t count,
                    struct error *err) MUST_CHECK;
int signature_read(const char *keyid, const char *hex, struct signature *ret,
                   struct error *err) MUST_CHECK;

#endif
