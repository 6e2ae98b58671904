/* SPDX-License-Identifier: Apache-2.0 */
/* Every session is in three lists: its id's, its device's, and the one by age of use. Keys are
 * random or hashes, so their first bytes choose the list. */
#include "tls/session_store.h"

#include <pthread.h>
#include <string.h>

struct session {
    struct session *next_by_id, *next_by_device;
    struct session *older, *newer;
    struct session_entry entry;
    uint16_t size;
    uint8_t encoded[];
};

struct session_store {
    pthread_mutex_t lock; /* guards everything below */
    unsigned references;
    size_t most, count, lists;
    struct session *newest, *oldest;
    struct session **by_id, **by_device;
};

struct session_store *session_store_new(size_t most)
{
    struct session_store *store = calloc(1, sizeof *store);

    if (!store)
        return NULL;
    store->lists = most < 64 ? 64 : most;
    store->by_id = calloc(store->lists, sizeof *store->by_id);
    store->by_device = calloc(store->lists, sizeof *store->by_device);
    store->references = 1;
    store->most = most;
    pthread_mutex_init(&store->lock, NULL);
    if (!store->by_id || !store->by_device)
        session_store_release(&store);
    return store;
}

struct session_store *session_store_keep(struct session_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->references++;
    pthread_mutex_unlock(&store->lock);
    return store;
}

static struct session **list_of(const struct session_store *store, struct session **lists,
                                const uint8_t *key)
{
    uint64_t first;

    memcpy(&first, key, sizeof first);
    return &lists[first % store->lists];
}

static void take_out(struct session_store *store, struct session *session)
{
    struct session **link = list_of(store, store->by_id, session->entry.id);

    while (*link != session)
        link = &(*link)->next_by_id;
    *link = session->next_by_id;
    link = list_of(store, store->by_device, session->entry.fingerprint);
    while (*link != session)
        link = &(*link)->next_by_device;
    *link = session->next_by_device;
    *(session->newer ? &session->newer->older : &store->newest) = session->older;
    *(session->older ? &session->older->newer : &store->oldest) = session->newer;
    store->count--;
}

static void drop(struct session_store *store, struct session *session)
{
    take_out(store, session);
    explicit_bzero(session, sizeof *session + session->size); /* it holds a master secret */
    free(session);
}

static void put_in(struct session_store *store, struct session *session)
{
    struct session **by_id = list_of(store, store->by_id, session->entry.id);
    struct session **by_device = list_of(store, store->by_device, session->entry.fingerprint);

    session->next_by_id = *by_id;
    *by_id = session;
    session->next_by_device = *by_device;
    *by_device = session;
    session->newer = NULL;
    session->older = store->newest;
    *(store->newest ? &store->newest->newer : &store->oldest) = session;
    store->newest = session;
    store->count++;
}

static void drop_all(struct session_store *store)
{
    while (store->oldest)
        drop(store, store->oldest);
}

void session_store_release(struct session_store **store)
{
    struct session_store *mine = *store;

    if (!mine)
        return;
    *store = NULL;
    pthread_mutex_lock(&mine->lock);
    bool is_last = --mine->references == 0;
    if (is_last)
        drop_all(mine);
    pthread_mutex_unlock(&mine->lock);
    if (!is_last)
        return;
    pthread_mutex_destroy(&mine->lock);
    free(mine->by_id);
    free(mine->by_device);
    free(mine);
}

static struct session *find(struct session_store *store, const uint8_t *id)
{
    struct session *session = *list_of(store, store->by_id, id);

    while (session && memcmp(session->entry.id, id, SESSION_ID_MAX))
        session = session->next_by_id;
    return session;
}

/* Lists grow at their head: the last of a device is its oldest. */
static void make_room_for_device(struct session_store *store, const uint8_t *fingerprint)
{
    struct session *session = *list_of(store, store->by_device, fingerprint), *oldest = NULL;
    int count = 0;

    for (; session; session = session->next_by_device) {
        if (memcmp(session->entry.fingerprint, fingerprint, sizeof session->entry.fingerprint))
            continue;
        count++;
        oldest = session;
    }
    if (count >= SESSIONS_PER_DEVICE)
        drop(store, oldest);
}

void session_store_add(struct session_store *store, const struct session_entry *entry,
                       const uint8_t *encoded, size_t size)
{
    struct session *session = size <= SESSION_ENCODED_MAX ? malloc(sizeof *session + size) : NULL;

    if (!session)
        return;
    session->entry = *entry;
    session->size = (uint16_t)size;
    memcpy(session->encoded, encoded, size);

    pthread_mutex_lock(&store->lock);
    struct session *same = find(store, entry->id);
    if (same)
        drop(store, same);
    make_room_for_device(store, entry->fingerprint);
    if (store->count >= store->most && store->oldest)
        drop(store, store->oldest);
    put_in(store, session);
    pthread_mutex_unlock(&store->lock);
}

size_t session_store_find(struct session_store *store, const uint8_t id[SESSION_ID_MAX],
                          uint64_t generation, int64_t now, uint8_t ret[SESSION_ENCODED_MAX])
{
    size_t size = 0;

    pthread_mutex_lock(&store->lock);
    struct session *session = find(store, id);
    if (session && (session->entry.generation != generation || session->entry.expires_at <= now)) {
        drop(store, session);
    } else if (session) {
        size = session->size;
        memcpy(ret, session->encoded, size);
        take_out(store, session);
        put_in(store, session);
    }
    pthread_mutex_unlock(&store->lock);
    return size;
}

void session_store_remove(struct session_store *store, const uint8_t id[SESSION_ID_MAX])
{
    pthread_mutex_lock(&store->lock);
    struct session *session = find(store, id);
    if (session)
        drop(store, session);
    pthread_mutex_unlock(&store->lock);
}

void session_store_forget(struct session_store *store, const uint8_t *fingerprint)
{
    pthread_mutex_lock(&store->lock);
    if (!fingerprint) {
        drop_all(store);
    } else {
        struct session *session = *list_of(store, store->by_device, fingerprint), *next;

        for (; session; session = next) {
            next = session->next_by_device;
            if (!memcmp(session->entry.fingerprint, fingerprint, 32))
                drop(store, session);
        }
    }
    pthread_mutex_unlock(&store->lock);
}

size_t session_store_count(struct session_store *store)
{
    pthread_mutex_lock(&store->lock);
    size_t count = store->count;
    pthread_mutex_unlock(&store->lock);
    return count;
}
