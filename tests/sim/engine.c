/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, forgetting, crashing. */
#include "engine_inside.h"

#include "core/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* -- files -- */

static void path_of(const struct engine *engine, const char *name, const char *suffix,
                    char ret[FOLDER_SIZE])
{
    snprintf(ret, FOLDER_SIZE, "%.90s/%s%s", engine->folder, name, suffix);
}

static void name_of(const struct engine *engine, char ret[16])
{
    snprintf(ret, 16, "%d.db", engine->generation);
}

static void copy_file(const char *from, const char *to)
{
    CLEANUP(close_fd) int in = open(from, O_RDONLY | O_CLOEXEC);
    CLEANUP(close_fd) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct stat status;

    if (in < 0 || out < 0 || fstat(in, &status))
        die("copy %s to %s: %m", from, to);
    for (off_t left = status.st_size; left > 0;) {
        ssize_t copied = copy_file_range(in, NULL, out, NULL, (size_t)left, 0);

        if (copied <= 0)
            die("copy %s to %s: %m", from, to);
        left -= copied;
    }
}

/* Database and log; a log that is not there is a database that was closed. */
static void copy_database(const struct engine *engine, const char *from, const char *to)
{
    static const char *const suffixes[] = {"", "-wal"};
    char source[FOLDER_SIZE], target[FOLDER_SIZE];

    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        path_of(engine, from, suffixes[i], source);
        path_of(engine, to, suffixes[i], target);
        if (access(source, F_OK) == 0)
            copy_file(source, target);
        else
            unlink(target);
    }
}

static void remove_database(const struct engine *engine, const char *name)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    char path[FOLDER_SIZE];

    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        path_of(engine, name, suffixes[i], path);
        unlink(path);
    }
}

/* -- open and close -- */

static void start(struct engine *engine)
{
    char name[16], path[FOLDER_SIZE];
    const struct store_options options = {
        .path = path, .queue_max = 4096, .cache_bytes = 64 * (int64_t)MIB};
    struct error err = {0};

    name_of(engine, name);
    path_of(engine, name, "", path);
    demand(store_open(&options, &engine->store, &err), &err, "store_open");
    demand(campaigns_open(engine->store, engine->config, &engine->campaigns, &err), &err,
           "campaigns_open");
}

/* What was heard and not written goes with the process. */
static void stop(struct engine *engine)
{
    campaigns_close(&engine->campaigns);
    store_close(&engine->store);
    engine->heard_count = 0;
    memset(engine->seen, 0, engine->seen_room * sizeof *engine->seen);
}

/* What refers to others is emptied before them. A table that refers to itself is emptied at once.
 */
static void find_tables(struct engine *engine)
{
    static const char tables[] =
        "WITH RECURSIVE emptied (name, depth) AS ("
        "SELECT name, 0 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "UNION SELECT f.\"table\", e.depth + 1 FROM emptied AS e, pragma_foreign_key_list(e.name) "
        "AS f WHERE f.\"table\" <> e.name AND e.depth < 20) "
        "SELECT name, max(depth) FROM emptied WHERE name NOT IN ('tenant', 'audit') "
        "GROUP BY name ORDER BY max(depth), name";
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};

    demand(tx_read(&tx, engine->store, &err), &err, "tx_read");
    CLEANUP(query_finish) struct query q = query_start(&tx, tables);
    while (query_step(&q, &err) == STEP_ROW) {
        char **deletion = &engine->deletions[engine->deletion_count++];

        if (engine->deletion_count > TABLES_MAX ||
            asprintf(deletion, "DELETE FROM %s", query_text(&q, 0)) < 0)
            die("too many tables");
    }
}

struct engine *engine_open(const char *folder)
{
    struct engine *engine = need(calloc(1, sizeof *engine));
    struct error err = {0};

    log_set_level(LOG_LEVEL_ERROR);
    snprintf(engine->folder, sizeof engine->folder, "%.80s/XXXXXX", folder);
    if (!mkdtemp(engine->folder))
        die("%s: %m", engine->folder);
    demand(config_defaults("/nonexistent", &engine->config, &err), &err, "config_defaults");
    engine->usual =
        (struct bounds){engine->config->capacity_leases, engine->config->capacity_leases_site};
    engine->seen_room = 64;
    engine->seen = need(calloc(engine->seen_room, sizeof *engine->seen));
    start(engine);
    find_tables(engine);
    return engine;
}

void engine_close(struct engine **engine)
{
    struct engine *closing = MOVE(*engine);
    char name[16];

    if (!closing)
        return;
    stop(closing);
    name_of(closing, name);
    remove_database(closing, name);
    remove_database(closing, "backup.db");
    rmdir(closing->folder);
    config_free(&closing->config);
    for (size_t i = 0; i < closing->deletion_count; i++)
        free(closing->deletions[i]);
    free(closing->seen);
    free(closing->heard);
    free(closing);
}

static int delete_all(struct tx *tx, void *arg, struct error *err)
{
    const struct engine *engine = arg;

    for (size_t i = 0; i < engine->deletion_count; i++) {
        CLEANUP(query_finish) struct query d = query_start(tx, engine->deletions[i]);

        if (query_run(&d, err))
            return -1;
    }
    return 0;
}

/* The tenant stays, as the audit log names it; what it keeps is of the run before. */
static int forget_tenant(struct tx *tx, void *arg, struct error *err)
{
    static const char tenant[] = "UPDATE tenant SET resumed_at = 0";
    CLEANUP(query_finish) struct query q = query_start(tx, tenant);

    (void)arg;
    return query_run(&q, err);
}

static int add_product(struct tx *tx, void *arg, struct error *err)
{
    static const char product[] =
        "INSERT INTO product (row_id, tenant_row, id, created_at) VALUES (1, 1, 'gw', 0)";
    CLEANUP(query_finish) struct query q = query_start(tx, product);

    (void)arg;
    return query_run(&q, err);
}

void engine_set_bounds(struct engine *engine, const struct bounds *bounds)
{
    engine->bounds = *bounds;
}

void engine_clear(struct engine *engine)
{
    struct error err = {0};

    campaigns_close(&engine->campaigns);
    engine->config->capacity_leases =
        engine->bounds.leases_server ? engine->bounds.leases_server : engine->usual.leases_server;
    engine->config->capacity_leases_site =
        engine->bounds.leases_site ? engine->bounds.leases_site : engine->usual.leases_site;
    demand(store_write(engine->store, delete_all, engine, &err), &err, "delete all");
    demand(store_write(engine->store, forget_tenant, engine, &err), &err, "forget the tenant");
    demand(store_write(engine->store, add_product, engine, &err), &err, "add the product");
    demand(campaigns_open(engine->store, engine->config, &engine->campaigns, &err), &err,
           "campaigns_open");
    engine->heard_count = 0;
    memset(engine->seen, 0, engine->seen_room * sizeof *engine->seen);
}

/* -- crash and backup -- */

void engine_crash(struct engine *engine)
{
    char before[16], after[16];

    name_of(engine, before);
    engine->generation++;
    name_of(engine, after);
    copy_database(engine, before, after);
    stop(engine);
    remove_database(engine, before);
    start(engine);
}

void engine_back_up(struct engine *engine)
{
    char name[16];

    name_of(engine, name);
    copy_database(engine, name, "backup.db");
}

void engine_restore(struct engine *engine)
{
    char before[16], after[16];

    name_of(engine, before);
    stop(engine);
    remove_database(engine, before);
    engine->generation++;
    name_of(engine, after);
    copy_database(engine, "backup.db", after);
    start(engine);
}
