/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that writes. It takes all jobs that wait, runs each in its savepoint inside one
 * transaction, commits once and then tells every job. While the commit waits for the disk the next
 * jobs gather; that is what makes a thousand writes a second cost a few dozen syncs. */
#include "store/engine.h"

#include "core/log.h"

#include <assert.h>
#include <time.h>

#define BATCH_MAX 1024
#define CHECKPOINT_PAGES 1000

static const char begin_sql[] = "BEGIN IMMEDIATE";
static const char commit_sql[] = "COMMIT";

static _Thread_local const struct store *writes_for; /* set on a writer's thread */

bool writer_is_this_thread(const struct store *store)
{
    return writes_for == store;
}

void writer_check(struct writer *writer, int code)
{
    if (writer->is_dead || !sqlite3_get_autocommit(writer->connection->db))
        return;
    writer->is_dead = true;
    writer->lost_by = code;
}

static void log_failure(const char *event, struct store *store, int code, const char *what)
{
    struct error err;

    engine_failed(&err, store->writer.connection->db, code, what);
    log_error(event, CAUSE(&err));
}

/* -- one batch -- */

static bool begin_batch(struct store *store)
{
    int code = connection_run(store->writer.connection, begin_sql);

    store->writer.is_dead = code != SQLITE_OK;
    store->writer.lost_by = code;
    if (code == SQLITE_OK)
        return true;
    log_failure("store.begin_failed", store, code, begin_sql);
    return false;
}

static void run_jobs(struct store *store, struct write_job *jobs)
{
    for (struct write_job *job = jobs; job && !store->writer.is_dead; job = job->next) {
        job->run(job, store);
        assert(!store->writer.tx && !store->writer.connection->busy_count); /* all was ended */
    }
}

/* Returns SQLite's code. Whatever it is, no transaction is open afterwards. */
static int commit_batch(struct store *store)
{
    sqlite3 *db = store->writer.connection->db;
    int code = store->writer.lost_by;

    if (!store->writer.is_dead)
        code = connection_run(store->writer.connection, commit_sql);
    if (code != SQLITE_OK) {
        log_failure(store->writer.is_dead ? "store.batch_lost" : "store.commit_failed", store, code,
                    commit_sql);
        if (!sqlite3_get_autocommit(db))
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return code;
}

static void finish_effects(struct store *store, bool is_durable)
{
    struct writer *writer = &store->writer;

    if (is_durable && writer->changes_identities)
        atomic_fetch_add(&store->generation, 1);
    while (writer->effects) {
        struct effect *effect = writer->effects;
        writer->effects = effect->next;
        if (is_durable)
            effect->run(store, effect->arg);
        free(effect->arg);
        free(effect);
    }
    writer->effects_end = &writer->effects;
    writer->changes_identities = false;
}

static void tell_jobs(struct write_job *jobs, bool is_durable)
{
    while (jobs) {
        struct write_job *job = jobs;
        jobs = job->next;
        job->done(job, is_durable);
    }
}

/* After a failed sync nobody knows what the disk holds: going on would let memory and file
 * disagree. A full disk is no such case, the commit record was never written. */
static void give_up_when_unsure(const struct store *store, int code)
{
    const struct timespec for_replies_to_leave = {.tv_nsec = 200 * 1000 * 1000};

    if (!store->is_fatal_on_sync_failure || (code & 0xff) != SQLITE_IOERR)
        return;
    log_error("store.giving_up", TEXT("reason", "a commit failed on its way to the disk"));
    nanosleep(&for_replies_to_leave, NULL);
    _exit(1);
}

static void run_batch(struct store *store, struct write_job *jobs)
{
    int code = SQLITE_ABORT;

    if (begin_batch(store)) {
        run_jobs(store, jobs);
        code = commit_batch(store);
    }
    atomic_fetch_add(code == SQLITE_OK ? &store->commits : &store->lost_batches, 1);
    finish_effects(store, code == SQLITE_OK);
    tell_jobs(jobs, code == SQLITE_OK);
    give_up_when_unsure(store, code);
}

/* -- the log and its checkpoints -- */

static int note_log_pages(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct writer *writer = arg;

    (void)db;
    (void)name;
    if (pages < writer->wal_pages) /* it started over */
        writer->checkpoint_at = CHECKPOINT_PAGES;
    writer->wal_pages = pages;
    return SQLITE_OK;
}

/* Between two batches, so that nobody's answer waits for it. A failure is harmless now: the data is
 * safe in the log, and the next checkpoint tries again. */
static void checkpoint_when_due(struct store *store)
{
    struct writer *writer = &store->writer;

    if (writer->wal_pages < writer->checkpoint_at)
        return;
    writer->checkpoint_at = writer->wal_pages + CHECKPOINT_PAGES;
    int code = sqlite3_wal_checkpoint_v2(writer->connection->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                         NULL, NULL);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        log_failure("store.checkpoint_failed", store, code, "checkpoint");
}

/* -- the queue -- */

/* Waits for work. NULL when there is none and there will be none. */
static struct write_job *take_jobs(struct writer *writer, struct store *store)
{
    struct write_job *jobs, **end;
    int64_t count = 0;

    pthread_mutex_lock(&writer->lock);
    while (!writer->first && !writer->is_stopping)
        pthread_cond_wait(&writer->wake, &writer->lock);
    jobs = writer->first;
    for (end = &jobs; *end && count < BATCH_MAX; end = &(*end)->next)
        count++;
    writer->first = *end;
    *end = NULL;
    if (!writer->first)
        writer->last = &writer->first;
    writer->queued -= count;
    pthread_mutex_unlock(&writer->lock);
    atomic_fetch_add(&store->jobs, (uint64_t)count);
    return jobs;
}

static void *write_until_stopped(void *arg)
{
    struct store *store = arg;
    struct write_job *jobs;

    pthread_setname_np(pthread_self(), "writer");
    writes_for = store;
    while ((jobs = take_jobs(&store->writer, store))) {
        run_batch(store, jobs);
        checkpoint_when_due(store);
    }
    return NULL;
}

int store_submit(struct store *store, struct write_job *job, struct error *err)
{
    struct writer *writer = &store->writer;
    bool is_taken;

    pthread_mutex_lock(&writer->lock);
    is_taken = writer->queued < store->queue_max && !writer->is_stopping;
    if (is_taken) {
        job->next = NULL;
        *writer->last = job;
        writer->last = &job->next;
        if (writer->queued++ == 0)
            pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->lock);
    return is_taken ? 0 : fail(err, PROBLEM_UNAVAILABLE, "too many writes wait for the disk");
}

int writer_start(struct store *store, struct error *err)
{
    struct writer *writer = &store->writer;

    writer->checkpoint_at = CHECKPOINT_PAGES;
    sqlite3_wal_hook(writer->connection->db, note_log_pages, writer);
    int failed = pthread_create(&writer->thread, NULL, write_until_stopped, store);
    if (failed)
        return fail_internal(err, "writer thread: error %d", failed);
    writer->has_thread = true;
    return 0;
}

void writer_stop(struct store *store)
{
    struct writer *writer = &store->writer;

    if (!writer->has_thread)
        return;
    assert(!writer_is_this_thread(store));
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    writer->has_thread = false;
}

/* -- a write that is waited for -- */

struct waited_write {
    struct write_job job;
    int (*work)(struct tx *tx, void *arg, struct error *err);
    void *arg;
    struct error *err;
    int result;
    bool has_run;
    pthread_mutex_t lock; /* guards is_done */
    pthread_cond_t told;
    bool is_done;
};

static int run_waited(struct write_job *job, struct store *store)
{
    struct waited_write *write = (struct waited_write *)job;
    CLEANUP(tx_end) struct tx tx = {0};

    write->has_run = true;
    if (tx_write(&tx, store, write->err) || write->work(&tx, write->arg, write->err) ||
        tx_commit(&tx, write->err))
        return -1;
    write->result = 0;
    return 0;
}

static void end_waited(struct write_job *job, bool is_durable)
{
    struct waited_write *write = (struct waited_write *)job;

    /* A job that failed by itself keeps its own reason. */
    if (!is_durable && (write->result == 0 || !write->has_run))
        write->result = fail(write->err, PROBLEM_UNAVAILABLE, "the write did not reach the disk");
    pthread_mutex_lock(&write->lock);
    write->is_done = true;
    pthread_cond_signal(&write->told);
    pthread_mutex_unlock(&write->lock);
}

int store_write(struct store *store, int (*work)(struct tx *tx, void *arg, struct error *err),
                void *arg, struct error *err)
{
    struct waited_write write = {
        .job = {.run = run_waited, .done = end_waited},
        .work = work,
        .arg = arg,
        .err = err,
        .result = -1,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .told = PTHREAD_COND_INITIALIZER,
    };

    assert(!writer_is_this_thread(store));
    if (store_submit(store, &write.job, err))
        return -1;
    pthread_mutex_lock(&write.lock);
    while (!write.is_done)
        pthread_cond_wait(&write.told, &write.lock);
    pthread_mutex_unlock(&write.lock);
    pthread_mutex_destroy(&write.lock);
    pthread_cond_destroy(&write.told);
    return write.result;
}
