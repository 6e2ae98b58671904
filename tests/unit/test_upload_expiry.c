/* SPDX-License-Identifier: Apache-2.0 */
/* Which unfinished uploads go, and which stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/file.h>

#include "temporary_store.h"

#include "api/operator/routes.h"
#include "store/upload.h"

#define NOW INT64_C(1795000000)
#define DAY INT64_C(86400)

struct house {
    struct temporary place;
    struct config *config;
    struct app app;
};

static int open_house(void **state)
{
    struct house *house = calloc(1, sizeof *house);
    struct error err = {0};

    assert_non_null(house);
    temporary_folder(&house->place);
    temporary_open(&house->place);
    const struct blob_options options = {.state_folder = house->place.folder};
    if (blob_store_open(&options, &house->app.blobs, &err) ||
        config_defaults(house->place.folder, &house->config, &err))
        fail_msg("%s %s", err.detail, err.cause);
    house->app.store = house->place.store;
    house->app.config = house->config;
    *state = house;
    return 0;
}

static int close_house(void **state)
{
    struct house *house = *state;

    blob_store_close(&house->app.blobs);
    config_free(&house->config);
    temporary_remove(&house->place);
    free(house);
    return 0;
}

static void path_of(struct house *house, const char *id, char ret[96])
{
    snprintf(ret, 96, "%s/uploads/%s", house->place.folder, id);
}

/* A file whose last byte came `age` seconds before NOW. */
static void make_file(struct house *house, const char *id, int64_t age)
{
    const struct timespec times[2] = {{.tv_sec = NOW - age}, {.tv_sec = NOW - age}};
    struct error err = {0};
    int64_t length;
    int fd;

    if (upload_open(house->app.blobs, id, true, &fd, &length, &err))
        fail_msg("%s %s", err.detail, err.cause);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static int insert(struct tx *tx, void *upload, struct error *err)
{
    return upload_insert(tx, upload, "ann", err);
}

static void make_row(struct house *house, const char *id, int64_t age)
{
    struct upload upload = {.tenant_row = 1, .file = "a.bin", .size = 10, .created_at = NOW - age};
    struct error err = {0};

    snprintf(upload.id, sizeof upload.id, "%s", id);
    if (store_write(house->app.store, insert, &upload, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

static void expire(struct house *house)
{
    struct error err = {0};

    if (uploads_expire(&house->app, NOW, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

static bool has_file(struct house *house, const char *id)
{
    char path[96];

    path_of(house, id, path);
    return access(path, F_OK) == 0;
}

static int64_t rows(struct house *house)
{
    return ask(house->app.store, "SELECT COUNT(*) FROM upload");
}

static void an_idle_upload_goes_with_its_bytes(void **state)
{
    struct house *house = *state;

    make_row(house, "idle", 3 * DAY);
    make_file(house, "idle", 2 * DAY);
    make_row(house, "empty", 2 * DAY); /* a crash left no file */
    expire(house);
    assert_int_equal(rows(house), 0);
    assert_false(has_file(house, "idle"));
}

static void an_old_upload_that_still_grows_stays(void **state)
{
    struct house *house = *state;

    make_row(house, "slow", 3 * DAY);
    make_file(house, "slow", 60);
    expire(house);
    assert_int_equal(rows(house), 1);
    assert_true(has_file(house, "slow"));
}

static void one_that_is_being_written_stays(void **state)
{
    struct house *house = *state;
    struct error err = {0};
    int64_t length;
    int fd;

    make_row(house, "busy", 3 * DAY);
    make_file(house, "busy", 3 * DAY);
    assert_int_equal(upload_open(house->app.blobs, "busy", false, &fd, &length, &err), 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    expire(house);
    close(fd);
    assert_int_equal(rows(house), 1);
    assert_true(has_file(house, "busy"));
}

static void a_file_nobody_knows_goes_when_it_is_old(void **state)
{
    struct house *house = *state;

    make_file(house, "orphan", 2 * DAY);
    make_file(house, "put-in-progress", 1);
    expire(house);
    assert_false(has_file(house, "orphan"));
    assert_true(has_file(house, "put-in-progress"));
}

static void what_is_finished_is_forgotten_in_time(void **state)
{
    struct house *house = *state;

    make_row(house, "old", 2 * DAY);
    make_row(house, "new", 60);
    execute(house->app.store, "UPDATE upload SET state = 'finished'");
    expire(house);
    assert_int_equal(rows(house), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_idle_upload_goes_with_its_bytes),    CASE(an_old_upload_that_still_grows_stays),
        CASE(one_that_is_being_written_stays),       CASE(a_file_nobody_knows_goes_when_it_is_old),
        CASE(what_is_finished_is_forgotten_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
