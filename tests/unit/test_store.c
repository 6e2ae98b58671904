/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/write_batch.h"

#include <pthread.h>
#include <stdatomic.h>

static const char count_sql[] = "SELECT count(*) FROM note";

static int open_store(void **state)
{
    struct temporary *at = calloc(1, sizeof *at);

    temporary_folder(at);
    temporary_open(at);
    make_notes(at->store);
    *state = at;
    return 0;
}

static int remove_store(void **state)
{
    temporary_remove(*state);
    free(*state);
    return 0;
}

static void a_committed_write_is_read_back(void **state)
{
    struct temporary *at = *state;
    struct error err;

    assert_int_equal(insert_durably(at->store, 7, &err), 0);
    assert_int_equal(ask(at->store, "SELECT id FROM note"), 7);
    store_close(&at->store);
    temporary_open(at);
    assert_int_equal(ask(at->store, "SELECT id FROM note"), 7);
}

static int insert_and_fail(struct tx *tx, void *arg, struct error *err)
{
    (void)arg;
    if (insert(tx, 1, err))
        return -1;
    return fail(err, PROBLEM_WRONG_STATE, "changed my mind");
}

static void what_is_not_committed_is_rolled_back(void **state)
{
    struct temporary *at = *state;
    struct error err;

    assert_int_equal(store_write(at->store, insert_and_fail, NULL, &err), -1);
    assert_int_equal(err.problem, PROBLEM_WRONG_STATE);
    assert_string_equal(err.detail, "changed my mind");
    assert_int_equal(ask(at->store, count_sql), 0);
}

static void a_broken_constraint_harms_only_its_own_job(void **state)
{
    struct temporary *at = *state;
    struct plan plans[] = {
        {.work = insert, .id = 1, .commits = true },
        {.work = insert, .id = 1, .commits = true },
        {.work = insert, .id = 2, .commits = false},
        {.work = insert, .id = 3, .commits = true },
    };
    struct store_counts before, after;

    store_count(at->store, &before);
    run_as_one_batch(at->store, plans, COUNT_OF(plans));
    store_count(at->store, &after);
    assert_int_equal(after.commits - before.commits, 2); /* the gate's and ours */
    assert_int_equal(after.jobs - before.jobs, 5);
    assert_int_equal(plans[1].err.problem, PROBLEM_CONFLICT);
    assert_non_null(strstr(plans[1].err.cause, "UNIQUE"));
    assert_string_equal(plans[1].err.detail, "");
    assert_true(plans[0].is_durable && plans[3].is_durable);
    assert_int_equal(ask(at->store, "SELECT sum(id) FROM note"), 1 + 3);
}

static _Atomic int effects_run;

static void count_effect(struct store *store, void *arg)
{
    (void)store;
    atomic_fetch_add(&effects_run, *(int *)arg);
}

static int insert_with_effect(struct tx *tx, int64_t id, struct error *err)
{
    int *amount = malloc(sizeof *amount);

    *amount = (int)id;
    tx_after_commit(tx, count_effect, amount);
    return insert(tx, id, err);
}

static void effects_happen_for_committed_writes_alone(void **state)
{
    struct temporary *at = *state;
    struct plan plans[] = {
        {.work = insert_with_effect, .id = 1,   .commits = true },
        {.work = insert_with_effect, .id = 1,   .commits = true }, /* breaks the constraint */
        {.work = insert_with_effect, .id = 10,  .commits = false},
        {.work = insert_with_effect, .id = 100, .commits = true },
    };

    atomic_store(&effects_run, 0);
    run_as_one_batch(at->store, plans, COUNT_OF(plans));
    assert_int_equal(atomic_load(&effects_run), 101);
}

static int change_identity(struct tx *tx, int64_t id, struct error *err)
{
    tx_changes_identities(tx);
    return insert(tx, id, err);
}

static void the_generation_moves_with_the_commit(void **state)
{
    struct temporary *at = *state;
    uint64_t before = store_generation(at->store);
    struct plan rolled_back = {.work = change_identity, .id = 1, .commits = false};
    struct plan plain = {.work = insert, .id = 2, .commits = true};
    struct plan committed = {.work = change_identity, .id = 3, .commits = true};

    run_as_one_batch(at->store, &rolled_back, 1);
    run_as_one_batch(at->store, &plain, 1);
    assert_int_equal(store_generation(at->store), before);
    run_as_one_batch(at->store, &committed, 1);
    assert_int_equal(store_generation(at->store), before + 1);
}

static void a_reader_sees_one_state_to_its_end(void **state)
{
    struct temporary *at = *state;
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    assert_int_equal(tx_read(&tx, at->store, &err), 0);
    assert_int_equal(ask_in(&tx, "SELECT id FROM note WHERE id = 1"), -1);
    assert_int_equal(insert_durably(at->store, 1, &err), 0);
    assert_int_equal(ask_in(&tx, count_sql), 0);
    assert_int_equal(ask(at->store, count_sql), 1);
    tx_end(&tx);
    assert_int_equal(tx_read(&tx, at->store, &err), 0);
    assert_int_equal(ask_in(&tx, count_sql), 1);
}

static int insert_and_look(struct tx *tx, int64_t id, struct error *err)
{
    struct tx reading = {0};

    if (insert(tx, id, err) || tx_read(&reading, tx->store, err))
        return -1;
    assert_int_equal(ask_in(&reading, count_sql), id);
    tx_end(&reading);
    return 0;
}

static void a_read_on_the_writer_sees_the_batch(void **state)
{
    struct temporary *at = *state;
    struct plan plans[] = {
        {.work = insert_and_look, .id = 1, .commits = true},
        {.work = insert_and_look, .id = 2, .commits = true},
    };

    run_as_one_batch(at->store, plans, COUNT_OF(plans));
    assert_int_equal(ask(at->store, count_sql), 2);
}

static void a_statement_can_run_inside_itself(void **state)
{
    static const char sql[] = "SELECT id FROM note WHERE id > :after ORDER BY id";
    struct temporary *at = *state;
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    for (int64_t id = 1; id <= 3; id++)
        assert_int_equal(insert_durably(at->store, id, &err), 0);
    assert_int_equal(tx_read(&tx, at->store, &err), 0);
    CLEANUP(query_finish) struct query outer = query_start(&tx, sql);
    query_bind_number(&outer, ":after", 0);
    assert_int_equal(query_step(&outer, &err), STEP_ROW);
    {
        CLEANUP(query_finish) struct query inner = query_start(&tx, sql);
        query_bind_number(&inner, ":after", 2);
        assert_int_equal(query_step(&inner, &err), STEP_ROW);
        assert_int_equal(query_number(&inner, 0), 3);
    }
    assert_int_equal(query_step(&outer, &err), STEP_ROW);
    assert_int_equal(query_number(&outer, 0), 2);
}

static int insert_all_types(struct tx *tx, void *arg, struct error *err)
{
    CLEANUP(query_finish)
    struct query q = query_start(tx, "INSERT INTO kinds VALUES (:n, :r, :t, :b, :none, :empty)");

    (void)arg;
    query_bind_number(&q, ":n", INT64_MIN);
    query_bind_real(&q, ":r", 0.5);
    query_bind_text(&q, ":t", "\xc3\xa4");
    query_bind_blob(&q, ":b", "\0\1", 2);
    query_bind_null(&q, ":none");
    query_bind_blob(&q, ":empty", NULL, 0);
    if (query_run(&q, err))
        return -1;
    assert_int_equal(query_changes(&q), 1);
    assert_int_equal(query_last_row(&q), 1);
    return 0;
}

static void values_of_every_type_come_back(void **state)
{
    struct temporary *at = *state;
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;
    size_t length;

    execute(at->store, "CREATE TABLE kinds (n INTEGER, r REAL, t TEXT, b BLOB, none TEXT,"
                       "empty BLOB NOT NULL) STRICT");
    assert_int_equal(store_write(at->store, insert_all_types, NULL, &err), 0);
    assert_int_equal(tx_read(&tx, at->store, &err), 0);
    CLEANUP(query_finish) struct query q = query_start(&tx, "SELECT * FROM kinds");
    assert_int_equal(query_step(&q, &err), STEP_ROW);
    assert_true(query_number(&q, 0) == INT64_MIN);
    assert_true(query_real(&q, 1) == 0.5);
    assert_string_equal(query_text(&q, 2), "\xc3\xa4");
    assert_memory_equal(query_blob(&q, 3, &length), "\0\1", 2);
    assert_int_equal(length, 2);
    assert_true(query_is_null(&q, 4));
    assert_null(query_text_or_null(&q, 4));
    assert_string_equal(query_text(&q, 4), "");
    query_blob(&q, 5, &length);
    assert_int_equal(length, 0);
    assert_int_equal(query_step(&q, &err), STEP_DONE);
}

static void more_statements_than_the_first_cache_holds_are_kept_apart(void **state)
{
    static char sql[200][32];
    struct temporary *at = *state;
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    assert_int_equal(tx_read(&tx, at->store, &err), 0);
    for (int i = 0; i < 200; i++)
        snprintf(sql[i], sizeof sql[i], "SELECT %d", i);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 200; i++)
            assert_int_equal(ask_in(&tx, sql[i]), i);
}

static void a_text_that_changes_in_its_place_is_prepared_anew(void **state)
{
    struct temporary *at = *state;
    char sql[24];

    for (int i = 0; i < 3; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(ask(at->store, sql), i);
    }
}

static void a_wrong_statement_is_an_error_with_its_cause(void **state)
{
    struct temporary *at = *state;
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    assert_int_equal(tx_read(&tx, at->store, &err), 0);
    CLEANUP(query_finish) struct query q = query_start(&tx, "SELECT missing FROM note");
    query_bind_text(&q, ":id", "x");
    assert_int_equal(query_step(&q, &err), STEP_FAILED);
    assert_int_equal(err.problem, PROBLEM_INTERNAL);
    assert_non_null(strstr(err.cause, "no such column"));
}

static int take_number(struct tx *tx, void *ret, struct error *err)
{
    return store_next_number(tx, "action", ret, err);
}

static void numbers_are_handed_out_once(void **state)
{
    struct temporary *at = *state;
    struct error err;
    int64_t number, other;

    assert_int_equal(store_write(at->store, take_number, &number, &err), 0);
    assert_int_equal(store_write(at->store, take_number, &other, &err), 0);
    assert_int_equal(other, number + 1);
    store_close(&at->store);
    temporary_open(at);
    assert_int_equal(store_write(at->store, take_number, &other, &err), 0);
    assert_int_equal(other, number + 2);
}

static void a_full_queue_refuses(void **state)
{
    struct temporary *at = *state;
    struct plan plans[4];
    struct gate gate;
    struct error err;
    sem_t told;

    store_close(&at->store);
    at->options.queue_max = 3;
    temporary_open(at);
    sem_init(&told, 0, 0);
    close_gate(&gate, at->store);
    for (int i = 0; i < 4; i++) {
        plans[i] = (struct plan){
            .job = {.run = run_plan, .done = plan_done},
            .work = insert,
            .id = i,
            .commits = true,
            .told = &told
        };
        assert_int_equal(store_submit(at->store, &plans[i].job, &err), i < 3 ? 0 : -1);
    }
    assert_int_equal(err.problem, PROBLEM_UNAVAILABLE);
    sem_post(&gate.open);
    for (int i = 0; i < 3; i++)
        sem_wait(&told);
    assert_int_equal(ask(at->store, count_sql), 3);
}

static void closing_finishes_what_is_queued(void **state)
{
    struct temporary *at = *state;
    struct plan plan = {
        .job = {.run = run_plan, .done = plan_done},
          .work = insert, .id = 5, .commits = true
    };
    struct gate gate;
    struct error err;
    sem_t told;

    sem_init(&told, 0, 0);
    plan.told = &told;
    close_gate(&gate, at->store);
    assert_int_equal(store_submit(at->store, &plan.job, &err), 0);
    sem_post(&gate.open);
    store_close(&at->store);
    assert_true(plan.is_durable);
    temporary_open(at);
    assert_int_equal(ask(at->store, count_sql), 1);
}

#define THREADS 8
#define WRITES 200

static _Atomic int lost_writes;

static void *write_many(void *arg)
{
    static _Atomic int64_t next;
    struct store *store = arg;
    struct error err;

    for (int i = 0; i < WRITES; i++) {
        int64_t before = ask(store, count_sql);
        if (insert_durably(store, atomic_fetch_add(&next, 1), &err) ||
            ask(store, count_sql) <= before)
            atomic_fetch_add(&lost_writes, 1);
    }
    return NULL;
}

static void many_threads_write_and_read_their_own_writes(void **state)
{
    struct temporary *at = *state;
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, at->store), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&lost_writes), 0);
    assert_int_equal(ask(at->store, count_sql), THREADS * WRITES);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_store, remove_store)
    const struct CMUnitTest tests[] = {
        CASE(a_committed_write_is_read_back),
        CASE(what_is_not_committed_is_rolled_back),
        CASE(a_broken_constraint_harms_only_its_own_job),
        CASE(effects_happen_for_committed_writes_alone),
        CASE(the_generation_moves_with_the_commit),
        CASE(a_reader_sees_one_state_to_its_end),
        CASE(a_read_on_the_writer_sees_the_batch),
        CASE(a_statement_can_run_inside_itself),
        CASE(values_of_every_type_come_back),
        CASE(more_statements_than_the_first_cache_holds_are_kept_apart),
        CASE(a_text_that_changes_in_its_place_is_prepared_anew),
        CASE(a_wrong_statement_is_an_error_with_its_cause),
        CASE(numbers_are_handed_out_once),
        CASE(a_full_queue_refuses),
        CASE(closing_finishes_what_is_queued),
        CASE(many_threads_write_and_read_their_own_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
