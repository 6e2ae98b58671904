/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol's header, byte by byte, and the lists of networks that may send one. */
#include "core/cleanup.h"
#include "core/network.h"
#include "tls/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4                                                                                         \
    "\xc0\x00\x02\x07\xcb\x00\x71\x01\xd4\x31\x01\xbb" /* 192.0.2.7:54321 to 203.0.113.1:443 */
#define NAME                                                                                       \
    "\x22\0\x06"                                                                                   \
    "dev001"
#define VERIFIED "\0\0\0\0"

struct bytes {
    size_t size;
    uint8_t at[8192];
};

static void put(struct bytes *to, const void *bytes, size_t size)
{
    assert_true(to->size + size <= sizeof to->at);
    memcpy(to->at + to->size, bytes, size);
    to->size += size;
}
#define PUT(to, text) put(to, text, sizeof(text) - 1)

/* A header of this version, command and family; `rest` are its addresses and all that follows. */
static struct bytes header_of(uint8_t command, uint8_t family, const void *rest, size_t size)
{
    const uint8_t fields[] = {command, family, (uint8_t)(size >> 8), (uint8_t)size};
    struct bytes made = {0};

    PUT(&made, SIGNATURE);
    put(&made, fields, sizeof fields);
    put(&made, rest, size);
    return made;
}
#define HEADER(command, family, rest) header_of(command, family, rest, sizeof(rest) - 1)

static enum proxy_reading parse(const struct bytes *bytes, struct proxy_header *ret)
{
    return proxy_header_read(bytes->at, bytes->size, ret);
}

/* With an SSL part of these flags, this verdict and these parts of its own. */
static enum proxy_reading parse_ssl(uint8_t flags, const char *verdict, const void *parts,
                                    size_t size, struct proxy_header *ret)
{
    const uint8_t head[] = {0x20, (uint8_t)((5 + size) >> 8), (uint8_t)(5 + size), flags};
    struct bytes rest = {0};

    PUT(&rest, V4);
    put(&rest, head, sizeof head);
    put(&rest, verdict, 4);
    put(&rest, parts, size);
    struct bytes whole = header_of(0x21, 0x11, rest.at, rest.size);
    return parse(&whole, ret);
}
#define PARSE_SSL(flags, verdict, parts, ret)                                                      \
    parse_ssl(flags, verdict, parts, sizeof(parts) - 1, ret)

static const char *text_of(const struct sockaddr_storage *address)
{
    static char text[INET6_ADDRSTRLEN];

    if (address->ss_family == AF_INET)
        return inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text,
                         sizeof text);
    return inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text,
                     sizeof text);
}

/* -- addresses and commands -- */

static void an_ipv4_header_tells_the_source(void **state)
{
    struct bytes bytes = HEADER(0x21, 0x11, V4);
    struct proxy_header header;

    (void)state;
    PUT(&bytes, "what follows");
    assert_int_equal(parse(&bytes, &header), PROXY_COMPLETE);
    assert_int_equal(header.size, 28);
    assert_false(header.is_local);
    assert_string_equal(text_of(&header.source), "192.0.2.7");
    assert_int_equal(ntohs(((const struct sockaddr_in *)&header.source)->sin_port), 54321);
    assert_string_equal(header.common_name, "");
}

static void an_ipv6_header_tells_the_source(void **state)
{
    struct bytes bytes = HEADER(0x21, 0x21,
                                "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05"
                                "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xd4\x31\x01\xbb");
    struct proxy_header header;

    (void)state;
    assert_int_equal(parse(&bytes, &header), PROXY_COMPLETE);
    assert_string_equal(text_of(&header.source), "2001:db8::5");
    assert_int_equal(ntohs(((const struct sockaddr_in6 *)&header.source)->sin6_port), 54321);
}

static void what_tells_no_address_is_taken_without(void **state)
{
    static const uint8_t unix_addresses[216];
    struct bytes local = HEADER(0x20, 0x00, ""), odd = HEADER(0x20, 0x77, "whatever"),
                 unknown = HEADER(0x21, 0x00, ""),
                 unix_stream = header_of(0x21, 0x31, unix_addresses, sizeof unix_addresses);
    struct proxy_header header;

    (void)state;
    assert_int_equal(parse(&local, &header), PROXY_COMPLETE);
    assert_true(header.is_local);
    assert_int_equal(parse(&odd, &header), PROXY_COMPLETE);
    assert_true(header.is_local);
    assert_int_equal(header.size, 24);
    assert_int_equal(parse(&unknown, &header), PROXY_COMPLETE);
    assert_false(header.is_local);
    assert_int_equal(header.source.ss_family, AF_UNSPEC);
    assert_int_equal(parse(&unix_stream, &header), PROXY_COMPLETE);
    assert_int_equal(header.source.ss_family, AF_UNSPEC);
}

static void it_may_arrive_byte_by_byte(void **state)
{
    struct bytes bytes = HEADER(0x21, 0x11, V4 "\x04\0\x03pad");
    struct proxy_header header;

    (void)state;
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(proxy_header_read(bytes.at, size, &header), PROXY_INCOMPLETE);
    assert_int_equal(parse(&bytes, &header), PROXY_COMPLETE);
}

static void what_is_no_such_header_is_refused_at_its_first_wrong_byte(void **state)
{
    static const char version_1[] = "PROXY TCP4 192.0.2.7 203.0.113.1 54321 443\r\n";
    static const uint8_t client_hello[] = {0x16, 0x03, 0x01};
    struct bytes bytes = HEADER(0x21, 0x11, V4);
    struct proxy_header header;

    (void)state;
    assert_int_equal(proxy_header_read((const uint8_t *)version_1, 1, &header), PROXY_REFUSED);
    assert_int_equal(proxy_header_read(client_hello, sizeof client_hello, &header), PROXY_REFUSED);
    bytes.at[11] ^= 1;
    assert_int_equal(proxy_header_read(bytes.at, 12, &header), PROXY_REFUSED);
}

static void wrong_versions_commands_families_and_lengths_are_refused(void **state)
{
    static uint8_t much[PROXY_HEADER_MAX];
    struct bytes bad[] = {
        HEADER(0x11, 0x11, V4),                 /* version 1 */
        HEADER(0x22, 0x11, V4),                 /* no such command */
        HEADER(0x21, 0x12, V4),                 /* datagrams */
        HEADER(0x21, 0x21, V4),                 /* too short for IPv6 */
        HEADER(0x21, 0x11, "\xc0\x00\x02\x07"), /* too short for IPv4 */
        HEADER(0x21, 0x11, V4 "\x04\0"),        /* half a part */
        HEADER(0x21, 0x11,
               V4 "\x04\0\x05"
                  "abc"),                         /* a part past the end */
        header_of(0x20, 0x00, much, sizeof much), /* longer than any real one */
    };
    struct proxy_header header;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(parse(&bad[i], &header), PROXY_REFUSED);
}

/* -- certificates -- */

static void the_name_counts_when_a_certificate_was_shown_and_verified(void **state)
{
    struct proxy_header header;

    (void)state;
    assert_int_equal(PARSE_SSL(0x07, VERIFIED,
                               "\x21\0\x07"
                               "TLSv1.3" NAME "\x25\0\x05"
                               "EC256",
                               &header),
                     PROXY_COMPLETE);
    assert_string_equal(header.common_name, "dev001");
    assert_int_equal(PARSE_SSL(0x05, VERIFIED, NAME, &header), PROXY_COMPLETE); /* resumed */
    assert_string_equal(header.common_name, "dev001");
}

static void a_name_nobody_vouches_for_is_none(void **state)
{
    struct proxy_header header;

    (void)state;
    assert_int_equal(PARSE_SSL(0x01, VERIFIED, NAME, &header), PROXY_COMPLETE); /* no certificate */
    assert_string_equal(header.common_name, "");
    assert_int_equal(PARSE_SSL(0x06, VERIFIED, NAME, &header), PROXY_COMPLETE); /* no TLS */
    assert_string_equal(header.common_name, "");
    assert_int_equal(PARSE_SSL(0x07, "\0\0\0\x14", NAME, &header), PROXY_COMPLETE);
    assert_string_equal(header.common_name, "");
    assert_int_equal(PARSE_SSL(0x07, VERIFIED,
                               "\x22\0\x06"
                               "de\0v01",
                               &header),
                     PROXY_COMPLETE);
    assert_string_equal(header.common_name, "");
}

static void a_name_that_is_too_long_is_none(void **state)
{
    char part[3 + 65] = {0x22, 0, 65};
    struct proxy_header header;

    (void)state;
    memset(part + 3, 'a', 65);
    assert_int_equal(parse_ssl(0x07, VERIFIED, part, sizeof part, &header), PROXY_COMPLETE);
    assert_string_equal(header.common_name, "");
    part[2] = 64;
    assert_int_equal(parse_ssl(0x07, VERIFIED, part, sizeof part - 1, &header), PROXY_COMPLETE);
    assert_int_equal(strlen(header.common_name), 64);
}

static void two_answers_to_one_question_are_refused(void **state)
{
    struct bytes bytes = HEADER(0x21, 0x11, V4 "\x20\0\x05\x07" VERIFIED "\x20\0\x05\x07" VERIFIED);
    struct proxy_header header;

    (void)state;
    assert_int_equal(PARSE_SSL(0x07, VERIFIED, NAME NAME, &header), PROXY_REFUSED);
    assert_int_equal(parse(&bytes, &header), PROXY_REFUSED);
    assert_int_equal(PARSE_SSL(0x07, VERIFIED,
                               "\x22\0\x07"
                               "dev001",
                               &header),
                     PROXY_REFUSED);
}

/* -- the checksum -- */

/* As haproxy 2.6 sent it: send-proxy-v2-ssl-cn with all of proxy-v2-options. */
static const uint8_t from_haproxy[] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0x00, 0x7d,
    0x7f, 0x00, 0x00, 0x01, 0x7f, 0x00, 0x00, 0x01, 0xad, 0x46, 0xa9, 0xd1, 0x03, 0x00, 0x04, 0xa4,
    0x8e, 0x3f, 0x6b, 0x01, 0x00, 0x08, 0x68, 0x74, 0x74, 0x70, 0x2f, 0x31, 0x2e, 0x31, 0x02, 0x00,
    0x09, 0x6c, 0x6f, 0x63, 0x61, 0x6c, 0x68, 0x6f, 0x73, 0x74, 0x05, 0x00, 0x00, 0x20, 0x00, 0x4d,
    0x07, 0x00, 0x00, 0x00, 0x00, 0x21, 0x00, 0x07, 0x54, 0x4c, 0x53, 0x76, 0x31, 0x2e, 0x33, 0x22,
    0x00, 0x06, 0x64, 0x65, 0x76, 0x30, 0x30, 0x31, 0x25, 0x00, 0x05, 0x45, 0x43, 0x32, 0x35, 0x36,
    0x24, 0x00, 0x11, 0x65, 0x63, 0x64, 0x73, 0x61, 0x2d, 0x77, 0x69, 0x74, 0x68, 0x2d, 0x53, 0x48,
    0x41, 0x32, 0x35, 0x36, 0x23, 0x00, 0x16, 0x54, 0x4c, 0x53, 0x5f, 0x41, 0x45, 0x53, 0x5f, 0x32,
    0x35, 0x36, 0x5f, 0x47, 0x43, 0x4d, 0x5f, 0x53, 0x48, 0x41, 0x33, 0x38, 0x34,
};

static void what_haproxy_sends_is_understood(void **state)
{
    struct proxy_header header;

    (void)state;
    assert_int_equal(proxy_header_read(from_haproxy, sizeof from_haproxy, &header), PROXY_COMPLETE);
    assert_int_equal(header.size, sizeof from_haproxy);
    assert_string_equal(text_of(&header.source), "127.0.0.1");
    assert_string_equal(header.common_name, "dev001");
}

static void a_checksum_is_checked_when_it_is_there(void **state)
{
    static const size_t covered[] = {16, 19, 25, 27, 31, 34}; /* addresses, ports, itself */
    struct bytes bytes = HEADER(0x21, 0x11, V4 "\x03\0\x04\xb7\x5e\x73\xac");
    struct proxy_header header;

    (void)state;
    assert_int_equal(parse(&bytes, &header), PROXY_COMPLETE);
    for (size_t i = 0; i < COUNT_OF(covered); i++) {
        bytes.at[covered[i]] ^= 1;
        assert_int_equal(parse(&bytes, &header), PROXY_REFUSED);
        bytes.at[covered[i]] ^= 1;
    }
}

/* -- networks -- */

static bool holds(const char *list, const char *address)
{
    struct sockaddr_storage storage = {0};
    struct networks networks;
    struct error err;

    if (networks_parse(list, &networks, &err))
        fail_msg("%s: %s", list, err.detail);
    storage.ss_family = strchr(address, ':') ? AF_INET6 : AF_INET;
    void *at = storage.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&storage)->sin6_addr
                                             : (void *)&((struct sockaddr_in *)&storage)->sin_addr;
    assert_int_equal(inet_pton(storage.ss_family, address, at), 1);
    return networks_hold(&networks, &storage);
}

static void networks_hold_what_their_length_says(void **state)
{
    (void)state;
    assert_true(holds("10.0.0.0/8", "10.255.0.1"));
    assert_false(holds("10.0.0.0/8", "11.0.0.1"));
    assert_true(holds("192.0.2.128/25", "192.0.2.129"));
    assert_false(holds("192.0.2.128/25", "192.0.2.127"));
    assert_true(holds("192.0.2.7", "192.0.2.7"));
    assert_false(holds("192.0.2.7", "192.0.2.6"));
    assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(holds(" 192.0.2.0/24, ::1 ,127.0.0.1", "::1"));
    assert_true(holds("0.0.0.0/0", "203.0.113.9"));
    assert_false(holds("0.0.0.0/0", "::1"));
    assert_true(holds("127.0.0.0/8", "::ffff:127.0.0.1"));
    assert_true(holds("::ffff:127.0.0.0/104", "127.1.2.3"));
    assert_true(holds("::ffff:192.0.2.7", "192.0.2.7"));
    assert_false(holds("::ffff:192.0.2.7", "192.0.2.6"));
    assert_false(holds("", "127.0.0.1"));
}

static void what_is_no_network_is_refused(void **state)
{
    static const char *const bad[] = {
        "10.0.0.0/33",    "10.0.0.1/8",
        "10.0.0.0/",      "10.0.0.0/x",
        "10.0.0",         "::/129",
        "2001:db8::1/64", "localhost",
        "10.0.0.0/-1",    "/8",
        "10.0.0.0/8;::1", "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111/12",
    };
    struct networks networks;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};

        assert_int_equal(networks_parse(bad[i], &networks, &err), -1);
        assert_int_equal(err.problem, PROBLEM_BAD_FIELD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_header_tells_the_source),
        cmocka_unit_test(an_ipv6_header_tells_the_source),
        cmocka_unit_test(what_tells_no_address_is_taken_without),
        cmocka_unit_test(it_may_arrive_byte_by_byte),
        cmocka_unit_test(what_is_no_such_header_is_refused_at_its_first_wrong_byte),
        cmocka_unit_test(wrong_versions_commands_families_and_lengths_are_refused),
        cmocka_unit_test(the_name_counts_when_a_certificate_was_shown_and_verified),
        cmocka_unit_test(a_name_nobody_vouches_for_is_none),
        cmocka_unit_test(a_name_that_is_too_long_is_none),
        cmocka_unit_test(two_answers_to_one_question_are_refused),
        cmocka_unit_test(what_haproxy_sends_is_understood),
        cmocka_unit_test(a_checksum_is_checked_when_it_is_there),
        cmocka_unit_test(networks_hold_what_their_length_says),
        cmocka_unit_test(what_is_no_network_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
