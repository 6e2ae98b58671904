/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies: their form, their length, and where they go. */
#include "unit/http_fixture.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int handled, released;
static char file_path[] = "/tmp/otad-http-XXXXXX";

static int post_json(struct request *req, struct reply *reply, struct error *err)
{
    const char *name;

    atomic_fetch_add(&handled, 1);
    if (json_get_string(request_json(req), "name", &name, err))
        return -1;
    json_t *answer = json_pack("{s:s}", "name", name);
    return reply_json(reply, 201, answer);
}

static int post_maybe(struct request *req, struct reply *reply, struct error *err)
{
    (void)err;
    return reply_empty(reply, json_object_size(request_json(req)) ? 201 : 200);
}

static int post_raw(struct request *req, struct reply *reply, struct error *err)
{
    const void *bytes;
    size_t length;

    (void)err;
    request_body(req, &bytes, &length);
    return reply_bytes(reply, 200, "application/octet-stream", bytes, length);
}

static void release_context(void *context)
{
    assert(strcmp(context, "context") == 0);
    atomic_fetch_add(&released, 1);
}

static int open_file(struct request *req, int64_t length, struct error *err)
{
    static char context[] = "context";
    const char *offset = request_query(req, "offset");

    if (length > 1 << 20)
        return fail(err, PROBLEM_TOO_LARGE, "it does not fit");
    int fd = open(request_query(req, "full") ? "/dev/full" : file_path, O_WRONLY | O_CLOEXEC);
    request_set_stream(req, fd, offset ? atoll(offset) : 0, context);
    request_set_stream_release(req, release_context);
    return 0;
}

static int put_file(struct request *req, struct reply *reply, struct error *err)
{
    char text[32];

    (void)err;
    snprintf(text, sizeof text, "%d", (int)request_stream_received(req));
    return reply_bytes(reply, 200, "text/plain", text, strlen(text));
}

static int empty(struct request *req, struct reply *reply, struct error *err)
{
    (void)req, (void)err;
    return reply_empty(reply, 204);
}

static const struct route rows[] = {
    {"GET",    "/poll",  AUDIENCE_ANYONE, NULL, READ, NO_BODY,            0,      empty,      NULL     },
    {"POST",   "/json",  AUDIENCE_ANYONE, NULL, READ, JSON_BODY,          100,    post_json,  NULL     },
    {"POST",   "/maybe", AUDIENCE_ANYONE, NULL, READ, OPTIONAL_JSON_BODY, 100,    post_maybe, NULL     },
    {"POST",   "/raw",   AUDIENCE_ANYONE, NULL, READ, RAW_BODY,           300000, post_raw,   NULL     },
    {"PUT",    "/file",  AUDIENCE_ANYONE, NULL, READ, FILE_BODY,          0,      put_file,   open_file},
    {"DELETE", "/thing", AUDIENCE_ANYONE, NULL, READ, NO_BODY,            0,      empty,      NULL     },
};
static const struct routes table = {rows, COUNT_OF(rows)};
static const struct routes *const tables[] = {&table, NULL};

static int set_up(void **state)
{
    (void)state;
    handled = released = 0;
    start_server(tables, (struct http_hooks){0}, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop_server();
    return 0;
}

static void json_bodies_are_checked_before_the_handler(void **state)
{
    (void)state;
    assert_int_equal(status_of(JSON_POST("/json", "14", "{\"name\":\"ann\"}")), 201);
    assert_int_equal(status_of(JSON_POST("/json", "0", "")), 400);
    assert_int_equal(status_of(JSON_POST("/json", "14", "{\"name\":\"ann\"]")), 400);
    assert_int_equal(status_of(JSON_POST("/json", "2000000", "")), 413);
    assert_int_equal(
        status_of("POST /json HTTP/1.1\r\n" HOST_LINE "Content-Type: application/json\r\n\r\n"),
        411);
    assert_int_equal(handled, 1);
}

static int typed(const char *type)
{
    char request[256];

    snprintf(request, sizeof request,
             "POST /json HTTP/1.1\r\n" HOST_LINE "%s%sContent-Length: 14\r\n\r\n{\"name\":\"ann\"}",
             type, *type ? "\r\n" : "");
    return status_of(request);
}

static void only_json_is_taken_as_json_whatever_charset_it_claims(void **state)
{
    (void)state;
    assert_int_equal(typed("Content-Type: Application/JSON;charset=UTF-8"), 201);
    assert_int_equal(typed("Content-Type: application/json; charset=\"utf-8\""), 201);
    assert_int_equal(typed("Content-Type: application/json ; a=b"), 201);
    assert_int_equal(typed("Content-Type: application/json; charset=ISO-8859-1"), 201);
    assert_int_equal(typed("Content-Type: application/jsonp"), 415);
    assert_int_equal(typed("Content-Type: text/plain"), 415);
    assert_int_equal(typed(""), 415);
    assert_int_equal(typed("Content-Type: application/json\r\nContent-Encoding: gzip"), 415);
    assert_int_equal(typed("Content-Type: application/json\r\nContent-Encoding: identity"), 201);
}

static void what_is_no_utf8_is_no_json(void **state)
{
    (void)state;
    assert_int_equal(status_of(JSON_POST("/json", "14", "{\"name\":\"a\xfcn\"}")), 400);
}

static void a_body_that_may_be_missing_is_json_when_it_is_there(void **state)
{
    (void)state;
    assert_int_equal(status_of("POST /maybe HTTP/1.1\r\n" HOST_LINE "\r\n"), 200);
    assert_int_equal(status_of("POST /maybe HTTP/1.1\r\n" HOST_LINE "Content-Length: 0\r\n\r\n"),
                     200);
    assert_int_equal(status_of(JSON_POST("/maybe", "7", "{\"a\":1}")), 201);
    assert_int_equal(status_of(JSON_POST("/maybe", "7", "{\"a\":1]")), 400);
    assert_int_equal(status_of("POST /maybe HTTP/1.1\r\n" HOST_LINE "Content-Length: 3\r\n\r\na=b"),
                     415);
}

#define CHUNKED(path, body)                                                                        \
    "POST " path " HTTP/1.1\r\n" HOST_LINE                                                         \
    "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" body

static void chunked_bodies_are_counted_while_they_come(void **state)
{
    struct text request = {0};
    int fd = connect_client(1);

    (void)state;
    assert_int_equal(status_of(CHUNKED("/json", "7\r\n{\"name\"\r\n7\r\n:\"ann\"}\r\n0\r\n\r\n")),
                     201);
    text_append(&request, CHUNKED("/json", ""));
    for (int i = 0; i < 3; i++)
        text_append(&request, "28\r\n0123456789012345678901234567890123456789\r\n");
    text_append(&request, "0\r\n\r\n" GET_("/poll", ""));
    send_text(fd, request.at);
    CLEANUP(answer_free) struct answer answer = receive(fd, false);
    CLEANUP(answer_free) struct answer next = receive(fd, false);
    assert_int_equal(answer.status, 413);
    assert_int_equal(next.status, 204);
    text_clear(&request);
    close(fd);
}

static void a_chunked_body_without_end_is_cut(void **state)
{
    int fd = connect_client(1);
    char chunk[1024 + 8];
    ssize_t sent = 0;

    (void)state;
    send_text(fd, CHUNKED("/json", ""));
    memcpy(chunk, "400\r\n", 5);
    memset(chunk + 5, 'x', 1024);
    memcpy(chunk + 5 + 1024, "\r\n", 2);
    for (int i = 0; i < 100000 && sent >= 0; i++)
        sent = send(fd, chunk, 5 + 1024 + 2, MSG_NOSIGNAL);
    assert_true(sent < 0);
    close(fd);
}

static void expect_100_continue_is_answered_before_the_body(void **state)
{
    int fd = connect_client(1);

    (void)state;
    send_text(fd, "POST /json HTTP/1.1\r\n" HOST_LINE "Content-Type: application/json\r\n"
                  "Content-Length: 14\r\nExpect: 100-continue\r\n\r\n");
    CLEANUP(answer_free) struct answer first = receive(fd, false);
    assert_int_equal(first.status, 100);
    CLEANUP(answer_free) struct answer answer = ask_on(fd, "{\"name\":\"ann\"}");
    assert_int_equal(answer.status, 201);
    send_text(fd, "POST /json HTTP/1.1\r\n" HOST_LINE "Content-Type: application/json\r\n"
                  "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
    CLEANUP(answer_free) struct answer refused = receive(fd, false);
    assert_int_equal(refused.status, 413);
    assert_true(is_closed(fd));
    close(fd);
}

static void no_body_rows_take_no_body(void **state)
{
    (void)state;
    assert_int_equal(status_of("DELETE /thing HTTP/1.1\r\n" HOST_LINE "\r\n"), 204);
    assert_int_equal(status_of("DELETE /thing HTTP/1.1\r\n" HOST_LINE "Content-Length: 0\r\n\r\n"),
                     204);
    assert_int_equal(
        status_of("DELETE /thing HTTP/1.1\r\n" HOST_LINE "Content-Length: 2\r\n\r\nab"), 400);
}

static void a_large_raw_body_arrives_whole(void **state)
{
    static char body[300000];
    int fd = connect_client(1);

    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 7 + i / 251);
    send_text(fd, "POST /raw HTTP/1.1\r\n" HOST_LINE "Content-Length: 300000\r\n\r\n");
    send_bytes(fd, body, sizeof body);
    CLEANUP(answer_free) struct answer answer = receive(fd, false);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.length, sizeof body);
    assert_memory_equal(answer.body, body, sizeof body);
    close(fd);
}

static void read_file(char *ret, size_t size)
{
    CLEANUP(close_fd) int fd = open(file_path, O_RDONLY | O_CLOEXEC);
    ssize_t count = read(fd, ret, size - 1);

    assert_true(count >= 0);
    ret[count] = '\0';
}

static void a_file_body_is_written_at_its_offset(void **state)
{
    char content[64];

    (void)state;
    assert_int_equal(truncate(file_path, 0), 0);
    assert_int_equal(status_of("PUT /file HTTP/1.1\r\n" HOST_LINE "Content-Length: 5\r\n\r\nhello"),
                     200);
    assert_int_equal(
        status_of("PUT /file?offset=5 HTTP/1.1\r\n" HOST_LINE "Content-Length: 6\r\n\r\n world"),
        200);
    read_file(content, sizeof content);
    assert_string_equal(content, "hello world");
    EVENTUALLY(released == 2);
}

static void what_came_before_an_upload_was_cut_stays(void **state)
{
    char content[64] = "";
    int fd = connect_client(1);

    (void)state;
    assert_int_equal(truncate(file_path, 0), 0);
    send_text(fd, "PUT /file HTTP/1.1\r\n" HOST_LINE "Content-Length: 100\r\n\r\nhalf");
    for (int i = 0; i < 1000 && !*content; i++) {
        usleep(1000);
        read_file(content, sizeof content);
    }
    close(fd);
    assert_string_equal(content, "half");
    EVENTUALLY(released == 1);
}

static void an_upload_that_cannot_be_written_is_answered_at_its_end(void **state)
{
    (void)state;
    assert_int_equal(
        status_of("PUT /file?full HTTP/1.1\r\n" HOST_LINE "Content-Length: 5\r\n\r\nhello"), 507);
    assert_int_equal(
        status_of("PUT /file HTTP/1.1\r\n" HOST_LINE "Content-Length: 99999999\r\n\r\n"), 413);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(json_bodies_are_checked_before_the_handler),
        CASE(only_json_is_taken_as_json_whatever_charset_it_claims),
        CASE(what_is_no_utf8_is_no_json),
        CASE(a_body_that_may_be_missing_is_json_when_it_is_there),
        CASE(chunked_bodies_are_counted_while_they_come),
        CASE(a_chunked_body_without_end_is_cut),
        CASE(expect_100_continue_is_answered_before_the_body),
        CASE(no_body_rows_take_no_body),
        CASE(a_large_raw_body_arrives_whole),
        CASE(a_file_body_is_written_at_its_offset),
        CASE(what_came_before_an_upload_was_cut_stays),
        CASE(an_upload_that_cannot_be_written_is_answered_at_its_end),
    };
    int fd = mkstemp(file_path);

    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file_path);
    return failed;
}
