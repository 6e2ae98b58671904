/* SPDX-License-Identifier: Apache-2.0 */
#include "store/engine.h"

#include <assert.h>
#include <string.h>

static const char begin_sql[] = "BEGIN";

/* A reader's tx that never asks costs no statement; one that does sees one state of the data to its
 * end. On the writer a statement after the batch was lost would be a transaction of its own. */
static int begin_when_first(struct connection *connection)
{
    if (connection->is_writer)
        return connection->store->writer.is_dead ? SQLITE_ABORT : SQLITE_OK;
    if (connection->has_begun)
        return SQLITE_OK;
    int code = connection_run(connection, begin_sql);
    connection->has_begun = code == SQLITE_OK;
    return code;
}

typedef int (*statement_fn)(struct connection *connection, const char *sql, struct statement **ret);

static struct query start(struct tx *tx, const char *sql, statement_fn make)
{
    struct query q = {.connection = tx->connection};
    struct statement *statement;

    assert(tx->is_open);
    q.failure = begin_when_first(q.connection);
    if (q.failure == SQLITE_OK)
        q.failure = make(q.connection, sql, &statement);
    if (q.failure != SQLITE_OK)
        return q;
    assert(tx->is_write || sqlite3_stmt_readonly(statement->at));
    atomic_fetch_add_explicit(&q.connection->reads, 1, memory_order_relaxed);
    q.statement = statement;
    return q;
}

struct query query_start(struct tx *tx, const char *sql)
{
    return start(tx, sql, connection_statement);
}

struct query query_start_once(struct tx *tx, const char *sql)
{
    return start(tx, sql, connection_prepare);
}

static sqlite3_stmt *prepared(const struct query *q)
{
    const struct statement *statement = q->statement;

    return statement->at;
}

/* The parameter's number; 0 when there is nothing to bind to. A wrong name is a bug. */
static int parameter(const struct query *q, const char *name)
{
    if (q->failure != SQLITE_OK)
        return 0;
    int index = sqlite3_bind_parameter_index(prepared(q), name);
    assert(index > 0);
    return index;
}

void query_bind_text(struct query *q, const char *name, const char *text)
{
    int index = parameter(q, name);

    if (index)
        q->failure = sqlite3_bind_text(prepared(q), index, text, -1, SQLITE_STATIC);
}

void query_bind_texts_after(struct query *q, const char *name, const char *const *texts,
                            size_t count)
{
    int index = parameter(q, name);

    for (size_t i = 0; i < count && q->failure == SQLITE_OK; i++) {
        assert(!sqlite3_bind_parameter_name(prepared(q), index + 1 + (int)i));
        q->failure =
            sqlite3_bind_text(prepared(q), index + 1 + (int)i, texts[i], -1, SQLITE_STATIC);
    }
}

void query_bind_number(struct query *q, const char *name, int64_t number)
{
    int index = parameter(q, name);

    if (index)
        q->failure = sqlite3_bind_int64(prepared(q), index, number);
}

void query_bind_real(struct query *q, const char *name, double real)
{
    int index = parameter(q, name);

    if (index)
        q->failure = sqlite3_bind_double(prepared(q), index, real);
}

void query_bind_blob(struct query *q, const char *name, const void *bytes, size_t length)
{
    int index = parameter(q, name);

    if (!index)
        return;
    /* SQLite takes a NULL address for NULL; no bytes at all are still a value. */
    q->failure =
        sqlite3_bind_blob64(prepared(q), index, length ? bytes : "", length, SQLITE_STATIC);
}

void query_bind_blob_or_null(struct query *q, const char *name, const void *bytes, size_t length)
{
    if (bytes)
        query_bind_blob(q, name, bytes, length);
    else
        query_bind_null(q, name);
}

void query_bind_null(struct query *q, const char *name)
{
    int index = parameter(q, name);

    if (index)
        q->failure = sqlite3_bind_null(prepared(q), index);
}

void query_bind_number_or_null(struct query *q, const char *name, int64_t number)
{
    if (number)
        query_bind_number(q, name, number);
    else
        query_bind_null(q, name);
}

static int step_failed(struct query *q, int code, struct error *err)
{
    const struct statement *statement = q->statement;

    q->failure = code;
    engine_failed(err, q->connection->db, code, statement ? statement->sql : "prepare");
    if (q->connection->is_writer)
        writer_check(&q->connection->store->writer, code);
    return -1;
}

enum step query_step(struct query *q, struct error *err)
{
    if (q->failure != SQLITE_OK) {
        step_failed(q, q->failure, err);
        return STEP_FAILED;
    }
    int code = sqlite3_step(prepared(q));
    if (code == SQLITE_ROW)
        return STEP_ROW;
    if (code == SQLITE_DONE)
        return STEP_DONE;
    step_failed(q, code, err);
    return STEP_FAILED;
}

/* A value that was there and could not be had: memory ran out. */
static void lose_value(struct query *q)
{
    q->failure = SQLITE_NOMEM;
    q->connection->has_failed = true;
}

const char *query_text_or_null(struct query *q, int column)
{
    bool is_null = query_is_null(q, column); /* first: reading as text may convert */
    const char *text = (const char *)sqlite3_column_text(prepared(q), column);

    if (!text && !is_null)
        lose_value(q);
    return text;
}

const char *query_text(struct query *q, int column)
{
    const char *text = query_text_or_null(q, column);

    return text ? text : "";
}

/* Some rows are read a million times in a row: no formatting. */
void query_copy(struct query *q, int column, char *ret, size_t room)
{
    const char *text = query_text(q, column);
    size_t length = strnlen(text, room - 1);

    memcpy(ret, text, length);
    ret[length] = '\0';
}

int64_t query_number(struct query *q, int column)
{
    return sqlite3_column_int64(prepared(q), column);
}

double query_real(struct query *q, int column)
{
    return sqlite3_column_double(prepared(q), column);
}

bool query_is_null(struct query *q, int column)
{
    return sqlite3_column_type(prepared(q), column) == SQLITE_NULL;
}

const void *query_blob(struct query *q, int column, size_t *ret_length)
{
    const void *bytes = sqlite3_column_blob(prepared(q), column);
    size_t length = (size_t)sqlite3_column_bytes(prepared(q), column);

    if (!bytes && length)
        lose_value(q);
    *ret_length = bytes ? length : 0;
    return bytes;
}

void query_finish(struct query *q)
{
    if (q->statement)
        statement_release(q->statement);
    q->statement = NULL;
}

int query_run(struct query *q, struct error *err)
{
    enum step step;

    do
        step = query_step(q, err);
    while (step == STEP_ROW);
    query_finish(q);
    return step == STEP_DONE ? 0 : -1;
}

int64_t query_changes(const struct query *q)
{
    return sqlite3_changes64(q->connection->db);
}

int64_t query_last_row(const struct query *q)
{
    return sqlite3_last_insert_rowid(q->connection->db);
}
