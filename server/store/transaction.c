/* SPDX-License-Identifier: Apache-2.0 */
/* A reading tx is a connection for a while and one snapshot. A writing one is a savepoint inside
 * the batch the writer has open; its effects wait in the batch's list until the commit is on disk.
 */
#include "store/engine.h"

#include <assert.h>

static const char commit_sql[] = "COMMIT";
static const char rollback_sql[] = "ROLLBACK";
static const char savepoint_sql[] = "SAVEPOINT tx";
static const char release_sql[] = "RELEASE tx";
static const char rollback_to_sql[] = "ROLLBACK TO tx";

int tx_read(struct tx *tx, struct store *store, struct error *err)
{
    struct connection *connection = store->writer.connection;

    assert(!tx->is_open);
    /* On the writer's thread a read sees what earlier jobs of the batch have done: a revocation
     * that is not on disk yet counts already. */
    if (!writer_is_this_thread(store) && reader_take(store, &connection, err))
        return -1;
    if (!connection->is_writer)
        connection->has_failed = false;
    *tx = (struct tx){.store = store, .connection = connection, .is_open = true};
    return 0;
}

/* The log's reader marks go with the transaction; a failure here leaves nothing to undo. */
static void end_read(struct connection *connection)
{
    if (connection->is_writer)
        return;
    if (connection->has_begun && connection_run(connection, commit_sql) != SQLITE_OK &&
        !sqlite3_get_autocommit(connection->db))
        sqlite3_exec(connection->db, rollback_sql, NULL, NULL, NULL);
    connection->has_begun = false;
    reader_give_back(connection);
}

static void free_effects(struct writer *writer, struct effect **from)
{
    while (*from) {
        struct effect *effect = *from;
        *from = effect->next;
        free(effect->arg);
        free(effect);
    }
    writer->effects_end = from;
}

int tx_write(struct tx *tx, struct store *store, struct error *err)
{
    struct writer *writer = &store->writer;

    assert(!tx->is_open && writer_is_this_thread(store) && !writer->tx);
    if (writer->is_dead)
        return fail(err, PROBLEM_UNAVAILABLE, "the batch of writes was lost");
    int code = connection_run(writer->connection, savepoint_sql);
    if (code != SQLITE_OK) {
        writer_check(writer, code);
        return engine_failed(err, writer->connection->db, code, savepoint_sql);
    }
    *tx = (struct tx){
        .store = store, .connection = writer->connection, .is_write = true, .is_open = true};
    writer->connection->has_failed = false;
    writer->tx = tx;
    writer->tx_effects = writer->effects_end;
    writer->tx_changes_identities = false;
    return 0;
}

static void close_write(struct tx *tx)
{
    tx->store->writer.tx = NULL;
    tx->is_open = false;
}

int tx_commit(struct tx *tx, struct error *err)
{
    struct writer *writer = &tx->store->writer;

    assert(tx->is_open && !tx->is_joined);
    if (!tx->is_write) {
        tx->is_joined = true;
        return tx->connection->has_failed ? fail_internal(err, "commit: out of memory") : 0;
    }
    if (writer->is_dead)
        return fail(err, PROBLEM_UNAVAILABLE, "the batch of writes was lost");
    if (tx->connection->has_failed)
        return fail_internal(err, "commit: out of memory");
    int code = connection_run(tx->connection, release_sql);
    if (code != SQLITE_OK) {
        writer_check(writer, code);
        return engine_failed(err, tx->connection->db, code, release_sql);
    }
    tx->is_joined = true;
    if (writer->tx_changes_identities)
        writer->changes_identities = true;
    close_write(tx);
    return 0;
}

/* When even that fails, what this tx did cannot be told from what others did: the batch is given
 * up. */
static void roll_back(struct writer *writer)
{
    struct connection *connection = writer->connection;

    if (writer->is_dead)
        return;
    int code = connection_run(connection, rollback_to_sql);
    if (code == SQLITE_OK)
        code = connection_run(connection, release_sql);
    if (code == SQLITE_OK)
        return;
    if (!sqlite3_get_autocommit(connection->db))
        sqlite3_exec(connection->db, rollback_sql, NULL, NULL, NULL);
    writer_check(writer, code);
}

void tx_end(struct tx *tx)
{
    if (!tx->is_open)
        return;
    if (!tx->is_write) {
        tx->is_open = false;
        end_read(tx->connection);
        return;
    }
    struct writer *writer = &tx->store->writer;
    roll_back(writer);
    free_effects(writer, writer->tx_effects);
    close_write(tx);
}

void tx_after_commit(struct tx *tx, void (*run)(struct store *store, void *arg), void *arg)
{
    struct writer *writer = &tx->store->writer;
    struct effect *effect = calloc(1, sizeof *effect);

    assert(tx->is_open && tx->is_write);
    if (!effect) {
        tx->connection->has_failed = true;
        free(arg);
        return;
    }
    effect->run = run;
    effect->arg = arg;
    *writer->effects_end = effect;
    writer->effects_end = &effect->next;
}

void tx_changes_identities(struct tx *tx)
{
    assert(tx->is_open && tx->is_write);
    tx->store->writer.tx_changes_identities = true;
}
