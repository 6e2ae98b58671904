/* SPDX-License-Identifier: Apache-2.0 */
/* The request's head and target: what is refused before anything is looked up. */
#include "http/etag.h"
#include "http/head.h"
#include "http/uri.h"

#include "core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The status a head gets; 0 when it is accepted. `fields` is "Name: value\n…". */
static int status_of(const char *method, const char *version, const char *fields)
{
    CLEANUP(host_names_free) struct host_names *names = NULL;
    struct error err = {0};
    struct head head;
    char values[16][128];
    unsigned count = 0;

    assert_int_equal(host_names_new("ota.example localhost [::1]", &names, &err), 0);
    head_start(&head);
    for (const char *line = fields; *line; count++) {
        const char *colon = strchr(line, ':'), *end = strchr(line, '\n');
        size_t length = (size_t)(end - colon) - 2;
        memcpy(values[count], colon + 2, length);
        values[count][length] = '\0';
        if (head_add(&head, line, (size_t)(colon - line), values[count], length, &err))
            return problem_status(err.problem);
        line = end + 1;
    }
    if (head_check(&head, method_from_text(method), version, names, &err))
        return problem_status(err.problem);
    return 0;
}
#define HOST "Host: localhost\n"
#define GET(fields) status_of("GET", "HTTP/1.1", HOST fields)
#define POST(fields) status_of("POST", "HTTP/1.1", HOST fields)

static void plain_requests_pass(void **state)
{
    (void)state;
    assert_int_equal(GET("User-Agent: x\nAccept: */*\n"), 0);
    assert_int_equal(status_of("GET", "HTTP/1.0", HOST), 0);
    assert_int_equal(POST("Content-Length: 10\n"), 0);
    assert_int_equal(POST("Transfer-Encoding: Chunked\n"), 0);
    assert_int_equal(POST("Content-Length: 10\nExpect: 100-Continue\n"), 0);
    assert_int_equal(GET("Content-Length: 0\n"), 0);
}

static void a_length_that_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    assert_int_equal(POST("Content-Length: 1\nContent-Length: 1\n"), 400);
    assert_int_equal(POST("Content-Length: 1\ncontent-length: 2\n"), 400);
    assert_int_equal(POST("Content-Length: 1\nTransfer-Encoding: chunked\n"), 400);
    assert_int_equal(POST("Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n"), 400);
    assert_int_equal(POST("Transfer-Encoding: xchunked\n"), 400);
    assert_int_equal(POST("Transfer-Encoding: gzip, chunked\n"), 400);
    assert_int_equal(status_of("POST", "HTTP/1.0", HOST "Transfer-Encoding: chunked\n"), 400);
    assert_int_equal(POST("Content-Length: 3, 3\n"), 400);
    assert_int_equal(POST("Content-Length: +3\n"), 400);
    assert_int_equal(POST("Content-Length: -3\n"), 400);
    assert_int_equal(POST("Content-Length: 0x3\n"), 400);
    assert_int_equal(POST("Content-Length: 9999999999999999999999999\n"), 400);
}

static void names_that_hide_a_field_are_refused(void **state)
{
    (void)state;
    assert_int_equal(POST("Content-Length : 3\n"), 400);
    assert_int_equal(POST(" Content-Length: 3\n"), 400);
    assert_int_equal(POST("Content\tLength: 3\n"), 400);
    assert_int_equal(POST(": 3\n"), 400);
    assert_int_equal(POST("X(y): 3\n"), 400);
    assert_int_equal(POST("X\x80: 3\n"), 400);
    assert_int_equal(GET("X: a\rb\n"), 400);
    assert_int_equal(GET("X: a\x01\n"), 400);
    assert_int_equal(GET("X: a\tb\n"), 0);
}

static void only_one_host_of_ours_is_served(void **state)
{
    static const char *const ours[] = {"Host: localhost\n",     "Host: LOCALHOST:8443\n",
                                       "Host: ota.example:1\n", "Host: [::1]:8443\n",
                                       "Host: [::1]\n",         "Host: localhost:\n"};
    static const char *const malformed[] = {"Host: \n",
                                            "Host: localhost:x\n",
                                            "Host: [::1\n",
                                            "Host: localhost:123456\n",
                                            "Host: [::1]x\n",
                                            "X: y\n",
                                            "Host: localhost\nHost: localhost\n"};
    static const char *const foreign[] = {"Host: evil.example\n", "Host: localhost.evil\n",
                                          "Host: local\n", "Host: user@localhost\n",
                                          "Host: 127.0.0.1\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        assert_int_equal(status_of("GET", "HTTP/1.1", ours[i]), 0);
    for (size_t i = 0; i < COUNT_OF(malformed); i++)
        assert_int_equal(status_of("GET", "HTTP/1.1", malformed[i]), 400);
    for (size_t i = 0; i < COUNT_OF(foreign); i++)
        assert_int_equal(status_of("GET", "HTTP/1.1", foreign[i]), 421);
}

static void methods_versions_and_expectations_not_known_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_of("TRACE", "HTTP/1.1", HOST), 501);
    assert_int_equal(status_of("get", "HTTP/1.1", HOST), 501);
    assert_int_equal(status_of("CONNECT", "HTTP/1.1", HOST), 501);
    assert_int_equal(status_of("GET", "HTTP/1.9", HOST), 400);
    assert_int_equal(status_of("GET", "", HOST), 400);
    assert_int_equal(POST("Content-Length: 1\nExpect: 200-ok\n"), 417);
    assert_int_equal(GET("Range: bytes=0-1\nRange: bytes=2-3\n"), 400);
    assert_int_equal(GET("Authorization: a\nAuthorization: b\n"), 400);
}

static void get_head_and_delete_take_no_body(void **state)
{
    static const char *const bodiless[] = {"GET", "HEAD", "DELETE"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodiless); i++) {
        assert_int_equal(status_of(bodiless[i], "HTTP/1.1", HOST "Content-Length: 5\n"), 400);
        assert_int_equal(status_of(bodiless[i], "HTTP/1.1", HOST "Transfer-Encoding: chunked\n"),
                         400);
    }
}

static void too_many_fields_are_refused(void **state)
{
    struct head head;
    struct error err;

    (void)state;
    head_start(&head);
    for (int i = 0; i < HEAD_FIELDS_MAX; i++)
        assert_int_equal(head_add(&head, "X", 1, "y", 1, &err), 0);
    assert_int_equal(head_add(&head, "X", 1, "y", 1, &err), -1);
    assert_int_equal(problem_status(err.problem), 431);
}

/* The decoded segments joined by "|", or "bad". */
static const char *split(const char *path)
{
    static char joined[256];
    char decoded[256];
    struct path segments;
    struct error err;

    if (path_split(path, decoded, &segments, &err))
        return "bad";
    joined[0] = '\0';
    for (unsigned i = 0; i < segments.count; i++) {
        strcat(joined, i ? "|" : "");
        strcat(joined, segments.segments[i]);
    }
    return joined;
}

static void paths_are_split_and_decoded(void **state)
{
    (void)state;
    assert_string_equal(split("/"), "");
    assert_string_equal(split("/a/b"), "a|b");
    assert_string_equal(split("/a/"), "a|");
    assert_string_equal(split("/a%20b/c%C3%A9"), "a b|c\xc3\xa9");
    assert_string_equal(split("/a..b/...x"), "a..b|...x");
}

static void paths_no_honest_client_sends_are_refused(void **state)
{
    static const char *const paths[] = {
        "",
        "a",
        "*",
        "http://localhost/",
        "//",
        "/a//b",
        "/..",
        "/../a",
        "/a/..",
        "/a/../b",
        "/./a",
        "/a/.",
        "/%2e%2e/a",
        "/%2E",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/a%0d%0ab",
        "/a%7f",
        "/%252e%252e",
        "/%c0%ae",
        "/%ff",
        "/%ed%a0%80",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a b",
        "/a\x80",
        "/a#b",
        "/a\"b",
        "/a\x01",
        "/a[b]",
        "/%e2%82",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        print_message("%s\n", paths[i]);
        assert_string_equal(split(paths[i]), "bad");
    }
}

/* "name=value;…", or the status it is refused with. */
static const char *queried(const char *query)
{
    static char joined[256];
    CLEANUP(free_string) char *copy = strdup(query);
    struct query_values values;
    struct error err;

    joined[0] = '\0';
    if (query_split(copy, &values, &err))
        return "bad";
    for (unsigned i = 0; i < values.count; i++)
        sprintf(joined + strlen(joined), "%s=%s;", values.at[i].name, values.at[i].value);
    return joined;
}

static void query_values_are_decoded(void **state)
{
    (void)state;
    assert_string_equal(queried(""), "");
    assert_string_equal(queried("a=1&b=2"), "a=1;b=2;");
    assert_string_equal(queried("a=x%20y+z&b"), "a=x y z;b=;");
    assert_string_equal(queried("a=b=c"), "a=b=c;");
    assert_string_equal(queried("&&a=1&"), "a=1;");
    assert_string_equal(queried("%61=%3d%26"), "a==&;");
    assert_string_equal(queried("a=%2B"), "a=+;");
}

static void query_values_that_lie_are_refused(void **state)
{
    (void)state;
    assert_string_equal(queried("a=1&a=2"), "bad");
    assert_string_equal(queried("a=1&%61=2"), "bad");
    assert_string_equal(queried("a=%00"), "bad");
    assert_string_equal(queried("a=%0a"), "bad");
    assert_string_equal(queried("a=%f"), "bad");
    assert_string_equal(queried("a=%ff"), "bad");
    assert_string_equal(
        queried("1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17&18&19&20&21&22&23&24&25"), "bad");
}

static void etags_tell_documents_apart(void **state)
{
    char a[ETAG_SIZE], b[ETAG_SIZE];

    (void)state;
    etag_of("0123456789", 10, a);
    assert_int_equal(strlen(a), 18);
    etag_of("0123456789", 10, b);
    assert_string_equal(a, b);
    etag_of("0123456780", 10, b);
    assert_string_not_equal(a, b);
    etag_of("0123456789\0", 11, b);
    assert_string_not_equal(a, b);
    etag_of("", 0, b);
    assert_string_not_equal(a, b);
}

static void etag_lists_are_compared_weakly_and_strongly(void **state)
{
    (void)state;
    assert_true(etag_is_listed("\"a\"", "\"a\"", true));
    assert_true(etag_is_listed("\"x\", \"a\"", "\"a\"", true));
    assert_true(etag_is_listed("a", "\"a\"", true)); /* a known client leaves the quotes away */
    assert_true(etag_is_listed("*", "\"a\"", true));
    assert_true(etag_is_listed("W/\"a\"", "\"a\"", false));
    assert_false(etag_is_listed("W/\"a\"", "\"a\"", true));
    assert_false(etag_is_listed("", "\"a\"", false));
    assert_false(etag_is_listed("\"ab\"", "\"a\"", false));
    assert_false(etag_is_listed("\"x,a\"", "\"a\"", false));
    assert_false(etag_is_listed("\"a", "\"a\"", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_pass),
        cmocka_unit_test(a_length_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(names_that_hide_a_field_are_refused),
        cmocka_unit_test(only_one_host_of_ours_is_served),
        cmocka_unit_test(methods_versions_and_expectations_not_known_are_refused),
        cmocka_unit_test(get_head_and_delete_take_no_body),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(paths_are_split_and_decoded),
        cmocka_unit_test(paths_no_honest_client_sends_are_refused),
        cmocka_unit_test(query_values_are_decoded),
        cmocka_unit_test(query_values_that_lie_are_refused),
        cmocka_unit_test(etags_tell_documents_apart),
        cmocka_unit_test(etag_lists_are_compared_weakly_and_strongly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
