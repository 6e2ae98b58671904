/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of counts under one lock: it is asked twice per connection, never per request. */
#include "http/connection_limits.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

struct key {
    uint8_t bytes[33]; /* what kind, then the address or the fingerprint */
};

struct count {
    struct count *next;
    struct key key;
    int64_t open;
};

struct connection_limits {
    struct connection_limits_most most;
    pthread_mutex_t lock; /* guards what follows */
    int64_t open;
    size_t size; /* of buckets; a power of two */
    struct count *buckets[];
};

int connection_limits_new(const struct connection_limits_most *most, struct connection_limits **ret,
                          struct error *err)
{
    size_t size = 256;

    while (size < 65536 && (int64_t)size < most->connections)
        size *= 2;
    struct connection_limits *limits = calloc(1, sizeof *limits + size * sizeof limits->buckets[0]);
    if (!limits)
        return fail_internal(err, "out of memory");
    limits->most = *most;
    limits->size = size;
    pthread_mutex_init(&limits->lock, NULL);
    *ret = limits;
    return 0;
}

void connection_limits_free(struct connection_limits **limits)
{
    struct connection_limits *old = MOVE(*limits);

    if (!old)
        return;
    for (size_t i = 0; i < old->size; i++)
        for (struct count *count = old->buckets[i], *next; count; count = next) {
            next = count->next;
            free(count);
        }
    pthread_mutex_destroy(&old->lock);
    free(old);
}

/* An IPv6 site has a /56 to itself; counting single addresses there would count nothing. */
static struct key address_key(const struct peer *peer)
{
    struct key key = {.bytes = {'a'}};

    if (peer->address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer->address;
        memcpy(key.bytes + 1, &v4->sin_addr, 4);
    } else if (peer->address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer->address;
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        memcpy(key.bytes + 1, v6->sin6_addr.s6_addr + (is_v4 ? 12 : 0), is_v4 ? 4 : 7);
        key.bytes[0] = is_v4 ? 'a' : '6';
    }
    return key;
}

static struct key device_key(const struct peer *peer)
{
    struct key key = {.bytes = {'d'}};

    memcpy(key.bytes + 1, peer->fingerprint, sizeof peer->fingerprint);
    return key;
}

/* Where the count of `key` hangs, or would hang. */
static struct count **place_of(struct connection_limits *limits, const struct key *key)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */

    for (size_t i = 0; i < sizeof key->bytes; i++)
        hash = (hash ^ key->bytes[i]) * 1099511628211u;
    struct count **place = &limits->buckets[(hash ^ hash >> 32) & (limits->size - 1)];
    while (*place && memcmp(&(*place)->key, key, sizeof *key) != 0)
        place = &(*place)->next;
    return place;
}

static int64_t open_of(struct connection_limits *limits, struct key key)
{
    const struct count *count = *place_of(limits, &key);

    return count ? count->open : 0;
}

static int raise_count(struct connection_limits *limits, struct key key)
{
    struct count **place = place_of(limits, &key);

    if (!*place) {
        *place = calloc(1, sizeof **place);
        if (!*place)
            return -1;
        (*place)->key = key;
    }
    (*place)->open++;
    return 0;
}

static void lower_count(struct connection_limits *limits, struct key key)
{
    struct count **place = place_of(limits, &key);

    assert(*place && (*place)->open > 0);
    if (--(*place)->open > 0)
        return;
    struct count *empty = *place;
    *place = empty->next;
    free(empty);
}

/* Whom a connection is counted for: its certificate, or for want of one its address. Fleets sit
 * behind one address, so that one says nothing of who has proven who they are. */
static struct key key_of(const struct peer *peer)
{
    return peer->has_certificate ? device_key(peer) : address_key(peer);
}

const char *connection_limits_reached(struct connection_limits *limits, const struct peer *peer)
{
    int64_t most = peer->has_certificate ? limits->most.per_device : limits->most.per_address;
    const char *reason = NULL;

    pthread_mutex_lock(&limits->lock);
    if (limits->open >= limits->most.connections)
        reason = "connections";
    else if (!peer->is_trusted && open_of(limits, key_of(peer)) >= most)
        reason = peer->has_certificate ? "device" : "address";
    pthread_mutex_unlock(&limits->lock);
    return reason;
}

int connection_limits_add(struct connection_limits *limits, const struct peer *peer,
                          struct error *err)
{
    pthread_mutex_lock(&limits->lock);
    int failed = peer->is_trusted ? 0 : raise_count(limits, key_of(peer));
    limits->open += !failed;
    pthread_mutex_unlock(&limits->lock);
    return failed ? fail_internal(err, "out of memory") : 0;
}

void connection_limits_remove(struct connection_limits *limits, const struct peer *peer)
{
    pthread_mutex_lock(&limits->lock);
    if (!peer->is_trusted)
        lower_count(limits, key_of(peer));
    limits->open--;
    pthread_mutex_unlock(&limits->lock);
}
