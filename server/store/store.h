/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite as the durable memory: one writer thread that shares commits, several readers, and
 * `struct tx` as the only key to any record.
 *
 * A write is acknowledged after its commit is on disk. Jobs run one after another on the writer
 * thread, each in a savepoint; the writer commits what gathered during the last sync and then tells
 * every job of it. What a job changes in memory it does in tx_after_commit(). */
#ifndef OTAD_STORE_STORE_H
#define OTAD_STORE_STORE_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct connection;

struct store_options {
    const char *path;
    int64_t queue_max;
    int64_t cache_bytes;
    const char *vfs;               /* NULL: SQLite's own; tests name a failing one */
    bool is_fatal_on_sync_failure; /* the daemon: log and exit, so that memory and file agree */
};

/* Opens or creates the file, takes the lock against a second daemon, runs migrations (embedded from
 * schema/), checks integrity quickly. Refuses a newer schema and a damaged file with a clear
 * detail. */
int store_open(const struct store_options *options, struct store **ret,
               struct error *err) MUST_CHECK;
/* Finishes queued jobs, checkpoints, closes. */
void store_close(struct store **store);

/* Counts every commit that changed who may do what (identity, certificate, token, device state). To
 * keep a verdict as long as this is unchanged, ask before reading what the verdict rests on. */
uint64_t store_generation(const struct store *store);

/* Transactions. A zeroed tx is ended; tx_end() on it is harmless. Belongs to one thread. */
struct tx {
    struct store *store;
    struct connection *connection;
    bool is_write;
    bool is_open;
    bool is_joined; /* tx_commit() was called */
};
/* One state of the data from the first statement to tx_end(); queries are finished before that. On
 * the writer it sees what earlier jobs of the batch did. */
int tx_read(struct tx *tx, struct store *store, struct error *err) MUST_CHECK;
/* Only inside a job on the writer thread (asserted). */
int tx_write(struct tx *tx, struct store *store, struct error *err) MUST_CHECK;
/* Joins the batch: durable only when the job's done() says so. Every query must be finished, also
 * one with RETURNING whose only row was read. */
int tx_commit(struct tx *tx, struct error *err) MUST_CHECK;
/* Rolls back what was not committed. */
void tx_end(struct tx *tx);
/* Runs after COMMIT on the writer thread, before the job's done(); dropped when the batch is lost
 * or this tx rolls back. `arg` is freed with free() afterwards in either case. */
void tx_after_commit(struct tx *tx, void (*effect)(struct store *store, void *arg), void *arg);
/* This tx changes identities: the generation moves with the commit. */
void tx_changes_identities(struct tx *tx);

/* The writer's queue. */
struct write_job {
    struct write_job *next;
    /* 0: keep what its tx committed; -1: whatever its tx did is rolled back already. */
    int (*run)(struct write_job *job, struct store *store);
    void (*done)(struct write_job *job, bool is_durable); /* may free the job */
};
int store_submit(struct store *store, struct write_job *job, struct error *err) MUST_CHECK;
/* Runs `work` on the writer and waits for the commit: for the ticker, workers, start and tests;
 * never from the writer itself. 0 only when durable. */
int store_write(struct store *store, int (*work)(struct tx *tx, void *arg, struct error *err),
                void *arg, struct error *err) MUST_CHECK;

/* Statements. `sql` is a constant from a generated header; its address is the cache's key. Binding
 * remembers the first failure, so only the step is checked. */
enum step { STEP_FAILED = -1, STEP_DONE = 0, STEP_ROW = 1 };
struct query {
    struct connection *connection;
    void *statement;
    int failure;
};
struct query query_start(struct tx *tx, const char *sql);
/* For a text made for this call: prepared anew and not kept. It stays until query_finish(). */
struct query query_start_once(struct tx *tx, const char *sql);
void query_bind_text(struct query *q, const char *name,
                     const char *text); /* NULL binds NULL; not copied */
/* The parameters written "?" that follow the one called `name`. */
void query_bind_texts_after(struct query *q, const char *name, const char *const *texts,
                            size_t count);
void query_bind_number(struct query *q, const char *name, int64_t number);
/* 0 stands for nothing: NULL. */
void query_bind_number_or_null(struct query *q, const char *name, int64_t number);
void query_bind_real(struct query *q, const char *name, double real);
void query_bind_blob(struct query *q, const char *name, const void *bytes,
                     size_t length); /* not copied */
/* NULL bytes stand for nothing: NULL. */
void query_bind_blob_or_null(struct query *q, const char *name, const void *bytes, size_t length);
void query_bind_null(struct query *q, const char *name);
enum step query_step(struct query *q, struct error *err) MUST_CHECK;
/* Columns of the present row, from 0; borrowed until the next step. Text of a NULL is "". */
const char *query_text(struct query *q, int column);
const char *query_text_or_null(struct query *q, int column);
/* Into a room as large as the checks at the edge allow, so nothing is cut but damage. */
void query_copy(struct query *q, int column, char *ret, size_t room);
int64_t query_number(struct query *q, int column);
double query_real(struct query *q, int column);
bool query_is_null(struct query *q, int column);
const void *query_blob(struct query *q, int column, size_t *ret_length);
void query_finish(struct query *q); /* for CLEANUP(); resets, the statement stays cached */
/* For statements without rows: steps, finishes, 0 or -1. `query_changes` rows were touched. */
int query_run(struct query *q, struct error *err) MUST_CHECK;
int64_t query_changes(const struct query *q);
int64_t query_last_row(const struct query *q);

/* Named counters that only grow, in the database: action ids, campaign numbers. */
int store_next_number(struct tx *tx, const char *name, int64_t *ret, struct error *err) MUST_CHECK;
/* The next one is `least` or more. */
int store_raise_number(struct tx *tx, const char *name, int64_t least,
                       struct error *err) MUST_CHECK;

struct store_counts {
    uint64_t commits, jobs, lost_batches, queued, reads;
};
void store_count(const struct store *store, struct store_counts *ret);

#endif
