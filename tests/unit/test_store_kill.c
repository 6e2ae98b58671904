/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 at any moment: every row that was acknowledged before is there afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/write_batch.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define ROUNDS 20
#define THREADS 4
#define IDS_PER_ROUND 1000000

static struct store *shared;
static int acknowledgements;
static _Atomic int64_t next_id;

/* Until killed. */
static void *write_and_tell(void *arg)
{
    struct error err;

    (void)arg;
    for (;;) {
        int64_t id = atomic_fetch_add(&next_id, 1);
        if (insert_durably(shared, id, &err) ||
            write(acknowledgements, &id, sizeof id) != sizeof id)
            _exit(1);
    }
    return NULL;
}

static _Noreturn void be_the_daemon(struct temporary *at, int pipe_end, int64_t first_id)
{
    pthread_t threads[THREADS];
    struct error err;

    acknowledgements = pipe_end;
    atomic_store(&next_id, first_id);
    if (store_open(&at->options, &shared, &err))
        _exit(2);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_and_tell, NULL);
    pause();
    _exit(3);
}

/* Returns how many rows were acknowledged, and appends them to `ids`. */
static size_t run_and_kill(struct temporary *at, int64_t first_id, useconds_t life_us, int64_t *ids,
                           size_t room)
{
    int ends[2], status;
    size_t count = 0;
    int64_t id;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
    pid_t child = fork();
    if (child == 0)
        be_the_daemon(at, ends[1], first_id);
    close(ends[1]);
    /* Life begins with the first acknowledgement; opening takes its own time. */
    assert_int_equal(read(ends[0], &ids[count++], sizeof id), sizeof id);
    usleep(life_us);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(ends[0], &id, sizeof id) == sizeof id && count < room)
        ids[count++] = id;
    close(ends[0]);
    return count;
}

static bool has_row(struct tx *tx, int64_t id)
{
    static const char sql[] = "SELECT 1 FROM note WHERE id = :id";
    CLEANUP(query_finish) struct query q = query_start(tx, sql);
    struct error err;

    query_bind_number(&q, ":id", id);
    return query_step(&q, &err) == STEP_ROW;
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
    static int64_t ids[1 << 18];
    struct temporary *at = *state;
    unsigned seed = 1;
    size_t count = 0;

    for (int round = 0; round < ROUNDS; round++) {
        count += run_and_kill(at, (int64_t)round * IDS_PER_ROUND, (useconds_t)rand_r(&seed) % 30000,
                              ids + count, COUNT_OF(ids) - count);
        temporary_open(at);
        CLEANUP(tx_end) struct tx tx = {0};
        struct error err;
        assert_int_equal(tx_read(&tx, at->store, &err), 0);
        for (size_t i = 0; i < count; i++)
            if (!has_row(&tx, ids[i]))
                fail_msg("row %lld was acknowledged and is gone", (long long)ids[i]);
        tx_end(&tx);
        store_close(&at->store);
    }
    print_message("%zu rows were acknowledged in %d rounds\n", count, ROUNDS);
}

static int make_store(void **state)
{
    struct temporary *at = calloc(1, sizeof *at);

    temporary_folder(at);
    temporary_open(at);
    make_notes(at->store);
    store_close(&at->store);
    *state = at;
    return 0;
}

static int remove_store(void **state)
{
    temporary_remove(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_a_kill, make_store,
                                        remove_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
