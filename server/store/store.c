/* SPDX-License-Identifier: Apache-2.0 */
#include "store/engine.h"

#include "store/sequence.sql.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Up to this size the file is checked page by page at every start, which takes a fraction of a
 * second; a larger one only after a run that did not end in store_close(). */
#define ALWAYS_CHECKED_BYTES (64 * MIB)

/* SQLite's own counting takes a lock around every allocation, for all threads. */
static void configure_engine(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
}

static int take_lock(struct store *store, struct error *err)
{
    CLEANUP(free_string) char *path = NULL;

    if (asprintf(&path, "%s.lock", store->path) < 0) {
        path = NULL;
        return fail_internal(err, "%s: out of memory", store->path);
    }
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock_fd < 0)
        return fail_internal(err, "%s: %m", path);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return fail(err, PROBLEM_CONFLICT, "%s: another otad uses this database", store->path);
    return fail_internal(err, "%s: %m", path);
}

static int64_t size_of(const char *path, const char *suffix)
{
    CLEANUP(free_string) char *whole = NULL;
    struct stat status;

    if (asprintf(&whole, "%s%s", path, suffix) < 0) {
        whole = NULL;
        return 0;
    }
    return stat(whole, &status) ? 0 : status.st_size;
}

/* Makes the file if need be, so that it and what SQLite puts beside it are ours alone to read. An
 * empty one beside a log is refused: SQLite would take the log for a stranger's and delete it. */
static int prepare_file(const struct store *store, bool *ret_was_closed, struct error *err)
{
    int64_t log_size = size_of(store->path, "-wal");
    CLEANUP(close_fd) int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return fail_internal(err, "%s: %m", store->path);
    *ret_was_closed = log_size == 0;
    if (size_of(store->path, "") == 0 && log_size > 0)
        return fail(err, PROBLEM_CONFLICT, "%s: the database is empty but its log is not",
                    store->path);
    return 0;
}

static int open_file(struct store *store, struct error *err)
{
    size_t count;
    const struct migration *migrations = migrations_embedded(&count);
    bool was_closed = false;

    if (take_lock(store, err) || prepare_file(store, &was_closed, err) ||
        connection_open(store, true, &store->writer.connection, err))
        return -1;
    if ((!was_closed || size_of(store->path, "") <= ALWAYS_CHECKED_BYTES) &&
        check_integrity(store->writer.connection, err))
        return -1;
    return migrate(store->writer.connection, migrations, count, err);
}

static struct store *store_new(const struct store_options *options)
{
    static _Atomic uint64_t numbers;
    struct store *store = calloc(1, sizeof *store);

    if (!store)
        return NULL;
    store->number = atomic_fetch_add(&numbers, 1) + 1;
    store->path = strdup(options->path);
    store->vfs = options->vfs ? strdup(options->vfs) : NULL;
    store->lock_fd = -1;
    store->queue_max = options->queue_max;
    store->cache_bytes = options->cache_bytes;
    store->is_fatal_on_sync_failure = options->is_fatal_on_sync_failure;
    pthread_mutex_init(&store->readers_lock, NULL);
    pthread_mutex_init(&store->writer.lock, NULL);
    pthread_cond_init(&store->writer.wake, NULL);
    store->writer.last = &store->writer.first;
    store->writer.effects_end = &store->writer.effects;
    if (!store->path || (options->vfs && !store->vfs))
        store_close(&store);
    return store;
}

int store_open(const struct store_options *options, struct store **ret, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, configure_engine);
    CLEANUP(store_close) struct store *store = store_new(options);
    if (!store)
        return fail_internal(err, "%s: out of memory", options->path);
    if (open_file(store, err) || writer_start(store, err))
        return -1;
    *ret = MOVE(store);
    return 0;
}

void store_close(struct store **store)
{
    struct store *closing = MOVE(*store);

    if (!closing)
        return;
    writer_stop(closing);
    while (closing->readers) {
        struct connection *reader = closing->readers;
        closing->readers = reader->next;
        connection_close(&reader);
    }
    /* The last connection to close writes the log back into the file and removes it. */
    connection_close(&closing->writer.connection);
    close_fd(&closing->lock_fd);
    pthread_cond_destroy(&closing->writer.wake);
    pthread_mutex_destroy(&closing->writer.lock);
    pthread_mutex_destroy(&closing->readers_lock);
    free(closing->vfs);
    free(closing->path);
    free(closing);
}

uint64_t store_generation(const struct store *store)
{
    return atomic_load(&store->generation);
}

int store_next_number(struct tx *tx, const char *name, int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sequence_next_sql);

    query_bind_text(&q, ":name", name);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED)
        return -1;
    assert(step == STEP_ROW);
    *ret = query_number(&q, 0);
    return 0;
}

int store_raise_number(struct tx *tx, const char *name, int64_t least, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sequence_raise_sql);

    query_bind_text(&q, ":name", name);
    query_bind_number(&q, ":least", least);
    return query_run(&q, err);
}

void store_count(const struct store *store, struct store_counts *ret)
{
    struct store *counted =
        (struct store *)(uintptr_t)store; /* its locks are not part of its value */

    *ret = (struct store_counts){
        .commits = atomic_load(&counted->commits),
        .jobs = atomic_load(&counted->jobs),
        .lost_batches = atomic_load(&counted->lost_batches),
    };
    pthread_mutex_lock(&counted->writer.lock);
    ret->queued = (uint64_t)counted->writer.queued;
    pthread_mutex_unlock(&counted->writer.lock);
    pthread_mutex_lock(&counted->readers_lock);
    for (const struct connection *reader = counted->readers; reader; reader = reader->next)
        ret->reads += atomic_load_explicit(&reader->reads, memory_order_relaxed);
    pthread_mutex_unlock(&counted->readers_lock);
}
