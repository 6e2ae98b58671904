/* SPDX-License-Identifier: Apache-2.0 */
/* What was acknowledged is there after a restart, and everybody else is told, whatever the disk
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/write_batch.h"

#include "fault/failing_vfs.h"

#include <pthread.h>
#include <sys/wait.h>

static int open_store(void **state)
{
    struct temporary *at = calloc(1, sizeof *at);

    failing_vfs_register();
    disk_is_well();
    temporary_folder(at);
    at->options.vfs = "failing";
    at->options.cache_bytes =
        128 * KIB; /* small, so that a large insert is written before COMMIT */
    temporary_open(at);
    make_notes(at->store);
    *state = at;
    return 0;
}

static int remove_store(void **state)
{
    disk_is_well();
    temporary_remove(*state);
    free(*state);
    return 0;
}

static void restart(struct temporary *at)
{
    disk_is_well();
    store_close(&at->store);
    temporary_open(at);
    assert_int_equal(ask(at->store, "SELECT count(*) FROM pragma_integrity_check WHERE "
                                    "integrity_check = 'ok'"),
                     1);
}

static int64_t count_ids(struct temporary *at, const char *which)
{
    char sql[96];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM note WHERE id %s", which);
    return ask(at->store, sql);
}

/* More than the cache holds: its pages go to the disk while the savepoint is open. */
static int insert_much(struct tx *tx, int64_t id, struct error *err)
{
    static const char sql[] =
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
        "INSERT INTO note SELECT :id + i, hex(zeroblob(1000)) FROM n";
    CLEANUP(query_finish) struct query q = query_start(tx, sql);

    query_bind_number(&q, ":id", id);
    return query_run(&q, err);
}

static void a_failure_in_one_savepoint_loses_the_whole_batch(void **state)
{
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    struct temporary *at = *state;
    struct store_counts counts;
    struct error err;

    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct plan plans[] = {
            {.work = insert,      .id = 1,    .commits = true},
            {.work = insert_much, .id = 1000, .commits = true},
            {.work = insert,      .id = 2,    .commits = true},
        };
        assert_int_equal(insert_durably(at->store, 100 + (int64_t)i, &err), 0);
        fail_write(10, codes[i]);
        run_as_one_batch(at->store, plans, COUNT_OF(plans));
        assert_int_equal(plans[1].err.problem,
                         codes[i] == SQLITE_FULL ? PROBLEM_OUT_OF_SPACE : PROBLEM_UNAVAILABLE);
        assert_false(plans[2].has_run); /* the batch was dead by then */
        for (size_t k = 0; k < COUNT_OF(plans); k++)
            assert_false(plans[k].is_durable);
        assert_int_equal(count_ids(at, "< 100 OR id >= 1000"), 0);
    }
    store_count(at->store, &counts);
    assert_int_equal(counts.lost_batches, COUNT_OF(codes));
    assert_int_equal(insert_durably(at->store, 3, &err), 0);
    restart(at);
    assert_int_equal(count_ids(at, "IN (3, 100, 101)"), 3);
    assert_int_equal(count_ids(at, "NOT IN (3, 100, 101)"), 0);
}

static _Atomic int effects_run;

static void count_effect(struct store *store, void *arg)
{
    (void)store;
    (void)arg;
    atomic_fetch_add(&effects_run, 1);
}

static int insert_with_effect(struct tx *tx, int64_t id, struct error *err)
{
    tx_after_commit(tx, count_effect, NULL);
    tx_changes_identities(tx);
    return insert(tx, id, err);
}

static void run_three_and_expect_none(struct temporary *at, int64_t first_id)
{
    struct plan plans[] = {
        {.work = insert_with_effect, .id = first_id,     .commits = true},
        {.work = insert_with_effect, .id = first_id + 1, .commits = true},
        {.work = insert_with_effect, .id = first_id + 2, .commits = true},
    };
    uint64_t generation = store_generation(at->store);

    atomic_store(&effects_run, 0);
    run_as_one_batch(at->store, plans, COUNT_OF(plans));
    for (size_t i = 0; i < COUNT_OF(plans); i++)
        assert_true(plans[i].has_run && !plans[i].is_durable);
    assert_int_equal(atomic_load(&effects_run), 0);
    assert_int_equal(store_generation(at->store), generation);
    assert_int_equal(count_ids(at, ">= 10"), 0);
}

static void a_failed_write_at_commit_is_told_to_all(void **state)
{
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    struct temporary *at = *state;
    struct error err;

    for (int nth = 1; nth <= 2; nth++)
        for (size_t i = 0; i < COUNT_OF(codes); i++) {
            int64_t id = nth * 2 + (int64_t)i;
            assert_int_equal(insert_durably(at->store, id, &err), 0);
            fail_write(nth, codes[i]);
            run_three_and_expect_none(at, 10);
        }
    assert_int_equal(insert_durably(at->store, 9, &err), 0);
    restart(at);
    assert_int_equal(count_ids(at, "IN (2, 3, 4, 5, 9)"), 5);
    assert_int_equal(count_ids(at, ">= 10"), 0);
}

static void a_failed_sync_at_commit_is_told_to_all(void **state)
{
    struct temporary *at = *state;
    struct error err;

    assert_int_equal(insert_durably(at->store, 1, &err), 0);
    fail_sync(1, SQLITE_IOERR_FSYNC);
    run_three_and_expect_none(at, 10);
    assert_int_equal(insert_durably(at->store, 2, &err), 0);
    restart(at);
    assert_int_equal(count_ids(at, "IN (1, 2)"), 2);
}

/* As above, but the process ends right after: what was not acknowledged may be there, all or
 * nothing. */
static void after_a_failed_sync_the_batch_is_there_as_a_whole_or_not_at_all(void **state)
{
    struct temporary *at = *state;
    struct error err;

    assert_int_equal(insert_durably(at->store, 1, &err), 0);
    fail_sync(1, SQLITE_IOERR_FSYNC);
    run_three_and_expect_none(at, 10);
    restart(at);
    assert_int_equal(count_ids(at, "= 1"), 1);
    assert_true(count_ids(at, ">= 10") == 0 || count_ids(at, ">= 10") == 3);
}

static void a_failed_checkpoint_harms_nobody(void **state)
{
    struct temporary *at = *state;
    struct error err;
    struct plan large[] = {
        {.work = insert_much, .id = 1000, .commits = true},
        {.work = insert_much, .id = 2000, .commits = true},
        {.work = insert_much, .id = 3000, .commits = true}
    };

    fail_sync(2, SQLITE_IOERR_FSYNC); /* the first is the commit's, the second the checkpoint's */
    run_as_one_batch(at->store, large, COUNT_OF(large));
    assert_true(large[0].is_durable && large[1].is_durable && large[2].is_durable);
    assert_int_equal(insert_durably(at->store, 1, &err), 0);
    assert_true(atomic_load(&disk.sync_to_fail) <= 0);
    restart(at);
    assert_int_equal(count_ids(at, ">= 1000"), 3000);
}

/* In the daemon a sync that failed ends the process, after the jobs were told. */
static void a_daemon_does_not_outlive_a_failed_sync(void **state)
{
    struct temporary *at = *state;
    struct error err;
    int status;

    store_close(&at->store);
    pid_t child = fork();
    if (child == 0) {
        at->options.is_fatal_on_sync_failure = true;
        if (store_open(&at->options, &at->store, &err) || insert_durably(at->store, 1, &err))
            _exit(2);
        fail_write(1, SQLITE_FULL); /* no case for it: nothing reached the disk */
        if (insert_durably(at->store, 2, &err) == 0 || insert_durably(at->store, 3, &err))
            _exit(3);
        fail_sync(1, SQLITE_IOERR_FSYNC);
        if (insert_durably(at->store, 4, &err) == 0)
            _exit(4);
        sleep(10);
        _exit(5);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    temporary_open(at);
    assert_int_equal(count_ids(at, "IN (1, 3)"), 2);
    assert_int_equal(count_ids(at, "= 2"), 0);
}

#define WRITERS 256
static struct store *shared;
static pthread_barrier_t start_together;
static _Atomic int failures;

static void *write_one(void *arg)
{
    struct error err;

    pthread_barrier_wait(&start_together);
    if (insert_durably(shared, (intptr_t)arg, &err))
        atomic_fetch_add(&failures, 1);
    return NULL;
}

static void concurrent_writes_share_their_syncs(void **state)
{
    struct temporary *at = *state;
    pthread_t threads[WRITERS];
    struct error err;

    assert_int_equal(insert_durably(at->store, WRITERS, &err), 0);
    shared = at->store;
    pthread_barrier_init(&start_together, NULL, WRITERS);
    atomic_store(&disk.sync_sleep_us, 5000);
    atomic_store(&disk.syncs, 0);
    for (intptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_one, (void *)i), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    print_message("%d writes needed %d syncs\n", WRITERS, atomic_load(&disk.syncs));
    assert_int_equal(atomic_load(&failures), 0);
    assert_true(atomic_load(&disk.syncs) <= 10);
    assert_int_equal(count_ids(at, "< 256"), WRITERS);
}

/* Another program holds the write lock for longer than we wait. */
static void a_foreign_lock_is_an_answer_not_a_hang(void **state)
{
    struct temporary *at = *state;
    struct error err;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(at->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(insert_durably(at->store, 1, &err), -1);
    assert_int_equal(err.problem, PROBLEM_UNAVAILABLE);
    assert_int_equal(count_ids(at, "= 1"), 0); /* reading goes on */
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(insert_durably(at->store, 1, &err), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_store, remove_store)
    const struct CMUnitTest tests[] = {
        CASE(a_failure_in_one_savepoint_loses_the_whole_batch),
        CASE(a_failed_write_at_commit_is_told_to_all),
        CASE(a_failed_sync_at_commit_is_told_to_all),
        CASE(after_a_failed_sync_the_batch_is_there_as_a_whole_or_not_at_all),
        CASE(a_failed_checkpoint_harms_nobody),
        CASE(a_daemon_does_not_outlive_a_failed_sync),
        CASE(concurrent_writes_share_their_syncs),
        CASE(a_foreign_lock_is_an_answer_not_a_hang),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
