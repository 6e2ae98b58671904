/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, for tests. Include after cmocka.h. */
#ifndef OTAD_TEMPORARY_STORE_H
#define OTAD_TEMPORARY_STORE_H

/* cmocka's fail() hides the one that makes errors. */
#undef fail
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#include "core/text.h"
#include "store/store.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

struct temporary {
    char folder[32];
    char path[48];
    struct store_options options;
    struct store *store;
};

static inline void temporary_folder(struct temporary *at)
{
    *at = (struct temporary){.folder = "/tmp/otad-test-XXXXXX"};
    assert_non_null(mkdtemp(at->folder));
    snprintf(at->path, sizeof at->path, "%s/otad.db", at->folder);
    at->options =
        (struct store_options){.path = at->path, .queue_max = 4096, .cache_bytes = 4 * MIB};
}

static inline void temporary_open(struct temporary *at)
{
    struct error err = {0};

    if (store_open(&at->options, &at->store, &err))
        fail_msg("store_open: %s %s", err.detail, err.cause);
}

static inline int remove_entry(const char *path, const struct stat *status, int kind,
                               struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void temporary_remove(struct temporary *at)
{
    store_close(&at->store);
    nftw(at->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Runs one statement without parameters, durably. */
static inline int execute_job(struct tx *tx, void *sql, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sql);

    return query_run(&q, err);
}

static inline void execute(struct store *store, const char *sql)
{
    struct error err = {0};

    if (store_write(store, execute_job, (void *)(uintptr_t)sql, &err))
        fail_msg("%s: %s %s", sql, err.detail, err.cause);
}

/* The first column of the first row; -1 when there is none. */
static inline int64_t ask_in(struct tx *tx, const char *sql)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sql);
    struct error err;
    enum step step = query_step(&q, &err);

    if (step == STEP_FAILED)
        fail_msg("%s: %s %s", sql, err.detail, err.cause);
    return step == STEP_ROW ? query_number(&q, 0) : -1;
}

static inline int64_t ask(struct store *store, const char *sql)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    assert_int_equal(tx_read(&tx, store, &err), 0);
    return ask_in(&tx, sql);
}

#endif
