/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/verify.h"

#include "core/clock.h"
#include "tls/certificate.h"
#include "tls/context.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

/* -- the memory: sets of eight; the one used longest ago makes room -- */

#define WAYS 8
#define LOCKS 16

struct verdict {
    uint8_t fingerprint[32];
    uint64_t generation;
    int64_t not_before, not_after;
    uint64_t used; /* 0: free */
};

struct verified {
    pthread_mutex_t locks[LOCKS]; /* of the sets number % LOCKS */
    unsigned references;          /* under locks[0] */
    size_t sets;
    struct verdict verdicts[][WAYS];
};

struct verified *verified_new(size_t most)
{
    size_t sets = most < WAYS ? 1 : most / WAYS;
    struct verified *verified = calloc(1, sizeof *verified + sets * sizeof verified->verdicts[0]);

    if (!verified)
        return NULL;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&verified->locks[i], NULL);
    verified->references = 1;
    verified->sets = sets;
    return verified;
}

struct verified *verified_keep(struct verified *verified)
{
    pthread_mutex_lock(&verified->locks[0]);
    verified->references++;
    pthread_mutex_unlock(&verified->locks[0]);
    return verified;
}

void verified_release(struct verified **verified)
{
    struct verified *mine = *verified;

    if (!mine)
        return;
    *verified = NULL;
    pthread_mutex_lock(&mine->locks[0]);
    bool is_last = --mine->references == 0;
    pthread_mutex_unlock(&mine->locks[0]);
    if (!is_last)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&mine->locks[i]);
    free(mine);
}

/* The set a fingerprint belongs to, locked. Fingerprints are hashes: their bytes choose evenly. */
static struct verdict *lock_set(struct verified *verified, const uint8_t *fingerprint,
                                pthread_mutex_t **ret_lock)
{
    uint64_t first;

    memcpy(&first, fingerprint, sizeof first);
    size_t number = first % verified->sets;
    *ret_lock = &verified->locks[number % LOCKS];
    pthread_mutex_lock(*ret_lock);
    return verified->verdicts[number];
}

static struct verdict *find(struct verdict *set, const uint8_t *fingerprint)
{
    for (int i = 0; i < WAYS; i++)
        if (set[i].used && !memcmp(set[i].fingerprint, fingerprint, sizeof set[i].fingerprint))
            return &set[i];
    return NULL;
}

/* A number larger than any in the set: the age of use needs no clock. */
static uint64_t next_use(const struct verdict *set)
{
    uint64_t latest = 0;

    for (int i = 0; i < WAYS; i++)
        if (set[i].used > latest)
            latest = set[i].used;
    return latest + 1;
}

bool verified_holds(struct verified *verified, const uint8_t fingerprint[32], uint64_t generation,
                    int64_t now)
{
    pthread_mutex_t *lock;
    struct verdict *set = lock_set(verified, fingerprint, &lock);
    struct verdict *verdict = find(set, fingerprint);
    bool holds = verdict && verdict->generation == generation && verdict->not_before <= now &&
                 now <= verdict->not_after;

    if (holds)
        verdict->used = next_use(set);
    pthread_mutex_unlock(lock);
    return holds;
}

void verified_add(struct verified *verified, const uint8_t fingerprint[32], uint64_t generation,
                  int64_t not_before, int64_t not_after)
{
    pthread_mutex_t *lock;
    struct verdict *set = lock_set(verified, fingerprint, &lock);
    struct verdict *place = find(set, fingerprint);

    for (int i = 0; i < WAYS && !place; i++)
        if (!set[i].used)
            place = &set[i];
    if (!place) {
        place = &set[0];
        for (int i = 1; i < WAYS; i++)
            if (set[i].used < place->used)
                place = &set[i];
    }
    *place = (struct verdict){.generation = generation,
                              .not_before = not_before,
                              .not_after = not_after,
                              .used = next_use(set)};
    memcpy(place->fingerprint, fingerprint, sizeof place->fingerprint);
    pthread_mutex_unlock(lock);
}

static void forget_all(struct verified *verified)
{
    for (size_t i = 0; i < verified->sets; i++) {
        pthread_mutex_t *lock = &verified->locks[i % LOCKS];

        pthread_mutex_lock(lock);
        memset(verified->verdicts[i], 0, sizeof verified->verdicts[i]);
        pthread_mutex_unlock(lock);
    }
}

void verified_forget(struct verified *verified, const uint8_t *fingerprint)
{
    pthread_mutex_t *lock;

    if (!fingerprint) {
        forget_all(verified);
        return;
    }
    struct verdict *verdict = find(lock_set(verified, fingerprint, &lock), fingerprint);
    if (verdict)
        verdict->used = 0;
    pthread_mutex_unlock(lock);
}

size_t verified_count(struct verified *verified)
{
    size_t count = 0;

    for (size_t i = 0; i < verified->sets; i++) {
        pthread_mutex_t *lock = &verified->locks[i % LOCKS];

        pthread_mutex_lock(lock);
        for (int way = 0; way < WAYS; way++)
            count += verified->verdicts[i][way].used != 0;
        pthread_mutex_unlock(lock);
    }
    return count;
}

/* -- the rules -- */

static bool key_is_allowed(EVP_PKEY *key)
{
    char curve[32];
    size_t length;

    if (!key)
        return false;
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
        return true;
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 8192;
    case EVP_PKEY_EC:
        return EVP_PKEY_get_group_name(key, curve, sizeof curve, &length) == 1 &&
               (!strcmp(curve, SN_X9_62_prime256v1) || !strcmp(curve, SN_secp384r1));
    default:
        return false;
    }
}

int verify_leaf(X509 *leaf)
{
    int strength;

    if (X509_get_version(leaf) != X509_VERSION_3)
        return X509_V_ERR_INVALID_PURPOSE;
    if (X509_check_ca(leaf))
        return X509_V_ERR_INVALID_PURPOSE;
    if (!(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE)) /* all bits are set when it is absent */
        return X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE;
    if (!key_is_allowed(X509_get0_pubkey(leaf)))
        return X509_V_ERR_EE_KEY_TOO_SMALL;
    if (!X509_get_signature_info(leaf, NULL, NULL, &strength, NULL) || strength < 112)
        return X509_V_ERR_CA_MD_TOO_WEAK;
    return X509_V_OK;
}

/* The time in which every certificate of the chain is valid. */
static bool chain_validity(const STACK_OF(X509) * chain, int64_t *ret_from, int64_t *ret_until)
{
    *ret_from = INT64_MIN;
    *ret_until = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        const X509 *certificate = sk_X509_value(chain, i);
        int64_t from, until;

        if (!certificate_time(X509_get0_notBefore(certificate), &from) ||
            !certificate_time(X509_get0_notAfter(certificate), &until))
            return false;
        if (from > *ret_from)
            *ret_from = from;
        if (until < *ret_until)
            *ret_until = until;
    }
    return true;
}

static void remember(X509_STORE_CTX *chain, const struct context_facts *facts,
                     const uint8_t fingerprint[32])
{
    int64_t from, until;

    if (X509_STORE_CTX_get_num_untrusted(chain) > 1 ||
        !chain_validity(X509_STORE_CTX_get0_chain(chain), &from, &until))
        return;
    if (until > facts->crl_until)
        until = facts->crl_until;
    verified_add(facts->verified, fingerprint, facts->generation, from, until);
}

int verify_chain(X509_STORE_CTX *chain, void *arg)
{
    const struct context_facts *facts = arg;
    X509 *leaf = X509_STORE_CTX_get0_cert(chain);
    uint8_t fingerprint[32];

    if (!leaf || !X509_digest(leaf, EVP_sha256(), fingerprint, NULL)) {
        X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    if (verified_holds(facts->verified, fingerprint, facts->generation, clock_wall())) {
        X509_STORE_CTX_set_error(chain, X509_V_OK);
        return 1;
    }
    if (X509_verify_cert(chain) <= 0)
        return 0;
    int verdict = verify_leaf(leaf);
    X509_STORE_CTX_set_error(chain, verdict);
    if (verdict != X509_V_OK)
        return 0;
    remember(chain, facts, fingerprint);
    return 1;
}
