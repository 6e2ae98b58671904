/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen shards, each with a lock of its own and two lists: what is gathered now, and what is on
 * its way to the disk. A list that did not reach it is kept and written again; writing twice is
 * harmless. A look-up asks the gathered list, the one on its way, then the table, so nothing is
 * ever unseen. */
#include "store/seen.h"

#include "core/log.h"
#include "store/seen.sql.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define SHARDS 16
#define BATCH_ROWS 1000
#define ROOM_AT_FIRST 64

struct entry {
    int64_t device_row;
    struct last_seen last;
};

struct list {
    struct entry *entries;
    size_t count, room;
    uint32_t *slots; /* twice the room; index of an entry + 1, 0 is free */
};

struct shard {
    pthread_mutex_t lock; /* guards both lists; the second is only read while it is written down */
    struct list gathered;
    struct list on_its_way;
};

struct seen {
    struct store *store;
    int64_t flush_seconds;
    size_t shard_most;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t flush_lock; /* one flush at a time */

    pthread_mutex_t wake_lock; /* guards the next two */
    pthread_cond_t wake;
    bool is_stopping, is_crowded;

    struct shard shards[SHARDS];
};

/* -- lists -- */

static uint64_t hash_of(int64_t device_row)
{
    return (uint64_t)device_row * 0x9e3779b97f4a7c15u >> 20;
}

/* The slot where the device is, or where it would be. The list has room. */
static uint32_t *find_slot(const struct list *list, int64_t device_row)
{
    size_t mask = 2 * list->room - 1, i = hash_of(device_row) & mask;

    while (list->slots[i] && list->entries[list->slots[i] - 1].device_row != device_row)
        i = (i + 1) & mask;
    return &list->slots[i];
}

static const struct entry *find_entry(const struct list *list, int64_t device_row)
{
    uint32_t slot = list->room ? *find_slot(list, device_row) : 0;

    return slot ? &list->entries[slot - 1] : NULL;
}

static bool grow(struct list *list)
{
    size_t room = list->room ? 2 * list->room : ROOM_AT_FIRST;
    struct entry *entries = realloc(list->entries, room * sizeof *entries);
    if (!entries)
        return false;
    list->entries = entries;

    uint32_t *slots = calloc(2 * room, sizeof *slots);
    if (!slots)
        return false;
    free(list->slots);
    list->slots = slots;
    list->room = room;
    for (size_t i = 0; i < list->count; i++)
        *find_slot(list, entries[i].device_row) = (uint32_t)i + 1;
    return true;
}

/* NULL when there may be no more. */
static struct entry *find_or_add(struct list *list, int64_t device_row, size_t most)
{
    uint32_t *slot = list->room ? find_slot(list, device_row) : NULL;

    if (slot && *slot)
        return &list->entries[*slot - 1];
    if (list->count == most || (list->count == list->room && !grow(list)))
        return NULL;
    slot = find_slot(list, device_row);
    *slot = (uint32_t)++list->count;
    struct entry *entry = &list->entries[list->count - 1];
    *entry = (struct entry){.device_row = device_row};
    return entry;
}

static void clear_list(struct list *list)
{
    free(list->entries);
    free(list->slots);
    *list = (struct list){0};
}

/* -- gathering -- */

/* Foreign text that is shown to operators: cut, and nothing but printable ASCII. */
static void copy_printable(char *ret, size_t size, const char *text)
{
    size_t i = 0;

    for (; text && text[i] && i + 1 < size; i++)
        ret[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    ret[i] = '\0';
}

static struct shard *shard_of(struct seen *seen, int64_t device_row)
{
    return &seen->shards[(uint64_t)device_row % SHARDS];
}

static void wake_flusher(struct seen *seen)
{
    pthread_mutex_lock(&seen->wake_lock);
    seen->is_crowded = true;
    pthread_cond_signal(&seen->wake);
    pthread_mutex_unlock(&seen->wake_lock);
}

void seen_touch(struct seen *seen, int64_t device_row, int64_t now, const char *address,
                const char *client)
{
    struct shard *shard = shard_of(seen, device_row);

    pthread_mutex_lock(&shard->lock);
    size_t before = shard->gathered.count;
    struct entry *entry = find_or_add(&shard->gathered, device_row, seen->shard_most);
    if (entry && now >= entry->last.at) {
        entry->last.at = now;
        copy_printable(entry->last.address, sizeof entry->last.address, address);
        copy_printable(entry->last.client, sizeof entry->last.client, client);
    }
    bool gets_crowded =
        shard->gathered.count != before && shard->gathered.count == (seen->shard_most + 1) / 2;
    pthread_mutex_unlock(&shard->lock);
    if (gets_crowded)
        wake_flusher(seen);
}

static bool find_in_memory(struct seen *seen, int64_t device_row, struct last_seen *ret)
{
    struct shard *shard = shard_of(seen, device_row);

    pthread_mutex_lock(&shard->lock);
    const struct entry *entry = find_entry(&shard->gathered, device_row);
    if (!entry)
        entry = find_entry(&shard->on_its_way, device_row);
    if (entry)
        *ret = entry->last;
    pthread_mutex_unlock(&shard->lock);
    return entry != NULL;
}

enum step seen_last(struct seen *seen, struct tx *tx, int64_t device_row, struct last_seen *ret,
                    struct error *err)
{
    if (find_in_memory(seen, device_row, ret))
        return STEP_ROW;

    CLEANUP(query_finish) struct query q = query_start(tx, seen_find_sql);
    query_bind_number(&q, ":device_row", device_row);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW) {
        ret->at = query_number(&q, 0);
        copy_printable(ret->address, sizeof ret->address, query_text(&q, 1));
        copy_printable(ret->client, sizeof ret->client, query_text(&q, 2));
    }
    return step;
}

/* -- writing down -- */

struct cursor {
    struct seen *seen;
    size_t shard, entry; /* the next to write */
};

static int write_entry(struct tx *tx, const struct entry *entry, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, seen_write_sql);

    query_bind_number(&q, ":device_row", entry->device_row);
    query_bind_number(&q, ":seen_at", entry->last.at);
    query_bind_text(&q, ":address", entry->last.address);
    query_bind_text(&q, ":client", entry->last.client);
    return query_run(&q, err);
}

static int write_some(struct tx *tx, void *arg, struct error *err)
{
    struct cursor *cursor = arg;

    for (int rows = 0; rows < BATCH_ROWS && cursor->shard < SHARDS;) {
        const struct list *list = &cursor->seen->shards[cursor->shard].on_its_way;
        if (cursor->entry == list->count) {
            cursor->shard++;
            cursor->entry = 0;
            continue;
        }
        if (write_entry(tx, &list->entries[cursor->entry++], err))
            return -1;
        rows++;
    }
    return 0;
}

/* What failed to be written stays on its way; the rest follows the next time. */
static size_t send_gathered(struct seen *seen)
{
    size_t count = 0;

    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &seen->shards[i];
        pthread_mutex_lock(&shard->lock);
        if (!shard->on_its_way.count) {
            shard->on_its_way = shard->gathered;
            shard->gathered = (struct list){0};
        }
        count += shard->on_its_way.count;
        pthread_mutex_unlock(&shard->lock);
    }
    return count;
}

static void forget_written(struct seen *seen)
{
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&seen->shards[i].lock);
        clear_list(&seen->shards[i].on_its_way);
        pthread_mutex_unlock(&seen->shards[i].lock);
    }
}

static int flush_once(struct seen *seen, size_t *ret_count, struct error *err)
{
    struct cursor cursor = {.seen = seen};

    *ret_count = send_gathered(seen);
    if (!*ret_count)
        return 0;
    while (cursor.shard < SHARDS)
        if (store_write(seen->store, write_some, &cursor, err))
            return -1;
    forget_written(seen);
    return 0;
}

int seen_flush(struct seen *seen, struct error *err)
{
    size_t count;

    pthread_mutex_lock(&seen->flush_lock);
    /* A second time, because a list left from a failed flush went first. */
    int failed = flush_once(seen, &count, err) || (count && flush_once(seen, &count, err));
    pthread_mutex_unlock(&seen->flush_lock);
    return failed ? -1 : 0;
}

/* Returns true when it is time to stop. */
static bool wait_for_flush(struct seen *seen)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seen->flush_seconds;
    pthread_mutex_lock(&seen->wake_lock);
    int failed = 0;
    while (!seen->is_stopping && !seen->is_crowded && !failed)
        failed = pthread_cond_timedwait(&seen->wake, &seen->wake_lock, &until);
    seen->is_crowded = false;
    bool is_stopping = seen->is_stopping;
    pthread_mutex_unlock(&seen->wake_lock);
    return is_stopping;
}

static void *flush_until_stopped(void *arg)
{
    struct seen *seen = arg;
    struct error err;
    bool is_last;

    pthread_setname_np(pthread_self(), "seen");
    do {
        is_last = wait_for_flush(seen);
        if (seen_flush(seen, &err))
            log_warning("seen.not_written", CAUSE(&err));
    } while (!is_last);
    return NULL;
}

int seen_start(struct store *store, int64_t flush_seconds, int64_t most, struct seen **ret,
               struct error *err)
{
    struct seen *seen = calloc(1, sizeof *seen);
    pthread_condattr_t monotonic;

    if (!seen)
        return fail_internal(err, "last seen: out of memory");
    seen->store = store;
    seen->flush_seconds = flush_seconds;
    seen->shard_most = (size_t)(most + SHARDS - 1) / SHARDS;
    pthread_mutex_init(&seen->flush_lock, NULL);
    pthread_mutex_init(&seen->wake_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&seen->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&seen->shards[i].lock, NULL);

    int failed = pthread_create(&seen->thread, NULL, flush_until_stopped, seen);
    seen->has_thread = !failed;
    if (failed) {
        seen_stop(&seen);
        return fail_internal(err, "last seen: thread: error %d", failed);
    }
    *ret = seen;
    return 0;
}

void seen_stop(struct seen **seen)
{
    struct seen *stopping = MOVE(*seen);

    if (!stopping)
        return;
    if (stopping->has_thread) {
        pthread_mutex_lock(&stopping->wake_lock);
        stopping->is_stopping = true;
        pthread_cond_signal(&stopping->wake);
        pthread_mutex_unlock(&stopping->wake_lock);
        pthread_join(stopping->thread, NULL);
    }
    for (size_t i = 0; i < SHARDS; i++) {
        clear_list(&stopping->shards[i].gathered);
        clear_list(&stopping->shards[i].on_its_way);
        pthread_mutex_destroy(&stopping->shards[i].lock);
    }
    pthread_cond_destroy(&stopping->wake);
    pthread_mutex_destroy(&stopping->wake_lock);
    pthread_mutex_destroy(&stopping->flush_lock);
    free(stopping);
}
