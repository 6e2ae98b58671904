/* SPDX-License-Identifier: Apache-2.0 */
#include "core/digest.h"

#include "core/text.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>

struct digest {
    EVP_MD_CTX *context;
    const EVP_MD *method;
};

static const EVP_MD *method_of(enum digest_kind kind)
{
    switch (kind) {
    case DIGEST_MD5:
        return EVP_md5();
    case DIGEST_SHA1:
        return EVP_sha1();
    case DIGEST_SHA512:
        return EVP_sha512();
    case DIGEST_SHA256:
        break;
    }
    return EVP_sha256();
}

struct digest *digest_new(enum digest_kind kind)
{
    CLEANUP(digest_free) struct digest *digest = calloc(1, sizeof *digest);

    if (!digest)
        return NULL;
    digest->method = method_of(kind);
    digest->context = EVP_MD_CTX_new();
    if (!digest->context || !EVP_DigestInit_ex(digest->context, digest->method, NULL))
        return NULL;
    return MOVE(digest);
}

void digest_add(struct digest *digest, const void *bytes, size_t count)
{
    int ok = EVP_DigestUpdate(digest->context, bytes, count);

    assert(ok == 1);
}

size_t digest_size(enum digest_kind kind)
{
    return (size_t)EVP_MD_get_size(method_of(kind));
}

void digest_end(struct digest *digest, uint8_t *ret)
{
    int ok = EVP_DigestFinal_ex(digest->context, ret, NULL) &&
             EVP_DigestInit_ex(digest->context, digest->method, NULL);

    assert(ok == 1);
}

void digest_free(struct digest **digest)
{
    if (!*digest)
        return;
    EVP_MD_CTX_free((*digest)->context);
    free(*digest);
    *digest = NULL;
}

void sha256(const void *bytes, size_t count, uint8_t ret[SHA256_SIZE])
{
    int ok = EVP_Digest(bytes, count, ret, NULL, EVP_sha256(), NULL);

    assert(ok == 1);
}

void sha256_hex(const void *bytes, size_t count, char ret[SHA256_HEX_SIZE])
{
    uint8_t hash[SHA256_SIZE];

    sha256(bytes, count, hash);
    hex_from_bytes(hash, sizeof hash, ret);
}

void random_bytes(void *ret, size_t count)
{
    ssize_t got = getrandom(ret, count, 0); /* up to 256 bytes never come short: getrandom(2) */

    assert(count <= 256 && got == (ssize_t)count);
}

uint64_t random_number(void)
{
    uint64_t number;

    random_bytes(&number, sizeof number);
    return number;
}

int bytes_differ(const void *a, const void *b, size_t count)
{
    return CRYPTO_memcmp(a, b, count);
}
