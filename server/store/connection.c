/* SPDX-License-Identifier: Apache-2.0 */
/* Connections are opened once and kept; so are their statements, found by the address of the text.
 */
#include "store/engine.h"

#include "core/version.h"

#include <assert.h>
#include <string.h>

/* Longer than any transaction of ours; a foreign process may hold a lock for this long before
 * requests are told to come again. */
#define BUSY_TIMEOUT_MS 5000
#define MMAP_BYTES (1LL << 30)
/* Half of the cache is the writer's, the rest is for this many readers; more of them take more. */
#define READERS_EXPECTED 8
#define SLOTS_AT_FIRST 64
#define LOG_KEPT_BYTES (64 * MIB)

static enum problem problem_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return PROBLEM_OUT_OF_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
        return PROBLEM_UNAVAILABLE;
    case SQLITE_CONSTRAINT:
        return PROBLEM_CONFLICT;
    default:
        return PROBLEM_INTERNAL;
    }
}

int engine_failed(struct error *err, sqlite3 *db, int code, const char *what)
{
    const char *message = db && (sqlite3_errcode(db) & 0xff) == (code & 0xff)
                              ? sqlite3_errmsg(db)
                              : sqlite3_errstr(code);

    fail_internal(err, "%s (%d): %.100s", message, code, what);
    err->problem = problem_of(code);
    return -1;
}

/* -- statements -- */

static size_t slot_of(const char *sql, size_t slot_count)
{
    return ((uintptr_t)sql * 0x9e3779b97f4a7c15u >> 32) & (slot_count - 1);
}

static struct statement **find_slot(struct statement **slots, size_t slot_count, const char *sql)
{
    size_t i = slot_of(sql, slot_count);

    while (slots[i] && slots[i]->sql != sql)
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

/* At most three quarters are taken, so that a search ends soon. */
static bool make_room(struct connection *connection)
{
    size_t count = connection->slot_count ? 2 * connection->slot_count : SLOTS_AT_FIRST;

    if (4 * (connection->statement_count + 1) <= 3 * connection->slot_count)
        return true;
    struct statement **slots = calloc(count, sizeof(struct statement *));
    if (!slots)
        return false;
    for (size_t i = 0; i < connection->slot_count; i++)
        if (connection->slots[i])
            *find_slot(slots, count, connection->slots[i]->sql) = connection->slots[i];
    free(connection->slots);
    connection->slots = slots;
    connection->slot_count = count;
    return true;
}

static int prepare(struct connection *connection, const char *sql, bool is_cached,
                   struct statement **ret)
{
    struct statement *statement = calloc(1, sizeof *statement);

    if (!statement)
        return SQLITE_NOMEM;
    int code = sqlite3_prepare_v3(connection->db, sql, -1,
                                  is_cached ? SQLITE_PREPARE_PERSISTENT : 0, &statement->at, NULL);
    if (code == SQLITE_OK && !statement->at)
        code = SQLITE_MISUSE; /* an empty text */
    if (code != SQLITE_OK) {
        free(statement);
        return code;
    }
    statement->connection = connection;
    statement->sql = sql;
    statement->is_cached = is_cached;
    *ret = statement;
    return SQLITE_OK;
}

int connection_statement(struct connection *connection, const char *sql, struct statement **ret)
{
    if (!make_room(connection))
        return SQLITE_NOMEM;

    struct statement **slot = find_slot(connection->slots, connection->slot_count, sql);
    struct statement *statement = *slot;
    /* A text that was not constant after all costs a preparation, never a wrong answer. */
    if (!statement || statement->is_busy || strcmp(sqlite3_sql(statement->at), sql)) {
        int code = prepare(connection, sql, !statement, &statement);
        if (code != SQLITE_OK)
            return code;
        if (statement->is_cached) {
            *slot = statement;
            connection->statement_count++;
        }
    }
    statement->is_busy = true;
    connection->busy_count++;
    *ret = statement;
    return SQLITE_OK;
}

int connection_prepare(struct connection *connection, const char *sql, struct statement **ret)
{
    int code = prepare(connection, sql, false, ret);

    connection->busy_count += code == SQLITE_OK;
    return code;
}

void statement_release(struct statement *statement)
{
    statement->connection->busy_count--;
    if (!statement->is_cached) {
        sqlite3_finalize(statement->at);
        free(statement);
        return;
    }
    sqlite3_reset(statement->at);
    sqlite3_clear_bindings(statement->at);
    statement->is_busy = false;
}

int connection_run(struct connection *connection, const char *sql)
{
    struct statement *statement;
    int code = connection_statement(connection, sql, &statement);

    if (code != SQLITE_OK)
        return code;
    do
        code = sqlite3_step(statement->at);
    while (code == SQLITE_ROW);
    statement_release(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* -- opening -- */

static int set_pragmas(struct connection *connection)
{
    const struct store *store = connection->store;
    int64_t cache = store->cache_bytes / 2 / (connection->is_writer ? 1 : READERS_EXPECTED);
    CLEANUP(free_string) char *sql = NULL;

    /* The writer reads through its cache alone: what it is about to change is there anyway. */
    if (asprintf(&sql,
                 "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                 "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%lld; PRAGMA mmap_size = %lld;"
                 "PRAGMA journal_size_limit = %d; PRAGMA query_only = %d;",
                 (long long)(cache / KIB < 64 ? 64 : cache / KIB),
                 connection->is_writer ? 0 : MMAP_BYTES, LOG_KEPT_BYTES,
                 !connection->is_writer) < 0) {
        sql = NULL;
        return SQLITE_NOMEM;
    }
    return sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
}

/* version_order(a, b): -1, 0 or 1. */
static void version_order(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *a = (const char *)sqlite3_value_text(values[0]);
    const char *b = (const char *)sqlite3_value_text(values[1]);
    bool is_null = sqlite3_value_type(values[0]) == SQLITE_NULL ||
                   sqlite3_value_type(values[1]) == SQLITE_NULL;

    (void)count;
    if (is_null)
        return; /* the answer is NULL */
    if (!a || !b) {
        sqlite3_result_error_nomem(context);
        return;
    }
    int order = version_compare(a, b);
    sqlite3_result_int(context, (order > 0) - (order < 0));
}

static int add_functions(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "version_order", 2,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                      version_order, NULL, NULL, NULL);
}

static int start_log(sqlite3 *db, bool *ret_is_wal)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_is_wal = !strcmp((const char *)sqlite3_column_text(statement, 0), "wal");
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int connection_open(struct store *store, bool is_writer, struct connection **ret, struct error *err)
{
    CLEANUP(connection_close) struct connection *connection = calloc(1, sizeof *connection);
    bool is_wal = !is_writer;

    if (!connection)
        return fail_internal(err, "%s: out of memory", store->path);
    connection->store = store;
    connection->is_writer = is_writer;

    int code = sqlite3_open_v2(store->path, &connection->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                               store->vfs);
    /* The timeout comes before the first statement, which may find the file locked already. */
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(connection->db, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK && is_writer)
        code = start_log(connection->db, &is_wal);
    if (code == SQLITE_OK)
        code = set_pragmas(connection);
    if (code == SQLITE_OK)
        code = add_functions(connection->db);
    if (code == SQLITE_OK)
        code = sqlite3_wal_autocheckpoint(connection->db, 0); /* the writer chooses the moment */
    if (code != SQLITE_OK)
        return engine_failed(err, connection->db, code, store->path);
    if (!is_wal)
        return fail_internal(err, "%s: write-ahead log is not possible here", store->path);
    *ret = MOVE(connection);
    return 0;
}

void connection_close(struct connection **connection)
{
    struct connection *closing = MOVE(*connection);

    if (!closing)
        return;
    for (size_t i = 0; i < closing->slot_count; i++)
        if (closing->slots[i]) {
            assert(!closing->slots[i]->is_busy);
            sqlite3_finalize(closing->slots[i]->at);
            free(closing->slots[i]);
        }
    free(closing->slots);
    sqlite3_close(closing->db);
    free(closing);
}

/* -- readers -- */

/* The connection this thread used last: its pages and statements are in this processor's cache.
 * Stores have numbers because an address may come back after a store was closed. */
static _Thread_local struct {
    uint64_t store_number;
    struct connection *connection;
} favourite;

static bool try_to_take(struct connection *connection)
{
    return !atomic_load_explicit(&connection->is_taken, memory_order_relaxed) &&
           !atomic_exchange_explicit(&connection->is_taken, true, memory_order_acquire);
}

static struct connection *find_idle(struct store *store)
{
    pthread_mutex_lock(&store->readers_lock);
    struct connection *connection = store->readers;
    while (connection && !try_to_take(connection))
        connection = connection->next;
    pthread_mutex_unlock(&store->readers_lock);
    return connection;
}

static int open_reader(struct store *store, struct connection **ret, struct error *err)
{
    struct connection *connection;

    if (connection_open(store, false, &connection, err))
        return -1;
    atomic_init(&connection->is_taken, true);
    pthread_mutex_lock(&store->readers_lock);
    connection->next = store->readers;
    store->readers = connection;
    pthread_mutex_unlock(&store->readers_lock);
    *ret = connection;
    return 0;
}

int reader_take(struct store *store, struct connection **ret, struct error *err)
{
    if (favourite.store_number == store->number && try_to_take(favourite.connection)) {
        *ret = favourite.connection;
        return 0;
    }
    struct connection *connection = find_idle(store);
    if (!connection && open_reader(store, &connection, err))
        return -1;
    favourite.store_number = store->number;
    favourite.connection = connection;
    *ret = connection;
    return 0;
}

void reader_give_back(struct connection *connection)
{
    assert(connection->busy_count == 0); /* every query was finished before its tx */
    atomic_store_explicit(&connection->is_taken, false, memory_order_release);
}
