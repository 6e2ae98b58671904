/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/temporary_store.h"

#include "store/seen.h"

#include <pthread.h>

#define NEVER 3600

struct fixture {
    struct temporary at;
    struct seen *seen;
};

static int start_with(void **state, int64_t flush_seconds, int64_t most)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error err;

    temporary_folder(&fixture->at);
    temporary_open(&fixture->at);
    execute(fixture->at.store,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
            "INSERT INTO device (row_id, tenant_row, id, state, created_at, updated_at)"
            "SELECT i, 1, 'd-' || i, 'active', 0, 0 FROM n");
    assert_int_equal(seen_start(fixture->at.store, flush_seconds, most, &fixture->seen, &err), 0);
    *state = fixture;
    return 0;
}

static int start(void **state)
{
    return start_with(state, NEVER, 100000);
}

static int start_quick(void **state)
{
    return start_with(state, 1, 100000);
}

static int start_small(void **state)
{
    return start_with(state, NEVER, 160);
}

static int stop(void **state)
{
    struct fixture *fixture = *state;

    seen_stop(&fixture->seen);
    temporary_remove(&fixture->at);
    free(fixture);
    return 0;
}

static enum step last(struct fixture *fixture, int64_t device_row, struct last_seen *ret)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    assert_int_equal(tx_read(&tx, fixture->at.store, &err), 0);
    return seen_last(fixture->seen, &tx, device_row, ret, &err);
}

static int64_t rows(struct fixture *fixture)
{
    return ask(fixture->at.store, "SELECT count(*) FROM device_seen");
}

static void a_touch_is_seen_at_once_and_written_later(void **state)
{
    struct fixture *fixture = *state;
    struct last_seen seen;
    struct error err;

    assert_int_equal(last(fixture, 5, &seen), STEP_DONE);
    seen_touch(fixture->seen, 5, 1000, "192.0.2.1", "swupdate/2022");
    assert_int_equal(last(fixture, 5, &seen), STEP_ROW);
    assert_int_equal(seen.at, 1000);
    assert_string_equal(seen.address, "192.0.2.1");
    assert_int_equal(rows(fixture), 0);
    assert_int_equal(seen_flush(fixture->seen, &err), 0);
    assert_int_equal(rows(fixture), 1);
    seen = (struct last_seen){0};
    assert_int_equal(last(fixture, 5, &seen), STEP_ROW);
    assert_int_equal(seen.at, 1000);
    assert_string_equal(seen.client, "swupdate/2022");
}

static void many_touches_become_one_row(void **state)
{
    struct fixture *fixture = *state;
    struct last_seen seen;
    struct error err;

    for (int i = 0; i < 100; i++)
        seen_touch(fixture->seen, 7, 1000 + i, "192.0.2.1", NULL);
    seen_touch(fixture->seen, 7, 500, "192.0.2.9", "late"); /* older: does not count */
    assert_int_equal(seen_flush(fixture->seen, &err), 0);
    seen_touch(fixture->seen, 7, 600, "192.0.2.9", "late");
    assert_int_equal(seen_flush(fixture->seen, &err), 0);
    assert_int_equal(rows(fixture), 1);
    assert_int_equal(last(fixture, 7, &seen), STEP_ROW);
    assert_int_equal(seen.at, 1099);
    assert_string_equal(seen.address, "192.0.2.1");
    assert_string_equal(seen.client, "");
}

static void a_device_deleted_meanwhile_is_skipped(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    seen_touch(fixture->seen, 999999, 1000, "192.0.2.1", "");
    seen_touch(fixture->seen, 1, 1000, "192.0.2.1", "");
    assert_int_equal(seen_flush(fixture->seen, &err), 0);
    assert_int_equal(rows(fixture), 1);
}

static void foreign_text_is_cut_and_made_printable(void **state)
{
    struct fixture *fixture = *state;
    char client[200] = "a\n\x80\x1b";
    struct last_seen seen;

    memset(client + 4, 'x', 190);
    seen_touch(fixture->seen, 3, 1, "::1", client);
    assert_int_equal(last(fixture, 3, &seen), STEP_ROW);
    assert_memory_equal(seen.client, "a???xxx", 7);
    assert_int_equal(strlen(seen.client), SEEN_CLIENT_SIZE - 1);
}

static void a_whole_fleet_is_written_in_several_batches(void **state)
{
    struct fixture *fixture = *state;
    struct store_counts before, after;
    struct error err;

    for (int64_t row = 1; row <= 5000; row++)
        seen_touch(fixture->seen, row, row, "192.0.2.1", "c");
    store_count(fixture->at.store, &before);
    assert_int_equal(seen_flush(fixture->seen, &err), 0);
    store_count(fixture->at.store, &after);
    assert_int_equal(rows(fixture), 5000);
    assert_int_equal(ask(fixture->at.store, "SELECT sum(seen_at) FROM device_seen"),
                     5000 * 5001 / 2);
    assert_true(after.jobs - before.jobs >= 5 && after.jobs - before.jobs <= 7);
}

static void past_the_limit_devices_are_forgotten(void **state)
{
    struct fixture *fixture = *state;
    int64_t found = 0;

    for (int64_t row = 1; row <= 5000; row++)
        seen_touch(fixture->seen, row, 1, "", "");
    seen_stop(&fixture->seen);
    found = rows(fixture);
    assert_true(found >= 160 && found < 5000);
}

static void the_thread_writes_by_itself(void **state)
{
    struct fixture *fixture = *state;

    seen_touch(fixture->seen, 1, 1, "", "");
    for (int tenths = 0; tenths < 50 && !rows(fixture); tenths++)
        usleep(100 * 1000);
    assert_int_equal(rows(fixture), 1);
}

static void *touch_all(void *arg)
{
    for (int64_t row = 1; row <= 5000; row++)
        seen_touch(arg, row, row, "192.0.2.1", "c");
    return NULL;
}

static void threads_and_flushes_lose_nothing(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[4];
    struct error err;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, touch_all, fixture->seen), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(seen_flush(fixture->seen, &err), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    seen_stop(&fixture->seen);
    assert_int_equal(ask(fixture->at.store, "SELECT sum(seen_at) FROM device_seen"),
                     5000 * 5001 / 2);
}

int main(void)
{
#define CASE(name, starting) cmocka_unit_test_setup_teardown(name, starting, stop)
    const struct CMUnitTest tests[] = {
        CASE(a_touch_is_seen_at_once_and_written_later, start),
        CASE(many_touches_become_one_row, start),
        CASE(a_device_deleted_meanwhile_is_skipped, start),
        CASE(foreign_text_is_cut_and_made_printable, start),
        CASE(a_whole_fleet_is_written_in_several_batches, start),
        CASE(past_the_limit_devices_are_forgotten, start_small),
        CASE(the_thread_writes_by_itself, start_quick),
        CASE(threads_and_flushes_lose_nothing, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
