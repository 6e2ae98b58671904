/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/limits.h"

#include "core/digest.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#define WAYS 4
#define TOKEN 1000 /* thousandths */

struct bucket {
    uint64_t address; /* hashed; 0: free */
    int64_t filled_at_ms;
    int64_t tokens; /* in thousandths */
};

struct limits {
    pthread_mutex_t lock; /* guards the buckets */
    int64_t rate, most;   /* thousandths per second and at most */
    uint64_t seed;
    unsigned sets;
    struct bucket buckets[][WAYS];
};

struct limits *limits_new(int64_t rate, int64_t burst, unsigned sets)
{
    struct limits *limits = calloc(1, sizeof *limits + sets * sizeof limits->buckets[0]);

    if (!limits)
        return NULL;
    pthread_mutex_init(&limits->lock, NULL);
    limits->rate = rate * TOKEN;
    limits->most = burst * TOKEN;
    limits->seed = random_number();
    limits->sets = sets;
    return limits;
}

void limits_free(struct limits **limits)
{
    if (!*limits)
        return;
    pthread_mutex_destroy(&(*limits)->lock);
    free(*limits);
    *limits = NULL;
}

/* The part of an address that one party controls at little cost. */
static uint64_t prefix_of(const struct sockaddr_storage *address)
{
    uint64_t prefix = 0;

    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

        memcpy(&prefix, &v6->sin6_addr, 7);
        return prefix | (uint64_t)6 << 56;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    memcpy(&prefix, &v4->sin_addr, 4);
    return prefix | (uint64_t)4 << 56;
}

/* Mixed with a random seed, so that nobody outside can choose who shares a set with whom. */
static uint64_t hash(uint64_t seed, uint64_t prefix, const char *about)
{
    uint64_t mixed = seed ^ prefix;

    for (; *about; about++)
        mixed = (mixed ^ (uint8_t)*about) * 1099511628211u;
    for (int i = 0; i < 3; i++) {
        mixed ^= mixed >> 33;
        mixed *= 0xff51afd7ed558ccdULL;
        mixed += seed;
    }
    mixed ^= mixed >> 29;
    return mixed ? mixed : 1;
}

static int64_t tokens_at(const struct limits *limits, const struct bucket *bucket, int64_t now_ms)
{
    if (!bucket->address)
        return INT64_MAX; /* free is fuller than full */
    int64_t passed_ms = now_ms - bucket->filled_at_ms;
    if (passed_ms <= 0)
        return bucket->tokens;
    if (passed_ms > (int64_t)1000000)
        return limits->most;
    int64_t tokens = bucket->tokens + passed_ms * limits->rate / 1000;
    return tokens < limits->most ? tokens : limits->most;
}

/* The bucket of the address in this matter, filled up to now; a full one takes the place of the
 * fullest. */
static struct bucket *find(struct limits *limits, const struct sockaddr_storage *address,
                           const char *about, int64_t now_ms)
{
    uint64_t key = hash(limits->seed, prefix_of(address), about);
    struct bucket *set = limits->buckets[key % limits->sets];
    struct bucket *found = &set[0];

    for (int i = 0; i < WAYS; i++) {
        if (set[i].address == key) {
            set[i].tokens = tokens_at(limits, &set[i], now_ms);
            set[i].filled_at_ms = now_ms;
            return &set[i];
        }
        if (tokens_at(limits, &set[i], now_ms) > tokens_at(limits, found, now_ms))
            found = &set[i];
    }
    *found = (struct bucket){key, now_ms, limits->most};
    return found;
}

bool limits_take_about(struct limits *limits, const struct sockaddr_storage *address,
                       const char *about, int64_t now_ms)
{
    pthread_mutex_lock(&limits->lock);
    struct bucket *bucket = find(limits, address, about, now_ms);
    bool has_token = bucket->tokens >= TOKEN;
    if (has_token)
        bucket->tokens -= TOKEN;
    pthread_mutex_unlock(&limits->lock);
    return has_token;
}

bool limits_take(struct limits *limits, const struct sockaddr_storage *address, int64_t now_ms)
{
    return limits_take_about(limits, address, "", now_ms);
}

void limits_give_back(struct limits *limits, const struct sockaddr_storage *address, int64_t now_ms)
{
    pthread_mutex_lock(&limits->lock);
    struct bucket *bucket = find(limits, address, "", now_ms);
    bucket->tokens += TOKEN;
    if (bucket->tokens > limits->most)
        bucket->tokens = limits->most;
    pthread_mutex_unlock(&limits->lock);
}
