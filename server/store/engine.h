/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share and nobody else sees: connections, the writer, migrations. */
#ifndef OTAD_STORE_ENGINE_H
#define OTAD_STORE_ENGINE_H

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* -- connection.c: one SQLite connection and the statements prepared on it -- */

struct statement {
    struct connection *connection;
    const char *sql; /* its address is the key */
    sqlite3_stmt *at;
    bool is_busy;
    bool is_cached; /* false: made because the cached one was busy; ends with its query */
};

/* Belongs to one thread at a time: the writer's for good, a reader's while its tx is open. */
struct connection {
    struct store *store;
    sqlite3 *db;
    struct connection *next;  /* of all readers */
    _Atomic bool is_taken;    /* by a tx; the writer's always is */
    struct statement **slots; /* open addressing, a power of two */
    size_t slot_count;
    size_t statement_count;
    size_t busy_count; /* of statements; none when a tx ends */
    bool is_writer;
    bool has_begun;  /* a reader's BEGIN waits for the first statement of its tx */
    bool has_failed; /* in a function that cannot say so: tx_commit() does */
    _Atomic uint64_t reads;
};

int connection_open(struct store *store, bool is_writer, struct connection **ret,
                    struct error *err) MUST_CHECK;
void connection_close(struct connection **connection);
/* Runs a statement that has no parameters, from the cache. Returns SQLite's code. */
int connection_run(struct connection *connection, const char *sql);
int connection_statement(struct connection *connection, const char *sql, struct statement **ret);
/* Prepared for this use alone; `sql` stays where it is until statement_release(). */
int connection_prepare(struct connection *connection, const char *sql, struct statement **ret);
void statement_release(struct statement *statement);

/* Names the problem behind SQLite's answer: out of space, try later, at odds with the data. The
 * cause tells what was done. Returns -1. */
int engine_failed(struct error *err, sqlite3 *db, int code, const char *what);

/* A reader nobody uses, opened when there is none. */
int reader_take(struct store *store, struct connection **ret, struct error *err) MUST_CHECK;
void reader_give_back(struct connection *connection);

/* -- migrate.c -- */

struct migration {
    int number;
    const char *name;
    const char *sql;
};
/* Brings the file to the last of `list` (in order of number), each in a transaction of its
 * own. Refuses a file of a newer program, of another program, or damaged. */
int migrate(struct connection *connection, const struct migration *list, size_t count,
            struct error *err) MUST_CHECK;
/* The ones compiled in. */
const struct migration *migrations_embedded(size_t *ret_count);
/* Reads every page; takes seconds for a large file. */
int check_integrity(struct connection *connection, struct error *err) MUST_CHECK;

/* -- writer.c -- */

struct effect {
    struct effect *next;
    void (*run)(struct store *store, void *arg);
    void *arg;
};

struct writer {
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* guards the queue down to is_stopping */
    pthread_cond_t wake;
    struct write_job *first;
    struct write_job **last;
    int64_t queued;
    bool is_stopping;

    /* Only the writer's thread from here on. */
    struct connection *connection;
    struct tx *tx;          /* the open one */
    struct effect *effects; /* of the batch, in order; the open tx's are behind tx_effects */
    struct effect **effects_end;
    struct effect **tx_effects;
    bool tx_changes_identities;
    bool changes_identities;
    bool is_dead; /* SQLite rolled the batch back: nothing of it goes on */
    int lost_by;  /* SQLite's code when it did */
    int wal_pages;
    int checkpoint_at; /* pages of the log */
};

int writer_start(struct store *store, struct error *err) MUST_CHECK;
void writer_stop(struct store *store); /* runs what is queued first */
bool writer_is_this_thread(const struct store *store);
/* After a failed statement of the batch: notices when SQLite gave the whole transaction up. */
void writer_check(struct writer *writer, int code);

/* -- store.c -- */

struct store {
    uint64_t number; /* no other store of this process had it */
    char *path;
    char *vfs;
    int lock_fd;
    int64_t queue_max;
    int64_t cache_bytes;
    bool is_fatal_on_sync_failure;
    struct writer writer;

    pthread_mutex_t readers_lock; /* guards the list, which only grows */
    struct connection *readers;

    _Atomic uint64_t generation, commits, jobs, lost_batches;
};

#endif
