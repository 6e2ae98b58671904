/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that leave the connection's thread: to the writer, to a worker, and how they end. */
#include "unit/http_fixture.h"

#include <stdatomic.h>

static atomic_bool is_working;

static int get_poll(struct request *req, struct reply *reply, struct error *err)
{
    (void)req, (void)err;
    return reply_static(reply, 200, "text/plain", "ok", 2);
}

static int post_write(struct request *req, struct reply *reply, struct error *err)
{
    const char *name;

    reply_header(reply, "Location", "/api/things/1");
    if (json_get_string(request_json(req), "name", &name, err))
        return -1;
    return reply_json(reply, 201,
                      json_pack("{s:s, s:b}", "name", name, "writer", request_on_writer(req)));
}

static int read_then_write(struct request *req, struct reply *reply, struct error *err)
{
    (void)err;
    if (!request_on_writer(req))
        return HANDLE_AS_WRITE;
    return reply_bytes(reply, 200, "text/plain", "on the writer", 13);
}

/* Looks at something for long, then writes. */
static int work_then_write(struct request *req, struct reply *reply, struct error *err)
{
    const char *name;

    if (request_on_writer(req))
        return reply_bytes(reply, 200, "text/plain", "written", 7);
    return json_get_string(request_json(req), "name", &name, err) ? HANDLE_FAILED : HANDLE_AS_WRITE;
}

static int work(struct request *req, struct reply *reply, struct error *err)
{
    (void)req, (void)err;
    while (atomic_load(&is_working))
        usleep(1000);
    return reply_static(reply, 200, "text/plain", "worked", 6);
}

static const struct route rows[] = {
    {"GET",  "/poll",  AUDIENCE_ANYONE, NULL, READ,  NO_BODY,   0,   get_poll,        NULL},
    {"POST", "/write", AUDIENCE_ANYONE, NULL, WRITE, JSON_BODY, 100, post_write,      NULL},
    {"GET",  "/turn",  AUDIENCE_ANYONE, NULL, READ,  NO_BODY,   0,   read_then_write, NULL},
    {"GET",  "/work",  AUDIENCE_ANYONE, NULL, WORK,  NO_BODY,   0,   work,            NULL},
    {"POST", "/both",  AUDIENCE_ANYONE, NULL, WORK,  JSON_BODY, 100, work_then_write, NULL},
};
static const struct routes table = {rows, COUNT_OF(rows)};
static const struct routes *const tables[] = {&table, NULL};

static const char write_ann[] = JSON_POST("/write", "14", "{\"name\":\"ann\"}");

static int set_up(void **state)
{
    (void)state;
    is_working = false;
    start_server(tables, (struct http_hooks){0}, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop_server();
    return 0;
}

/* -- threads -- */

static void a_worker_may_hand_on_to_the_writer(void **state)
{
    static const char good[] = JSON_POST("/both", "14", "{\"name\":\"ann\"}");
    static const char bad[] = JSON_POST("/both", "2", "{}");

    (void)state;
    {
        CLEANUP(answer_free) struct answer answer = ask(bad);

        assert_int_equal(answer.status, 400);
        assert_int_equal(writer_number(&writer.run), 0);
    }
    CLEANUP(answer_free) struct answer answer = ask(good);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "written");
    assert_int_equal(writer_number(&writer.run), 1);
}

static void writes_run_on_the_writer_and_are_answered_after_the_commit(void **state)
{
    CLEANUP(answer_free) struct answer answer = ask(write_ann);

    (void)state;
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.body, "{\"name\":\"ann\",\"writer\":true}");
    assert_string_equal(header_of(&answer, "Location"), "/api/things/1");
    assert_int_equal(writer_number(&writer.run), 1);
}

static void a_commit_that_is_lost_is_503(void **state)
{
    (void)state;
    writer_set(&writer.is_lossy, true);
    CLEANUP(answer_free) struct answer answer = ask(write_ann);
    assert_int_equal(answer.status, 503);
    assert_null(header_of(&answer, "Location"));
    assert_non_null(header_of(&answer, "Retry-After"));
    assert_int_equal(status_of(JSON_POST("/write", "2", "{}")), 400); /* nothing was to be kept */
    assert_int_equal(writer_number(&writer.result), -1);
}

static void a_full_queue_is_503_and_the_connection_lives(void **state)
{
    int fd = connect_client(1);

    (void)state;
    writer_set(&writer.is_full, true);
    CLEANUP(answer_free) struct answer answer = ask_on(fd, write_ann);
    writer_set(&writer.is_full, false);
    CLEANUP(answer_free) struct answer again = ask_on(fd, write_ann);
    assert_int_equal(answer.status, 503);
    assert_int_equal(again.status, 201);
    close(fd);
}

static void a_read_that_must_write_runs_again_on_the_writer(void **state)
{
    CLEANUP(answer_free) struct answer answer = ask(GET_("/turn", ""));

    (void)state;
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "on the writer");
}

static uint64_t requests_begun(void)
{
    struct http_counts counts;

    http_server_count(server, &counts);
    return counts.requests;
}

static void peers_that_leave_while_their_requests_are_away_harm_nobody(void **state)
{
    const struct linger reset = {.l_onoff = 1};
    int fds[20];

    (void)state;
    writer_set(&writer.is_held, true);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = connect_client(1);
        send_text(fds[i], write_ann);
    }
    EVENTUALLY(writer_number(&writer.submitted) == COUNT_OF(fds));
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        if (i % 2)
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fds[i]);
    }
    writer_set(&writer.is_held, false);
    EVENTUALLY(writer_number(&writer.run) == COUNT_OF(fds));
    assert_int_equal(status_of(GET_("/poll", "")), 200);
}

static void workers_take_what_may_block(void **state)
{
    int fds[80], served = 0, refused = 0;

    (void)state;
    is_working = true;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = connect_client(1);
        send_text(fds[i], GET_("/work", ""));
    }
    EVENTUALLY(requests_begun() == COUNT_OF(fds));
    assert_int_equal(status_of(GET_("/poll", "")), 200); /* nobody waits for them */
    is_working = false;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        CLEANUP(answer_free) struct answer answer = receive(fds[i], false);
        served += answer.status == 200;
        refused += answer.status == 503;
        close(fds[i]);
    }
    assert_int_equal(served + refused, COUNT_OF(fds));
    assert_in_range(served, 64, 68);
}

/* -- the end -- */

static void draining_waits_for_what_runs_and_begins_nothing(void **state)
{
    int fd = connect_client(1), late = connect_client(1);
    CLEANUP(answer_free) struct answer first = ask_on(late, GET_("/poll", ""));

    (void)state;
    writer_set(&writer.is_held, true);
    send_text(fd, write_ann);
    EVENTUALLY(writer_number(&writer.submitted) == 1);
    int64_t began = clock_monotonic_ms();
    http_server_drain(server, 100);
    assert_in_range(clock_monotonic_ms() - began, 95, 2000);
    CLEANUP(answer_free) struct answer refused = ask_on(late, GET_("/poll", ""));
    assert_int_equal(refused.status, 503);
    assert_true(is_closed(late));
    writer_set(&writer.is_held, false);
    http_server_drain(server, 10000);
    CLEANUP(answer_free) struct answer answer = receive(fd, false);
    assert_int_equal(answer.status, 201);
    close(fd);
    close(late);
}

static void *release_soon(void *arg)
{
    (void)arg;
    usleep(50000);
    is_working = false;
    writer_set(&writer.is_held, false);
    return NULL;
}

static void stopping_with_requests_away_waits_for_them(void **state)
{
    pthread_t thread;

    (void)state;
    writer_set(&writer.is_held, true);
    is_working = true;
    for (int i = 0; i < 5; i++) {
        send_text(connect_client(1), write_ann);
        send_text(connect_client(1), GET_("/work", ""));
    }
    EVENTUALLY(writer_number(&writer.submitted) == 5);
    pthread_create(&thread, NULL, release_soon, NULL);
    http_server_stop(&server);
    pthread_join(thread, NULL);
    assert_int_equal(writer_number(&writer.run), 5);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_worker_may_hand_on_to_the_writer),
        CASE(writes_run_on_the_writer_and_are_answered_after_the_commit),
        CASE(a_commit_that_is_lost_is_503),
        CASE(a_full_queue_is_503_and_the_connection_lives),
        CASE(a_read_that_must_write_runs_again_on_the_writer),
        CASE(peers_that_leave_while_their_requests_are_away_harm_nobody),
        CASE(workers_take_what_may_block),
        CASE(draining_waits_for_what_runs_and_begins_nothing),
        CASE(stopping_with_requests_away_waits_for_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
