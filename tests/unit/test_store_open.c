/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken for a database, and what is refused rather than repaired. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/temporary_store.h"

#include "store/engine.h"

#include <fcntl.h>

static int make_folder(void **state)
{
    struct temporary *at = calloc(1, sizeof *at);

    temporary_folder(at);
    *state = at;
    return 0;
}

static int remove_folder(void **state)
{
    temporary_remove(*state);
    free(*state);
    return 0;
}

static void assert_refused(struct temporary *at, const char *reason)
{
    struct error err = {0};

    assert_int_equal(store_open(&at->options, &at->store, &err), -1);
    assert_null(at->store);
    if (!strstr(error_text(&err), reason))
        fail_msg("said \"%s\" rather than \"%s\"", error_text(&err), reason);
}

/* Runs statements past the store, as another program would. */
static void execute_outside(const struct temporary *at, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(at->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void write_at(const struct temporary *at, const char *suffix, off_t offset, size_t count)
{
    char path[64], bytes[4096];

    memset(bytes, 'x', sizeof bytes);
    snprintf(path, sizeof path, "%s%s", at->path, suffix);
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(pwrite(fd, bytes, count, offset), count);
}

static void fill_and_close(struct temporary *at)
{
    temporary_open(at);
    execute(at->store, "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT");
    execute(at->store,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
            "INSERT INTO note SELECT i, hex(zeroblob(100)) FROM n");
    store_close(&at->store);
}

static void nobody_else_can_read_the_files(void **state)
{
    struct temporary *at = *state;
    const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};

    temporary_open(at);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[64];
        struct stat status;
        snprintf(path, sizeof path, "%s%s", at->path, suffixes[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 077, 0);
    }
}

static void a_second_daemon_is_refused(void **state)
{
    struct temporary *at = *state;
    struct store *first;

    temporary_open(at);
    first = MOVE(at->store);
    assert_refused(at, "another otad uses this database");
    store_close(&first);
    temporary_open(at);
}

static void a_newer_schema_is_refused(void **state)
{
    struct temporary *at = *state;
    char known[64];

    temporary_open(at);
    snprintf(known, sizeof known, "schema 9999, this one knows %d",
             (int)ask(at->store, "PRAGMA user_version"));
    store_close(&at->store);
    execute_outside(at, "PRAGMA user_version = 9999");
    assert_refused(at, known);
}

static void a_database_of_another_program_is_refused(void **state)
{
    struct temporary *at = *state;

    execute_outside(at, "CREATE TABLE theirs (a)");
    assert_refused(at, "of another program");
    execute_outside(at, "DROP TABLE theirs; PRAGMA application_id = 1");
    assert_refused(at, "of another program");
}

static void a_file_that_is_no_database_is_refused_and_kept(void **state)
{
    struct temporary *at = *state;
    struct stat status;

    write_at(at, "", 0, 4096);
    assert_refused(at, "not a database");
    assert_int_equal(stat(at->path, &status), 0);
    assert_int_equal(status.st_size, 4096);
}

static void a_damaged_page_is_refused(void **state)
{
    struct temporary *at = *state;
    struct stat status;

    fill_and_close(at);
    assert_int_equal(stat(at->path, &status), 0);
    /* The last pages are the table just filled. */
    write_at(at, "", status.st_size - 2 * 4096, 4096);
    assert_refused(at, "damaged");
}

static void a_shortened_file_is_refused(void **state)
{
    struct temporary *at = *state;
    struct stat status;

    fill_and_close(at);
    assert_int_equal(stat(at->path, &status), 0);
    assert_int_equal(truncate(at->path, status.st_size / 2 / 4096 * 4096), 0);
    assert_refused(at, "malformed");
}

static void an_empty_file_beside_a_log_is_refused_and_the_log_kept(void **state)
{
    struct temporary *at = *state;
    char path[64];
    struct stat status;

    write_at(at, "-wal", 0, 100);
    assert_refused(at, "its log is not");
    snprintf(path, sizeof path, "%s-wal", at->path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 100);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    struct temporary *at = *state;

    at->options.path = "/nowhere/otad.db";
    assert_refused(at, "/nowhere/otad.db");
}

/* -- migrations, on a list of our own -- */

static const struct migration list[] = {
    {1, "0001_first", "CREATE TABLE a (n INTEGER) STRICT; INSERT INTO a VALUES (1);"      },
    {3, "0003_next",  "ALTER TABLE a ADD COLUMN m INTEGER; UPDATE a SET m = n + 1;"       },
    {4, "0004_wrong", "CREATE TABLE b (n INTEGER) STRICT; INSERT INTO nowhere VALUES (1);"},
};

static void open_bare(struct temporary *at, struct store *ret, struct connection **ret_connection)
{
    struct error err;

    *ret = (struct store){.path = at->path, .cache_bytes = MIB};
    execute_outside(at, "");
    if (connection_open(ret, true, ret_connection, &err))
        fail_msg("%s", err.cause);
}

static int64_t number_of(struct connection *connection, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t number = -1;

    if (sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static void migrations_are_applied_once_and_in_order(void **state)
{
    CLEANUP(connection_close) struct connection *connection = NULL;
    struct store bare;
    struct error err;

    open_bare(*state, &bare, &connection);
    assert_int_equal(migrate(connection, list, 1, &err), 0);
    assert_int_equal(number_of(connection, "PRAGMA user_version"), 1);
    assert_int_equal(migrate(connection, list, 2, &err), 0);
    assert_int_equal(migrate(connection, list, 2, &err), 0);
    assert_int_equal(number_of(connection, "PRAGMA user_version"), 3);
    assert_int_equal(number_of(connection, "SELECT sum(m) FROM a"), 2);
    assert_int_equal(migrate(connection, list, 1, &err), -1);
    assert_non_null(strstr(err.detail, "schema 3, this one knows 1"));
}

static void a_failing_migration_leaves_nothing_behind(void **state)
{
    CLEANUP(connection_close) struct connection *connection = NULL;
    struct store bare;
    struct error err;

    open_bare(*state, &bare, &connection);
    assert_int_equal(migrate(connection, list, 3, &err), -1);
    assert_non_null(strstr(err.cause, "0004_wrong"));
    assert_int_equal(number_of(connection, "PRAGMA user_version"), 3);
    assert_int_equal(number_of(connection, "SELECT count(*) FROM b"), -1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        CASE(nobody_else_can_read_the_files),
        CASE(a_second_daemon_is_refused),
        CASE(a_newer_schema_is_refused),
        CASE(a_database_of_another_program_is_refused),
        CASE(a_file_that_is_no_database_is_refused_and_kept),
        CASE(a_damaged_page_is_refused),
        CASE(a_shortened_file_is_refused),
        CASE(an_empty_file_beside_a_log_is_refused_and_the_log_kept),
        CASE(a_folder_that_is_not_there_is_named),
        CASE(migrations_are_applied_once_and_in_order),
        CASE(a_failing_migration_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
