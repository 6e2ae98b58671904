/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void the_last_chunk_is_what_is_left(void **state)
{
    static const struct {
        int64_t length, offset, size, count;
    } cases[] = {
        {1,      0,  4096,  1},
        {4096,   0,  4096,  1},
        {4097,   0,  4096,  2},
        {300140, 55, 65536, 5},
        {56,     55, 4096,  1},
    };
    struct chunking chunks;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(
            chunking_of(cases[i].length, cases[i].offset, cases[i].size, &chunks, &err), 0);
        assert_int_equal(chunks.count, cases[i].count);
    }
}

static void what_has_no_chunk_is_refused(void **state)
{
    static const struct {
        int64_t length, offset, size;
    } cases[] = {
        {0,   0,  4096     },
        {55,  55, 4096     },
        {100, -1, 4096     },
        {100, 0,  0        },
        {100, 0,  4095     },
        {100, 0,  1LL << 32},
    };
    struct chunking chunks;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(
            chunking_of(cases[i].length, cases[i].offset, cases[i].size, &chunks, &err), -1);
}

static void make_header(uint8_t ret[ENC_HEADER_SIZE], uint32_t record_size, const char *kid)
{
    memset(ret, 0x5a, 16);
    for (int i = 0; i < 4; i++)
        ret[16 + i] = (uint8_t)(record_size >> (24 - 8 * i));
    ret[20] = (uint8_t)strlen(kid);
    memcpy(ret + 21, kid, KID_LENGTH);
}

#define KID "k-000102030405060708090a0b0c0d0e0f"

static void an_encryption_header_tells_records_and_key(void **state)
{
    uint8_t bytes[ENC_HEADER_SIZE];
    struct enc_header header;
    struct error err;

    (void)state;
    make_header(bytes, 65536, KID);
    assert_int_equal(enc_header_read(bytes, sizeof bytes, &header, &err), 0);
    assert_int_equal(header.record_size, 65536);
    assert_string_equal(header.kid, KID);
    assert_memory_equal(header.bytes, bytes, sizeof bytes);
}

static void other_headers_are_refused(void **state)
{
    static const struct {
        uint32_t record_size;
        const char *kid;
        size_t count;
    } cases[] = {
        {65536,      KID,                                  ENC_HEADER_SIZE - 1},
        {18,         KID,                                  ENC_HEADER_SIZE    },
        {0xffffffff, KID,                                  ENC_HEADER_SIZE    },
        {65536,      "k-000102030405060708090A0B0C0D0E0F", ENC_HEADER_SIZE    },
        {65536,      "x-000102030405060708090a0b0c0d0e0f", ENC_HEADER_SIZE    },
    };
    uint8_t bytes[ENC_HEADER_SIZE];
    struct enc_header header;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        make_header(bytes, cases[i].record_size, cases[i].kid);
        assert_int_equal(enc_header_read(bytes, cases[i].count, &header, &err), -1);
        assert_int_equal(err.problem, PROBLEM_UNPROCESSABLE);
    }
    make_header(bytes, 65536, KID);
    bytes[20] = 33;
    assert_int_equal(enc_header_read(bytes, sizeof bytes, &header, &err), -1);
}

/* 300000 bytes in records of 65519: five records, 17 bytes more in each. */
static void the_plain_length_follows_from_the_records(void **state)
{
    struct chunking chunks;
    struct error err;

    (void)state;
    assert_int_equal(chunking_of(300140, 55, 65536, &chunks, &err), 0);
    assert_int_equal(enc_plain_length(300140, &chunks), 300000);
    assert_int_equal(chunking_of(55 + 4096 + 16, 55, 4096, &chunks, &err), 0);
    assert_int_equal(enc_plain_length(55 + 4096 + 16, &chunks), -1);
    assert_int_equal(chunking_of(55 + 17, 55, 4096, &chunks, &err), 0);
    assert_int_equal(enc_plain_length(55 + 17, &chunks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_chunk_is_what_is_left),
        cmocka_unit_test(what_has_no_chunk_is_refused),
        cmocka_unit_test(an_encryption_header_tells_records_and_key),
        cmocka_unit_test(other_headers_are_refused),
        cmocka_unit_test(the_plain_length_follows_from_the_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
