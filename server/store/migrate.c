/* SPDX-License-Identifier: Apache-2.0 */
/* schema/NNNN_name.sql in order, each in one transaction together with the number it leads to
 * (PRAGMA user_version). Nothing is ever deleted or repaired here: what does not fit is refused. */
#include "store/engine.h"

#include "core/log.h"
#include "migrations.h"

#include <string.h>

#define APPLICATION_ID 0x6f746164 /* "otad": marks the file as ours */

static int ask_number(struct connection *connection, const char *sql, int64_t *ret,
                      struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else
        engine_failed(err, connection->db, code, sql);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : -1;
}

static int apply(struct connection *connection, const struct migration *migration,
                 struct error *err)
{
    CLEANUP(free_string) char *mark = NULL;

    if (asprintf(&mark, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
                 APPLICATION_ID, migration->number) < 0) {
        mark = NULL;
        return fail_internal(err, "migration %s: out of memory", migration->name);
    }
    int code = sqlite3_exec(connection->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(connection->db, migration->sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(connection->db, mark, NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        engine_failed(err, connection->db, code, migration->name);
        if (!sqlite3_get_autocommit(connection->db))
            sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    log_info("store.migrated", TEXT("to", migration->name));
    return 0;
}

/* A file nobody has written to yet, or one of ours. */
static int check_owner(struct connection *connection, struct error *err)
{
    int64_t application, tables;

    if (ask_number(connection, "PRAGMA application_id", &application, err) ||
        ask_number(connection, "SELECT count(*) FROM sqlite_schema", &tables, err))
        return -1;
    if (application == APPLICATION_ID || (application == 0 && tables == 0))
        return 0;
    return fail(err, PROBLEM_CONFLICT, "%s: this is a database of another program",
                connection->store->path);
}

int migrate(struct connection *connection, const struct migration *list, size_t count,
            struct error *err)
{
    int known = count ? list[count - 1].number : 0;
    int64_t present;

    if (check_owner(connection, err) ||
        ask_number(connection, "PRAGMA user_version", &present, err))
        return -1;
    if (present > known)
        return fail(err, PROBLEM_CONFLICT,
                    "%s: the database is of a newer otad (schema %d, this one knows %d)",
                    connection->store->path, (int)present, known);
    for (size_t i = 0; i < count; i++)
        if (list[i].number > present && apply(connection, &list[i], err))
            return -1;
    return 0;
}

const struct migration *migrations_embedded(size_t *ret_count)
{
    static struct migration list[COUNT_OF(migrations)];

    for (size_t i = 0; i < COUNT_OF(migrations); i++)
        list[i] = (struct migration){.number = (int)strtol(migrations[i].name, NULL, 10),
                                     .name = migrations[i].name,
                                     .sql = migrations[i].sql};
    *ret_count = COUNT_OF(migrations);
    return list;
}

int check_integrity(struct connection *connection, struct error *err)
{
    const char *path = connection->store->path;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(connection->db, "PRAGMA quick_check(1)", -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const char *finding = (const char *)sqlite3_column_text(statement, 0);
        if (finding && !strcmp(finding, "ok"))
            code = SQLITE_OK;
        else
            fail(err, PROBLEM_CONFLICT, "%s: the database is damaged: %s", path,
                 finding ? finding : "out of memory");
    } else {
        engine_failed(err, connection->db, code, path);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_OK ? 0 : -1;
}
