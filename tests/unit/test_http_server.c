/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over a real connection: replies, routes, refusals, identities, limits. */
#include "unit/http_fixture.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

/* -- a small application -- */

static atomic_int identified, seen, handled;
static atomic_uint_fast64_t generation;
static atomic_bool is_certificate_known;
static atomic_int_fast64_t not_after;

static int identify(void *app, const struct request *req, bool on_writer, struct identity *ret,
                    struct error *err)
{
    const char *authorization = request_authorization(req);

    (void)app;
    atomic_fetch_add(&identified, 1);
    if (authorization && strcmp(authorization, "Bearer good") == 0) {
        *ret =
            (struct identity){.kind = AUDIENCE_OPERATOR, .row = 2, .id = "ann", .by_token = true};
        return HANDLE_OK;
    }
    if (authorization && strcmp(authorization, "Bearer pending") == 0)
        return on_writer ? fail(err, PROBLEM_DEVICE_PENDING, "d2") : HANDLE_AS_WRITE;
    if (authorization)
        return fail(err, PROBLEM_UNAUTHENTICATED, "the token is not known");
    if (!atomic_load(&is_certificate_known)) {
        if (!on_writer)
            return HANDLE_AS_WRITE;
        atomic_store(&is_certificate_known, true);
    }
    *ret = (struct identity){.kind = AUDIENCE_DEVICE, .row = 1, .id = "d1", .not_after = not_after};
    return HANDLE_OK;
}

static int authorise(void *app, const struct identity *identity, const struct route *route,
                     struct error *err)
{
    (void)app, (void)identity;
    if (route->scope && strcmp(route->scope, "nobody") == 0)
        return fail(err, PROBLEM_FORBIDDEN, "not for you");
    return 0;
}

static uint64_t generation_now(void *app)
{
    (void)app;
    return atomic_load(&generation);
}

static void note_seen(void *app, const struct identity *identity, const struct peer *peer,
                      const char *user_agent, int64_t now)
{
    (void)app, (void)identity, (void)peer, (void)user_agent, (void)now;
    atomic_fetch_add(&seen, 1);
}

static const char *write_error(const char *path, const struct error *err, struct text *ret)
{
    if (!text_starts_with(path, "/ddi"))
        return NULL;
    text_format(ret, "{\"errorCode\":\"%s\"}", problem_slug(err->problem));
    return "application/json";
}

static int get_poll(struct request *req, struct reply *reply, struct error *err)
{
    struct text json = {0};

    (void)err;
    atomic_fetch_add(&handled, 1);
    text_format(&json, "{\"who\":\"%s\",\"base\":\"%s\"}", request_identity(req)->id,
                request_base_url(req));
    return reply_json_text(reply, 200, &json, true);
}

static int get_echo(struct request *req, struct reply *reply, struct error *err)
{
    struct text json = {0};
    const char *query = request_query(req, "q");
    int64_t limit;

    if (request_query_number(req, "limit", 1, 500, 100, &limit, err))
        return -1;
    text_append(&json, "{\"id\":");
    text_json_string(&json, request_parameter(req, "id"));
    text_append(&json, ",\"q\":");
    text_json_string(&json, query);
    text_format(&json, ",\"limit\":%d,\"x\":", (int)limit);
    text_json_string(&json, request_header(req, "x-thing"));
    text_append(&json, "}");
    reply_header(reply, "X-Path", request_path(req));
    return reply_json_text(reply, 200, &json, false);
}

static int post_json(struct request *req, struct reply *reply, struct error *err)
{
    const char *name;

    atomic_fetch_add(&handled, 1);
    if (json_get_string(request_json(req), "name", &name, err))
        return -1;
    json_t *answer = json_pack("{s:s, s:b}", "name", name, "writer", request_on_writer(req));
    return reply_json(reply, 201, answer);
}

static int fail_inside(struct request *req, struct reply *reply, struct error *err)
{
    (void)req, (void)reply;
    return fail_internal(err, "the disk is on fire");
}

static int fail_without_reason(struct request *req, struct reply *reply, struct error *err)
{
    (void)req, (void)reply, (void)err;
    return HANDLE_FAILED;
}

static const struct route rows[] = {
    {"GET",  "/poll",       AUDIENCE_DEVICE,   NULL,     READ, NO_BODY,   0,   get_poll,            NULL},
    {"GET",  "/echo/:id",   AUDIENCE_ANYONE,   NULL,     READ, NO_BODY,   0,   get_echo,            NULL},
    {"POST", "/json",       AUDIENCE_ANYONE,   NULL,     READ, JSON_BODY, 100, post_json,           NULL},
    {"POST", "/operator",   AUDIENCE_OPERATOR, NULL,     READ, JSON_BODY, 100, post_json,           NULL},
    {"GET",  "/operator",   AUDIENCE_OPERATOR, "nobody", READ, NO_BODY,   0,   get_poll,            NULL},
    {"GET",  "/broken",     AUDIENCE_ANYONE,   NULL,     READ, NO_BODY,   0,   fail_inside,         NULL},
    {"GET",  "/nothing",    AUDIENCE_ANYONE,   NULL,     READ, NO_BODY,   0,   fail_without_reason, NULL},
    {"GET",  "/ddi/broken", AUDIENCE_ANYONE,   NULL,     READ, NO_BODY,   0,   fail_inside,         NULL},
};
static const struct routes table = {rows, COUNT_OF(rows)};
static const struct routes *const tables[] = {&table, NULL};

static int set_up(void **state)
{
    const struct http_hooks hooks = {.identify = identify,
                                     .authorise = authorise,
                                     .generation = generation_now,
                                     .seen = note_seen,
                                     .write_error = write_error};

    (void)state;
    identified = seen = handled = 0;
    generation = 1;
    is_certificate_known = true;
    not_after = INT64_MAX;
    start_server(tables, hooks, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop_server();
    return 0;
}

/* -- requests that libmicrohttpd refuses by itself -- */

static uint64_t requests_begun(void)
{
    struct http_counts counts;

    http_server_count(server, &counts);
    return counts.requests;
}

static bool drains(void)
{
    int64_t began_ms = clock_monotonic_ms(), most_ms = PATIENCE_S * 1000;

    http_server_drain(server, most_ms);
    return clock_monotonic_ms() - began_ms < most_ms;
}

/* More values than there is memory for, which is found out behind the request line. */
static void ask_for_too_much(unsigned times)
{
    static const char start[] = "GET /";
    static char target[6000];

    for (size_t i = 0; i < sizeof target - 1; i++)
        target[i] = i < 3000 ? 'a' : i == 3000 ? '?' : i % 2 ? 'a' : '&';
    uint64_t begun = requests_begun();
    for (unsigned i = 0; i < times; i++) {
        int fd = connect_client(1);

        send_text(fd, start);
        send_text(fd, target);
        send_text(fd, " HTTP/1.1\r\n" HOST_LINE "\r\n");
        EVENTUALLY(requests_begun() == begun + i + 1);
        close(fd);
    }
}

static void what_the_library_refuses_leaves_nothing_behind(void **state)
{
    enum { TIMES = 200 };

    (void)state;
    ask_for_too_much(TIMES);
    size_t before = mallinfo2().uordblks;
    ask_for_too_much(TIMES);
    EVENTUALLY(mallinfo2().uordblks < before + TIMES * 1000);
    assert_true(drains());
}

static void a_head_that_is_not_all_there_keeps_nobody_from_stopping(void **state)
{
    int fd = connect_client(1);

    (void)state;
    send_text(fd, "GET /poll HTTP/1.1\r\nHost: lo");
    EVENTUALLY(requests_begun() == 1);
    assert_true(drains());
    close(fd);
}

/* -- replies -- */

static void a_poll_is_answered_with_length_etag_and_no_store(void **state)
{
    CLEANUP(answer_free) struct answer answer = ask(GET_("/poll", ""));

    (void)state;
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"who\":\"d1\",\"base\":\"https://localhost\"}");
    assert_string_equal(header_of(&answer, "Content-Type"), "application/json");
    assert_string_equal(header_of(&answer, "Cache-Control"), "no-store");
    assert_string_equal(header_of(&answer, "X-Content-Type-Options"), "nosniff");
    assert_non_null(header_of(&answer, "Content-Length"));
    assert_non_null(header_of(&answer, "ETag"));
    assert_null(header_of(&answer, "Server"));
    assert_null(header_of(&answer, "Connection"));
    assert_true(strlen(answer.head) < 1024);
}

static void an_etag_that_is_known_gets_304(void **state)
{
    CLEANUP(answer_free) struct answer first = ask(GET_("/poll", ""));
    char request[1024];

    (void)state;
    snprintf(request, sizeof request, GET_("/poll", "If-None-Match: \"x\", %s\r\n"),
             header_of(&first, "ETag"));
    CLEANUP(answer_free) struct answer second = ask(request);
    assert_int_equal(second.status, 304);
    assert_non_null(header_of(&second, "ETag"));
    assert_int_equal(status_of(GET_("/poll", "If-None-Match: \r\n")), 200);
}

static void head_has_the_length_and_no_body(void **state)
{
    int fd = connect_client(1);
    CLEANUP(answer_free)
    struct answer head = ask_on(fd, "HEAD /poll HTTP/1.1\r\n" HOST_LINE "\r\n");
    CLEANUP(answer_free) struct answer get = ask_on(fd, GET_("/poll", ""));

    (void)state;
    assert_int_equal(head.status, 200);
    assert_int_equal(head.length, get.length);
    assert_int_equal(get.status, 200);
    close(fd);
}

static void requests_follow_each_other_on_one_connection(void **state)
{
    int fd = connect_client(1);

    (void)state;
    send_text(fd, GET_("/poll", "") GET_("/echo/a%20b?q=1%2B2&limit=7", "X-Thing: y\r\n")
                      JSON_POST("/json", "14", "{\"name\":\"ann\"}") GET_("/poll", ""));
    for (int i = 0; i < 4; i++) {
        CLEANUP(answer_free) struct answer answer = receive(fd, false);
        assert_int_equal(answer.status, i == 2 ? 201 : 200);
        if (i == 1) {
            assert_string_equal(answer.body,
                                "{\"id\":\"a b\",\"q\":\"1+2\",\"limit\":7,\"x\":\"y\"}");
            assert_string_equal(header_of(&answer, "X-Path"), "/echo/a%20b");
        }
    }
    close(fd);
}

static void http_1_0_is_served(void **state)
{
    CLEANUP(answer_free)
    struct answer answer = ask("GET /poll HTTP/1.0\r\n" HOST_LINE "Connection: Keep-Alive\r\n\r\n");

    (void)state;
    assert_int_equal(answer.status, 200);
    assert_string_equal(header_of(&answer, "Connection"), "Keep-Alive");
}

static void a_problem_tells_the_client_the_thing_and_not_the_cause(void **state)
{
    CLEANUP(answer_free) struct answer answer = ask(GET_("/broken", ""));
    CLEANUP(answer_free) struct answer missing = ask(JSON_POST("/json", "2", "{}"));

    (void)state;
    assert_int_equal(answer.status, 500);
    assert_string_equal(header_of(&answer, "Content-Type"), "application/problem+json");
    assert_non_null(strstr(answer.body, "\"type\":\"urn:otad:problem:internal\""));
    assert_non_null(strstr(answer.body, "\"request_id\":\""));
    assert_null(strstr(answer.body, "fire"));
    assert_int_equal(missing.status, 400);
    assert_non_null(strstr(missing.body, "\"field\":\"name\""));
    assert_non_null(strstr(missing.body, "\"detail\":\"\\\"name\\\" is required\""));
}

static void a_failure_without_a_reason_is_503_with_a_spread_retry(void **state)
{
    CLEANUP(answer_free) struct answer answer = ask(GET_("/nothing", ""));
    const char *retry = header_of(&answer, "Retry-After");

    (void)state;
    assert_int_equal(answer.status, 503);
    assert_non_null(retry);
    assert_in_range(atoi(retry), 30, 300);
}

static void errors_take_the_form_their_path_expects(void **state)
{
    CLEANUP(answer_free) struct answer answer = ask(GET_("/ddi/broken", ""));

    (void)state;
    assert_string_equal(answer.body, "{\"errorCode\":\"internal\"}");
    assert_string_equal(header_of(&answer, "Content-Type"), "application/json");
}

/* -- routes -- */

static void unknown_paths_and_methods_leave_the_connection_usable(void **state)
{
    int fd = connect_client(1);
    CLEANUP(answer_free) struct answer path = ask_on(fd, GET_("/nowhere", ""));
    CLEANUP(answer_free)
    struct answer method =
        ask_on(fd, "PUT /poll HTTP/1.1\r\n" HOST_LINE "Content-Length: 3\r\n\r\nabc");
    CLEANUP(answer_free) struct answer poll = ask_on(fd, GET_("/poll", ""));

    (void)state;
    assert_int_equal(path.status, 404);
    assert_int_equal(method.status, 405);
    assert_string_equal(header_of(&method, "Allow"), "GET, HEAD");
    assert_int_equal(poll.status, 200);
    close(fd);
}

static void the_root_leads_to_the_console(void **state)
{
    CLEANUP(answer_free) struct answer answer = ask(GET_("/", ""));

    (void)state;
    assert_int_equal(answer.status, 302);
    assert_string_equal(header_of(&answer, "Location"), "/console/");
}

/* -- what is refused before it is a request -- */

/* The answer is one, the connection ends, and what followed was never a request. */
static void assert_refused(const char *start, int status)
{
    char request[16384];
    int before = handled, fd = connect_client(1);

    print_message("%.60s\n", start);
    snprintf(request, sizeof request, "%s%s", start, GET_("/poll", ""));
    send_text(fd, request);
    CLEANUP(answer_free) struct answer answer = receive(fd, false);
    assert_int_equal(answer.status, status);
    assert_string_equal(header_of(&answer, "Connection"), "close");
    assert_true(is_closed(fd));
    assert_int_equal(handled, before);
    close(fd);
}

static void ambiguous_requests_end_the_connection(void **state)
{
    (void)state;
    assert_refused(
        "POST /json HTTP/1.1\r\n" HOST_LINE "Content-Length: 0\r\nContent-Length: 5\r\n\r\n", 400);
    assert_refused("POST /json HTTP/1.1\r\n" HOST_LINE
                   "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                   400);
    assert_refused("POST /json HTTP/1.1\r\n" HOST_LINE "Content-Length : 35\r\n\r\n", 400);
    assert_refused("POST /json HTTP/1.1\r\n" HOST_LINE "Transfer-Encoding: xchunked\r\n\r\n", 400);
    assert_refused("GET /poll HTTP/1.1\r\n" HOST_LINE HOST_LINE "\r\n", 400);
    assert_refused("GET /poll HTTP/1.1\r\n\r\n", 400);
    assert_refused("GET /poll HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421);
    assert_refused("GET /poll HTTP/1.1\r\n" HOST_LINE "Content-Length: 5\r\n\r\n", 400);
    assert_refused(
        "GET /poll HTTP/1.1\r\n" HOST_LINE "Range: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n", 400);
    assert_refused("GET /poll HTTP/1.1\r\n" HOST_LINE "Expect: the-worst\r\n\r\n", 417);
    assert_refused("TRACE /poll HTTP/1.1\r\n" HOST_LINE "\r\n", 501);
    assert_refused("get /poll HTTP/1.1\r\n" HOST_LINE "\r\n", 501);
    assert_refused("GET http://localhost/poll HTTP/1.1\r\n" HOST_LINE "\r\n", 400);
    assert_refused("GET /%2e%2e/poll HTTP/1.1\r\n" HOST_LINE "\r\n", 400);
    assert_refused("GET //poll HTTP/1.1\r\n" HOST_LINE "\r\n", 400);
    assert_refused("GET /poll%00 HTTP/1.1\r\n" HOST_LINE "\r\n", 400);
    assert_refused("GET /echo/1?q=%00 HTTP/1.1\r\n" HOST_LINE "\r\n", 400);
    assert_refused("GET /echo/1?q=1&q=2 HTTP/1.1\r\n" HOST_LINE "\r\n", 400);
    assert_refused("GET /a b HTTP/1.1\r\n" HOST_LINE "\r\n", 400);
}

static void heads_that_are_too_large_are_refused(void **state)
{
    struct text path = {0}, fields = {0};

    (void)state;
    text_append(&path, "GET /");
    for (int i = 0; i < 1100; i++)
        text_append(&path, "a");
    text_append(&path, " HTTP/1.1\r\n" HOST_LINE "\r\n");
    text_append(&fields, "GET /poll HTTP/1.1\r\n" HOST_LINE);
    for (int i = 0; i < 70; i++)
        text_append(&fields, "X: y\r\n");
    text_append(&fields, "\r\n");
    assert_refused(path.at, 414);
    assert_refused(fields.at, 431);
    text_clear(&path);
    text_clear(&fields);
}

/* -- identities -- */

static void a_certificate_is_looked_up_once_per_connection_and_generation(void **state)
{
    int fd = connect_client(1);

    (void)state;
    for (int i = 0; i < 3; i++) {
        CLEANUP(answer_free) struct answer answer = ask_on(fd, GET_("/poll", ""));
        assert_int_equal(answer.status, 200);
    }
    assert_int_equal(identified, 1);
    assert_int_equal(seen, 3);
    generation = 2;
    CLEANUP(answer_free) struct answer later = ask_on(fd, GET_("/poll", ""));
    assert_int_equal(identified, 2);
    close(fd);
}

static void a_certificate_past_its_end_is_looked_at_again(void **state)
{
    int fd = connect_client(1);

    (void)state;
    not_after = clock_wall() - 1;
    for (int i = 0; i < 2; i++) {
        CLEANUP(answer_free) struct answer answer = ask_on(fd, GET_("/poll", ""));
    }
    assert_int_equal(identified, 2);
    close(fd);
}

static void a_token_is_looked_at_every_time(void **state)
{
    static const char request[] = "POST /operator HTTP/1.1\r\n" HOST_LINE
                                  "Authorization: Bearer good\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 14\r\n\r\n{\"name\":\"ann\"}";
    int fd = connect_client(1);

    (void)state;
    for (int i = 1; i <= 3; i++) {
        CLEANUP(answer_free) struct answer answer = ask_on(fd, request);
        assert_int_equal(answer.status, 201);
        assert_int_equal(identified, i);
    }
    close(fd);
}

static void who_may_not_is_told_so_and_who_is_unknown_is_asked_for_a_token(void **state)
{
    CLEANUP(answer_free)
    struct answer wrong = ask(GET_("/operator", "Authorization: Bearer bad\r\n"));
    CLEANUP(answer_free) struct answer device = ask(GET_("/operator", ""));
    CLEANUP(answer_free)
    struct answer scope = ask(GET_("/operator", "Authorization: Bearer good\r\n"));

    (void)state;
    assert_int_equal(wrong.status, 401);
    assert_string_equal(header_of(&wrong, "WWW-Authenticate"), "Bearer");
    assert_int_equal(device.status, 403);
    assert_int_equal(scope.status, 403);
    assert_non_null(strstr(scope.body, "not for you"));
    assert_int_equal(handled, 0);
    assert_int_equal(seen, 0);
}

static void an_unknown_certificate_is_registered_by_the_writer(void **state)
{
    (void)state;
    is_certificate_known = false;
    assert_int_equal(status_of(GET_("/poll", "")), 200);
    assert_int_equal(writer_number(&writer.run), 1);
    assert_int_equal(identified, 2);
    is_certificate_known = false;
    assert_int_equal(status_of("POST /operator HTTP/1.1\r\n" HOST_LINE
                               "Content-Type: application/json\r\n"
                               "Content-Length: 14\r\n\r\n{\"name\":\"ann\"}"),
                     403);
}

static void a_registration_that_is_lost_is_not_believed(void **state)
{
    (void)state;
    is_certificate_known = false;
    writer_set(&writer.is_lossy, true);
    assert_int_equal(status_of(GET_("/poll", "")), 503);
    assert_int_equal(handled, 0);
}

static void a_pending_device_is_refused_and_its_registration_kept(void **state)
{
    (void)state;
    assert_int_equal(status_of(GET_("/poll", "Authorization: Bearer pending\r\n")), 403);
    assert_int_equal(writer_number(&writer.run), 1);
    assert_int_equal(writer_number(&writer.result), 0);
}

/* -- limits and counts -- */

static void connections_past_the_limit_are_closed_and_make_room_again(void **state)
{
    int fds[8];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = connect_client(1);
        CLEANUP(answer_free) struct answer answer = ask_on(fds[i], GET_("/poll", ""));
        assert_int_equal(answer.status, 200);
    }
    int over = connect_client(1);
    assert_true(is_closed(over));
    close(over);
    close(fds[0]);
    int64_t until = clock_monotonic_ms() + PATIENCE_S * 1000;
    int status = 0;
    while (status != 200 && clock_monotonic_ms() < until) {
        int fd = connect_client(1);
        send(fd, GET_("/poll", ""), strlen(GET_("/poll", "")), MSG_NOSIGNAL);
        CLEANUP(answer_free) struct answer answer = receive(fd, false);
        status = answer.status;
        close(fd);
    }
    assert_int_equal(status, 200);
    for (size_t i = 1; i < COUNT_OF(fds); i++)
        close(fds[i]);
}

static int set_up_few(void **state)
{
    struct error err;

    assert_int_equal(config_defaults("/nonexistent", &config, &err), 0);
    config->http_connections_per_address = 8;
    return set_up(state);
}

static void requests_and_errors_are_counted(void **state)
{
    struct http_counts counts;

    (void)state;
    status_of(GET_("/poll", ""));
    status_of(GET_("/nowhere", ""));
    for (int i = 0; i < 1000; i++) {
        http_server_count(server, &counts);
        if (counts.errors == 1)
            break;
        usleep(1000);
    }
    assert_int_equal(counts.requests, 2);
    assert_int_equal(counts.errors, 1);
    assert_int_equal(counts.connections, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_the_library_refuses_leaves_nothing_behind),
        CASE(a_head_that_is_not_all_there_keeps_nobody_from_stopping),
        CASE(a_poll_is_answered_with_length_etag_and_no_store),
        CASE(an_etag_that_is_known_gets_304),
        CASE(head_has_the_length_and_no_body),
        CASE(requests_follow_each_other_on_one_connection),
        CASE(http_1_0_is_served),
        CASE(a_problem_tells_the_client_the_thing_and_not_the_cause),
        CASE(a_failure_without_a_reason_is_503_with_a_spread_retry),
        CASE(errors_take_the_form_their_path_expects),
        CASE(unknown_paths_and_methods_leave_the_connection_usable),
        CASE(the_root_leads_to_the_console),
        CASE(ambiguous_requests_end_the_connection),
        CASE(heads_that_are_too_large_are_refused),
        CASE(a_certificate_is_looked_up_once_per_connection_and_generation),
        CASE(a_certificate_past_its_end_is_looked_at_again),
        CASE(a_token_is_looked_at_every_time),
        CASE(who_may_not_is_told_so_and_who_is_unknown_is_asked_for_a_token),
        CASE(an_unknown_certificate_is_registered_by_the_writer),
        CASE(a_registration_that_is_lost_is_not_believed),
        CASE(a_pending_device_is_refused_and_its_registration_kept),
        cmocka_unit_test_setup_teardown(connections_past_the_limit_are_closed_and_make_room_again,
                                        set_up_few, tear_down),
        CASE(requests_and_errors_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
