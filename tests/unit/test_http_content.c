/* SPDX-License-Identifier: Apache-2.0 */
/* Immutable content over a real connection: ranges, conditions, shaping, and the story told after.
 */
#include "unit/http_fixture.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ETAG "\"sha-1\""
#define MODIFIED 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static uint8_t *bytes;
static int64_t size = 100000, rate;
static atomic_int released, finished, unwanted;
static atomic_int_fast64_t last_first, last_sent;
static atomic_bool last_is_complete;
static atomic_uint_fast64_t generation;
static atomic_bool is_revoked;

static void release(void *arg)
{
    assert_ptr_equal(arg, bytes);
    atomic_fetch_add(&released, 1);
}

static void note_end(void *arg, int64_t first, int64_t sent, bool is_complete)
{
    assert_ptr_equal(arg, bytes);
    last_first = first;
    last_sent = sent;
    last_is_complete = is_complete;
    atomic_fetch_add(&finished, 1);
}

static bool is_still_wanted(void *arg)
{
    (void)arg;
    return unwanted == 0;
}

static int get_content(struct request *req, struct reply *reply, struct error *err)
{
    const struct content content = {.at = bytes,
                                    .size = request_query(req, "empty") ? 0 : size,
                                    .fd = -1,
                                    .type = "application/octet-stream",
                                    .etag = ETAG,
                                    .file_name = request_query(req, "name"),
                                    .modified_at = MODIFIED,
                                    .cache_control = "private, no-transform",
                                    .rate = rate,
                                    .release = release,
                                    .finished = note_end,
                                    .is_still_wanted = is_still_wanted,
                                    .arg = bytes};

    if (request_query(req, "revoke")) {
        is_revoked = true;
        generation++;
    }
    return reply_content(reply, &content, err);
}

static int identify(void *app, const struct request *req, bool on_writer, struct identity *ret,
                    struct error *err)
{
    (void)app, (void)req, (void)on_writer;
    if (is_revoked)
        return fail(err, PROBLEM_DEVICE_REVOKED, "d1");
    *ret = (struct identity){.kind = AUDIENCE_DEVICE, .row = 1, .not_after = INT64_MAX};
    return HANDLE_OK;
}

static uint64_t generation_now(void *app)
{
    (void)app;
    return generation;
}

static const struct route rows[] = {
    {.method = "GET", .path = "/content", .audience = AUDIENCE_DEVICE, .handle = get_content}
};
static const struct routes table = {rows, COUNT_OF(rows)};
static const struct routes *const tables[] = {&table, NULL};

static int set_up(void **state)
{
    (void)state;
    released = finished = unwanted = 0;
    is_revoked = false;
    rate = 0;
    start_server(tables, (struct http_hooks){.identify = identify, .generation = generation_now},
                 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop_server();
    return 0;
}

static struct answer get(const char *fields)
{
    char request[16384];

    snprintf(request, sizeof request, GET_("/content", "%s"), fields);
    return ask(request);
}

static int status_with(const char *fields)
{
    CLEANUP(answer_free) struct answer answer = get(fields);

    return answer.status;
}

static void the_whole_has_all_its_headers(void **state)
{
    CLEANUP(answer_free) struct answer answer = get("");

    (void)state;
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.length, size);
    assert_memory_equal(answer.body, bytes, size);
    assert_string_equal(header_of(&answer, "Content-Type"), "application/octet-stream");
    assert_string_equal(header_of(&answer, "ETag"), ETAG);
    assert_string_equal(header_of(&answer, "Last-Modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
    assert_string_equal(header_of(&answer, "Accept-Ranges"), "bytes");
    assert_string_equal(header_of(&answer, "Cache-Control"), "private, no-transform");
    assert_null(header_of(&answer, "Content-Range"));
    assert_null(header_of(&answer, "Content-Disposition"));
    EVENTUALLY(released == 1);
    assert_int_equal(finished, 1);
    assert_int_equal(last_first, 0);
    assert_int_equal(last_sent, size);
    assert_true(last_is_complete);
}

static void a_file_name_is_quoted_or_encoded(void **state)
{
    CLEANUP(answer_free) struct answer plain = ask(GET_("/content?name=a-1.swu", ""));
    CLEANUP(answer_free) struct answer strange = ask(GET_("/content?name=a%22b%20%C3%A9", ""));

    (void)state;
    assert_string_equal(header_of(&plain, "Content-Disposition"),
                        "attachment; filename=\"a-1.swu\"");
    assert_string_equal(header_of(&strange, "Content-Disposition"),
                        "attachment; filename*=UTF-8''a%22b%20%C3%A9");
}

static void one_range_is_206_with_its_place(void **state)
{
    static const struct {
        const char *field, *place;
        int64_t first, length;
    } examples[] = {
        {"Range: bytes=0-0\r\n",         "bytes 0-0/100000",         0,     1     },
        {"Range: bytes=99999-\r\n",      "bytes 99999-99999/100000", 99999, 1     },
        {"Range: bytes=-500\r\n",        "bytes 99500-99999/100000", 99500, 500   },
        {"Range: bytes=0-\r\n",          "bytes 0-99999/100000",     0,     100000},
        {"Range: bytes=-500000\r\n",     "bytes 0-99999/100000",     0,     100000},
        {"Range: bytes=1000-999999\r\n", "bytes 1000-99999/100000",  1000,  99000 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        CLEANUP(answer_free) struct answer answer = get(examples[i].field);
        assert_int_equal(answer.status, 206);
        assert_string_equal(header_of(&answer, "Content-Range"), examples[i].place);
        assert_int_equal(answer.length, examples[i].length);
        assert_memory_equal(answer.body, bytes + examples[i].first, answer.length);
        EVENTUALLY(finished == (int)i + 1);
        assert_int_equal(last_first, examples[i].first);
        assert_int_equal(last_sent, examples[i].length);
    }
}

static void what_cannot_be_satisfied_is_416_and_never_the_whole(void **state)
{
    static const char *const fields[] = {
        "Range: bytes=100000-\r\n",  "Range: bytes=-0\r\n",
        "Range: bytes=5-2\r\n",      "Range: bytes=x\r\n",
        "Range: bytes=9-12,0-3\r\n", "Range: bytes=0-,0-,0-\r\n",
        "Range: bytes\r\n",          "Range: bytes=9223372036854775808-\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        CLEANUP(answer_free) struct answer answer = get(fields[i]);
        assert_int_equal(answer.status, 416);
        assert_string_equal(header_of(&answer, "Content-Range"), "bytes */100000");
        assert_string_equal(header_of(&answer, "Content-Type"), "application/problem+json");
    }
    EVENTUALLY(released == (int)COUNT_OF(fields));
    assert_int_equal(finished, 0);
}

/* Walks through a multipart body and compares every part with the file. Returns how many there are.
 */
static int compare_parts(const struct answer *answer, const char *boundary)
{
    char delimiter[128], expected[256];
    const char *at = answer->body;
    int parts = 0;

    snprintf(delimiter, sizeof delimiter, "\r\n--%s", boundary);
    for (;; parts++) {
        long long first, last, whole;
        assert_memory_equal(at, delimiter, strlen(delimiter));
        at += strlen(delimiter);
        if (strcmp(at, "--\r\n") == 0)
            break;
        const char *place = strstr(at, "Content-Range: ");
        assert_non_null(place);
        assert_int_equal(
            sscanf(place, "Content-Range: bytes %lld-%lld/%lld", &first, &last, &whole), 3);
        snprintf(expected, sizeof expected,
                 "\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes "
                 "%lld-%lld/%lld\r\n\r\n",
                 first, last, whole);
        assert_memory_equal(at, expected, strlen(expected));
        at += strlen(expected);
        assert_int_equal(whole, size);
        assert_memory_equal(at, bytes + first, last - first + 1);
        at += last - first + 1;
    }
    assert_int_equal(at + 4 - answer->body, answer->length);
    return parts;
}

static const char *boundary_of(const struct answer *answer)
{
    static const char start[] = "multipart/byteranges; boundary=";
    const char *type = header_of(answer, "Content-Type");

    assert_memory_equal(type, start, sizeof start - 1);
    const char *boundary = type + sizeof start - 1;
    assert_int_equal(strspn(boundary, "0123456789abcdefghijklmnopqrstuvwxyz"), strlen(boundary));
    assert_true(strlen(boundary) > 8);
    return boundary;
}

static void several_ranges_are_multipart(void **state)
{
    CLEANUP(answer_free) struct answer answer = get("Range: bytes=0-9, 500-70000,99990-\r\n");

    (void)state;
    assert_int_equal(answer.status, 206);
    assert_null(header_of(&answer, "Content-Range"));
    assert_int_equal(compare_parts(&answer, boundary_of(&answer)), 3);
    EVENTUALLY(finished == 1);
    assert_int_equal(last_first, -1);
    assert_int_equal(last_sent, answer.length);
    assert_true(last_is_complete);
}

static void as_many_ranges_as_configured_are_answered_and_not_one_more(void **state)
{
    CLEANUP(text_clear) struct text field = {0};

    (void)state;
    text_append(&field, "Range: bytes=");
    for (int i = 0; i < 256; i++)
        text_format(&field, "%s%d-%d", i ? "," : "", 390 * i, 390 * i + 99);
    struct text more = {0};
    text_format(&more, "%s,99900-\r\n", field.at);
    text_append(&field, "\r\n");
    CLEANUP(answer_free) struct answer answer = get(field.at);
    assert_int_equal(answer.status, 206);
    assert_int_equal(compare_parts(&answer, boundary_of(&answer)), 256);
    assert_int_equal(status_with(more.at), 416);
    text_clear(&more);
}

static void the_whole_is_sent_for_another_unit_and_when_if_range_does_not_hold(void **state)
{
    (void)state;
    assert_int_equal(status_with("Range: items=0-5\r\n"), 200);
    assert_int_equal(status_with("Range: bytes=0-5\r\nIf-Range: " ETAG "\r\n"), 206);
    assert_int_equal(status_with("Range: bytes=0-5\r\nIf-Range: \"other\"\r\n"), 200);
    assert_int_equal(status_with("Range: bytes=0-5\r\nIf-Range: W/" ETAG "\r\n"), 200);
    assert_int_equal(status_with("Range: bytes=0-5\r\nIf-Range: Tue, 14 Nov 2023 22:13:20 GMT\r\n"),
                     206);
    assert_int_equal(status_with("Range: bytes=0-5\r\nIf-Range: Tue, 14 Nov 2023 22:13:21 GMT\r\n"),
                     200);
    assert_int_equal(status_with("Range: bytes=x\r\nIf-Range: \"other\"\r\n"), 200);
}

static void conditions_come_before_ranges(void **state)
{
    (void)state;
    assert_int_equal(status_with("If-None-Match: " ETAG "\r\nRange: bytes=0-5\r\n"), 304);
    assert_int_equal(status_with("If-None-Match: W/" ETAG "\r\n"), 304);
    assert_int_equal(status_with("If-None-Match: \"other\"\r\n"), 200);
    assert_int_equal(status_with("If-Match: \"other\"\r\n"), 412);
    assert_int_equal(status_with("If-Match: " ETAG "\r\n"), 200);
    assert_int_equal(status_with("If-Match: sha-1\r\nRange: bytes=0-5\r\n"), 206);
    EVENTUALLY(released == 6);
    assert_int_equal(finished, 3);
}

static void head_tells_the_whole_and_ignores_ranges(void **state)
{
    CLEANUP(answer_free)
    struct answer answer = ask("HEAD /content HTTP/1.1\r\n" HOST_LINE "Range: bytes=0-5\r\n\r\n");

    (void)state;
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.length, size);
    assert_string_equal(header_of(&answer, "ETag"), ETAG);
    EVENTUALLY(released == 1);
    assert_int_equal(finished, 0);
}

static void an_empty_file_is_served_whole_only(void **state)
{
    CLEANUP(answer_free) struct answer whole = ask(GET_("/content?empty", ""));
    CLEANUP(answer_free) struct answer range = ask(GET_("/content?empty", "Range: bytes=0-\r\n"));

    (void)state;
    assert_int_equal(whole.status, 200);
    assert_int_equal(whole.length, 0);
    assert_int_equal(range.status, 416);
    assert_string_equal(header_of(&range, "Content-Range"), "bytes */0");
}

static void a_shaped_transfer_is_whole_and_keeps_its_rate(void **state)
{
    int64_t began = clock_monotonic_ms();

    (void)state;
    rate = 100000;
    CLEANUP(answer_free) struct answer answer = get("");
    int64_t took = clock_monotonic_ms() - began;
    assert_int_equal(answer.status, 200);
    assert_memory_equal(answer.body, bytes, size);
    assert_in_range(took, 700, 1500); /* the last quarter second's share leaves at once */
    EVENTUALLY(finished == 1);
    assert_true(last_is_complete);
}

static void shaped_ranges_are_whole_too(void **state)
{
    (void)state;
    rate = 400000;
    CLEANUP(answer_free) struct answer one = get("Range: bytes=1000-60999\r\n");
    assert_int_equal(one.status, 206);
    assert_memory_equal(one.body, bytes + 1000, 60000);
    CLEANUP(answer_free) struct answer two = get("Range: bytes=0-29999,40000-69999\r\n");
    assert_int_equal(compare_parts(&two, boundary_of(&two)), 2);
    CLEANUP(answer_free) struct answer head = ask("HEAD /content HTTP/1.1\r\n" HOST_LINE "\r\n");
    assert_int_equal(head.length, size);
}

static void a_peer_that_leaves_ends_its_transfer(void **state)
{
    (void)state;
    rate = 50000;
    for (int i = 0; i < 10; i++) {
        int fd = connect_client(1);
        send_text(fd, GET_("/content", ""));
        char byte;
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        close(fd);
    }
    EVENTUALLY(released == 10);
    assert_int_equal(finished, 10);
    assert_false(last_is_complete);
}

static void stopping_cuts_shaped_transfers(void **state)
{
    int fd = connect_client(1);
    int64_t began = clock_monotonic_ms();

    (void)state;
    rate = 1000;
    send_text(fd, GET_("/content", ""));
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    http_server_stop(&server);
    assert_true(clock_monotonic_ms() - began < 2000);
    assert_int_equal(released, 1);
    assert_false(last_is_complete);
    close(fd);
}

static void what_was_aborted_before_the_first_byte_is_not_sent(void **state)
{
    (void)state;
    unwanted = 1;
    CLEANUP(answer_free) struct answer answer = get("");
    assert_int_equal(answer.status, 404);
    assert_null(header_of(&answer, "Accept-Ranges"));
    EVENTUALLY(released == 1);
    assert_int_equal(finished, 0);
}

static void who_was_revoked_before_the_first_byte_gets_none(void **state)
{
    (void)state;
    assert_int_equal(status_with(""), 200);
    CLEANUP(answer_free) struct answer answer = ask(GET_("/content?revoke", ""));
    assert_int_equal(answer.status, 403);
    assert_null(header_of(&answer, "ETag"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_whole_has_all_its_headers),
        CASE(a_file_name_is_quoted_or_encoded),
        CASE(one_range_is_206_with_its_place),
        CASE(what_cannot_be_satisfied_is_416_and_never_the_whole),
        CASE(several_ranges_are_multipart),
        CASE(as_many_ranges_as_configured_are_answered_and_not_one_more),
        CASE(the_whole_is_sent_for_another_unit_and_when_if_range_does_not_hold),
        CASE(conditions_come_before_ranges),
        CASE(head_tells_the_whole_and_ignores_ranges),
        CASE(an_empty_file_is_served_whole_only),
        CASE(a_shaped_transfer_is_whole_and_keeps_its_rate),
        CASE(shaped_ranges_are_whole_too),
        CASE(a_peer_that_leaves_ends_its_transfer),
        CASE(stopping_cuts_shaped_transfers),
        CASE(what_was_aborted_before_the_first_byte_is_not_sent),
        CASE(who_was_revoked_before_the_first_byte_gets_none),
    };

    bytes = malloc((size_t)size);
    for (int64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 509);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(bytes);
    return failed;
}
