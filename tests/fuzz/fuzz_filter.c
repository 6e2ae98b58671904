/* SPDX-License-Identifier: Apache-2.0 */
/* Target filters: what is taken means the same in memory and as SQL, and SQLite takes whatever is
 * made of it. */
#include "campaign/filter_sql.h"
#include "core/version.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One device: id a, model gw2, hardware "", site x y, version 1.10, state active; attribute a=9,
 * tag lab. */
static const char schema[] =
    "CREATE TABLE device (row_id INTEGER PRIMARY KEY, id, model, hardware, site, version, state);"
    "CREATE TABLE device_attribute (device_row, name, value);"
    "CREATE TABLE device_tag (device_row, tag);"
    "INSERT INTO device VALUES (1, 'a', 'gw2', '', 'x y', '1.10', 'active');"
    "INSERT INTO device_attribute VALUES (1, 'a', '9');"
    "INSERT INTO device_tag VALUES (1, 'lab');";

static int attribute(void *arg, const char *name, char *ret, size_t room, bool *ret_found,
                     struct error *err)
{
    (void)arg;
    (void)err;
    *ret_found = strcmp(name, "a") == 0;
    snprintf(ret, room, "9");
    return 0;
}

static int has_tag(void *arg, const char *tag, bool *ret, struct error *err)
{
    (void)arg;
    (void)err;
    *ret = strcmp(tag, "lab") == 0;
    return 0;
}

static const struct filter_subject device = {
    .id = "a",
    .model = "gw2",
    .hardware = "",
    .site = "x y",
    .version = "1.10",
    .state = "active",
    .attribute = attribute,
    .has_tag = has_tag,
};

static void version_order(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int(context, version_compare((const char *)sqlite3_value_text(values[0]),
                                                (const char *)sqlite3_value_text(values[1])));
}

static sqlite3 *database(void)
{
    static sqlite3 *db;

    if (db)
        return db;
    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, schema, NULL, NULL, NULL) ||
        sqlite3_create_function(db, "version_order", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                version_order, NULL, NULL))
        abort();
    return db;
}

static bool matches_in_sql(const struct filter_sql *filter)
{
    sqlite3_stmt *statement;
    char *sql;

    if (asprintf(&sql, "SELECT 1 FROM device AS d WHERE (%s)", filter->condition) < 0)
        abort();
    if (sqlite3_prepare_v2(database(), sql, -1, &statement, NULL))
        abort();
    free(sql);
    assert(sqlite3_bind_parameter_count(statement) == (int)filter->count);
    for (size_t i = 0; i < filter->count; i++)
        sqlite3_bind_text(statement, (int)i + 1, filter->values[i], -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    assert(code == SQLITE_ROW || code == SQLITE_DONE);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(filter_free) struct filter *filter = NULL;
    CLEANUP(filter_sql_clear) struct filter_sql sql = {0};
    CLEANUP(free_string) char *text = strndup((const char *)data, size);
    struct error err;
    bool matches;

    if (!text || filter_parse(text, &filter, &err))
        return 0;
    if (filter_matches(filter, &device, &matches, &err) || filter_to_sql(filter, &sql, &err))
        return 0;
    assert(matches == matches_in_sql(&sql));
    return 0;
}
